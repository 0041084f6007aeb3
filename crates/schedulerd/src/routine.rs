//! What every scheduler does all the time: it changes only what is due, so it does not matter how many do it.

use failpoint::failpoint;
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::expired;
use selfservice_core::models::loads::Overdue;
use selfservice_core::queue;
use std::collections::BTreeMap;

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

/// Tells of sources of inventory that were not loaded for longer than the hours that belong to them.
pub fn tell_overdue(pool: &Pool, intervals: &BTreeMap<String, u32>) -> Result<(), DbError> {
    if intervals.is_empty() {
        return Ok(());
    }
    for source in
        pool.run(|connection| -> Result<_, DbError> { Ok(Overdue::among(connection, intervals)?) })?
    {
        tracing::warn!("the inventory is old: {source}");
    }
    Ok(())
}
