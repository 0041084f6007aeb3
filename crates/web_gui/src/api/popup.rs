//! `GET /popup`: what a link from a dashboard asks for, as far as the reader may see it.
//!
//! - The host is looked up among the visible ones only. `environment` narrows strictly: an alert of production never
//!   opens a host of staging. `service` prefers, among several hosts, those that have it.
//! - One host that is left is shown, several are offered, none is "not found" with the same sentence whether nothing
//!   of that name exists or the reader may not see it.
//! - A service that the host does not have is no error: the person in front of an alert still wants the host. No
//!   service is selected then, and `notice` says why.

use super::hosts::{briefs, page};
use super::shapes::{HostBrief, HostPage, PauseShape, TaskBrief};
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::web;
use selfservice_core::access::{Access, Confirmation, Verb, effective_risk};
use selfservice_core::db::PgConnection;
use selfservice_core::models::effective::EffectiveService;
use selfservice_core::models::event_handlers::{EventHandler, Parameter, ParameterType, Risk};
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::services::Service;
use selfservice_core::models::tasks::{History, Severity, Task, TaskResult};
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::models::workers::Worker;
use selfservice_core::names;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is said where actions are offered that would not start.
pub fn would_wait(reason: &WaitReason) -> String {
    let reason = reason.to_string();
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}. An action that you start now waits until one takes it.", letters.as_str())
}

/// Hosts that are read for one answer, which lists one less.
const READ: i64 = 51;
const RECENT: i64 = 5;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only hosts in this environment.
    #[serde(default)]
    environment: String,
    /// A name, an alias, an address, a name with port or domain; without one all visible hosts are offered.
    #[serde(default)]
    host: String,
    /// The service that is selected where the host has it.
    #[serde(default)]
    service: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = Popup)]
pub(super) enum View {
    Host(Box<HostView>),
    Matches { asked: String, hosts: Vec<HostBrief> },
    Browse(HostPage),
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PopupHost)]
pub(super) struct HostView {
    host: HostShape,
    services: Vec<ServiceShape>,
    running: Vec<TaskBrief>,
    recent: Vec<TaskBrief>,
    managers: Managers,
    notice: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HostHead)]
struct HostShape {
    #[serde(flatten)]
    brief: HostBrief,
    description: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ManagersAlive)]
struct Managers {
    alive: i64,
    /// Why actions on this host would wait.
    sentence: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PopupService)]
struct ServiceShape {
    id: i64,
    name: String,
    description: String,
    selected: bool,
    actions: Vec<ActionShape>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Action)]
struct ActionShape {
    handler_id: i64,
    name: String,
    description: String,
    risk: Risk,
    confirmation: Confirmation,
    can_run: bool,
    reason_required: bool,
    runbook_url: Option<String>,
    timeout_seconds: i32,
    parameters: Vec<ParameterShape>,
    recent: Vec<Severity>,
    typical_seconds: Option<f64>,
    active_task: Option<TaskBrief>,
    /// So many run at once, on all hosts together.
    max_running: Option<i32>,
    paused: Option<PauseShape>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActionParameter)]
struct ParameterShape {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: ParameterType,
    default: Option<String>,
    required: bool,
    minimum: Option<i64>,
    maximum: Option<i64>,
    pattern: Option<String>,
    choices: Option<Vec<String>>,
}

/// The host, the hosts, or everything there is to browse.
pub(super) async fn show(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Asked>,
) -> AppResult<web::Json<View>> {
    let asked = asked.into_inner();
    state.run(move |connection| view(connection, &signed, &asked)).await.map(web::Json)
}

fn view(connection: &mut PgConnection, signed: &Signed, asked: &Asked) -> AppResult<View> {
    let name = asked.host.trim();
    if name.is_empty() {
        return page(connection, signed, "", "", READ).map(View::Browse);
    }
    let mut hosts = candidates(connection, signed, name, asked.environment.trim())?;
    if hosts.len() > 1 {
        prefer_service(connection, &mut hosts, asked.service.trim())?;
    }
    if hosts.len() > 1 {
        let hosts = hosts.into_iter().map(|(host, _)| host).collect();
        return Ok(View::Matches { asked: name.to_owned(), hosts: briefs(connection, hosts)? });
    }
    let (host, placement) = hosts.pop().ok_or(AppError::NotFound)?;
    host_view(connection, signed, host, &placement, asked.service.trim())
        .map(|view| View::Host(Box::new(view)))
}

fn candidates(
    connection: &mut PgConnection,
    signed: &Signed,
    name: &str,
    environment: &str,
) -> AppResult<Vec<(Host, Placement)>> {
    // A name that no host can have; PostgreSQL would refuse a NUL character.
    if name.chars().any(names::is_invisible) {
        return Err(AppError::NotFound);
    }
    let found = Host::looked_up(connection, signed.user.id, name)?;
    let ids: Vec<i64> = found.iter().map(|host| host.id).collect();
    let placements = Host::placements(connection, &ids)?;
    Ok(found
        .into_iter()
        .zip(placements)
        .filter(|(_, placement)| {
            environment.is_empty() || placement.environments.iter().any(|one| is_same(&one.name, environment))
        })
        .collect())
}

/// Names are compared as people read them.
fn is_same(name: &str, asked: &str) -> bool {
    name == asked || names::key(name).is_ok_and(|key| names::key(asked).is_ok_and(|other| key == other))
}

fn prefer_service(
    connection: &mut PgConnection,
    hosts: &mut Vec<(Host, Placement)>,
    service: &str,
) -> AppResult<()> {
    let mut with_it = Vec::new();
    for (host, _) in hosts.iter().filter(|_| !service.is_empty()) {
        let services = EffectiveService::of_host(connection, host.id)?;
        if services.iter().any(|one| is_same(&one.service.name, service)) {
            with_it.push(host.id);
        }
    }
    if !with_it.is_empty() {
        hosts.retain(|(host, _)| with_it.contains(&host.id));
    }
    Ok(())
}

fn host_view(
    connection: &mut PgConnection,
    signed: &Signed,
    host: Host,
    placement: &Placement,
    asked: &str,
) -> AppResult<HostView> {
    let actions = Actions {
        access: signed.access(connection)?,
        placement,
        history: History::of_host(connection, host.id)?,
        active: Task::active_of_host(connection, signed.user.id, host.id)?,
    };
    let services: Vec<ServiceShape> = EffectiveService::of_host(connection, host.id)?
        .into_iter()
        .map(|service| actions.of_service(service, asked))
        .collect();
    let unknown = !asked.is_empty() && !services.iter().any(|service| service.selected);
    let alive = Worker::alive_count(connection)?;
    Ok(HostView {
        notice: unknown.then(|| format!("{} has no service '{asked}'.", host.name)),
        services,
        running: actions.active.iter().map(TaskBrief::new).collect(),
        recent: Task::recent_of_host(connection, signed.user.id, host.id, RECENT)?
            .iter()
            .map(TaskBrief::new)
            .collect(),
        managers: Managers {
            alive,
            sentence: WaitReason::of_host(connection, &host)?.map(|reason| would_wait(&reason)),
        },
        host: HostShape { description: host.description.clone(), brief: HostBrief::new(host, placement) },
    })
}

/// What the actions of one host are made from.
struct Actions<'a> {
    access: Access,
    placement: &'a Placement,
    history: Vec<History>,
    active: Vec<Task>,
}

impl Actions<'_> {
    fn of_service(&self, effective: EffectiveService, asked: &str) -> ServiceShape {
        let EffectiveService { service, handlers, .. } = effective;
        let actions = handlers
            .into_iter()
            .map(|effective| effective.handler)
            .filter(|handler| self.access.may(Verb::See, self.placement, handler))
            .map(|handler| self.action(&service, handler))
            .collect();
        ServiceShape {
            selected: !asked.is_empty() && is_same(&service.name, asked),
            id: service.id,
            name: service.name,
            description: service.description,
            actions,
        }
    }

    fn action(&self, service: &Service, handler: EventHandler) -> ActionShape {
        let risk = effective_risk(&handler, self.placement);
        let history = self
            .history
            .iter()
            .find(|row| row.services_id == service.id && row.event_handlers_id == handler.id);
        let active = self
            .active
            .iter()
            .find(|task| task.services_id == Some(service.id) && task.event_handlers_id == Some(handler.id));
        // A definition that cannot be read must not hide the other actions; planning it says what is wrong.
        let parameters = handler.parameters().unwrap_or_default();
        let paused = PauseShape::of(&handler);
        ActionShape {
            handler_id: handler.id,
            risk,
            confirmation: risk.into(),
            can_run: self.access.may(Verb::Run, self.placement, &handler),
            name: handler.name,
            description: handler.description,
            reason_required: handler.reason_required,
            runbook_url: handler.runbook_url,
            timeout_seconds: handler.timeout_seconds,
            parameters: parameters.into_iter().map(ParameterShape::from).collect(),
            recent: history.map(oldest_first).unwrap_or_default(),
            typical_seconds: history.and_then(|row| row.typical_seconds),
            active_task: active.map(TaskBrief::new),
            max_running: handler.max_running,
            paused,
        }
    }
}

fn oldest_first(history: &History) -> Vec<Severity> {
    history.results.iter().rev().map(|result: &TaskResult| result.severity()).collect()
}

impl From<Parameter> for ParameterShape {
    fn from(parameter: Parameter) -> Self {
        Self {
            label: parameter.label.unwrap_or_else(|| parameter.name.clone()),
            name: parameter.name,
            kind: parameter.kind,
            default: parameter.default,
            required: parameter.required,
            minimum: parameter.minimum,
            maximum: parameter.maximum,
            pattern: parameter.pattern,
            choices: parameter.choices,
        }
    }
}
