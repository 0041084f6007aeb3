//! The plugins managers: what each does, and telling one to take no more tasks.

use super::{manager_sentence, see};
use crate::auth::SignedForm;
use crate::error::{AppError, AppResult};
use crate::page::{Page, Reader, When, encoded, html};
use crate::rights;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::models::workers::{Worker, WorkerState};
use serde_json::json;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "managers/list.html")]
struct ManagerList {
    page: Page,
    manager_sentence: Option<String>,
    may_drain: bool,
    managers: Vec<ManagerRow>,
}

struct ManagerRow {
    id: Uuid,
    tone: &'static str,
    word: &'static str,
    name: String,
    tags: Vec<String>,
    version: String,
    epoch: i64,
    running: i32,
    slots: i32,
    tasks_url: String,
    started_at: When,
    seen_at: When,
    can_drain: bool,
    can_resume: bool,
}

impl From<Worker> for ManagerRow {
    fn from(worker: Worker) -> Self {
        let state = worker.state();
        let (tone, word) = match state {
            WorkerState::Alive => ("ok", "Alive"),
            WorkerState::Draining => ("warning", "Draining"),
            WorkerState::Stopping => ("warning", "Stopping"),
            // It said goodbye, or was not heard of any more.
            WorkerState::Gone if worker.stopping => ("none", "Stopped"),
            WorkerState::Gone => ("critical", "Gone"),
        };
        Self {
            id: worker.id,
            tone,
            word,
            tasks_url: format!("/tasks?state=running&manager={}", encoded(&worker.name)),
            name: worker.name,
            tags: worker.tags,
            version: worker.version,
            epoch: worker.epoch,
            running: if state == WorkerState::Gone { 0 } else { worker.running },
            slots: worker.slots,
            started_at: worker.started_at.into(),
            seen_at: worker.heartbeat_at.into(),
            can_drain: state == WorkerState::Alive,
            can_resume: state == WorkerState::Draining,
        }
    }
}

/// Managers of the last day. Everybody who is signed in may know whether their action would start.
pub async fn list(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let signed = reader.signed.clone();
    let (manager_sentence, may_drain, managers) = state
        .run(move |connection| {
            let may_drain = signed.access(connection)?.is_admin();
            Ok((manager_sentence(connection)?, may_drain, Worker::recent(connection)?))
        })
        .await?;
    html(&ManagerList {
        page: reader.page("Managers", "managers"),
        manager_sentence,
        may_drain,
        managers: managers.into_iter().map(ManagerRow::from).collect(),
    })
}

/// Tells a manager to take no new tasks.
pub async fn drain(
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    tell(&state, form, id.into_inner(), true).await
}

/// Lets a drained manager take tasks again.
pub async fn resume(
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    tell(&state, form, id.into_inner(), false).await
}

/// Telling it twice is as good as once.
async fn tell(state: &AppState, form: SignedForm, id: Uuid, draining: bool) -> AppResult<HttpResponse> {
    let action = if draining { "manager.drain" } else { "manager.resume" };
    rights::administer(state, form.signed, action, move |connection, signed| {
        let worker = Worker::find(connection, id)?.ok_or(AppError::NotFound)?;
        if !worker.is_alive() {
            let detail = format!("The manager {} has ended already.", worker.name);
            return Err(AppError::Conflict { detail, task_id: None });
        }
        if Worker::set_draining(connection, id, draining)? {
            let mut audit = signed.audit(action, &worker.name);
            audit.detail = json!({ "id": id, "epoch": worker.epoch });
            audit.insert(connection)?;
        }
        Ok(())
    })
    .await?;
    Ok(see("/managers"))
}
