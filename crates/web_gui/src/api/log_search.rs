//! `GET /tasks/{id}/log/search`: the lines of output that contain a text.
//!
//! One answer looks at a bounded stretch, a part at a time, and gives the connection back before it searches a part: a
//! search through a long log keeps nobody waiting. The reader asks on from `next_offset` until `complete`.

use super::input;
use super::logs::Output;
use super::tasks::SeenTask;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::web;
use memchr::memmem;
use selfservice_core::models::logs::{Chunk, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Output that one answer looks at, in bytes.
const STRETCH: i64 = 8 * 1024 * 1024;
/// Output that is read from the database at a time, in bytes.
const PART: i64 = 1024 * 1024;
/// Lines that one answer names at most.
const MOST: usize = 2000;
/// Parts that one answer looks at; they are small where the plugin wrote byte by byte.
const PARTS: usize = 16;

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
    let mut finder = Finder::new(&text);
    let mut next = from;
    for _ in 0..PARTS {
        let signed = signed.clone();
        let part = state
            .run(move |connection| {
                SeenTask::find(connection, &signed, id)?;
                Output::read(connection, id, next, PART)
            })
            .await?;
        next = part.next_offset;
        let is_end = part.is_end;
        finder = web::block(move || finder.with(&part.chunks)).await?;
        if let Some(stopped) = finder.stopped {
            return Ok(web::Json(Found { matches: finder.matches, next_offset: stopped, complete: false }));
        }
        if is_end {
            return Ok(web::Json(Found { matches: finder.matches, next_offset: next, complete: true }));
        }
        if next - from >= STRETCH {
            break;
        }
    }
    // The end of one stretch may be the beginning of a match.
    let next_offset = next - finder.carried_len();
    Ok(web::Json(Found { matches: finder.matches, next_offset, complete: false }))
}

/// Finds a text in chunks that follow each other, also where it stands across the border of two.
struct Finder {
    /// Of the text in small letters.
    finder: memmem::Finder<'static>,
    /// The end of the last chunk in small letters, too short to hold the text.
    carried: Vec<u8>,
    stream: Option<Stream>,
    matches: Vec<Match>,
    /// Where to go on, once there are as many matches as one answer may have.
    stopped: Option<i64>,
}

impl Finder {
    fn new(text: &str) -> Self {
        Self {
            finder: memmem::Finder::new(&text.to_ascii_lowercase()).into_owned(),
            carried: Vec::new(),
            stream: None,
            matches: Vec::new(),
            stopped: None,
        }
    }

    fn carried_len(&self) -> i64 {
        length(&self.carried)
    }

    fn with(mut self, chunks: &[Chunk]) -> Self {
        for chunk in chunks {
            if self.stopped.is_none() {
                self.look_at(chunk);
            }
        }
        self
    }

    fn look_at(&mut self, chunk: &Chunk) {
        // Text of another stream in between is no part of the line.
        if self.stream != Some(chunk.stream) {
            self.carried.clear();
        }
        self.stream = Some(chunk.stream);
        let start = chunk.byte_offset - self.carried_len();
        let mut line = chunk.first_line - line_ends(&self.carried);
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend(chunk.bytes.iter().map(u8::to_ascii_lowercase));
        let mut offset = start;
        let mut rest = bytes.as_slice();
        while let Some(at) = self.finder.find(rest) {
            let (before, found) = rest.split_at(at);
            line += line_ends(before);
            offset += length(before);
            if self.matches.last().is_none_or(|last| last.line != line) {
                self.matches.push(Match { offset, line });
            }
            // The rest of the line does not count.
            let end = memchr::memchr(b'\n', found).map_or(found.len(), |end| end + 1);
            let (same_line, behind) = found.split_at(end);
            line += line_ends(same_line);
            offset += length(same_line);
            rest = behind;
            if self.matches.len() >= MOST {
                self.stopped = Some(offset);
                return;
            }
        }
        let keep = bytes.len().min(self.finder.needle().len() - 1);
        self.carried = bytes.split_off(bytes.len() - keep);
    }
}

fn line_ends(bytes: &[u8]) -> i64 {
    i64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(i64::MAX)
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
    fn an_answer_names_no_more_lines_than_it_may_and_says_where_to_go_on() {
        let lines = "A line\n".repeat(MOST + 5);
        let chunk = |byte_offset: i64, bytes: &str| Chunk {
            task_id: uuid::Uuid::nil(),
            byte_offset,
            first_line: byte_offset / 7,
            stream: Stream::Stdout,
            written_at: chrono::DateTime::UNIX_EPOCH,
            bytes: bytes.as_bytes().to_vec(),
        };
        let first = Finder::new("line").with(&[chunk(0, &lines), chunk(length(lines.as_bytes()), &lines)]);
        let stopped = first.stopped.unwrap();
        assert_eq!((first.matches.len(), stopped), (MOST, 7 * i64::try_from(MOST).unwrap()));
        let rest = Finder::new("line").with(&[chunk(stopped, &lines[usize::try_from(stopped).unwrap()..])]);
        assert_eq!((rest.matches.len(), rest.stopped), (5, None));
        assert_eq!(rest.matches[0].line, first.matches[MOST - 1].line + 1);
    }

    /// Takes minutes where every place of the line is compared with the whole text.
    #[test]
    fn a_long_line_of_one_letter_is_searched_once() {
        let (text, line) = (format!("{}b", "a".repeat(199)), "a".repeat(65_536));
        let all: Vec<_> = (0..2048).map(|_| (Stream::Stdout, line.as_str())).collect();
        assert_eq!(found(&text, &all), []);
        assert_eq!(found("AAA", &all), [(0, 0)]);
    }

    #[test]
    fn another_stream_in_between_is_no_part_of_a_line() {
        let out = [(Stream::Stdout, "ab"), (Stream::Stderr, "x\n"), (Stream::Stdout, "d\n")];
        assert_eq!(found("abd", &out), []);
    }
}
