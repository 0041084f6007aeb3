//! Finding a thing for somebody: what they may not see is not found.

use crate::error::{AppError, AppResult};
use selfservice_core::access::Access;
use selfservice_core::db::PgConnection;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::tasks::Task;
use uuid::Uuid;

/// A host that may be seen, and where it belongs.
pub fn host(connection: &mut PgConnection, access: &Access, id: i64) -> AppResult<(Host, Placement)> {
    let host = Host::find(connection, id)?.ok_or(AppError::NotFound)?;
    let placement = Host::placement(connection, id)?;
    if access.may_see(&placement) { Ok((host, placement)) } else { Err(AppError::NotFound) }
}

/// A task that may be seen now, and where its host belongs now.
pub fn task(connection: &mut PgConnection, access: &Access, id: Uuid) -> AppResult<(Task, Placement)> {
    let task = Task::find(connection, id)?.ok_or(AppError::NotFound)?;
    let placement = placement_of(connection, access, &task)?;
    Ok((task, placement))
}

/// Where the task's host belongs now, if the task may be seen.
pub fn placement_of(connection: &mut PgConnection, access: &Access, task: &Task) -> AppResult<Placement> {
    let hosts_id = task.hosts_id.ok_or(AppError::NotFound)?;
    let (_, placement) = host(connection, access, hosts_id)?;
    let handler = match task.event_handlers_id {
        Some(id) => EventHandler::find(connection, id)?,
        None => None,
    };
    if access.may_see_task(&placement, handler.as_ref()) { Ok(placement) } else { Err(AppError::NotFound) }
}
