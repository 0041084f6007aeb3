//! The plugins managers.

use super::manager_sentence;
use crate::auth::{Signed, SignedForm};
use crate::error::{AppError, AppResult};
use crate::page::{Page, Reader, When, html};
use crate::state::AppState;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::workers::{Worker, WorkerState};
use uuid::Uuid;

#[derive(Template)]
#[template(path = "managers/list.html")]
struct ManagerList {
    page: Page,
    manager_sentence: Option<String>,
    managers: Vec<ManagerRow>,
}

struct ManagerRow {
    tone: &'static str,
    word: &'static str,
    name: String,
    version: String,
    running: i32,
    slots: i32,
    started_at: When,
    seen_at: When,
}

impl From<Worker> for ManagerRow {
    fn from(worker: Worker) -> Self {
        let (tone, word) = match worker.state() {
            WorkerState::Alive => ("ok", "Alive"),
            WorkerState::Draining => ("warning", "Draining"),
            WorkerState::Stopping => ("warning", "Stopping"),
            WorkerState::Gone if worker.stopping => ("none", "Stopped"),
            WorkerState::Gone => ("critical", "Gone"),
        };
        Self {
            tone,
            word,
            name: worker.name,
            version: worker.version,
            running: worker.running,
            slots: worker.slots,
            started_at: worker.started_at.into(),
            seen_at: worker.heartbeat_at.into(),
        }
    }
}

/// Managers of the last day. Everybody who is signed in may know whether their action would start.
pub async fn list(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let (manager_sentence, managers) =
        state.run(|connection| Ok((manager_sentence(connection)?, Worker::recent(connection)?))).await?;
    html(&ManagerList {
        page: reader.page("Managers", "managers"),
        manager_sentence,
        managers: managers.into_iter().map(ManagerRow::from).collect(),
    })
}

/// Tells a manager to take no new tasks.
pub async fn drain(
    state: web::Data<AppState>,
    form: SignedForm,
    id: web::Path<Uuid>,
) -> AppResult<HttpResponse> {
    tell(&state, form.0, *id, true).await
}

/// Tells a manager that is being drained to take tasks again.
pub async fn resume(
    state: web::Data<AppState>,
    form: SignedForm,
    id: web::Path<Uuid>,
) -> AppResult<HttpResponse> {
    tell(&state, form.0, *id, false).await
}

async fn tell(state: &AppState, signed: Signed, id: Uuid, draining: bool) -> AppResult<HttpResponse> {
    state.transaction(move |connection| set_draining(connection, &signed, id, draining)).await??;
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "/managers")).finish())
}

/// The inner result is a refusal, whose audit row must be kept.
fn set_draining(
    connection: &mut PgConnection,
    signed: &Signed,
    id: Uuid,
    draining: bool,
) -> AppResult<AppResult<()>> {
    let worker = Worker::find(connection, id)?;
    let object = worker.as_ref().map(|worker| worker.name.as_str()).unwrap_or_default();
    if !signed.access(connection)?.is_admin() {
        let action = if draining { "manager.drain.refuse" } else { "manager.resume.refuse" };
        signed.audit(action, object).insert(connection)?;
        return Ok(Err(AppError::Forbidden(
            "Only administrators of everything may tell a manager what to do.".to_owned(),
        )));
    }
    if worker.is_none() {
        return Ok(Err(AppError::NotFound));
    }
    if !Worker::set_draining(connection, id, draining)? {
        return Ok(Err(AppError::Conflict {
            detail: format!("{object} is gone, or was told so already."),
            task_id: None,
        }));
    }
    signed.audit(if draining { "manager.drain" } else { "manager.resume" }, object).insert(connection)?;
    Ok(Ok(()))
}
