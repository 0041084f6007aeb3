//! `tasks queue ...`

use crate::context::Context;
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::tasks::{Task, TaskResult, TaskState};
use selfservice_core::queue::{self, Cancelled};
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
        for (what, text) in
            [("reason", &self.reason), ("outcome", &self.result_text), ("summary", &self.summary)]
        {
            if let Some(text) = text {
                writeln!(f, "{what:10} {}", text.escape_debug())?;
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
    let task = context.pool().run(|connection| -> anyhow::Result<_> { Ok(Task::find(connection, id)?) })?;
    let row = Row::from(task.with_context(|| format!("there is no task {id}"))?);
    context.show(&row, &row)
}

fn cancel(context: &Context, id: Uuid) -> anyhow::Result<()> {
    let done = context.transaction(|connection| {
        let task = Task::find(connection, id)?.with_context(|| format!("there is no task {id}"))?;
        let done = queue::cancel(connection, id, "tasks")?;
        if done != Cancelled::TooLate {
            NewAudit {
                users_id: None,
                actor: "tasks",
                identity: "system",
                address: "",
                action: "task.cancel",
                object: &format!("{} on {}", task.handler_name, task.host_name),
                task_id: Some(id),
                detail: serde_json::json!({}),
            }
            .insert(connection)?;
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
