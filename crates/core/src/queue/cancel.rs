//! Somebody asks to end a task.

use super::{Id, notify_changed};
use crate::models::logs::{Chunk, Stream};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use uuid::Uuid;

/// What a request to cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not been started: it is finished now.
    BeforeStart,
    /// It runs: its manager was told, and ends it.
    Requested,
    /// It was finished already.
    TooLate,
}

/// Cancels a queued task at once, or asks the manager of a running one. Run it in a transaction with the audit row.
pub fn cancel(connection: &mut PgConnection, id: Uuid, by: &str) -> QueryResult<Cancelled> {
    let queued: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET state = 'finished', result = 'cancelled', finished_at = clock_timestamp(), \
         result_text = 'cancelled by ' || $2 || ' before it started', \
         cancel_requested_at = clock_timestamp(), cancel_requested_by = $2 \
         WHERE id = $1 AND state = 'queued' RETURNING id",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(by)
    .load(connection)?;
    if !queued.is_empty() {
        only_line(connection, id, &format!("Cancelled by {by} before it started."))?;
        notify_changed(connection, &[id])?;
        return Ok(Cancelled::BeforeStart);
    }
    let running: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), \
         cancel_requested_by = coalesce(cancel_requested_by, $2) \
         WHERE id = $1 AND state = 'running' RETURNING id",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(by)
    .load(connection)?;
    if running.is_empty() {
        return Ok(Cancelled::TooLate);
    }
    super::notify(connection, crate::db::TASK_CANCEL, &id.to_string())?;
    notify_changed(connection, &[id])?;
    Ok(Cancelled::Requested)
}

/// Writes the only line of a task that never started, so that its log alone tells the story.
pub(super) fn only_line(connection: &mut PgConnection, id: Uuid, sentence: &str) -> QueryResult<()> {
    let bytes = format!("{sentence}\n").into_bytes();
    diesel::sql_query("UPDATE tasks SET output_bytes = $2, output_lines = 1 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<diesel::sql_types::BigInt, _>(i64::try_from(bytes.len()).unwrap_or(0))
        .execute(connection)?;
    let line = Chunk {
        task_id: id,
        byte_offset: 0,
        first_line: 0,
        stream: Stream::System,
        written_at: chrono::Utc::now(),
        bytes,
    };
    Chunk::append(connection, &[line])
}
