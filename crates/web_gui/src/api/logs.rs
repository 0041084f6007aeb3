//! `GET /tasks/{id}/log`: output by byte offset or line; `GET /tasks/{id}/log/raw`: all of it as a file.

use super::input;
use super::shapes::ChunkShape;
use super::tasks::SeenTask;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use futures_util::stream::{self, Stream};
use selfservice_core::db::PgConnection;
use selfservice_core::models::logs::{Chunk, MAX_CHUNK};
use selfservice_core::models::tasks::TaskState;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Bytes of output in one answer, where nothing was asked for.
const PAGE_BYTES: i64 = 256 * 1024;
const LARGEST_PAGE_BYTES: i64 = 4 * 1024 * 1024;
/// Chunks that one query reads at most.
const BATCH: i64 = 64;
/// Chunks that one answer holds at most: a plugin that writes byte by byte makes very small ones.
const MOST_CHUNKS: usize = 16 * 64;
/// A download asks for the right again after so long.
const RECHECK: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// The byte to begin at.
    #[param(minimum = 0)]
    offset: Option<i64>,
    /// The line to begin at, counted from 0; not beside `offset`.
    #[param(minimum = 0)]
    line: Option<i64>,
    /// Bytes in one answer, about.
    #[param(minimum = 1, maximum = 4_194_304)]
    limit: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogPage)]
pub(super) struct Page {
    /// Where the page begins.
    offset: i64,
    chunks: Vec<ChunkShape>,
    next_offset: i64,
    /// Whether the task is finished and nothing comes after `next_offset`.
    complete: bool,
}

/// Output from `offset` on, or from the start of `line`, which is counted from 0: whole chunks until `limit` bytes are
/// reached, so at most one chunk (64 KiB) more; fewer where they are very small.
/// `complete` means that the task is finished and nothing comes after `next_offset`.
pub(super) async fn page(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
    query: web::Query<Query>,
) -> AppResult<web::Json<Page>> {
    let id = input::task_id(&id)?;
    let offset = input::offset(query.offset)?;
    if query.line.is_some_and(|line| line < 0) || query.line.and(query.offset).is_some() {
        let sentence = "'line' must not be negative, and not stand beside 'offset'.";
        return Err(AppError::BadRequest(sentence.to_owned()));
    }
    let limit = input::limit(query.limit, PAGE_BYTES, LARGEST_PAGE_BYTES)?;
    state
        .run(move |connection| {
            // The state first: output that belongs to a finished task was written before it was finished.
            let finished = SeenTask::find(connection, &signed, id)?.task.state == TaskState::Finished;
            let offset = match query.line {
                Some(line) => Chunk::start_of_line(connection, id, line)?,
                None => offset,
            };
            let output = Output::read(connection, id, offset, limit)?;
            Ok(Page {
                offset,
                next_offset: output.next_offset,
                complete: finished && output.is_end,
                chunks: output.chunks.into_iter().map(ChunkShape::from).collect(),
            })
        })
        .await
        .map(web::Json)
}

/// A stretch of a task's output.
#[derive(Debug)]
pub struct Output {
    /// In order, without a gap.
    pub chunks: Vec<Chunk>,
    /// Where the next stretch begins.
    pub next_offset: i64,
    /// Whether nothing was behind it when it was read.
    pub is_end: bool,
}

impl Output {
    /// Whole chunks from `offset` on until `limit` bytes are reached, or very many chunks.
    pub fn read(connection: &mut PgConnection, task: Uuid, offset: i64, limit: i64) -> AppResult<Self> {
        let mut output = Self { chunks: Vec::new(), next_offset: offset, is_end: false };
        // As few as can be enough, and more where chunks turn out to be small.
        let mut count = (limit / 65_536 + 2).min(BATCH);
        while !output.is_end && output.next_offset - offset < limit && output.chunks.len() < MOST_CHUNKS {
            let batch = Chunk::after(connection, task, output.next_offset, count)?;
            output.is_end = i64::try_from(batch.len()).is_ok_and(|read| read < count);
            count = (count * 4).min(BATCH);
            for chunk in batch {
                if output.next_offset - offset >= limit {
                    output.is_end = false;
                    break;
                }
                output.next_offset = chunk.end();
                output.chunks.push(chunk);
            }
        }
        Ok(output)
    }
}

/// All output that there is now, byte for byte and of all streams, as a file.
pub(super) async fn raw(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
) -> AppResult<HttpResponse> {
    let id = input::task_id(&id)?;
    let mut download = Download { state, signed, id, offset: 0, checked: None };
    // The first part before the headers: who may not see the task gets an error, not a broken file.
    let first = download.next().await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"task-{id}.log\"")))
        .streaming(parts(first, download)))
}

struct Download {
    state: web::Data<AppState>,
    signed: Signed,
    id: Uuid,
    offset: i64,
    checked: Option<Instant>,
}

impl Download {
    /// The next part; empty at the end.
    async fn next(&mut self) -> AppResult<Bytes> {
        let (signed, id, offset) = (self.signed.clone(), self.id, self.offset);
        let idle = self.state.web.session_idle;
        let check = self.checked.is_none_or(|at| at.elapsed() > RECHECK);
        let output = self
            .state
            .run(move |connection| {
                if check {
                    SeenTask::find(connection, &signed, id)?;
                    if !signed.still_valid(connection, idle)? {
                        return Err(AppError::SignInNeeded);
                    }
                }
                Output::read(connection, id, offset, PAGE_BYTES)
            })
            .await?;
        if check {
            self.checked = Some(Instant::now());
        }
        self.offset = output.next_offset;
        let mut bytes = Vec::with_capacity(usize::try_from(PAGE_BYTES).unwrap_or(0) + MAX_CHUNK);
        bytes.extend(output.chunks.into_iter().flat_map(|chunk| chunk.bytes));
        Ok(bytes.into())
    }
}

/// An error in the middle breaks the connection, so that the browser does not take a part for the whole.
fn parts(first: Bytes, download: Download) -> impl Stream<Item = AppResult<Bytes>> {
    stream::unfold(Some((first, download)), |state| async {
        let (part, mut download) = state.filter(|(part, _)| !part.is_empty())?;
        let next = download.next().await;
        match next {
            Ok(next) => Some((Ok(part), Some((next, download)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}
