//! Lost tasks of repeatable handlers, which managers start again without a person: finding them, and striking them off.

use crate::models::tasks::Task;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

/// A task and its repetitions are so many at most.
pub const MAX_ATTEMPTS: i16 = 3;

/// The lost task that has waited longest to be started again, locked for this transaction: another manager gets the
/// next one. `None`: there is none. Tasks of a paused handler wait.
pub fn take_lost(connection: &mut PgConnection) -> QueryResult<Option<Task>> {
    diesel::sql_query(
        "SELECT t.* FROM tasks t WHERE t.repeat_due AND NOT EXISTS ( \
             SELECT 1 FROM event_handlers h WHERE h.id = t.event_handlers_id AND h.paused_at IS NOT NULL) \
         ORDER BY t.finished_at LIMIT 1 FOR UPDATE SKIP LOCKED",
    )
    .get_result(connection)
    .optional()
}

/// Strikes a lost task off: it was started again, or will not be. In the transaction of [`take_lost`].
pub fn strike_off(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::sql_query("UPDATE tasks SET repeat_due = false WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(connection)
        .map(|_| ())
}
