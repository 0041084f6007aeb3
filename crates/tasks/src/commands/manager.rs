//! `tasks manager ...`

use crate::context::{Context, audit};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use selfservice_core::db::PgConnection;
use selfservice_core::models::workers::{Worker, WorkerState};
use serde::Serialize;
use uuid::Uuid;

#[derive(Subcommand)]
pub enum ManagerCommand {
    /// List the plugins managers of the last day
    List,
    /// Let a manager take no new tasks; what it runs goes on, and it stays
    Drain {
        /// Its name or its id
        manager: String,
    },
    /// Let a manager that is being drained take tasks again
    Resume {
        /// Its name or its id
        manager: String,
    },
}

#[derive(Serialize)]
struct Row {
    id: Uuid,
    name: String,
    version: String,
    state: WorkerState,
    tags: Vec<String>,
    running: i32,
    slots: i32,
    started_at: DateTime<Utc>,
    heartbeat_at: DateTime<Utc>,
}

impl ManagerCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List => list(context),
            Self::Drain { manager } => tell(context, &manager, true),
            Self::Resume { manager } => tell(context, &manager, false),
        }
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let workers =
        context.pool().run(|connection| -> anyhow::Result<_> { Ok(Worker::recent(connection)?) })?;
    let rows: Vec<Row> = workers
        .into_iter()
        .map(|worker| Row {
            state: worker.state(),
            id: worker.id,
            name: worker.name,
            version: worker.version,
            tags: worker.tags,
            running: worker.running,
            slots: worker.slots,
            started_at: worker.started_at,
            heartbeat_at: worker.heartbeat_at,
        })
        .collect();
    context.list(&rows, "no plugins manager ran within the last day", |row| {
        let tags = if row.tags.is_empty() { String::new() } else { format!("  tags {}", row.tags.join(" ")) };
        format!(
            "{}  {}  {:8}  {} of {} slots{tags}  version {}  last heard of {}",
            row.id,
            row.name,
            row.state.as_str(),
            row.running,
            row.slots,
            row.version,
            row.heartbeat_at.format("%F %T UTC")
        )
    })
}

fn tell(context: &Context, manager: &str, draining: bool) -> anyhow::Result<()> {
    let worker = context.transaction(|connection| {
        let worker = find(connection, manager)?;
        if !Worker::set_draining(connection, worker.id, draining)? {
            match (worker.is_alive(), draining) {
                (false, _) => bail!("the manager {} is gone", worker.name),
                (true, true) => bail!("the manager {} is being drained already", worker.name),
                (true, false) => bail!("the manager {} is not being drained", worker.name),
            }
        }
        audit(connection, if draining { "manager.drain" } else { "manager.resume" }, &worker.name)?;
        Ok(worker)
    })?;
    let text = if draining {
        format!("{} takes no new tasks; {} run on it", worker.name, worker.running)
    } else {
        format!("{} takes tasks again", worker.name)
    };
    context.show(&serde_json::json!({ "id": worker.id, "name": worker.name, "draining": draining }), text)
}

/// A manager by its id, or the one that lives and has this name.
fn find(connection: &mut PgConnection, manager: &str) -> anyhow::Result<Worker> {
    if let Ok(id) = manager.parse() {
        return Worker::find(connection, id)?.with_context(|| format!("there is no manager {id}"));
    }
    let mut named = Worker::alive_named(connection, manager)?;
    match (named.pop(), named.is_empty()) {
        (Some(worker), true) => Ok(worker),
        (None, _) => bail!("no manager '{manager}' is alive; 'tasks manager list' names them"),
        (Some(_), false) => {
            bail!(
                "several managers of the name '{manager}' are alive; name one by its id, as 'tasks manager list' shows it"
            )
        }
    }
}
