//! What a caller does with output: cutting it into chunks for storage, and reading the summary and performance
//! data out of a Nagios plugin's text. Bytes are never changed.

/// No chunk is longer.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// Nagios looks at no more of a plugin's output for summary and performance data.
pub const MAX_SUMMARY_BYTES: usize = 8 * 1024;

/// One piece of a run's output, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The number of the line, from 0, to which the first byte belongs.
    pub first_line: u64,
    /// Never empty, at most [`MAX_CHUNK_BYTES`].
    pub bytes: Vec<u8>,
}

/// Cuts one stream of bytes into chunks, at line ends where it can, and counts lines.
#[derive(Debug, Default)]
pub struct Chunker {
    pending: Vec<u8>,
    lines: u64,
}

impl Chunker {
    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// How many bytes wait to be cut.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// How many line ends have been cut off so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Cuts off what can be stored now: whole chunks, and the rest up to its last line end.
    pub fn cut(&mut self) -> Vec<Chunk> {
        self.cut_until(|rest| rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1))
    }

    /// Cuts off everything, even inside a line: a prompt without a line end must be seen, and the stream may be
    /// over. A character that is not complete yet stays behind unless `last` says that no more will come.
    pub fn flush(&mut self, last: bool) -> Vec<Chunk> {
        self.cut_until(|rest| if last { rest.len() } else { character_end(rest) })
    }

    /// Cuts off whole chunks, and of the rest what `end` says.
    fn cut_until(&mut self, end: impl Fn(&[u8]) -> usize) -> Vec<Chunk> {
        let pending = std::mem::take(&mut self.pending);
        let (mut rest, mut chunks) = (pending.as_slice(), Vec::new());
        while let Some(full) = rest.get(..MAX_CHUNK_BYTES) {
            let line_end = full.iter().rposition(|&byte| byte == b'\n').map(|end| end + 1);
            let (bytes, others) = rest.split_at(line_end.unwrap_or_else(|| character_end(full)));
            chunks.push(self.chunk(bytes));
            rest = others;
        }
        let (bytes, left) = rest.split_at(end(rest));
        if !bytes.is_empty() {
            chunks.push(self.chunk(bytes));
        }
        self.pending = left.to_vec();
        chunks
    }

    fn chunk(&mut self, bytes: &[u8]) -> Chunk {
        let first_line = self.lines;
        self.lines += bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
        Chunk { first_line, bytes: bytes.to_vec() }
    }
}

/// The length of `bytes` without a UTF-8 character that is cut off at its end. What is no UTF-8 counts as it is.
fn character_end(bytes: &[u8]) -> usize {
    let tail =
        bytes.iter().rev().take(4).position(|byte| byte & 0xC0 != 0x80).map(|back| bytes.len() - 1 - back);
    let Some(start) = tail else { return bytes.len() };
    match std::str::from_utf8(bytes.get(start..).unwrap_or_default()) {
        // Only "more bytes are needed" has no error length; a start of 0 would cut nothing off for ever.
        Err(error) if error.error_len().is_none() && start > 0 => start,
        _ => bytes.len(),
    }
}

/// The summary and the performance data of a Nagios plugin's standard output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The first line up to `|`.
    pub text: String,
    /// What stands behind `|` in the first line, and behind the first `|` of the following lines, joined with
    /// spaces; `None` when there is nothing.
    pub perfdata: Option<String>,
}

impl Summary {
    /// Reads the start of a plugin's standard output (see [`MAX_SUMMARY_BYTES`]); invalid UTF-8 is replaced and
    /// control characters are dropped, since this is shown in lists.
    pub fn parse(output: &[u8]) -> Self {
        let output = String::from_utf8_lossy(output.get(..MAX_SUMMARY_BYTES).unwrap_or(output));
        let (first, following) = output.split_once('\n').unwrap_or((&output, ""));
        let (text, data) = first.split_once('|').unwrap_or((first, ""));
        let more = following.split_once('|').map_or("", |(_, more)| more);
        let perfdata: Vec<String> = std::iter::once(data).chain(more.lines()).map(clean).collect();
        let perfdata: Vec<String> = perfdata.into_iter().filter(|part| !part.is_empty()).collect();
        Self { text: clean(text), perfdata: (!perfdata.is_empty()).then(|| perfdata.join(" ")) }
    }
}

fn clean(text: &str) -> String {
    let text: String =
        text.chars().map(|character| if character == '\t' { ' ' } else { character }).collect();
    text.chars().filter(|character| !character.is_control()).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(chunks: &[Chunk]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect()
    }

    #[test]
    fn whole_lines_are_cut_and_counted() {
        let mut chunker = Chunker::default();
        chunker.push(b"one\ntwo\nthr");
        assert_eq!(chunker.cut(), vec![Chunk { first_line: 0, bytes: b"one\ntwo\n".to_vec() }]);
        assert_eq!(chunker.cut(), Vec::new());
        chunker.push(b"ee\n");
        assert_eq!(chunker.cut(), vec![Chunk { first_line: 2, bytes: b"three\n".to_vec() }]);
        assert_eq!((chunker.lines(), chunker.waiting()), (3, 0));
    }

    #[test]
    fn nothing_is_lost_whatever_comes() {
        let mut source: Vec<u8> = (0..=255).cycle().take(500_000).collect();
        source.extend(std::iter::repeat_n(b'x', 200_000));
        source.extend("\u{1F600}".repeat(50_000).into_bytes());
        let mut chunker = Chunker::default();
        let mut chunks = Vec::new();
        for piece in source.chunks(70_001) {
            chunker.push(piece);
            chunks.extend(chunker.cut());
        }
        chunks.extend(chunker.flush(true));
        assert_eq!(bytes(&chunks), source);
        assert!(chunks.iter().all(|chunk| !chunk.bytes.is_empty() && chunk.bytes.len() <= MAX_CHUNK_BYTES));
    }

    #[test]
    fn a_character_is_not_cut() {
        let mut chunker = Chunker::default();
        chunker.push("x".as_bytes());
        chunker.push(&"\u{20AC}".repeat(30_000).into_bytes());
        let chunks = chunker.flush(true);
        assert!(chunks.len() > 1);
        assert!(chunks.iter().all(|chunk| std::str::from_utf8(&chunk.bytes).is_ok()));
        chunker.push(&"a\u{20AC}".as_bytes()[..3]);
        assert_eq!(bytes(&chunker.flush(false)), b"a");
        assert_eq!(chunker.waiting(), 2);
        assert_eq!(bytes(&chunker.flush(true)), &"\u{20AC}".as_bytes()[..2]);
    }

    #[test]
    fn summaries_are_read_as_nagios_reads_them() {
        let parse = |text: &str| Summary::parse(text.as_bytes());
        assert_eq!(parse(""), Summary::default());
        assert_eq!(parse("OK - fine\n"), Summary { text: "OK - fine".to_owned(), perfdata: None });
        let long = parse("DISK OK | /=2643MB;5948\n/ 15272 MB\n/boot 68 MB | /boot=68MB\n/home=69357MB\n");
        assert_eq!(long.text, "DISK OK");
        assert_eq!(long.perfdata.as_deref(), Some("/=2643MB;5948 /boot=68MB /home=69357MB"));
        assert_eq!(Summary::parse(b"a\x1b[1m\xff\tb\r\nc").text, "a[1m\u{FFFD} b");
        assert_eq!(Summary::parse(&[b'x'; 20_000]).text.len(), MAX_SUMMARY_BYTES);
    }
}
