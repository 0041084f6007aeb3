//! What nobody finishes is finished honestly: a lease that ran out is `lost`, a wait that took too long `expired`.

use super::cancel::only_line;
use super::repeat::MAX_ATTEMPTS;
use super::{Id, notify_changed, poison};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::SmallInt;
use uuid::Uuid;

/// Tasks that were declared lost.
#[derive(Debug, Clone, Default)]
pub struct Rescued {
    /// Their ids.
    pub lost: Vec<Uuid>,
}

// Both look for the rows first: joined with a subquery, the server would expect a thousand of them each time, and read
// the whole table.

/// Declares running tasks lost whose manager let the lease run out. They stay so until a person retries: nobody can
/// know what they did. Any program may call this, at any time, in a transaction: a handler whose runs end so again and
/// again is paused with it, and one that is marked as repeatable is started again by a manager
/// ([`crate::plan::repeat_lost`]).
///
/// Leases run by the database's clock, so after its restart all of them may be over at once though their managers live.
/// Nothing is lost before the server has been up for as long as the manager's own lease: time enough to renew.
pub fn rescue(connection: &mut PgConnection) -> QueryResult<Rescued> {
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks t SET state = 'finished', result = 'lost', finished_at = clock_timestamp(), \
         lease_until = NULL, result_text = 'outcome unknown, its manager is gone', \
         repeat_due = t.attempt < $1 AND t.cancel_requested_at IS NULL AND EXISTS ( \
             SELECT 1 FROM event_handlers h WHERE h.id = t.event_handlers_id AND h.repeatable) \
         WHERE t.id = ANY (ARRAY(SELECT o.id FROM tasks o JOIN workers w ON w.id = o.workers_id \
                        WHERE o.state = 'running' AND o.lease_until < clock_timestamp() \
                        AND pg_postmaster_start_time() + (w.alive_until - w.heartbeat_at) < clock_timestamp() \
                        ORDER BY o.lease_until LIMIT 1000 FOR UPDATE OF o SKIP LOCKED)) RETURNING t.id",
    )
    .bind::<SmallInt, _>(MAX_ATTEMPTS)
    .load(connection)?;
    let lost: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    if !lost.is_empty() {
        poison::pause_poison(connection, &lost)?;
        // Each of them may have held a place under a limit.
        super::notify(connection, crate::db::TASK_QUEUED, "")?;
        notify_changed(connection, &lost)?;
    }
    Ok(Rescued { lost })
}

/// Finishes queued tasks whose time in the queue is over, and gives their ids. Run it in a transaction.
pub fn expire(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET state = 'finished', result = 'expired', finished_at = clock_timestamp(), \
         result_text = 'no manager took it in time' \
         WHERE id = ANY (ARRAY(SELECT id FROM tasks WHERE state = 'queued' AND expires_at < clock_timestamp() \
                      ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)) RETURNING id",
    )
    .load(connection)?;
    let expired: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    for id in &expired {
        only_line(connection, *id, "Expired: no manager took it in time.")?;
    }
    notify_changed(connection, &expired)?;
    Ok(expired)
}
