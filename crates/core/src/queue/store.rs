//! Output, progress and results, as the manager writes them.

use super::poison;
use super::repeat::MAX_ATTEMPTS;
use crate::db::prepared;
use crate::models::logs::Chunk;
use crate::models::tasks::TaskResult;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Binary, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
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

/// Finishes a task; see [`store`]. True: done. False: the task is not this epoch's any more.
pub fn finish(connection: &mut PgConnection, end: &Finish) -> QueryResult<bool> {
    Ok(!store(connection, &[], &[], &[end])?.is_empty())
}

/// Writes what has come of any runs: all of it or, on an error, nothing. A result is never visible before the last
/// line of the output that is given with it. Those who show the tasks of `runs` are told to look again.
///
/// Gives the ids of the tasks that were finished. Runs and ends of tasks that are not this epoch's any more change
/// nothing. The one exception to "final": the same epoch may still deliver the real result of a task that was declared
/// lost; it is flagged as late. A chunk that is there already (a replay after an unclear commit) is left as it is.
///
/// A result may be `lost` itself, where the launcher is gone: see [`super::rescue`] for what follows from that.
///
/// One statement, so no transaction is opened and closed around it, which would cost two more trips to the server.
pub fn store(
    connection: &mut PgConnection,
    chunks: &[Chunk],
    runs: &[Progress],
    ends: &[&Finish],
) -> QueryResult<Vec<Uuid>> {
    let statement = prepared(include_str!("store.sql"))
        .bind::<Array<SqlUuid>, _>(column(chunks, |chunk| chunk.task_id))
        .bind::<Array<BigInt>, _>(column(chunks, |chunk| chunk.byte_offset))
        .bind::<Array<BigInt>, _>(column(chunks, |chunk| chunk.first_line))
        .bind::<Array<Text>, _>(column(chunks, |chunk| chunk.stream))
        .bind::<Array<Timestamptz>, _>(column(chunks, |chunk| chunk.written_at))
        .bind::<Array<Binary>, _>(column(chunks, |chunk| &chunk.bytes))
        .bind::<Array<SqlUuid>, _>(column(runs, |run| run.id))
        .bind::<Array<BigInt>, _>(column(runs, |run| run.epoch))
        .bind::<Array<Nullable<SmallInt>>, _>(column(runs, |run| run.percent))
        .bind::<Array<Jsonb>, _>(column(runs, |run| &run.steps))
        .bind::<Array<BigInt>, _>(column(runs, |run| run.output_bytes))
        .bind::<Array<BigInt>, _>(column(runs, |run| run.output_lines))
        .bind::<Array<SqlUuid>, _>(column(ends, |end| end.id))
        .bind::<Array<BigInt>, _>(column(ends, |end| end.epoch))
        .bind::<Array<Text>, _>(column(ends, |end| end.result))
        .bind::<Array<Nullable<Integer>>, _>(column(ends, |end| end.exit_code))
        .bind::<Array<Nullable<Text>>, _>(column(ends, |end| &end.result_text))
        .bind::<Array<Nullable<Text>>, _>(column(ends, |end| &end.summary))
        .bind::<Array<Nullable<Text>>, _>(column(ends, |end| &end.perfdata))
        .bind::<SmallInt, _>(MAX_ATTEMPTS);
    let write = |connection: &mut PgConnection| -> QueryResult<Vec<Uuid>> {
        let done: Vec<Done> = statement.load(connection)?;
        Ok(done.into_iter().filter_map(|row| row.id).collect())
    };
    if ends.iter().all(|end| end.result != TaskResult::Lost) {
        return write(connection);
    }
    connection.transaction(|connection| {
        let done = write(connection)?;
        poison::pause_poison(connection, &done)?;
        Ok(done)
    })
}

fn column<'a, T, V>(rows: &'a [T], of: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
}
