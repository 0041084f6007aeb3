//! Results and progress, as the manager writes them.

use super::repeat::MAX_ATTEMPTS;
use super::{Id, notify_changed, poison};
use crate::models::tasks::TaskResult;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, SmallInt, Text, Uuid as SqlUuid};
use uuid::Uuid;

/// The end of one run.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The task.
    pub id: Uuid,
    /// The epoch of the claim.
    pub epoch: i64,
    /// How it ended.
    pub result: TaskResult,
    /// The plugin's exit code.
    pub exit_code: Option<i32>,
    /// A few words.
    pub result_text: Option<String>,
    /// First line of output.
    pub summary: Option<String>,
    /// Performance data.
    pub perfdata: Option<String>,
}

/// Finishes a task; see [`finish_all`]. True: done. False: the task is not this epoch's any more.
pub fn finish(connection: &mut PgConnection, end: &Finish) -> QueryResult<bool> {
    Ok(!finish_all(connection, &[end])?.is_empty())
}

/// Finishes tasks in one statement: the rows of their output must be written before, in the same transaction.
///
/// Gives the ids of those that were finished. The others are not this epoch's any more, and their results are dropped.
/// The one exception to "final": the same epoch may still deliver the real result of a task that was declared lost; it
/// is flagged as late. The caller tells who shows the tasks, see [`notify_changed`].
///
/// A result may be `lost` itself, where the launcher is gone: see [`super::rescue`] for what follows from that.
pub fn finish_all(connection: &mut PgConnection, ends: &[&Finish]) -> QueryResult<Vec<Uuid>> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let done: Vec<Id> = diesel::sql_query(include_str!("finish.sql"))
        .bind::<Array<SqlUuid>, _>(ends.iter().map(|end| end.id).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(ends.iter().map(|end| end.epoch).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(ends.iter().map(|end| end.result).collect::<Vec<_>>())
        .bind::<Array<Nullable<Integer>>, _>(ends.iter().map(|end| end.exit_code).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|end| &end.result_text).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|end| &end.summary).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|end| &end.perfdata).collect::<Vec<_>>())
        .bind::<Text, _>(crate::db::TASK_QUEUED)
        .bind::<SmallInt, _>(MAX_ATTEMPTS)
        .load(connection)?;
    let done: Vec<Uuid> = done.into_iter().map(|row| row.id).collect();
    if ends.iter().any(|end| end.result == TaskResult::Lost) {
        poison::pause_poison(connection, &done)?;
    }
    Ok(done)
}

/// How far a run is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The task.
    pub id: Uuid,
    /// The epoch of the claim.
    pub epoch: i64,
    /// As the plugin reported.
    pub percent: Option<i16>,
    /// As the API shows them.
    pub steps: serde_json::Value,
    /// Bytes of output that are written.
    pub output_bytes: i64,
    /// Line ends among them.
    pub output_lines: i64,
}

/// Writes the progress of many runs in one statement; rows that are not this epoch's any more are left alone.
pub fn progress(connection: &mut PgConnection, updates: &[Progress]) -> QueryResult<()> {
    let ids: Vec<Uuid> = updates.iter().map(|update| update.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE tasks t SET percent = u.percent, steps = u.steps, output_bytes = u.bytes, output_lines = u.lines \
         FROM unnest($1, $2, $3, $4, $5, $6) AS u (id, epoch, percent, steps, bytes, lines) \
         WHERE t.id = u.id AND t.epoch = u.epoch",
    )
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Array<BigInt>, _>(updates.iter().map(|u| u.epoch).collect::<Vec<_>>())
    .bind::<Array<Nullable<SmallInt>>, _>(updates.iter().map(|u| u.percent).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(updates.iter().map(|u| u.steps.clone()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(updates.iter().map(|u| u.output_bytes).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(updates.iter().map(|u| u.output_lines).collect::<Vec<_>>())
    .execute(connection)?;
    notify_changed(connection, &ids)
}
