//! The plugins managers.

use super::manager_sentence;
use crate::error::AppResult;
use crate::page::{Page, Reader, When, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::models::workers::Worker;

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
        let (tone, word) = match (worker.is_alive(), worker.stopping) {
            (true, false) => ("ok", "Alive"),
            (true, true) => ("warning", "Stopping"),
            (false, true) => ("none", "Stopped"),
            (false, false) => ("critical", "Gone"),
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
