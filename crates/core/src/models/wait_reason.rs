//! Why a task does not start: for the person in front of it.

use super::event_handlers::EventHandler;
use super::hosts::Host;
use super::tasks::{Task, TaskState};
use super::workers::{Available, Worker};
use crate::db::prepared;
use crate::db::schema::tasks;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use std::fmt;

/// More tasks before one are not counted.
const COUNTED: i64 = 1000;

/// Completes "waiting: ...".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// No manager is alive.
    NoManager,
    /// None of those that live has all tags of the host.
    NotServed {
        /// The host.
        host: String,
        /// Its tags.
        tags: Vec<String>,
    },
    /// Those that serve the host, or all there are, were told to take no tasks.
    Draining {
        /// The host.
        host: Option<String>,
    },
    /// The handler is paused; the text says since when, by whom and why.
    Paused(String),
    /// As many tasks of the handler run as may at once.
    HandlerLimit {
        /// The handler.
        handler: String,
        /// Tasks of it that run.
        running: i64,
        /// So many may.
        limit: i32,
    },
    /// As many tasks run on the host as may at once.
    HostLimit {
        /// The host.
        host: String,
        /// Tasks that run on it.
        running: i64,
        /// So many may.
        limit: i32,
    },
    /// It is not its turn yet.
    Queue {
        /// Whether all managers that serve the host are busy.
        busy: bool,
        /// Older tasks that wait, as far as they are counted.
        before: i64,
    },
}

impl WaitReason {
    /// Why no task would start anywhere; `None`: some manager takes tasks.
    pub fn of_all(connection: &mut PgConnection) -> QueryResult<Option<Self>> {
        Ok(Self::of_managers(Worker::available(connection, &[])?, None))
    }

    /// Why tasks on this host would not start, whatever their handler; `None`: some manager takes them.
    pub fn of_host(connection: &mut PgConnection, host: &Host) -> QueryResult<Option<Self>> {
        let available = Worker::available(connection, &host.tags)?;
        Ok(Self::of_managers(available, Some(host)))
    }

    /// Why a queued task has not started. `None`: it does not wait, or is about to start.
    pub fn of(connection: &mut PgConnection, task: &Task) -> QueryResult<Option<Self>> {
        if task.state != TaskState::Queued {
            return Ok(None);
        }
        let host = task.hosts_id.map(|id| Host::find(connection, id)).transpose()?.flatten();
        let available = Worker::available(connection, host.as_ref().map_or(&[], |host| &host.tags))?;
        if let Some(reason) = Self::of_managers(available, host.as_ref()) {
            return Ok(Some(reason));
        }
        let handler =
            task.event_handlers_id.map(|id| EventHandler::find(connection, id)).transpose()?.flatten();
        if let Some(handler) = handler {
            if let Some(text) = handler.pause_text() {
                return Ok(Some(Self::Paused(text)));
            }
            if let Some(limit) = handler.max_running {
                let running = running(connection, Box::new(tasks::event_handlers_id.eq(handler.id)))?;
                if running >= i64::from(limit) {
                    return Ok(Some(Self::HandlerLimit { handler: handler.name, running, limit }));
                }
            }
        }
        if let Some((host, limit)) = host.and_then(|host| host.max_running.map(|limit| (host, limit))) {
            let running = running(connection, Box::new(tasks::hosts_id.eq(host.id)))?;
            if running >= i64::from(limit) {
                return Ok(Some(Self::HostLimit { host: host.name, running, limit }));
            }
        }
        let (busy, before) = (available.free_slots == 0, queued_before(connection, task)?);
        Ok((busy || before > 0).then_some(Self::Queue { busy, before }))
    }

    fn of_managers(available: Available, host: Option<&Host>) -> Option<Self> {
        let name = host.map(|host| host.name.clone());
        match available {
            Available { alive: 0, .. } => Some(Self::NoManager),
            Available { serving: 0, .. } => Some(Self::NotServed {
                host: name.unwrap_or_default(),
                tags: host.map(|host| host.tags.clone()).unwrap_or_default(),
            }),
            Available { taking: 0, .. } => Some(Self::Draining { host: name }),
            _ => None,
        }
    }
}

type Condition =
    Box<dyn BoxableExpression<tasks::table, diesel::pg::Pg, SqlType = diesel::sql_types::Nullable<Bool>>>;

fn running(connection: &mut PgConnection, of: Condition) -> QueryResult<i64> {
    tasks::table.filter(tasks::state.eq(TaskState::Running)).filter(of).count().get_result(connection)
}

/// How many of the tasks that no limit touches stand in the queue before this one, at most [`COUNTED`].
fn queued_before(connection: &mut PgConnection, task: &Task) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Before {
        #[diesel(sql_type = BigInt)]
        before: i64,
    }
    prepared(
        "SELECT count(*) AS before FROM (SELECT 1 FROM tasks \
         WHERE state = 'queued' AND NOT limited AND (created_at, id) < ($1, $2) LIMIT $3) t",
    )
    .bind::<diesel::sql_types::Timestamptz, _>(task.created_at)
    .bind::<diesel::sql_types::Uuid, _>(task.id)
    .bind::<BigInt, _>(COUNTED)
    .get_result::<Before>(connection)
    .map(|row| row.before)
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoManager => f.write_str("no plugins manager is running"),
            Self::NotServed { host, tags } => {
                let word = if tags.len() == 1 { "tag" } else { "tags" };
                write!(f, "no plugins manager serves {host}: none has the {word} {}", tags.join(", "))
            }
            Self::Draining { host: Some(host) } => {
                write!(f, "every plugins manager that serves {host} is being drained")
            }
            Self::Draining { host: None } => f.write_str("every plugins manager is being drained"),
            Self::Paused(text) => f.write_str(text),
            Self::HandlerLimit { handler, running, limit } => {
                write!(f, "{running} of {limit} runs of {handler} are under way")
            }
            Self::HostLimit { host, running, limit } => write!(f, "{running} of {limit} run on {host}"),
            Self::Queue { busy, before } => {
                if *busy {
                    f.write_str("all plugins managers are busy")?;
                }
                let separator = if *busy { "; " } else { "" };
                match *before {
                    0 => Ok(()),
                    1 => write!(f, "{separator}1 task stands before it"),
                    COUNTED.. => write!(f, "{separator}{COUNTED} tasks or more stand before it"),
                    number => write!(f, "{separator}{number} tasks stand before it"),
                }
            }
        }
    }
}
