//! Event handlers: what each does, its rules, and its last runs.

use super::{List, paged, see};
use crate::api::input;
use crate::auth::SignedForm;
use crate::error::{AppError, AppResult};
use crate::lookup;
use crate::page::{self, Named, Page, Reader, TaskRow, When, html};
use crate::rights;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use anyhow::Context as _;
use askama::Template;
use selfservice_core::access::Access;
use selfservice_core::db::PgConnection;
use selfservice_core::models::event_handlers::{EventHandler, Parameter, Risk};
use selfservice_core::models::logs::{Chunk, Stream};
use selfservice_core::models::tasks::{Task, TaskFilter};
use selfservice_core::models::visible::{self, Viewer};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// Tasks that the page of one handler shows.
const RUNS: i64 = 10;
/// So much of a plugin's help is shown; it has a page of its own.
const HELP_BYTES: usize = 32 * 1024;
/// Chunks that hold so much.
const HELP_CHUNKS: i64 = 64;

#[derive(Template)]
#[template(path = "event_handlers/list.html")]
struct HandlerList {
    page: Page,
    may_create: bool,
    query: String,
    handlers: Vec<HandlerRow>,
    next: Option<String>,
}

struct HandlerRow {
    id: i64,
    name: String,
    plugin: String,
    risk: &'static str,
    timeout: String,
    limit: Option<i32>,
    enabled: bool,
    paused: bool,
    description: String,
}

impl From<EventHandler> for HandlerRow {
    fn from(handler: EventHandler) -> Self {
        Self {
            limit: handler.max_running,
            enabled: handler.enabled,
            paused: handler.paused_at.is_some(),
            id: handler.id,
            name: handler.name,
            plugin: handler.plugin,
            risk: handler.risk.as_str(),
            timeout: format!("{} s", handler.timeout_seconds),
            description: handler.description,
        }
    }
}

/// Handlers that the reader may see on some host.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, viewer, asked: &List| {
        visible::handlers(connection, viewer, &asked.query, &asked.after, page::limit())
    };
    let listed =
        paged(&state, &reader, "/event_handlers", asked.into_inner(), load, |handler| handler.name.clone())
            .await?;
    html(&HandlerList {
        page: reader.page("Event handlers", "event_handlers"),
        may_create: listed.may_create,
        next: listed.next,
        query: listed.query,
        handlers: listed.rows.into_iter().map(HandlerRow::from).collect(),
    })
}

#[derive(Template)]
#[template(path = "event_handlers/show.html")]
struct HandlerShow {
    page: Page,
    may_edit: bool,
    may_pause: bool,
    handler: HandlerView,
    parameters: Vec<ParameterRow>,
    services: Vec<Named>,
    help: Option<Help>,
    runs: Vec<TaskRow>,
}

struct HandlerView {
    id: i64,
    enabled: bool,
    name: String,
    pause: Option<PauseView>,
    limit: Option<i32>,
    description: String,
    plugin: String,
    arguments: Vec<String>,
    risk: &'static str,
    confirmation: &'static str,
    timeout: String,
    reason_required: bool,
    repeatable: bool,
    runbook_url: Option<String>,
    revision: i32,
}

struct PauseView {
    since: When,
    by: String,
    reason: String,
}

impl PauseView {
    fn of(handler: &EventHandler) -> Option<Self> {
        Some(Self {
            since: handler.paused_at?.into(),
            by: handler.paused_by.clone()?,
            reason: handler.paused_reason.clone()?,
        })
    }
}

impl From<EventHandler> for HandlerView {
    fn from(handler: EventHandler) -> Self {
        Self {
            id: handler.id,
            enabled: handler.enabled,
            pause: PauseView::of(&handler),
            limit: handler.max_running,
            name: handler.name,
            description: handler.description,
            plugin: handler.plugin,
            arguments: handler.arguments,
            risk: handler.risk.as_str(),
            confirmation: match handler.risk {
                Risk::ReadOnly => "none: one click",
                Risk::Normal => "the exact command is shown",
                Risk::Dangerous => "the exact command is shown, and the host's name is typed",
            },
            timeout: format!("{} s", handler.timeout_seconds),
            reason_required: handler.reason_required,
            repeatable: handler.repeatable,
            runbook_url: handler.runbook_url.filter(|url| is_web(url)),
            revision: handler.revision,
        }
    }
}

struct ParameterRow {
    name: String,
    label: String,
    kind: &'static str,
    allowed: String,
    default: Option<String>,
    required: bool,
}

impl From<Parameter> for ParameterRow {
    fn from(parameter: Parameter) -> Self {
        Self {
            allowed: allowed(&parameter),
            label: parameter.label.unwrap_or_else(|| parameter.name.clone()),
            name: parameter.name,
            kind: parameter.kind.as_str(),
            default: parameter.default,
            required: parameter.required,
        }
    }
}

/// One handler, if the reader may see it on some host.
pub async fn show(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let (may_pause, handler, services, runs, help) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let viewer = Viewer::new(signed.user.id, &access);
            let handler = visible::handler(connection, viewer, id)?.ok_or(AppError::NotFound)?;
            let services = visible::services_of_handler(connection, viewer, id)?;
            let filter = TaskFilter { event_handlers_id: Some(id), ..TaskFilter::default() };
            let runs = Task::visible_page(connection, signed.user.id, &filter, RUNS)?;
            let help = Help::find(connection, &access, id)?;
            Ok((access.is_admin(), handler, services, runs, help))
        })
        .await?;
    let parameters = handler
        .parameters()
        .with_context(|| format!("while reading the parameters of the handler '{}'", handler.name))?;
    html(&HandlerShow {
        page: reader.page(&handler.name, "event_handlers"),
        may_edit: may_pause,
        may_pause,
        handler: handler.into(),
        parameters: parameters.into_iter().map(ParameterRow::from).collect(),
        services: services.into_iter().map(Named::from).collect(),
        help,
        runs: runs.into_iter().map(TaskRow::from).collect(),
    })
}

/// What the plugin said of itself.
struct Help {
    task: Uuid,
    host: String,
    at: When,
    text: String,
}

impl Help {
    /// From the newest task that asked it and that the reader may see.
    fn find(connection: &mut PgConnection, access: &Access, id: i64) -> AppResult<Option<Self>> {
        let Some(task) = Task::newest_help(connection, id)? else { return Ok(None) };
        match lookup::placement_of(connection, access, &task) {
            Ok(_) => {}
            Err(AppError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        }
        let chunks = Chunk::after(connection, task.id, 0, HELP_CHUNKS)?;
        let bytes: Vec<u8> = chunks
            .into_iter()
            .filter(|chunk| chunk.stream != Stream::System)
            .flat_map(|chunk| chunk.bytes)
            .take(HELP_BYTES)
            .collect();
        Ok(Some(Self {
            task: task.id,
            host: task.host_name,
            at: task.created_at.into(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }))
    }
}

/// What is asked for before a handler is paused.
#[derive(Deserialize)]
pub struct PauseForm {
    reason: String,
}

/// Refuses new requests for a handler and lets those wait that are queued. Pausing it twice keeps the first reason.
pub async fn pause(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm<PauseForm>,
) -> AppResult<HttpResponse> {
    let (id, PauseForm { reason }) = (id.into_inner(), form.fields);
    rights::administer(&state, form.signed, "handler.pause", move |connection, signed| {
        let handler = EventHandler::find(connection, id)?.ok_or(AppError::NotFound)?;
        let reason = input::reason(Some(reason))?.ok_or_else(|| {
            AppError::BadRequest("Say why the handler is to be paused: others will read it.".to_owned())
        })?;
        if EventHandler::pause(connection, id, &signed.user.name, &reason)? {
            let mut audit = signed.audit("handler.pause", &handler.name);
            audit.detail = json!({ "reason": reason });
            audit.insert(connection)?;
        }
        Ok(())
    })
    .await?;
    Ok(see(&format!("/event_handlers/{id}")))
}

/// Lets a paused handler go on.
pub async fn resume(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    rights::administer(&state, form.signed, "handler.resume", move |connection, signed| {
        let handler = EventHandler::find(connection, id)?.ok_or(AppError::NotFound)?;
        if EventHandler::resume(connection, id)? {
            signed.audit("handler.resume", &handler.name).insert(connection)?;
        }
        Ok(())
    })
    .await?;
    Ok(see(&format!("/event_handlers/{id}")))
}

/// What a parameter accepts, for people.
fn allowed(parameter: &Parameter) -> String {
    let choices = parameter.choices.as_ref().map(|choices| choices.join(", "));
    let pattern = parameter.pattern.clone();
    let range = match (parameter.minimum, parameter.maximum) {
        (Some(minimum), Some(maximum)) => Some(format!("{minimum} to {maximum}")),
        (Some(minimum), None) => Some(format!("{minimum} or more")),
        (None, Some(maximum)) => Some(format!("{maximum} or less")),
        (None, None) => None,
    };
    choices.or(pattern).or(range).unwrap_or_default()
}

/// A link to another scheme, such as `javascript:`, is not shown.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
