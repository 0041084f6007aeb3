//! Services, the handlers that they bring, and the hosts that have each.

use super::{List, host_rows, paged, variables};
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::page::{self, HostRow, Named, Page, Reader, Variable, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hostgroups::Hostgroup;
use selfservice_core::models::inventory::{Noun, Pending};
use selfservice_core::models::visible::{self, ListedService, Viewer, Within};

#[derive(Template)]
#[template(path = "services/list.html")]
struct ServiceList {
    page: Page,
    may_create: bool,
    query: String,
    services: Vec<ServiceRow>,
    next: Option<String>,
}

struct ServiceRow {
    id: i64,
    name: String,
    description: String,
    handler_count: i64,
    host_count: i64,
}

impl From<ListedService> for ServiceRow {
    fn from(row: ListedService) -> Self {
        Self {
            id: row.service.id,
            name: row.service.name,
            description: row.service.description,
            handler_count: row.handler_count,
            host_count: row.host_count,
        }
    }
}

/// Services of hosts that the reader sees.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, viewer, asked: &List| {
        visible::services(connection, viewer, &asked.query, &asked.after, page::limit())
    };
    let listed =
        paged(&state, &reader, "/services", asked.into_inner(), load, |row| row.service.name.clone()).await?;
    html(&ServiceList {
        page: reader.page("Services", "services"),
        may_create: listed.may_create,
        next: listed.next,
        query: listed.query,
        services: listed.rows.into_iter().map(ServiceRow::from).collect(),
    })
}

#[derive(Template)]
#[template(path = "services/show.html")]
struct ServiceShow {
    page: Page,
    may_edit: bool,
    pending: Pending,
    apply_url: String,
    service: ServiceView,
    handlers: Vec<HandlerLink>,
    hostgroups: Vec<Named>,
    search_url: String,
    query: String,
    hosts: Vec<HostRow>,
    next: Option<String>,
}

struct ServiceView {
    id: i64,
    name: String,
    description: String,
    variables: Vec<Variable>,
}

struct HandlerLink {
    id: i64,
    name: String,
    risk: &'static str,
}

impl From<EventHandler> for HandlerLink {
    fn from(handler: EventHandler) -> Self {
        Self { id: handler.id, name: handler.name, risk: handler.risk.as_str() }
    }
}

impl ServiceShow {
    fn read(
        connection: &mut PgConnection,
        signed: &Signed,
        id: i64,
        List { query, after }: List,
        page: impl FnOnce(&str) -> Page,
    ) -> AppResult<Self> {
        let access = signed.access(connection)?;
        let viewer = Viewer::new(signed.user.id, &access);
        let service = visible::service(connection, viewer, id)?.ok_or(AppError::NotFound)?;
        let handlers = visible::handlers_of_service(connection, viewer, id)?;
        let hostgroups = Hostgroup::visible_with_service(connection, viewer, id)?;
        let within = Within::Service(id);
        let hosts = visible::hosts_within(connection, viewer, within, &query, &after, page::limit())?;
        let (hosts, after) = host_rows(connection, hosts)?;
        let search_url = format!("/services/{id}");
        Ok(Self {
            page: page(&service.name),
            may_edit: access.is_admin(),
            pending: super::pending(connection, &access, Noun::Service, id)?,
            apply_url: format!("/services/{id}/apply"),
            service: ServiceView {
                id,
                variables: variables("SERVICE", service.variables()),
                name: service.name,
                description: service.description,
            },
            handlers: handlers.into_iter().map(HandlerLink::from).collect(),
            hostgroups: hostgroups.into_iter().map(Named::from).collect(),
            next: after.map(|after| page::next_url(&search_url, &[("query", &query)], &after)),
            search_url,
            query,
            hosts,
        })
    }
}

/// One service and those of its hosts that the reader sees.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let (signed, id, asked) = (reader.signed.clone(), id.into_inner(), asked.into_inner());
    let mut page = reader.page("", "services");
    let shown = state
        .run(move |connection| {
            ServiceShow::read(connection, &signed, id, asked, |name| {
                page.title = name.to_owned();
                page
            })
        })
        .await?;
    html(&shown)
}
