//! `GET /tasks/{id}/events`: a task and its output, live, as server-sent events.
//!
//! | event | data | when |
//! |---|---|---|
//! | `log` | Chunk; the event's id is the offset behind it | output, from the offset on that was asked for |
//! | `task` | Task | at the start and at every change; "finished" only after the last output |
//! | `away` | `{}` | the database does not answer; `task` or `log` follow when it is back, without a gap |
//! | `end` | `{}` | the task is finished and everything was sent |
//! | `gone` | `{}` | the reader may not see the task any more, or is not signed in any more |
//!
//! Nothing is pushed at the stream: it reads a bounded stretch of rows when the client has taken the last one. A slow
//! reader therefore costs no memory, and resumes by the offset after a break.

use super::input;
use super::logs::Output;
use super::shapes::{ChunkShape, Circumstances, TaskShape};
use super::tasks::SeenTask;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::events::{Heard, Hearing};
use crate::patience;
use crate::state::AppState;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, Stream};
use selfservice_core::db::{DbError, PgConnection};
use selfservice_core::models::tasks::{Task, TaskState};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use utoipa::IntoParams;
use uuid::Uuid;

/// The rows are looked at so often even when no hint comes. Rights and what surrounds the task are asked for again
/// after the same time.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Hints that come quicker than this count as one, for a task that writes without pause.
const PAUSE: Duration = Duration::from_millis(100);
/// A comment keeps proxies from closing a quiet stream, and shows us that the client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Output that one look reads, in bytes.
const STRETCH: i64 = 256 * 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// The byte to begin at; `Last-Event-ID` wins over it.
    #[param(minimum = 0)]
    offset: Option<i64>,
}

/// Follows a task. `Last-Event-ID`, which a browser sends when it connects again, wins over `offset`.
pub(super) async fn follow(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
    query: web::Query<Query>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let id = input::task_id(&id)?;
    let offset = input::offset(last_event_id(&request).or(query.offset))?;
    let mut follower = Follower {
        // Hear first, look then: nothing is missed in between.
        hearing: state.events.hear(id),
        state,
        signed,
        id,
        offset,
        around: None,
        shown: String::new(),
        events: VecDeque::from([Bytes::from_static(b"retry: 2000\n\n")]),
        written: Instant::now(),
        looked: Instant::now(),
        wait: false,
        away: false,
        ended: false,
    };
    // The first look before the headers: who may not see the task gets the same answer as everywhere.
    let left = patience::left(follower.state.web.database_timeout);
    let first = timeout(left, follower.look()).await.map_err(|_| DbError::TooLate)??;
    follower.tell(first)?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events(follower)))
}

fn last_event_id(request: &HttpRequest) -> Option<i64> {
    request.headers().get("Last-Event-ID")?.to_str().ok()?.parse().ok()
}

fn events(follower: Follower) -> impl Stream<Item = AppResult<Bytes>> {
    stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

/// What one look found.
struct Look {
    task: Task,
    around: Around,
    output: Output,
}

/// What a right was decided from, for the looks that follow soon.
#[derive(Clone)]
struct Around {
    circumstances: Circumstances,
    state: TaskState,
    at: Instant,
}

struct Follower {
    state: web::Data<AppState>,
    signed: Signed,
    id: Uuid,
    hearing: Hearing,
    /// The byte that comes next.
    offset: i64,
    around: Option<Around>,
    /// The task as it was told last.
    shown: String,
    /// To be sent; never more than one look found.
    events: VecDeque<Bytes>,
    written: Instant,
    looked: Instant,
    /// Whether there is something to wait for before the next look.
    wait: bool,
    /// The client was told that the database does not answer.
    away: bool,
    ended: bool,
}

impl Follower {
    /// The next event; `None`: the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.events.pop_front() {
                self.written = Instant::now();
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if self.wait && self.rest().await == Heard::Closing {
                return None;
            }
            let told = match self.look().await {
                Err(error) if error.is_outage() => self.tell_outage(&error),
                looked => looked.and_then(|look| self.tell(look)),
            };
            if let Err(error) = told {
                // The client connects again, or asks every two seconds, and gets the answer that fits.
                tracing::warn!(task.id = %self.id, error = ?error, "a stream ended early");
                return None;
            }
        }
    }

    /// Until there may be something new.
    async fn rest(&mut self) -> Heard {
        let heard = self.hearing.next(LOOK_EVERY).await;
        let left = PAUSE.saturating_sub(self.looked.elapsed());
        if heard == Heard::Look && !left.is_zero() {
            tokio::time::sleep(left).await;
        }
        heard
    }

    async fn look(&mut self) -> AppResult<Option<Look>> {
        self.looked = Instant::now();
        let (signed, id, offset, known) = (self.signed.clone(), self.id, self.offset, self.around.clone());
        let (first, idle) = (known.is_none(), self.state.web.session_idle);
        let state = self.state.clone();
        let look = state.run(move |connection| {
            // The task first: output that belongs to a finished one was written before.
            let task = Task::find(connection, id)?.ok_or(AppError::NotFound)?;
            let fresh = known.filter(|known| known.state == task.state && known.at.elapsed() < LOOK_EVERY);
            let around = match fresh {
                Some(around) => around,
                None => Around::decide(connection, &signed, &task, idle)?,
            };
            let output = Output::read(connection, id, offset, STRETCH)?;
            Ok(Look { task, around, output })
        });
        match state.events.in_turn(look).await {
            Ok(look) => Ok(Some(look)),
            Err(AppError::NotFound | AppError::SignInNeeded) if !first => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Turns what was found into events. `None`: the right is gone.
    fn tell(&mut self, look: Option<Look>) -> AppResult<()> {
        let Some(look) = look else {
            self.ended = true;
            return self.say("gone", None, &Empty {});
        };
        let Look { task, around, output } = look;
        let finished = task.state == TaskState::Finished;
        let complete = finished && output.is_end;
        let task = TaskShape::new(task, around.circumstances.clone());
        let shown = serde_json::to_string(&task).map_err(anyhow::Error::new)?;
        self.around = Some(around);
        self.away = false;
        // Nobody sees "finished" before the last line.
        let due = shown != self.shown && (!finished || complete);
        if due && !finished {
            self.say("task", None, &task)?;
        }
        self.wait = output.is_end;
        self.offset = output.next_offset;
        for chunk in output.chunks {
            let chunk = ChunkShape::from(chunk);
            self.say("log", Some(chunk.next_offset), &chunk)?;
        }
        if due && complete {
            self.say("task", None, &task)?;
        }
        if due {
            self.shown = shown;
        }
        if complete {
            self.ended = true;
            self.say("end", None, &Empty {})?;
        }
        self.keep_alive();
        Ok(())
    }

    /// Says once that nothing comes for a while; the next look goes on where the last one ended.
    fn tell_outage(&mut self, error: &AppError) -> AppResult<()> {
        self.wait = true;
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(task.id = %self.id, error = ?error, "a stream waits: the database is away");
            // Whoever was told so is told the task again as soon as it can be read.
            self.shown.clear();
            self.say("away", None, &Empty {})?;
        }
        self.keep_alive();
        Ok(())
    }

    fn keep_alive(&mut self) {
        if self.events.is_empty() && self.written.elapsed() > KEEP_ALIVE {
            self.events.push_back(Bytes::from_static(b":\n\n"));
        }
    }

    fn say(&mut self, name: &str, id: Option<i64>, data: &impl Serialize) -> AppResult<()> {
        let data = serde_json::to_string(data).map_err(anyhow::Error::new)?;
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        self.events.push_back(format!("{id}event: {name}\ndata: {data}\n\n").into());
        Ok(())
    }
}

#[derive(Serialize)]
struct Empty {}

impl Around {
    fn decide(
        connection: &mut PgConnection,
        signed: &Signed,
        task: &Task,
        idle: Duration,
    ) -> AppResult<Self> {
        if !signed.still_valid(connection, idle)? {
            return Err(AppError::SignInNeeded);
        }
        Ok(Self {
            circumstances: SeenTask::new(connection, signed, task.clone())?.circumstances(connection)?,
            state: task.state,
            at: Instant::now(),
        })
    }
}
