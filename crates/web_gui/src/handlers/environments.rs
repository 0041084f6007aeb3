//! Environments, and the hosts in each.

use super::{List, paged};
use crate::error::{AppError, AppResult};
use crate::page::{self, Named, Page, Reader, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::environments::{Environment, Member as MemberRow};
use selfservice_core::models::visible::Viewer;

#[derive(Template)]
#[template(path = "environments/list.html")]
struct EnvironmentList {
    page: Page,
    may_create: bool,
    query: String,
    environments: Vec<EnvironmentRow>,
    next: Option<String>,
}

struct EnvironmentRow {
    id: i64,
    name: String,
    colour: String,
    description: String,
    host_count: i64,
}

/// Environments with a host that the reader sees.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, viewer, asked: &List| {
        Environment::visible_page(connection, viewer, &asked.query, &asked.after, page::limit())
    };
    let listed = paged(&state, &reader, "/environments", asked.into_inner(), load, |(environment, _)| {
        environment.name.clone()
    })
    .await?;
    html(&EnvironmentList {
        page: reader.page("Environments", "environments"),
        may_create: listed.may_create,
        next: listed.next,
        query: listed.query,
        environments: listed
            .rows
            .into_iter()
            .map(|(row, host_count)| EnvironmentRow {
                id: row.id,
                name: row.name,
                colour: row.colour,
                description: row.description,
                host_count,
            })
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "environments/show.html")]
struct EnvironmentShow {
    page: Page,
    may_edit: bool,
    environment: Environment,
    search_url: String,
    query: String,
    members: Vec<Member>,
    next: Option<String>,
}

struct Member {
    host: Named,
    hostgroup: Option<Named>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self {
            host: Named { id: row.hosts_id, name: row.host },
            hostgroup: row.hostgroup.map(|(id, name)| Named { id, name }),
        }
    }
}

/// One environment and those of its hosts that the reader sees.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let List { query, after } = asked.into_inner();
    let like = query.clone();
    let (may_edit, environment, mut members) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let viewer = Viewer::new(signed.user.id, &access);
            let environment = Environment::find_visible(connection, viewer, id)?.ok_or(AppError::NotFound)?;
            let members = environment.members(connection, viewer, &like, &after, page::limit())?;
            Ok((access.is_admin(), environment, members))
        })
        .await?;
    let search_url = format!("/environments/{id}");
    let after = page::cut(&mut members, |member| member.host.clone());
    html(&EnvironmentShow {
        page: reader.page(&environment.name, "environments"),
        may_edit,
        environment,
        next: after.map(|after| page::next_url(&search_url, &[("query", &query)], &after)),
        search_url,
        query,
        members: members.into_iter().map(Member::from).collect(),
    })
}
