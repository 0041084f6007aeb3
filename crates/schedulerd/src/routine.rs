//! What every scheduler does all the time: it changes only what is due, so it does not matter how many do it.

use failpoint::failpoint;
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::expired;
use selfservice_core::queue;

/// Declares tasks lost or expired, and removes what has run out.
pub fn run(pool: &Pool) -> Result<(), DbError> {
    let (lost, expired) = pool.transaction(|connection| -> Result<_, DbError> {
        let lost = queue::rescue(connection)?.lost;
        failpoint!("in_rescue");
        let expired = queue::expire(connection)?;
        expired::purge(connection)?;
        Ok((lost, expired))
    })?;
    for id in lost {
        tracing::warn!(task.id = %id, "a task is lost: its manager was not heard of any more");
    }
    for id in expired {
        tracing::warn!(task.id = %id, "a task expired: no manager took it in time");
    }
    Ok(())
}
