//! `tasks managers`

use crate::context::Context;
use chrono::{DateTime, Utc};
use selfservice_core::models::workers::Worker;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize)]
struct Row {
    id: Uuid,
    name: String,
    version: String,
    alive: bool,
    stopping: bool,
    running: i32,
    slots: i32,
    started_at: DateTime<Utc>,
    heartbeat_at: DateTime<Utc>,
}

pub fn run(context: &Context) -> anyhow::Result<()> {
    let workers =
        context.pool().run(|connection| -> anyhow::Result<_> { Ok(Worker::recent(connection)?) })?;
    let rows: Vec<Row> = workers
        .into_iter()
        .map(|worker| Row {
            alive: worker.is_alive(),
            id: worker.id,
            name: worker.name,
            version: worker.version,
            stopping: worker.stopping,
            running: worker.running,
            slots: worker.slots,
            started_at: worker.started_at,
            heartbeat_at: worker.heartbeat_at,
        })
        .collect();
    context.list(&rows, "no plugins manager ran within the last day", |row| {
        let state = match (row.alive, row.stopping) {
            (false, _) => "gone",
            (true, true) => "stopping",
            (true, false) => "alive",
        };
        format!(
            "{}  {state}  {} of {} slots  version {}  last heard of {}",
            row.name,
            row.running,
            row.slots,
            row.version,
            row.heartbeat_at.format("%F %T UTC")
        )
    })
}
