//! What a list of tasks is restricted to.

use super::{TROUBLE, TaskResult, TaskState};
use crate::db::schema::{event_handlers, hosts, services, tasks, users, workers};
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use std::str::FromStr;
use uuid::Uuid;

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// On its way.
    State(TaskState),
    /// Ended, and somebody should look at it.
    Trouble,
    /// Ended in one of these ways.
    Results(Vec<TaskResult>),
}

/// `None` and empty mean any.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// How it stands.
    pub standing: Option<Standing>,
    /// Host.
    pub hosts_id: Option<i64>,
    /// Handler.
    pub event_handlers_id: Option<i64>,
    /// Name of a host as it is called now.
    pub host: Option<String>,
    /// Name of a service as it is called now.
    pub service: Option<String>,
    /// Name of a handler as it is called now.
    pub handler: Option<String>,
    /// Requester's name.
    pub requester: Option<String>,
    /// Name of the manager that has it or had it last.
    pub manager: Option<String>,
    /// Asked for at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Asked for before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Only those older than this one.
    pub before: Option<Uuid>,
}

impl FromStr for Standing {
    type Err = String;

    /// A state, `trouble`, or a result; `ok`, `warning`, `critical` and `unknown` mean everything that is shown with
    /// this word.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Ok(state) = word.parse() {
            return Ok(Self::State(state));
        }
        Ok(match word {
            "trouble" => Self::Trouble,
            "critical" => {
                Self::Results(vec![TaskResult::Critical, TaskResult::Failed, TaskResult::TimedOut])
            }
            "unknown" => Self::Results(vec![TaskResult::Unknown, TaskResult::Lost]),
            _ => Self::Results(vec![word.parse().map_err(|_| {
                format!(
                    "'{word}' is none of queued, running, finished, trouble, ok, warning, critical, unknown, failed, \
                     timed_out, cancelled, lost, expired, rejected"
                )
            })?]),
        })
    }
}

/// Of the ids of tasks that are made at `moment` or later, none is smaller: they carry the time.
pub(crate) fn first_id(moment: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(moment.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

impl TaskFilter {
    /// The rows that fit. Names are looked up first, so that the list can follow an index that is sorted by id.
    pub(super) fn query(&self, connection: &mut PgConnection) -> QueryResult<tasks::BoxedQuery<'_, Pg>> {
        let mut query = tasks::table.into_boxed();
        match &self.standing {
            Some(Standing::State(state)) => query = query.filter(tasks::state.eq(*state)),
            Some(Standing::Trouble) => query = query.filter(tasks::result.eq_any(TROUBLE)),
            Some(Standing::Results(results)) => query = query.filter(tasks::result.eq_any(results)),
            None => {}
        }
        let names = self.ids(connection)?;
        for id in [self.hosts_id, names.host].into_iter().flatten() {
            query = query.filter(tasks::hosts_id.eq(id));
        }
        for id in [self.event_handlers_id, names.handler].into_iter().flatten() {
            query = query.filter(tasks::event_handlers_id.eq(id));
        }
        if let Some(id) = names.service {
            query = query.filter(tasks::services_id.eq(id));
        }
        if let Some(requester) = &self.requester {
            query = query.filter(tasks::requester.eq(requester));
            // A person's tasks have an index; what other requesters there are, such as schedules, is few.
            if let Some(id) = names.requester {
                query = query.filter(tasks::users_id.eq(id));
            }
        }
        if let Some(manager) = &self.manager {
            let ids = workers::table.filter(workers::name.eq(manager)).select(workers::id.nullable());
            query = query.filter(tasks::workers_id.eq_any(ids));
        }
        if let Some(moment) = self.from {
            query = query.filter(tasks::id.ge(first_id(moment)));
        }
        if let Some(moment) = self.until {
            query = query.filter(tasks::id.lt(first_id(moment)));
        }
        if let Some(before) = self.before {
            query = query.filter(tasks::id.lt(before));
        }
        Ok(query)
    }

    fn ids(&self, connection: &mut PgConnection) -> QueryResult<Ids> {
        // A name that cannot be one has an empty key, which no row has.
        let key = |name: &str| crate::names::key(name).unwrap_or_default();
        let mut ids = Ids::default();
        if let Some(name) = &self.host {
            let id = hosts::table.filter(hosts::name_key.eq(key(name))).select(hosts::id);
            ids.host = Some(id.first(connection).optional()?.unwrap_or(NOBODY));
        }
        if let Some(name) = &self.service {
            let id = services::table.filter(services::name_key.eq(key(name))).select(services::id);
            ids.service = Some(id.first(connection).optional()?.unwrap_or(NOBODY));
        }
        if let Some(name) = &self.handler {
            let id = event_handlers::table
                .filter(event_handlers::name_key.eq(key(name)))
                .select(event_handlers::id);
            ids.handler = Some(id.first(connection).optional()?.unwrap_or(NOBODY));
        }
        if let Some(name) = &self.requester {
            let id = users::table.filter(users::name.eq(name)).select(users::id);
            ids.requester = id.first(connection).optional()?;
        }
        Ok(ids)
    }
}

/// An id that no row has.
const NOBODY: i64 = -1;

/// What the names mean.
#[derive(Default)]
struct Ids {
    host: Option<i64>,
    service: Option<i64>,
    handler: Option<i64>,
    requester: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_shown_mean_all_that_is_shown_with_them() {
        let results = |word: &str| match word.parse() {
            Ok(Standing::Results(results)) => results,
            other => panic!("{word}: {other:?}"),
        };
        for word in ["ok", "warning", "critical", "unknown"] {
            assert!(results(word).iter().all(|result| result.severity().as_str() == word), "{word}");
        }
        assert_eq!(results("timed_out"), [TaskResult::TimedOut]);
        assert_eq!("running".parse(), Ok(Standing::State(TaskState::Running)));
        assert!("sideways".parse::<Standing>().unwrap_err().contains("'sideways' is none of queued"));
    }
}
