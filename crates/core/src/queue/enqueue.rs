//! A request becomes a row.

use crate::access::Verb;
use crate::db::schema::{plugins, tasks, workers};
use crate::models::event_handlers::Risk;
use crate::models::tasks::{Identity, Origin, Task, TaskKind};
use chrono::{DateTime, Utc};
use diesel::dsl::{array, now};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use uuid::Uuid;

/// A task as it is asked for.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = tasks)]
pub struct NewTask {
    /// UUIDv7.
    pub id: Uuid,
    /// The handler.
    pub event_handlers_id: i64,
    /// Its name.
    pub handler_name: String,
    /// Its revision.
    pub handler_revision: i32,
    /// The host.
    pub hosts_id: i64,
    /// Its name.
    pub host_name: String,
    /// The service.
    pub services_id: i64,
    /// Its name.
    pub service_name: String,
    /// Names of the host's environments.
    pub environments: Vec<String>,
    /// The plugin.
    pub plugin: String,
    /// Every argument.
    pub argv: Vec<String>,
    /// SHA-256 of everything that was decided on.
    pub plan_hash: Vec<u8>,
    /// What the person filled in.
    pub parameters: serde_json::Value,
    /// What the plugin is asked for.
    pub kind: TaskKind,
    /// Parameters for which a person typed a secret; the values go their own way ([`crate::models::typed_secrets`]).
    pub secret_parameters: Vec<String>,
    /// Risk as decided.
    pub risk: Risk,
    /// Longest run, in seconds.
    pub timeout_seconds: i32,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub users_id: Option<i64>,
    /// Their name.
    pub requester: String,
    /// How they proved it.
    pub identity: Identity,
    /// The token's verb.
    pub token_verb: Option<Verb>,
    /// What asked.
    pub origin: Origin,
    /// One click.
    pub request_key: Uuid,
    /// When it was asked: the time that the macros of the plan show.
    pub created_at: DateTime<Utc>,
    /// It expires in the queue then.
    pub expires_at: DateTime<Utc>,
    /// The finished task that it does again.
    pub retry_of: Option<Uuid>,
    /// 1, or more where it was started again without a person.
    pub attempt: i16,
}

/// What became of a request.
#[derive(Debug)]
pub enum Enqueued {
    /// A new task waits.
    New(Box<Task>),
    /// The very same is asked for or running already: this task.
    Attached(Box<Task>),
    /// The handler runs on the target with other arguments: this task.
    Busy(Box<Task>),
}

/// Puts a task into the queue, at most once for a request key, and at most one at a time for a handler on a target.
/// Run it in a transaction with the audit row. The managers are woken by a trigger when it commits.
pub fn enqueue(connection: &mut PgConnection, task: &NewTask) -> QueryResult<Enqueued> {
    // Between a conflict and the look for its cause the other task can finish; then the next try succeeds.
    for _ in 0..3 {
        // What living managers have now.
        let present_plugins = plugins::table
            .inner_join(workers::table)
            .filter(plugins::name.eq(&task.plugin).and(plugins::sha256.is_not_null()))
            .filter(workers::alive_until.gt(now.into_sql::<Timestamptz>()))
            .select(plugins::sha256)
            .distinct();
        let inserted: Option<Task> = diesel::insert_into(tasks::table)
            .values((task, tasks::plugin_hashes.eq(array(present_plugins))))
            .on_conflict_do_nothing()
            .returning(Task::as_returning())
            .get_result(connection)
            .optional()?;
        if let Some(row) = inserted {
            return Ok(Enqueued::New(Box::new(row)));
        }
        if let Some(row) = Task::by_request_key(connection, &task.requester, task.request_key)? {
            return Ok(Enqueued::Attached(Box::new(row)));
        }
        let active = Task::active_on(connection, task.hosts_id, task.services_id, task.event_handlers_id)?;
        if let Some(row) = active {
            // Whether the same secret was typed nobody can say.
            let same = row.kind == task.kind
                && row.argv == task.argv
                && row.plugin == task.plugin
                && row.parameters == task.parameters
                && row.secret_parameters.is_empty()
                && task.secret_parameters.is_empty();
            return Ok(if same { Enqueued::Attached(Box::new(row)) } else { Enqueued::Busy(Box::new(row)) });
        }
    }
    Err(diesel::result::Error::NotFound)
}
