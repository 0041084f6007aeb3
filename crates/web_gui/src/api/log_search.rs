//! `GET /tasks/{id}/log/search`: the lines of output that contain a text.
//!
//! One answer looks at a bounded stretch, so that a search through a long log neither holds a connection for long nor
//! keeps others waiting; the reader asks on from `next_offset` until `complete`.

use super::input;
use super::logs::Output;
use super::tasks::SeenTask;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::web;
use selfservice_core::models::logs::{Chunk, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Output that one answer looks at, in bytes.
const STRETCH: i64 = 8 * 1024 * 1024;
/// Output that is read from the database at a time, in bytes.
const PART: i64 = 1024 * 1024;
/// Lines that one answer names at most, one chunk's more.
const MOST: usize = 2000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// What is looked for; letters of ASCII in either case.
    #[param(min_length = 1, max_length = 200)]
    text: String,
    /// The byte to begin at.
    #[param(minimum = 0)]
    offset: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogMatches)]
pub(super) struct Found {
    matches: Vec<Match>,
    next_offset: i64,
    /// Whether there was nothing behind `next_offset` when it was looked at.
    complete: bool,
}

/// Where a line has the text for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LogMatch)]
struct Match {
    /// The byte.
    offset: i64,
    /// Line ends before it.
    line: i64,
}

/// Looks for `text` in the output from `offset` on, byte by byte as the plugin wrote it; letters of ASCII in either case.
pub(super) async fn search(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
    query: web::Query<Query>,
) -> AppResult<web::Json<Found>> {
    let id = input::task_id(&id)?;
    let Query { text, offset } = query.into_inner();
    let from = input::offset(offset)?;
    input::query_text("text", &text)?;
    if text.is_empty() {
        return Err(AppError::BadRequest("'text' must not be empty.".to_owned()));
    }
    state
        .run(move |connection| {
            SeenTask::find(connection, &signed, id)?;
            let mut finder = Finder::new(&text);
            let (mut next, mut complete) = (from, false);
            while !complete && next - from < STRETCH && finder.matches.len() < MOST {
                let part = Output::read(connection, id, next, PART)?;
                part.chunks.iter().for_each(|chunk| finder.look_at(chunk));
                (next, complete) = (part.next_offset, part.is_end);
            }
            let next = if complete { next } else { next - finder.carried_len() };
            Ok(Found { matches: finder.matches, next_offset: next, complete })
        })
        .await
        .map(web::Json)
}

/// Finds a text in chunks that follow each other, also where it stands across the border of two.
struct Finder {
    text: Vec<u8>,
    /// The end of the last chunk, too short to hold the text.
    carried: Vec<u8>,
    stream: Option<Stream>,
    matches: Vec<Match>,
}

impl Finder {
    fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), carried: Vec::new(), stream: None, matches: Vec::new() }
    }

    fn carried_len(&self) -> i64 {
        length(&self.carried)
    }

    fn look_at(&mut self, chunk: &Chunk) {
        // Text of another stream in between is no part of the line.
        if self.stream != Some(chunk.stream) {
            self.carried.clear();
        }
        self.stream = Some(chunk.stream);
        let start = chunk.byte_offset - self.carried_len();
        let mut line = chunk.first_line - line_ends(&self.carried);
        let bytes = [self.carried.as_slice(), &chunk.bytes].concat();
        let mut seen = 0;
        while let Some(at) = self.find(&bytes, seen) {
            line += bytes.get(seen..at).map_or(0, line_ends);
            let found = Match { offset: start + length(bytes.get(..at).unwrap_or_default()), line };
            if self.matches.last().is_none_or(|last| last.line != line) {
                self.matches.push(found);
            }
            seen = at + 1;
        }
        let keep = bytes.len().min(self.text.len() - 1);
        self.carried = bytes.get(bytes.len() - keep..).unwrap_or_default().to_vec();
    }

    /// Where the text stands at or after `from`.
    fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let at = rest.windows(self.text.len()).position(|window| window.eq_ignore_ascii_case(&self.text))?;
        Some(from + at)
    }
}

fn line_ends(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(i64::MAX)
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in chunks of these bytes, as (offset, line).
    fn found(text: &str, chunks: &[(Stream, &str)]) -> Vec<(i64, i64)> {
        let mut finder = Finder::new(text);
        let (mut byte_offset, mut first_line) = (0, 0);
        for (stream, bytes) in chunks {
            let chunk = Chunk {
                task_id: uuid::Uuid::nil(),
                byte_offset,
                first_line,
                stream: *stream,
                written_at: chrono::DateTime::UNIX_EPOCH,
                bytes: bytes.as_bytes().to_vec(),
            };
            finder.look_at(&chunk);
            byte_offset = chunk.end();
            first_line += line_ends(&chunk.bytes);
        }
        finder.matches.iter().map(|found| (found.offset, found.line)).collect()
    }

    #[test]
    fn each_line_counts_once_and_ascii_letters_in_either_case() {
        let out = [(Stream::Stdout, "an Error, an error\nnone\nERROR\n")];
        assert_eq!(found("error", &out), [(3, 0), (24, 2)]);
        assert_eq!(found("ü", &[(Stream::Stdout, "a\nü\n")]), [(2, 1)]);
    }

    #[test]
    fn borders_of_chunks_hide_nothing() {
        let text = "x\nabcabd\ny abd\n";
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            let out = [(Stream::Stdout, head), (Stream::Stdout, tail)];
            assert_eq!(found("abd", &out), [(5, 1), (11, 2)], "cut at {cut}");
        }
        let single = ["a", "b", "d", "a", "b", "d"].map(|one| (Stream::Stdout, one));
        assert_eq!(found("abd", &single), [(0, 0)]);
    }

    #[test]
    fn another_stream_in_between_is_no_part_of_a_line() {
        let out = [(Stream::Stdout, "ab"), (Stream::Stderr, "x\n"), (Stream::Stdout, "d\n")];
        assert_eq!(found("abd", &out), []);
    }
}
