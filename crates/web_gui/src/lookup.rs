//! Finding a thing for somebody: what they may not see is not found.

use crate::error::{AppError, AppResult};
use selfservice_core::access::Access;
use selfservice_core::db::PgConnection;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::tasks::Task;
use uuid::Uuid;

/// A host that may be seen, and where it belongs.
pub fn host(connection: &mut PgConnection, access: &Access, id: i64) -> AppResult<(Host, Placement)> {
    let host = Host::find(connection, id)?.ok_or(AppError::NotFound)?;
    let placement = Host::placement(connection, id)?;
    if access.may_see(&placement) { Ok((host, placement)) } else { Err(AppError::NotFound) }
}

/// A task on a host that may be seen now, and where the host belongs now.
pub fn task(connection: &mut PgConnection, access: &Access, id: Uuid) -> AppResult<(Task, Placement)> {
    let task = Task::find(connection, id)?.ok_or(AppError::NotFound)?;
    let hosts_id = task.hosts_id.ok_or(AppError::NotFound)?;
    let (_, placement) = host(connection, access, hosts_id)?;
    Ok((task, placement))
}
