//! Hosts, and what is effective on each.

use super::{List, host_rows, variables};
use crate::api;
use crate::editors::Choices;
use crate::error::AppResult;
use crate::forms::Suggestions;
use crate::lookup;
use crate::page::{self, Badge, HostRow, Named, Page, Reader, TaskRow, Variable, encoded, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::access::{Access, Verb};
use selfservice_core::db::PgConnection;
use selfservice_core::models::effective;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::tasks::{Task, TaskFilter};
use selfservice_core::models::visible::Viewer;
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::models::workers::{Worker, WorkerState};

/// The plugin that shows best whether a host is reached.
const SSH: &str = "ssh.sh";
/// Tasks that the page of one host shows.
const RUNS: i64 = 10;

#[derive(Template)]
#[template(path = "hosts/list.html")]
struct HostList {
    page: Page,
    may_create: bool,
    query: String,
    hosts: Vec<HostRow>,
    next: Option<String>,
}

/// Hosts that the reader sees.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let (signed, List { query, after }) = (reader.signed.clone(), asked.into_inner());
    let like = query.clone();
    let (may_create, hosts, after) = state
        .run(move |connection| {
            let may_create = signed.access(connection)?.administers_some();
            let hosts = Host::visible_page(connection, signed.user.id, &like, &after, page::limit())?;
            let (hosts, after) = host_rows(connection, hosts)?;
            Ok((may_create, hosts, after))
        })
        .await?;
    html(&HostList {
        page: reader.page("Hosts", "hosts"),
        may_create,
        next: after.map(|after| page::next_url("/hosts", &[("query", &query)], &after)),
        query,
        hosts,
    })
}

#[derive(Template)]
#[template(path = "hosts/show.html")]
struct HostShow {
    page: Page,
    may_edit: bool,
    host: HostView,
    popup_url: String,
    /// Where a handler is checked that shows whether the host is reached, if the reader may run one.
    test_url: Option<String>,
    rights_url: String,
    services: Vec<EffectiveService>,
    suggestions: Vec<Suggestions>,
    runs: Vec<TaskRow>,
}

struct HostView {
    id: i64,
    name: String,
    address: String,
    aliases: Vec<String>,
    description: String,
    environments: Vec<Badge>,
    hostgroups: Vec<Named>,
    variables: Vec<Variable>,
    tags: Vec<String>,
    limit: Option<i32>,
    managers: Vec<Manager>,
    waits: Option<String>,
}

/// A manager that serves the host.
struct Manager {
    name: String,
    draining: bool,
}

struct EffectiveService {
    id: i64,
    name: String,
    came_from: String,
    dropped: bool,
    handlers: Vec<EffectiveHandler>,
}

struct EffectiveHandler {
    id: i64,
    name: String,
    why: &'static str,
    dropped: bool,
    /// Its part of an address below the service.
    path: String,
}

/// One host: its services, the handlers that the reader may see on it, and its last runs.
pub async fn show(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let (may_edit, host, test_url, services, suggestions, runs) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let (host, placement) = lookup::host(connection, &access, id)?;
            let may_edit = access.may_administer(&placement);
            let services = if may_edit {
                effective::EffectiveService::of_host_with_dropped(connection, id)?
            } else {
                effective::EffectiveService::of_host(connection, id)?
            };
            let test_url = test_url(&host, &services, &access, &placement);
            let services = effective_services(services, &access, &placement);
            let viewer = Viewer::new(signed.user.id, &access);
            let suggestions =
                if may_edit { Choices::of_host(connection, viewer)?.suggestions() } else { Vec::new() };
            let filter = TaskFilter { hosts_id: Some(id), ..TaskFilter::default() };
            let runs = Task::visible_page(connection, signed.user.id, &filter, RUNS)?;
            let host = HostView::read(connection, host, &placement)?;
            Ok((may_edit, host, test_url, services, suggestions, runs))
        })
        .await?;
    html(&HostShow {
        page: reader.page(&host.name, "hosts"),
        may_edit,
        popup_url: format!("/popup?host={}", encoded(&host.name)),
        test_url,
        rights_url: page::url("/rights", &[("host", &host.name)]),
        host,
        services,
        suggestions,
        runs: runs.into_iter().map(TaskRow::from).collect(),
    })
}

impl HostView {
    fn read(connection: &mut PgConnection, host: Host, placement: &Placement) -> AppResult<Self> {
        Ok(Self {
            id: host.id,
            aliases: host.aliases(connection)?,
            environments: page::badges(placement),
            hostgroups: page::hostgroups(placement),
            variables: variables("HOST", host.variables()),
            waits: WaitReason::of_host(connection, &host)?.map(|reason| api::would_wait(&reason)),
            managers: managers(connection, &host)?,
            tags: host.tags,
            limit: host.max_running,
            name: host.name,
            address: host.address,
            description: host.description,
        })
    }
}

/// The managers that live and serve the host.
fn managers(connection: &mut PgConnection, host: &Host) -> AppResult<Vec<Manager>> {
    let serving = |worker: &Worker| {
        matches!(worker.state(), WorkerState::Alive | WorkerState::Draining) && worker.serves(&host.tags)
    };
    let workers = Worker::recent(connection)?.into_iter().filter(serving);
    Ok(workers.map(|worker| Manager { name: worker.name, draining: worker.draining }).collect())
}

/// The popup with the check of a handler that the reader may run: of one that goes by SSH, else of the first.
fn test_url(
    host: &Host,
    services: &[effective::EffectiveService],
    access: &Access,
    placement: &Placement,
) -> Option<String> {
    let handlers = services.iter().filter(|service| !service.dropped).flat_map(|service| {
        service.handlers.iter().filter(|row| !row.dropped).map(|row| (&service.service.name, &row.handler))
    });
    let (service, handler) = handlers
        .filter(|(_, handler)| handler.paused_at.is_none() && access.may(Verb::Run, placement, handler))
        .min_by_key(|(_, handler)| handler.plugin != SSH)?;
    let id = handler.id.to_string();
    let fields = [("host", host.name.as_str()), ("service", service), ("handler", &id), ("kind", "check")];
    Some(page::url("/popup", &fields))
}

fn effective_services(
    services: Vec<effective::EffectiveService>,
    access: &Access,
    placement: &Placement,
) -> Vec<EffectiveService> {
    services
        .into_iter()
        .map(|service| EffectiveService {
            id: service.service.id,
            dropped: service.dropped,
            came_from: came_from(service.direct, &service.hostgroups),
            name: service.service.name,
            handlers: service
                .handlers
                .into_iter()
                .filter(|row| access.may(Verb::See, placement, &row.handler))
                .map(|row| EffectiveHandler {
                    id: row.handler.id,
                    path: format!("/handlers/{}", row.handler.id),
                    dropped: row.dropped,
                    why: why(row.direct, row.inherited),
                    name: row.handler.name,
                })
                .collect(),
        })
        .collect()
}

fn came_from(direct: bool, hostgroups: &[String]) -> String {
    let groups = (!hostgroups.is_empty()).then(|| format!("host group {}", hostgroups.join(", ")));
    let own = direct.then(|| "this host".to_owned());
    own.into_iter().chain(groups).collect::<Vec<_>>().join("; ")
}

fn why(direct: bool, inherited: bool) -> &'static str {
    match (direct, inherited) {
        (true, true) => "this host and the service",
        (true, false) => "this host",
        (false, _) => "the service",
    }
}
