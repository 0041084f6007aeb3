//! Host groups, the services that they bring, and the hosts in each.

use super::{List, host_rows, paged};
use crate::error::{AppError, AppResult};
use crate::page::{self, HostRow, Named, Page, Reader, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::hostgroups::{Hostgroup, ListedHostgroup};
use selfservice_core::models::inventory::{Noun, Pending};
use selfservice_core::models::visible::{self, Viewer, Within};

#[derive(Template)]
#[template(path = "hostgroups/list.html")]
struct HostgroupList {
    page: Page,
    may_create: bool,
    query: String,
    hostgroups: Vec<HostgroupRow>,
    next: Option<String>,
}

struct HostgroupRow {
    id: i64,
    name: String,
    description: String,
    service_count: i64,
    host_count: i64,
}

impl From<ListedHostgroup> for HostgroupRow {
    fn from(row: ListedHostgroup) -> Self {
        Self {
            id: row.hostgroup.id,
            name: row.hostgroup.name,
            description: row.hostgroup.description,
            service_count: row.service_count,
            host_count: row.host_count,
        }
    }
}

/// Host groups with a host that the reader sees.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, viewer, asked: &List| {
        Hostgroup::visible_page(connection, viewer, &asked.query, &asked.after, page::limit())
    };
    let listed =
        paged(&state, &reader, "/hostgroups", asked.into_inner(), load, |row| row.hostgroup.name.clone())
            .await?;
    html(&HostgroupList {
        page: reader.page("Host groups", "hostgroups"),
        may_create: listed.may_create,
        next: listed.next,
        query: listed.query,
        hostgroups: listed.rows.into_iter().map(HostgroupRow::from).collect(),
    })
}

#[derive(Template)]
#[template(path = "hostgroups/show.html")]
struct HostgroupShow {
    page: Page,
    may_edit: bool,
    pending: Pending,
    apply_url: String,
    hostgroup: Hostgroup,
    services: Vec<Named>,
    search_url: String,
    query: String,
    hosts: Vec<HostRow>,
    next: Option<String>,
}

/// One host group and those of its hosts that the reader sees.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let List { query, after } = asked.into_inner();
    let like = query.clone();
    let (may_edit, pending, hostgroup, services, hosts, after) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let viewer = Viewer::new(signed.user.id, &access);
            let hostgroup = Hostgroup::find_visible(connection, viewer, id)?.ok_or(AppError::NotFound)?;
            let services = visible::services_of_hostgroup(connection, viewer, id)?;
            let within = Within::Hostgroup(id);
            let hosts = visible::hosts_within(connection, viewer, within, &like, &after, page::limit())?;
            let (hosts, after) = host_rows(connection, hosts)?;
            let pending = super::pending(connection, &access, Noun::Hostgroup, id)?;
            Ok((access.is_admin(), pending, hostgroup, services, hosts, after))
        })
        .await?;
    let search_url = format!("/hostgroups/{id}");
    html(&HostgroupShow {
        page: reader.page(&hostgroup.name, "hostgroups"),
        may_edit,
        pending,
        apply_url: format!("/hostgroups/{id}/apply"),
        hostgroup,
        services: services.into_iter().map(Named::from).collect(),
        next: after.map(|after| page::next_url(&search_url, &[("query", &query)], &after)),
        search_url,
        query,
        hosts,
    })
}
