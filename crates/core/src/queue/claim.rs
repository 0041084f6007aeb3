//! The claim is the start fence: committed before anything starts, so that a task starts at most once.

use super::{Id, notify_changed};
use crate::db::prepared;
use crate::models::tasks::Task;
use crate::models::workers::Worker;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use std::time::Duration;
use uuid::Uuid;

/// A task that this manager has and nobody else.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row.
    pub task: Task,
    /// The epoch that guards every later write.
    pub epoch: i64,
}

/// Takes up to `limit` queued tasks, oldest first, for the manager, and tells who shows them. One short statement: run
/// outside of a transaction it is committed with its one round trip, and nothing stays locked.
///
/// - Only tasks on hosts that the manager serves: all tags of the host are among the manager's.
/// - Only within the limits of handlers and hosts, counted over all managers, and nothing of a paused handler. Tasks
///   that a limit can touch are marked when they are queued and taken by the database's function `claim_limited`, one
///   claim at a time; the others never wait for that.
/// - A manager whose lease has run out gets nothing, since somebody may have declared its tasks lost; nor does one that
///   stops or is being drained.
/// - Tasks without limits that were asked for before `from` are passed over. While a long queue is worked off, its front
///   is full of entries of tasks that were taken already, which a claim from the beginning walks over until a vacuum.
pub fn claim(
    connection: &mut PgConnection,
    worker: &Worker,
    lease: Duration,
    limit: usize,
    from: Option<DateTime<Utc>>,
) -> QueryResult<Vec<Claim>> {
    let mut rows: Vec<Task> = prepared(include_str!("claim.sql"))
        .bind::<SqlUuid, _>(worker.id)
        .bind::<BigInt, _>(worker.epoch)
        .bind::<Double, _>(lease.as_secs_f64())
        .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind::<Text, _>(crate::db::TASK_CHANGED)
        .bind::<Nullable<Timestamptz>, _>(from)
        .load(connection)?;
    rows.sort_by_key(|task| (task.created_at, task.id));
    let epoch = worker.epoch;
    Ok(rows.into_iter().map(|task| Claim { task, epoch }).collect())
}

/// What a renewed lease tells about one task.
#[derive(Debug, Clone, QueryableByName)]
pub struct Renewed {
    /// The task; still this manager's.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Somebody asked to end it.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub cancel_requested_at: Option<DateTime<Utc>>,
}

/// Renews the lease of running tasks. An id that is not in the answer is not this manager's any more.
pub fn renew(
    connection: &mut PgConnection,
    epoch: i64,
    ids: &[Uuid],
    lease: Duration,
) -> QueryResult<Vec<Renewed>> {
    diesel::sql_query(
        "UPDATE tasks SET lease_until = clock_timestamp() + make_interval(secs => $3) \
         WHERE id = ANY($2) AND epoch = $1 AND state = 'running' RETURNING id, cancel_requested_at",
    )
    .bind::<BigInt, _>(epoch)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Double, _>(lease.as_secs_f64())
    .load(connection)
}

/// Claims of this epoch that are not `known`: their commit was never acknowledged. Only the manager of the epoch may ask,
/// with everything that it has or had, so that they were certainly not started.
pub fn strays(connection: &mut PgConnection, epoch: i64, known: &[Uuid]) -> QueryResult<Vec<Claim>> {
    let rows: Vec<Task> = diesel::sql_query(
        "SELECT * FROM tasks WHERE epoch = $1 AND state = 'running' AND id <> ALL($2) ORDER BY created_at, id",
    )
    .bind::<BigInt, _>(epoch)
    .bind::<Array<SqlUuid>, _>(known)
    .load(connection)?;
    Ok(rows.into_iter().map(|task| Claim { task, epoch }).collect())
}

/// Gives claimed tasks back that were certainly not started: a clean stop. They are queued again; naming the host fires
/// the trigger that notes its limits and tags.
pub fn give_back(connection: &mut PgConnection, epoch: i64, ids: &[Uuid]) -> QueryResult<usize> {
    let given: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET state = 'queued', workers_id = NULL, epoch = NULL, lease_until = NULL, started_at = NULL, \
         hosts_id = hosts_id WHERE id = ANY($2) AND epoch = $1 AND state = 'running' RETURNING id",
    )
    .bind::<BigInt, _>(epoch)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(connection)?;
    super::notify(connection, crate::db::TASK_QUEUED, "")?;
    let given: Vec<Uuid> = given.into_iter().map(|row| row.id).collect();
    notify_changed(connection, &given)?;
    Ok(given.len())
}
