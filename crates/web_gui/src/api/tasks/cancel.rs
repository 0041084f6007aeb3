//! `POST /tasks/{id}/cancel`

use super::SeenTask;
use crate::api::input;
use crate::api::shapes::TaskShape;
use crate::auth::Signed;
use crate::body::Json;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use selfservice_core::db::PgConnection;
use selfservice_core::queue::{self, Cancelled};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An empty object: a body makes sure that no simple form of another page can send the request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Nothing {}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskCancelled)]
pub(in crate::api) struct Answer {
    task: TaskShape,
}

/// Ends a queued task at once, or asks the manager of a running one to end it.
pub(in crate::api) async fn cancel(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
    _: Json<Nothing>,
) -> AppResult<HttpResponse> {
    let id = input::task_id(&id)?;
    let task = state.transaction(move |connection| ask(connection, &signed, id)).await??;
    Ok(HttpResponse::Accepted().json(Answer { task }))
}

/// The inner result is a refusal, whose audit row must be kept.
fn ask(connection: &mut PgConnection, signed: &Signed, id: Uuid) -> AppResult<AppResult<TaskShape>> {
    let seen = match SeenTask::find(connection, signed, id) {
        Err(AppError::NotFound) => {
            refuse(connection, signed, id, "")?;
            return Ok(Err(AppError::NotFound));
        }
        other => other?,
    };
    let object = format!("{} on {}", seen.task.handler_name, seen.task.host_name);
    if !seen.may_cancel(connection)? {
        refuse(connection, signed, id, &object)?;
        return Ok(Err(AppError::Forbidden(
            "You may see this run, but you have no right to end it.".to_owned(),
        )));
    }
    match queue::cancel(connection, id, &signed.user.name)? {
        Cancelled::TooLate => {
            return Ok(Err(AppError::Conflict {
                detail: "It has finished already.".to_owned(),
                task_id: Some(id),
            }));
        }
        Cancelled::BeforeStart | Cancelled::Requested => {
            let mut audit = signed.audit("task.cancel", &object);
            audit.task_id = Some(id);
            audit.insert(connection)?;
        }
    }
    SeenTask::find(connection, signed, id)?.shape(connection).map(Ok)
}

fn refuse(connection: &mut PgConnection, signed: &Signed, id: Uuid, object: &str) -> AppResult<()> {
    let mut audit = signed.audit("task.cancel.refuse", object);
    audit.task_id = Some(id);
    Ok(audit.insert(connection)?)
}
