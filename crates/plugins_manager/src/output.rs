//! One task's output on its way to the database: masked, cut into chunks, numbered, and limited.

use chrono::{DateTime, Utc};
use plugin_runner::output::{Chunker, MAX_SUMMARY_BYTES};
use plugin_runner::{Progress, Stream as PluginStream};
use selfservice_core::config::Secret;
use selfservice_core::masking::Masker;
use selfservice_core::models::logs::{Chunk, Stream};
use std::collections::VecDeque;
use uuid::Uuid;

/// When the limit is reached, so many of the last bytes are kept.
const TAIL: u64 = 2 * 1024 * 1024;
/// Of standard output, so much is kept for summary and performance data.
const HEAD: usize = MAX_SUMMARY_BYTES;

/// See the module's text.
pub struct Output {
    task_id: Uuid,
    streams: [(Stream, Masker, Chunker); 2],
    offset: i64,
    lines: i64,
    /// How much more is stored before only the tail is kept.
    room: u64,
    tail: VecDeque<(Stream, Vec<u8>)>,
    tail_bytes: u64,
    cut: u64,
    limit: u64,
    head: Vec<u8>,
}

impl Output {
    /// For one task; `limit` in bytes is what is stored at most, head and tail together.
    pub fn new(task_id: Uuid, secrets: &[Secret], limit: u64) -> Self {
        let stream = |stream| (stream, Masker::new(secrets), Chunker::default());
        Self {
            task_id,
            streams: [stream(Stream::Stdout), stream(Stream::Stderr)],
            offset: 0,
            lines: 0,
            room: limit.saturating_sub(TAIL),
            tail: VecDeque::new(),
            tail_bytes: 0,
            cut: 0,
            limit,
            head: Vec::new(),
        }
    }

    /// Takes bytes as the plugin printed them.
    pub fn push(&mut self, stream: PluginStream, bytes: &[u8]) {
        let [stdout, stderr] = &mut self.streams;
        let (_, masker, chunker) = match stream {
            PluginStream::Stdout => stdout,
            PluginStream::Stderr => stderr,
        };
        let masked = masker.push(bytes);
        if stream == PluginStream::Stdout && self.head.len() < HEAD {
            let room = HEAD - self.head.len();
            self.head.extend_from_slice(masked.get(..room).unwrap_or(&masked));
        }
        chunker.push(&masked);
    }

    /// A report with secrets masked.
    pub fn masked(&self, progress: Progress) -> Progress {
        let [(_, masker, _), _] = &self.streams;
        let mask = |text: String| masker.mask(&text);
        Progress {
            steps: progress.steps.map(|steps| steps.into_iter().map(mask).collect()),
            step: progress.step.map(mask),
            note: progress.note.map(mask),
            percent: progress.percent,
        }
    }

    /// Chunks that can be stored now: whole lines, or everything where `partial` says that a line without an end has
    /// waited long enough to be shown.
    pub fn take(&mut self, at: DateTime<Utc>, partial: bool) -> Vec<Chunk> {
        let mut pieces = Vec::new();
        for (stream, _, chunker) in &mut self.streams {
            let cut = if partial { chunker.flush(false) } else { chunker.cut() };
            pieces.extend(cut.into_iter().map(|chunk| (*stream, chunk.bytes)));
        }
        pieces.into_iter().flat_map(|(stream, bytes)| self.limited(stream, bytes, at)).collect()
    }

    /// Whether something waits that only [`Output::take`] with `partial` gives.
    pub fn has_partial(&self) -> bool {
        self.streams.iter().any(|(_, _, chunker)| chunker.waiting() > 0)
    }

    /// The rest, and `last_line` of ours. Nothing may be pushed afterwards.
    pub fn finish(&mut self, last_line: &str, at: DateTime<Utc>) -> Vec<Chunk> {
        let mut pieces = Vec::new();
        for (stream, masker, chunker) in &mut self.streams {
            chunker.push(&masker.finish());
            pieces.extend(chunker.flush(true).into_iter().map(|chunk| (*stream, chunk.bytes)));
        }
        let mut chunks: Vec<Chunk> =
            pieces.into_iter().flat_map(|(stream, bytes)| self.limited(stream, bytes, at)).collect();
        if self.cut > 0 {
            chunks.push(self.system(&format!("{} bytes are left out here", self.cut), at));
        }
        for (stream, bytes) in std::mem::take(&mut self.tail) {
            chunks.push(self.chunk(stream, bytes, at));
        }
        chunks.push(self.system(last_line, at));
        chunks
    }

    /// Bytes and line ends given out so far.
    pub fn written(&self) -> (i64, i64) {
        (self.offset, self.lines)
    }

    /// The beginning of standard output.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    fn limited(&mut self, stream: Stream, bytes: Vec<u8>, at: DateTime<Utc>) -> Vec<Chunk> {
        let length = bytes.len() as u64;
        if self.room >= length && self.tail_bytes == 0 && self.cut == 0 {
            self.room -= length;
            return vec![self.chunk(stream, bytes, at)];
        }
        let first = self.tail.is_empty() && self.cut == 0;
        self.tail_bytes += length;
        self.tail.push_back((stream, bytes));
        while self.tail_bytes > TAIL {
            let Some((_, dropped)) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= dropped.len() as u64;
            self.cut += dropped.len() as u64;
        }
        if !first {
            return Vec::new();
        }
        let sentence = format!(
            "The limit of {} MiB of output is reached; of what follows only the last {} MiB will be kept",
            self.limit / 1024 / 1024,
            TAIL / 1024 / 1024
        );
        vec![self.system(&sentence, at)]
    }

    fn system(&mut self, sentence: &str, at: DateTime<Utc>) -> Chunk {
        self.chunk(Stream::System, format!("{sentence}\n").into_bytes(), at)
    }

    fn chunk(&mut self, stream: Stream, bytes: Vec<u8>, written_at: DateTime<Utc>) -> Chunk {
        let chunk = Chunk {
            task_id: self.task_id,
            byte_offset: self.offset,
            first_line: self.lines,
            stream,
            written_at,
            bytes,
        };
        self.offset = chunk.end();
        let line_ends = chunk.bytes.iter().filter(|byte| **byte == b'\n').count();
        self.lines += i64::try_from(line_ends).unwrap_or(i64::MAX);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfservice_core::config::MacroFile;
    use selfservice_core::models::logs::MAX_CHUNK;
    use std::io::Write as _;

    const MIB: u64 = 1024 * 1024;

    fn text(chunks: &[Chunk]) -> String {
        chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect()
    }

    #[test]
    fn offsets_and_lines_follow_each_other_over_all_streams() {
        let mut output = Output::new(Uuid::nil(), &[], 4 * MIB);
        output.push(PluginStream::Stdout, b"one\ntwo\npart");
        output.push(PluginStream::Stderr, b"oops\n");
        let mut chunks = output.take(Utc::now(), false);
        assert!(output.has_partial());
        output.push(PluginStream::Stdout, b"ial");
        chunks.extend(output.finish("OK", Utc::now()));
        assert_eq!(text(&chunks), "one\ntwo\noops\npartialOK\n");
        let mut offset = 0;
        for chunk in &chunks {
            assert_eq!(chunk.byte_offset, offset);
            offset = chunk.end();
        }
        assert_eq!(chunks.iter().map(|chunk| chunk.first_line).collect::<Vec<_>>(), [0, 2, 3, 3]);
        assert_eq!(output.written(), (offset, 4));
    }

    #[test]
    fn a_secret_is_masked_wherever_the_border_of_two_chunks_falls_in_it() {
        const SECRET: &str = "hunter2-hunter2-hunter2";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "[secrets]\nTOKEN = {SECRET}\n").unwrap();
        let secret = MacroFile::read(file.path()).unwrap().secrets.remove("TOKEN").unwrap();
        let border = MAX_CHUNK;
        for before in (border - SECRET.len() - 1..=border + 1).step_by(5) {
            for piece in [1000, 2 * border] {
                let mut output = Output::new(Uuid::nil(), std::slice::from_ref(&secret), 4 * MIB);
                // A line without an end is cut where it is full.
                let line = format!("{}{SECRET}{}", "x".repeat(before), "y".repeat(100));
                let mut chunks = Vec::new();
                for part in line.as_bytes().chunks(piece) {
                    output.push(PluginStream::Stdout, part);
                    chunks.extend(output.take(Utc::now(), false));
                }
                chunks.extend(output.finish("OK", Utc::now()));
                assert!(chunks.len() > 2 && chunks.iter().all(|chunk| chunk.bytes.len() <= border));
                let expected = format!("{}********{}OK\n", "x".repeat(before), "y".repeat(100));
                assert_eq!(text(&chunks), expected, "{before} bytes before it, in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_flood_keeps_head_and_tail_and_says_what_is_left_out() {
        let mut output = Output::new(Uuid::nil(), &[], 3 * MIB);
        let mut chunks = Vec::new();
        for number in 0..100_000_u32 {
            output.push(PluginStream::Stdout, format!("{number:0>99}\n").as_bytes());
            if number % 100 == 0 {
                chunks.extend(output.take(Utc::now(), false));
            }
        }
        chunks.extend(output.finish("OK: exit code 0", Utc::now()));
        let stored: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        assert!(stored as u64 <= 3 * MIB + 1024, "{stored}");
        let text = text(&chunks);
        assert!(text.starts_with(&format!("{:0>99}\n", 0)));
        assert!(text.contains("The limit of 3 MiB of output is reached"));
        assert!(text.contains("bytes are left out here\n"));
        assert!(text.ends_with(&format!("{:0>99}\nOK: exit code 0\n", 99_999)));
    }
}
