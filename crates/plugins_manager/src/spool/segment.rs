//! One file of the spool: a batch as bytes.
//!
//! ```text
//! "SSMSPL01"  u32 crc32 of all that follows  u32 length of the header  header (JSON)  the chunks' bytes, one after another
//! ```
//!
//! Numbers are little-endian. A file that is torn, or that somebody changed, does not have its checksum.

use crate::batch::Batch;
use chrono::{DateTime, Utc};
use selfservice_core::models::logs::{Chunk, Stream};
use selfservice_core::models::tasks::TaskResult;
use selfservice_core::queue::{Finish, Progress};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"SSMSPL01";
const PREFIX: usize = MAGIC.len() + 8;

#[derive(Serialize, Deserialize)]
struct Header {
    chunks: Vec<ChunkHead>,
    progress: Vec<ProgressHead>,
    ends: Vec<EndHead>,
}

#[derive(Serialize, Deserialize)]
struct ChunkHead {
    task: Uuid,
    offset: i64,
    line: i64,
    stream: Stream,
    at: DateTime<Utc>,
    length: usize,
}

#[derive(Serialize, Deserialize)]
struct ProgressHead {
    task: Uuid,
    epoch: i64,
    percent: Option<i16>,
    steps: serde_json::Value,
    bytes: i64,
    lines: i64,
}

#[derive(Serialize, Deserialize)]
struct EndHead {
    task: Uuid,
    epoch: i64,
    result: TaskResult,
    exit_code: Option<i32>,
    text: Option<String>,
    summary: Option<String>,
    perfdata: Option<String>,
}

/// Writes a batch; gives how many bytes that took.
pub fn write(batch: &Batch, to: &mut impl Write) -> io::Result<u64> {
    let header = serde_json::to_vec(&Header::of(batch))?;
    let length = u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut crc = crc32fast::Hasher::new();
    let parts = || {
        let chunks = batch.chunks.iter().map(|chunk| chunk.bytes.as_slice());
        [length.as_slice(), header.as_slice()].into_iter().chain(chunks)
    };
    parts().for_each(|part| crc.update(part));
    to.write_all(MAGIC)?;
    to.write_all(&crc.finalize().to_le_bytes())?;
    parts().try_for_each(|part| to.write_all(part))?;
    Ok((MAGIC.len() + 4 + parts().map(<[u8]>::len).sum::<usize>()) as u64)
}

/// Reads what [`write()`] has written. The error is a sentence that says what is wrong with the bytes.
pub fn read(bytes: &[u8]) -> Result<Batch, String> {
    let torn = || "it is shorter than it says".to_owned();
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).ok_or_else(torn)
    };
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return Err("it is no file of a spool".to_owned());
    }
    let (crc, length) = (number(MAGIC.len())?, number(MAGIC.len() + 4)?);
    if crc32fast::hash(bytes.get(MAGIC.len() + 4..).unwrap_or_default()) != crc {
        return Err("its checksum is wrong".to_owned());
    }
    let body_at = PREFIX + usize::try_from(length).map_err(|error| error.to_string())?;
    let header = bytes.get(PREFIX..body_at).ok_or_else(torn)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
    header.with(bytes.get(body_at..).unwrap_or_default()).ok_or_else(torn)
}

impl Header {
    fn of(batch: &Batch) -> Self {
        let chunks = batch.chunks.iter().map(|chunk| ChunkHead {
            task: chunk.task_id,
            offset: chunk.byte_offset,
            line: chunk.first_line,
            stream: chunk.stream,
            at: chunk.written_at,
            length: chunk.bytes.len(),
        });
        let progress = batch.progress.iter().map(|progress| ProgressHead {
            task: progress.id,
            epoch: progress.epoch,
            percent: progress.percent,
            steps: progress.steps.clone(),
            bytes: progress.output_bytes,
            lines: progress.output_lines,
        });
        let ends = batch.ends.iter().map(|end| EndHead {
            task: end.id,
            epoch: end.epoch,
            result: end.result,
            exit_code: end.exit_code,
            text: end.result_text.clone(),
            summary: end.summary.clone(),
            perfdata: end.perfdata.clone(),
        });
        Self { chunks: chunks.collect(), progress: progress.collect(), ends: ends.collect() }
    }

    /// The batch, with the chunks' bytes from `body`; `None`: there are not exactly as many as the header says.
    fn with(self, mut body: &[u8]) -> Option<Batch> {
        let mut batch = Batch::default();
        for head in self.chunks {
            let (bytes, rest) = body.split_at_checked(head.length)?;
            body = rest;
            batch.chunks.push(Chunk {
                task_id: head.task,
                byte_offset: head.offset,
                first_line: head.line,
                stream: head.stream,
                written_at: head.at,
                bytes: bytes.to_vec(),
            });
        }
        batch.progress.extend(self.progress.into_iter().map(|head| Progress {
            id: head.task,
            epoch: head.epoch,
            percent: head.percent,
            steps: head.steps,
            output_bytes: head.bytes,
            output_lines: head.lines,
        }));
        batch.ends.extend(self.ends.into_iter().map(|head| Finish {
            id: head.task,
            epoch: head.epoch,
            result: head.result,
            exit_code: head.exit_code,
            result_text: head.text,
            summary: head.summary,
            perfdata: head.perfdata,
        }));
        body.is_empty().then_some(batch)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A batch with something of everything.
    pub fn sample(task: Uuid, output: &[u8]) -> Batch {
        let chunk = |stream, offset, bytes: &[u8]| Chunk {
            task_id: task,
            byte_offset: offset,
            first_line: 0,
            stream,
            written_at: DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap(),
            bytes: bytes.to_vec(),
        };
        Batch {
            chunks: vec![chunk(Stream::Stdout, 0, output), chunk(Stream::System, 9, b"OK\n")],
            progress: vec![Progress {
                id: task,
                epoch: 7,
                percent: Some(50),
                steps: serde_json::json!([{ "name": "Drain" }]),
                output_bytes: 12,
                output_lines: 1,
            }],
            ends: vec![Finish {
                id: task,
                epoch: 7,
                result: TaskResult::Ok,
                exit_code: Some(0),
                result_text: None,
                summary: Some("all is well".to_owned()),
                perfdata: None,
            }],
        }
    }

    fn written(batch: &Batch) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = write(batch, &mut bytes).unwrap();
        assert_eq!(length, bytes.len() as u64);
        bytes
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for batch in [sample(Uuid::now_v7(), b"\x00\xff\nbytes"), Batch::default()] {
            let read = read(&written(&batch)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{batch:?}"));
        }
    }

    #[test]
    fn a_torn_or_changed_file_is_recognised_wherever_that_is() {
        let bytes = written(&sample(Uuid::now_v7(), b"line\n"));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut at {length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(read(&longer).is_err());
    }
}
