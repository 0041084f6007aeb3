//! Results and progress, as the manager writes them.

use super::notify_changed;
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

/// Finishes a task: the rows of its output must be written before, in the same transaction.
///
/// True: done. False: the task is not this epoch's any more, and the result is dropped. The one exception to "final":
/// the same epoch may still deliver the real result of a task that was declared lost; it is flagged as late.
pub fn finish(connection: &mut PgConnection, end: &Finish) -> QueryResult<bool> {
    let rows = diesel::sql_query(
        "UPDATE tasks SET late = (state = 'finished'), state = 'finished', result = $3, exit_code = $4, \
         result_text = $5, summary = $6, perfdata = $7, finished_at = clock_timestamp(), lease_until = NULL \
         WHERE id = $1 AND epoch = $2 AND (state = 'running' OR (state = 'finished' AND result = 'lost' AND NOT late))",
    )
    .bind::<SqlUuid, _>(end.id)
    .bind::<BigInt, _>(end.epoch)
    .bind::<Text, _>(end.result)
    .bind::<Nullable<Integer>, _>(end.exit_code)
    .bind::<Nullable<Text>, _>(&end.result_text)
    .bind::<Nullable<Text>, _>(&end.summary)
    .bind::<Nullable<Text>, _>(&end.perfdata)
    .execute(connection)?;
    Ok(rows == 1)
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
