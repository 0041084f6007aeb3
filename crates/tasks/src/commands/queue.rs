//! `tasks queue ...`

use crate::context::{Context, audit_row, user_named};
use anyhow::{Context as _, anyhow, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskResult, TaskState};
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::plan::{Plan, Request, Requester};
use selfservice_core::queue::{self, Cancelled, Enqueued, NewTask};
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

#[derive(Subcommand)]
pub enum QueueCommand {
    /// List tasks, newest first
    List {
        /// Only tasks that are queued, running or finished
        #[arg(long)]
        state: Option<TaskState>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show one task
    Show {
        /// Its UUID
        id: Uuid,
    },
    /// Do a finished task again, as a new task with the present rights of the person who asked for it
    Retry {
        /// Its UUID
        id: Uuid,
        /// Another user, with whose rights it is done
        #[arg(long)]
        user: Option<String>,
        /// Why it is done again, where the event handler asks for a reason
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a task: at once while it is queued, else by its manager
    Cancel {
        /// Its UUID
        id: Uuid,
    },
}

#[derive(Serialize)]
struct Row {
    id: Uuid,
    state: TaskState,
    result: Option<TaskResult>,
    result_text: Option<String>,
    summary: Option<String>,
    handler: String,
    host: String,
    service: String,
    plugin: String,
    argv: Vec<String>,
    requester: String,
    reason: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    attempt: i16,
    retry_of: Option<Uuid>,
    /// Only of one task that is shown.
    retried_as: Option<Uuid>,
    wait_reason: Option<String>,
}

impl From<Task> for Row {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            state: task.state,
            result: task.result,
            result_text: task.result_text,
            summary: task.summary,
            handler: task.handler_name,
            host: task.host_name,
            service: task.service_name,
            plugin: task.plugin,
            argv: task.argv,
            requester: task.requester,
            reason: task.reason,
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            attempt: task.attempt,
            retry_of: task.retry_of,
            retried_as: None,
            wait_reason: None,
        }
    }
}

impl Row {
    fn word(&self) -> &'static str {
        self.result.map_or(self.state.as_str(), TaskResult::as_str)
    }
}

/// All of it, one fact a line.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {} ({})", self.handler, self.host, self.service)?;
        writeln!(f, "state      {}", self.word())?;
        writeln!(f, "requester  {}", self.requester)?;
        // Debug form: a control character in an argument must not move the terminal's cursor.
        writeln!(f, "command    {} {:?}", self.plugin, self.argv)?;
        let times = [
            ("created", Some(self.created_at)),
            ("started", self.started_at),
            ("finished", self.finished_at),
        ];
        for (what, at) in times {
            if let Some(at) = at {
                writeln!(f, "{what:10} {}", at.format("%F %T UTC"))?;
            }
        }
        let texts = [
            ("waits", &self.wait_reason),
            ("reason", &self.reason),
            ("outcome", &self.result_text),
            ("summary", &self.summary),
        ];
        for (what, text) in texts {
            if let Some(text) = text {
                writeln!(f, "{what:10} {}", text.escape_debug())?;
            }
        }
        if self.attempt > 1 {
            writeln!(f, "attempt    {}", self.attempt)?;
        }
        for (what, id) in [("retry of", self.retry_of), ("retried as", self.retried_as)] {
            if let Some(id) = id {
                writeln!(f, "{what:10} {id}")?;
            }
        }
        write!(f, "id         {}", self.id)
    }
}

impl QueueCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List { state, limit } => list(context, state, limit),
            Self::Show { id } => show(context, id),
            Self::Retry { id, user, reason } => retry(context, id, user.as_deref(), reason),
            Self::Cancel { id } => cancel(context, id),
        }
    }
}

fn list(context: &Context, state: Option<TaskState>, limit: i64) -> anyhow::Result<()> {
    let tasks = context
        .pool()
        .run(|connection| -> anyhow::Result<_> { Ok(Task::newest(connection, state, limit)?) })?;
    let rows: Vec<Row> = tasks.into_iter().map(Row::from).collect();
    context.list(&rows, "no tasks", |row| {
        format!(
            "{}  {}  {:9}  {} on {} ({})  by {}",
            row.id,
            row.created_at.format("%F %T"),
            row.word(),
            row.handler,
            row.host,
            row.service,
            row.requester
        )
    })
}

fn show(context: &Context, id: Uuid) -> anyhow::Result<()> {
    let row = context.pool().run(|connection| {
        let task = find(connection, id)?;
        let wait_reason = WaitReason::of(connection, &task)?.map(|reason| reason.to_string());
        let retried_as = task.retried_as(connection)?.map(|retry| retry.id);
        anyhow::Ok(Row { wait_reason, retried_as, ..Row::from(task) })
    })?;
    context.show(&row, &row)
}

fn find(connection: &mut PgConnection, id: Uuid) -> anyhow::Result<Task> {
    Task::find(connection, id)?.with_context(|| format!("there is no task {id}"))
}

fn retry(context: &Context, id: Uuid, user: Option<&str>, reason: Option<String>) -> anyhow::Result<()> {
    let macros = context.settings.macro_file()?;
    let queue_life = context.settings.manager.queue_life;
    let new = context.transaction(|connection| {
        let task = find(connection, id)?;
        if task.state != TaskState::Finished {
            bail!("the task {id} has not finished; only what has ended can be done again");
        }
        let (request, asked) =
            Request::of_task(&task).map_err(|why| anyhow!("it cannot be done again: {why}"))?;
        let (users_id, name) = match user {
            Some(name) => (user_named(connection, name)?.id, name.to_owned()),
            None => (asked.users_id, asked.name),
        };
        let requester = Requester { users_id, name, identity: Identity::System, token_verb: None };
        let (new, at) = (Uuid::now_v7(), database_time(connection)?);
        let plan = Plan::decide(connection, &macros, &requester, &request, new, at)
            .with_context(|| format!("{} cannot do it again", requester.name))?;
        if let Some(text) = plan.handler.pause_text() {
            bail!("{text}");
        }
        if let Some(why) = plan.needs_typing() {
            bail!("{why}");
        }
        let reason = reason.or_else(|| task.reason.clone()).filter(|reason| !reason.trim().is_empty());
        if plan.handler.reason_required && reason.is_none() {
            bail!("the event handler asks for a reason: say it with --reason");
        }
        let row = plan.into_task(&requester, new, at, queue_life, Origin::Api, Uuid::new_v4(), reason);
        let row = NewTask { retry_of: Some(id), ..row };
        match queue::enqueue(connection, &row)? {
            Enqueued::New(made) => {
                let detail = serde_json::json!({
                    "retry_of": id, "requester": made.requester, "argv": made.argv, "reason": made.reason,
                });
                audit(connection, "task.retry", &made, detail)?;
                Ok(made.id)
            }
            Enqueued::Attached(other) | Enqueued::Busy(other) => {
                bail!("the task {} of {} does it on the same target already", other.id, other.requester)
            }
        }
    })?;
    context.show(&serde_json::json!({ "id": new, "retry_of": id }), format!("queued as {new}"))
}

fn cancel(context: &Context, id: Uuid) -> anyhow::Result<()> {
    let done = context.transaction(|connection| {
        let task = find(connection, id)?;
        let done = queue::cancel(connection, id, "tasks")?;
        if done != Cancelled::TooLate {
            audit(connection, "task.cancel", &task, serde_json::json!({}))?;
        }
        Ok(done)
    })?;
    let text = match done {
        Cancelled::BeforeStart => "cancelled before it started",
        Cancelled::Requested => "asked its manager to end it",
        Cancelled::TooLate => bail!("the task {id} has finished already"),
    };
    context.show(&serde_json::json!({ "id": id, "done": text }), text)
}

fn audit(
    connection: &mut PgConnection,
    action: &str,
    task: &Task,
    detail: serde_json::Value,
) -> Result<(), QueryError> {
    let object = format!("{} on {}", task.handler_name, task.host_name);
    NewAudit { task_id: Some(task.id), detail, ..audit_row(action, &object) }.insert(connection)
}
