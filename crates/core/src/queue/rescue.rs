//! What nobody finishes is finished honestly: a lease that ran out is `lost`, a wait that took too long `expired`.

use super::cancel::only_line;
use super::{Id, notify_changed};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

/// Tasks that were declared lost.
#[derive(Debug, Clone, Default)]
pub struct Rescued {
    /// Their ids.
    pub lost: Vec<Uuid>,
}

/// Declares running tasks lost whose manager let the lease run out. They stay so until a person retries: nobody can
/// know what they did. Any program may call this, at any time.
pub fn rescue(connection: &mut PgConnection) -> QueryResult<Rescued> {
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET state = 'finished', result = 'lost', finished_at = clock_timestamp(), lease_until = NULL, \
         result_text = 'outcome unknown, its manager is gone' \
         WHERE id IN (SELECT id FROM tasks WHERE state = 'running' AND lease_until < clock_timestamp() \
                      ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING id",
    )
    .load(connection)?;
    let lost: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    notify_changed(connection, &lost)?;
    Ok(Rescued { lost })
}

/// Finishes queued tasks whose time in the queue is over, and gives their ids. Run it in a transaction.
pub fn expire(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks SET state = 'finished', result = 'expired', finished_at = clock_timestamp(), \
         result_text = 'no manager took it in time' \
         WHERE id IN (SELECT id FROM tasks WHERE state = 'queued' AND expires_at < clock_timestamp() \
                      ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING id",
    )
    .load(connection)?;
    let expired: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    for id in &expired {
        only_line(connection, *id, "Expired: no manager took it in time.")?;
    }
    notify_changed(connection, &expired)?;
    Ok(expired)
}
