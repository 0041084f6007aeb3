//! Tasks: rows of the queue, as people see them. What moves a task between states stands in [`crate::queue`] alone.

mod filter;
pub mod statistics;

pub use filter::{Standing, TaskFilter};

use super::event_handlers::Risk;
use super::{ByteaArray, TextArray};
use crate::access::{Verb, task_is_visible};
use crate::db::schema::tasks;
use crate::db::{NUMBER, Part, part_with, prepared};
use crate::text_enum::text_enum;
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use uuid::Uuid;

text_enum! {
    /// Where a task is on its way.
    TaskState {
        /// Waits for a manager.
        Queued = "queued",
        /// A manager has it.
        Running = "running",
        /// It has a result.
        Finished = "finished",
    }
}

text_enum! {
    /// How a task ended.
    TaskResult {
        /// Exit code 0.
        Ok = "ok",
        /// Exit code 1.
        Warning = "warning",
        /// Exit code 2.
        Critical = "critical",
        /// Exit code 3, as Nagios plugins use it.
        Unknown = "unknown",
        /// Any other exit code, a signal, or not startable.
        Failed = "failed",
        /// Ended because it took too long.
        TimedOut = "timed_out",
        /// Ended by a person.
        Cancelled = "cancelled",
        /// Started, and nobody can know how it ended.
        Lost = "lost",
        /// Waited too long in the queue.
        Expired = "expired",
        /// Rights, handler or target changed before the start.
        Rejected = "rejected",
    }
}

text_enum! {
    /// The overview's words, shown first.
    Severity {
        /// Job performed successfully.
        Ok = "ok",
        /// Job performed but has some issues.
        Warning = "warning",
        /// Job failed to execute.
        Critical = "critical",
        /// Nobody can say.
        Unknown = "unknown",
        /// No reason for alarm: a person cancelled it, or it never ran.
        None = "none",
    }
}

text_enum! {
    /// How a requester proved who they are.
    Identity {
        /// Name and password.
        Password = "password",
        /// A one-time link.
        Link = "link",
        /// An API token.
        Token = "token",
        /// One of our own programs.
        System = "system",
    }
}

text_enum! {
    /// What a task was asked by.
    Origin {
        /// A person in a page or the popup.
        Gui = "gui",
        /// A program with a token.
        Api = "api",
        /// An alert.
        Alert = "alert",
        /// A schedule.
        Schedule = "schedule",
    }
}

text_enum! {
    /// What the plugin is asked for.
    TaskKind {
        /// To act, as the handler says.
        Run = "run",
        /// To look whether it could: `--check` stands before the arguments.
        Check = "check",
        /// To say what it is: `--help` alone.
        Help = "help",
    }
}

impl TaskResult {
    /// The severity that is shown for the result.
    pub fn severity(self) -> Severity {
        match self {
            Self::Ok => Severity::Ok,
            Self::Warning => Severity::Warning,
            Self::Critical | Self::Failed | Self::TimedOut => Severity::Critical,
            Self::Unknown | Self::Lost => Severity::Unknown,
            Self::Cancelled | Self::Expired | Self::Rejected => Severity::None,
        }
    }
}

/// A row of `tasks`.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Identifiable)]
#[diesel(table_name = tasks, check_for_backend(Pg))]
pub struct Task {
    /// UUIDv7, made by us.
    pub id: Uuid,
    /// Where it is on its way.
    pub state: TaskState,
    /// How it ended; present exactly when finished.
    pub result: Option<TaskResult>,
    /// Exit code of the plugin, where it exited by itself.
    pub exit_code: Option<i32>,
    /// A few words about the end: `timed out after 120 s`.
    pub result_text: Option<String>,
    /// The plugin's first line of output.
    pub summary: Option<String>,
    /// The plugin's performance data.
    pub perfdata: Option<String>,
    /// The result came after the task counted as lost.
    pub late: bool,
    /// The handler, unless it was deleted.
    pub event_handlers_id: Option<i64>,
    /// Its name at the time.
    pub handler_name: String,
    /// Its revision at the time.
    pub handler_revision: i32,
    /// The host, unless it was deleted.
    pub hosts_id: Option<i64>,
    /// Its name at the time.
    pub host_name: String,
    /// The service, unless it was deleted.
    pub services_id: Option<i64>,
    /// Its name at the time.
    pub service_name: String,
    /// The host's environments at the time.
    #[diesel(deserialize_as = TextArray)]
    pub environments: Vec<String>,
    /// Name of the plugin.
    pub plugin: String,
    /// The plan: every argument.
    #[diesel(deserialize_as = TextArray)]
    pub argv: Vec<String>,
    /// SHA-256 of everything that was decided on.
    pub plan_hash: Vec<u8>,
    /// What the person filled in, name to text.
    pub parameters: serde_json::Value,
    /// Risk as it was decided.
    pub risk: Risk,
    /// The run is ended after so many seconds.
    pub timeout_seconds: i32,
    /// Why, as the person said.
    pub reason: Option<String>,
    /// Who asked, unless deleted.
    pub users_id: Option<i64>,
    /// Their name at the time.
    pub requester: String,
    /// How they proved it.
    pub identity: Identity,
    /// The strongest verb of the token that asked.
    pub token_verb: Option<Verb>,
    /// What it was asked by.
    pub origin: Origin,
    /// When it was asked.
    pub created_at: DateTime<Utc>,
    /// It expires in the queue then.
    pub expires_at: DateTime<Utc>,
    /// When a manager took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The manager.
    pub workers_id: Option<Uuid>,
    /// The manager's epoch.
    pub epoch: Option<i64>,
    /// When somebody asked to end it.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Who.
    pub cancel_requested_by: Option<String>,
    /// Progress that the plugin reported.
    pub percent: Option<i16>,
    /// Steps that the plugin reported, as the API shows them.
    pub steps: serde_json::Value,
    /// Bytes of output so far.
    pub output_bytes: i64,
    /// Line ends in the output so far.
    pub output_lines: i64,
    /// The finished task that this one does again.
    pub retry_of: Option<Uuid>,
    /// 1, or more where it was started again without a person.
    pub attempt: i16,
    /// SHA-256 of its plugin as it was there when the task was asked for; only one of these may run. Empty: any.
    #[diesel(deserialize_as = ByteaArray)]
    pub plugin_hashes: Vec<Vec<u8>>,
    /// Lost, and to be started again by a manager.
    pub repeat_due: bool,
    /// What the plugin is asked for.
    pub kind: TaskKind,
    /// Parameters for which a person typed a secret.
    #[diesel(deserialize_as = TextArray)]
    pub secret_parameters: Vec<String>,
}

/// The task that does another one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(Pg))]
pub struct Retry {
    /// The task.
    pub id: Uuid,
    /// More than 1: a manager started it, without a person.
    pub attempt: i16,
}

impl Task {
    /// The task with this id.
    pub fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Self>> {
        tasks::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The task that waits or runs for this target, if any.
    pub fn active_on(
        connection: &mut PgConnection,
        hosts_id: i64,
        services_id: i64,
        event_handlers_id: i64,
    ) -> QueryResult<Option<Self>> {
        tasks::table
            .filter(tasks::hosts_id.eq(hosts_id))
            .filter(tasks::services_id.eq(services_id))
            .filter(tasks::event_handlers_id.eq(event_handlers_id))
            .filter(tasks::state.ne(TaskState::Finished))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// The task that this requester made with this key, if any.
    pub fn by_request_key(
        connection: &mut PgConnection,
        requester: &str,
        key: Uuid,
    ) -> QueryResult<Option<Self>> {
        tasks::table
            .filter(tasks::requester.eq(requester).and(tasks::request_key.eq(key)))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// The newest task in which this handler's plugin said well what it is, if any.
    pub fn newest_help(connection: &mut PgConnection, event_handlers_id: i64) -> QueryResult<Option<Self>> {
        tasks::table
            .filter(tasks::event_handlers_id.eq(event_handlers_id).and(tasks::kind.eq(TaskKind::Help)))
            .filter(tasks::result.eq(TaskResult::Ok))
            .order(tasks::id.desc())
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// The newest task that does this one again, if any.
    pub fn retried_as(&self, connection: &mut PgConnection) -> QueryResult<Option<Retry>> {
        tasks::table
            .filter(tasks::retry_of.eq(self.id))
            .order(tasks::id.desc())
            .select(Retry::as_select())
            .first(connection)
            .optional()
    }

    /// Tasks of one host that wait or run and that the user may see, newest first.
    pub fn active_of_host(
        connection: &mut PgConnection,
        users_id: i64,
        hosts_id: i64,
    ) -> QueryResult<Vec<Self>> {
        tasks::table
            .filter(visible(users_id))
            .filter(tasks::hosts_id.eq(hosts_id).and(tasks::state.ne(TaskState::Finished)))
            .order(tasks::id.desc())
            .limit(50)
            .select(Self::as_select())
            .load(connection)
    }

    /// Finished tasks of one host that the user may see, newest first.
    pub fn recent_of_host(
        connection: &mut PgConnection,
        users_id: i64,
        hosts_id: i64,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        tasks::table
            .filter(visible(users_id))
            .filter(tasks::hosts_id.eq(hosts_id).and(tasks::state.eq(TaskState::Finished)))
            .order(tasks::id.desc())
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }

    /// Tasks in this state, or in any, newest first: for the administrator of the machine, who needs no right.
    pub fn newest(
        connection: &mut PgConnection,
        state: Option<TaskState>,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        let mut query =
            tasks::table.select(Self::as_select()).order(tasks::id.desc()).limit(limit).into_boxed();
        if let Some(state) = state {
            query = query.filter(tasks::state.eq(state));
        }
        query.load(connection)
    }

    /// Tasks on hosts that the user may see now, newest first.
    pub fn visible_page(
        connection: &mut PgConnection,
        users_id: i64,
        filter: &TaskFilter,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        filter
            .query(connection)?
            // Its plan depends on what is asked for, so it is planned anew.
            .filter(sql::<Bool>(&task_is_visible(users_id)))
            .select(Self::as_select())
            .order(tasks::id.desc())
            .limit(limit)
            .load(connection)
    }
}

fn visible(users_id: i64) -> Part<Bool> {
    part_with(users_id, task_is_visible(NUMBER))
}

const TROUBLE: [TaskResult; 6] = [
    TaskResult::Warning,
    TaskResult::Critical,
    TaskResult::Unknown,
    TaskResult::Failed,
    TaskResult::TimedOut,
    TaskResult::Lost,
];

/// What happened before with one handler on one target.
#[derive(Debug, Clone, QueryableByName)]
pub struct History {
    /// The service.
    #[diesel(sql_type = BigInt)]
    pub services_id: i64,
    /// The handler.
    #[diesel(sql_type = BigInt)]
    pub event_handlers_id: i64,
    /// The last results, newest first, at most five.
    #[diesel(sql_type = Array<Text>)]
    pub results: Vec<TaskResult>,
    /// Median duration of the successful ones, in seconds.
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Double>)]
    pub typical_seconds: Option<f64>,
}

impl History {
    /// For every handler that is effective on the host.
    pub fn of_host(connection: &mut PgConnection, hosts_id: i64) -> QueryResult<Vec<Self>> {
        prepared(include_str!("tasks_history.sql")).bind::<BigInt, _>(hosts_id).load(connection)
    }
}
