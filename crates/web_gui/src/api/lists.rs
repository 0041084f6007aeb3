//! `GET /environments`, `/hostgroups`, `/services`, `/event_handlers`: what belongs to hosts that the reader sees, by
//! name and page by page; `GET /managers`.

use super::input;
use super::shapes::{PauseShape, Time};
use crate::auth::Signed;
use crate::endpoint::{Endpoint, api};
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::http::Method;
use actix_web::web;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::environments::Environment;
use selfservice_core::models::event_handlers::{EventHandler, Risk};
use selfservice_core::models::hostgroups::{Hostgroup, ListedHostgroup};
use selfservice_core::models::visible::{self, ListedService, Viewer};
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::models::workers::{Worker, WorkerState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 200;

/// What restricts a list, and where its page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Only what contains this.
    #[serde(default)]
    #[param(max_length = 200)]
    pub query: String,
    /// `next` of the page before.
    #[serde(default)]
    #[param(max_length = 200)]
    pub after: String,
    /// Rows in one answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
}

impl Query {
    /// What it asks for, and how many rows to read: one more than asked for tells whether there is a next page.
    pub fn checked(self) -> AppResult<(String, String, i64)> {
        input::query_text("query", &self.query)?;
        input::query_text("after", &self.after)?;
        let read = read(self.limit)?;
        Ok((self.query.trim().to_owned(), self.after, read))
    }
}

/// How many rows to read where so many were asked for.
pub(super) fn read(limit: Option<i64>) -> AppResult<i64> {
    Ok(input::limit(limit, PAGE, LARGEST_PAGE)?.saturating_add(1))
}

/// Cuts a list that was read one row too long (`read` rows at most), and gives the key of its last row where there is a
/// next page.
pub(super) fn cut<T>(rows: &mut Vec<T>, read: i64, key: impl Fn(&T) -> String) -> Option<String> {
    let wanted = usize::try_from(read.saturating_sub(1)).unwrap_or(0);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    rows.last().filter(|_| more).map(key)
}

/// The lists of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let seen = "Those that belong to a host that the asker may see.";
    vec![
        api(Method::GET, "/environments", environments).says("Environments by name", seen),
        api(Method::GET, "/hostgroups", hostgroups).says("Host groups by name", seen),
        api(Method::GET, "/services", services).says("Services by name", seen),
        api(Method::GET, "/event_handlers", handlers)
            .says("Event handlers by name", "Those that the asker may see on some host."),
        api(Method::GET, "/managers", managers)
            .says("Managers of the last day", "Everybody may know whether their action would start."),
    ]
}

#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentPage {
    environments: Vec<EnvironmentBrief>,
    /// What `after` must be for the next page; null: this is the last.
    next: Option<String>,
}

/// A line in a list of environments.
#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentBrief {
    id: i64,
    name: String,
    description: String,
    /// One of the seven colours.
    colour: String,
    /// Hosts in it that the asker may see.
    host_count: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct HostgroupPage {
    hostgroups: Vec<HostgroupBrief>,
    /// What `after` must be for the next page; null: this is the last.
    next: Option<String>,
}

/// A line in a list of host groups.
#[derive(Debug, Serialize, ToSchema)]
struct HostgroupBrief {
    id: i64,
    name: String,
    description: String,
    /// Services that its members get.
    service_count: i64,
    /// Members that the asker may see.
    host_count: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct ServicePage {
    services: Vec<ServiceBrief>,
    /// What `after` must be for the next page; null: this is the last.
    next: Option<String>,
}

/// A line in a list of services.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceBrief {
    id: i64,
    name: String,
    description: String,
    /// Handlers that it brings.
    handler_count: i64,
    /// Hosts with it that the asker may see.
    host_count: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventHandlerPage {
    event_handlers: Vec<EventHandlerBrief>,
    /// What `after` must be for the next page; null: this is the last.
    next: Option<String>,
}

/// A line in a list of event handlers.
#[derive(Debug, Serialize, ToSchema)]
struct EventHandlerBrief {
    id: i64,
    name: String,
    description: String,
    /// Name of its plugin.
    plugin: String,
    risk: Risk,
    timeout_seconds: i32,
    /// So many run at once, on all hosts together.
    max_running: Option<i32>,
    /// A disabled one is listed for administrators only, and starts nowhere.
    enabled: bool,
    paused: Option<PauseShape>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ManagerList {
    managers: Vec<ManagerBrief>,
    /// Why an action would wait now, whatever its host.
    sentence: Option<String>,
}

/// A line in the list of managers.
#[derive(Debug, Serialize, ToSchema)]
struct ManagerBrief {
    id: Uuid,
    name: String,
    state: WorkerState,
    version: String,
    /// It runs tasks on the hosts whose tags are all among these.
    tags: Vec<String>,
    /// Tasks that it runs now.
    running: i32,
    /// Tasks that it runs at once.
    slots: i32,
    started_at: Time,
    seen_at: Time,
}

/// Reads one page as its reader sees it.
async fn page<T: Send + 'static>(
    state: &AppState,
    signed: Signed,
    asked: Query,
    load: impl FnOnce(&mut PgConnection, Viewer, &str, &str, i64) -> Result<Vec<T>, QueryError> + Send + 'static,
    name: impl Fn(&T) -> String,
) -> AppResult<(Vec<T>, Option<String>)> {
    let (query, after, read) = asked.checked()?;
    let mut rows = state
        .run(move |connection| {
            let viewer = signed.viewer(connection)?;
            Ok(load(connection, viewer, &query, &after, read)?)
        })
        .await?;
    let next = cut(&mut rows, read, name);
    Ok((rows, next))
}

async fn environments(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<EnvironmentPage>> {
    let (rows, next) =
        page(&state, signed, asked.into_inner(), Environment::visible_page, |(row, _)| row.name.clone())
            .await?;
    let brief = |(row, host_count): (Environment, i64)| EnvironmentBrief {
        id: row.id,
        name: row.name,
        description: row.description,
        colour: row.colour,
        host_count,
    };
    Ok(web::Json(EnvironmentPage { environments: rows.into_iter().map(brief).collect(), next }))
}

async fn hostgroups(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<HostgroupPage>> {
    let name = |row: &ListedHostgroup| row.hostgroup.name.clone();
    let (rows, next) = page(&state, signed, asked.into_inner(), Hostgroup::visible_page, name).await?;
    let brief = |row: ListedHostgroup| HostgroupBrief {
        id: row.hostgroup.id,
        name: row.hostgroup.name,
        description: row.hostgroup.description,
        service_count: row.service_count,
        host_count: row.host_count,
    };
    Ok(web::Json(HostgroupPage { hostgroups: rows.into_iter().map(brief).collect(), next }))
}

async fn services(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<ServicePage>> {
    let name = |row: &ListedService| row.service.name.clone();
    let (rows, next) = page(&state, signed, asked.into_inner(), visible::services, name).await?;
    let brief = |row: ListedService| ServiceBrief {
        id: row.service.id,
        name: row.service.name,
        description: row.service.description,
        handler_count: row.handler_count,
        host_count: row.host_count,
    };
    Ok(web::Json(ServicePage { services: rows.into_iter().map(brief).collect(), next }))
}

async fn handlers(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<EventHandlerPage>> {
    let name = |row: &EventHandler| row.name.clone();
    let (rows, next) = page(&state, signed, asked.into_inner(), visible::handlers, name).await?;
    let brief = |row: EventHandler| EventHandlerBrief {
        paused: PauseShape::of(&row),
        id: row.id,
        name: row.name,
        description: row.description,
        plugin: row.plugin,
        risk: row.risk,
        timeout_seconds: row.timeout_seconds,
        max_running: row.max_running,
        enabled: row.enabled,
    };
    Ok(web::Json(EventHandlerPage { event_handlers: rows.into_iter().map(brief).collect(), next }))
}

async fn managers(state: web::Data<AppState>, _: Signed) -> AppResult<web::Json<ManagerList>> {
    let (rows, reason) = state
        .run(move |connection| Ok((Worker::recent(connection)?, WaitReason::of_all(connection)?)))
        .await?;
    let brief = |row: Worker| {
        let state = row.state();
        ManagerBrief {
            id: row.id,
            name: row.name,
            version: row.version,
            tags: row.tags,
            running: if state == WorkerState::Gone { 0 } else { row.running },
            state,
            slots: row.slots,
            started_at: Time(row.started_at),
            seen_at: Time(row.heartbeat_at),
        }
    };
    Ok(web::Json(ManagerList {
        managers: rows.into_iter().map(brief).collect(),
        sentence: reason.map(|reason| super::would_wait(&reason)),
    }))
}
