//! Teams: users who share grants.

use super::grants::GrantRow;
use super::{List, paged_for_administrators};
use crate::error::{AppError, AppResult};
use crate::page::{self, Named, Page, Reader, html, url};
use crate::rights;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::teams::{ListedTeam, Team};

#[derive(Template)]
#[template(path = "teams/list.html")]
struct TeamList {
    page: Page,
    query: String,
    teams: Vec<ListedTeam>,
    next: Option<String>,
}

/// Every team, by name.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, asked: &List| {
        ListedTeam::page(connection, &asked.query, &asked.after, page::limit())
    };
    let name = |team: &ListedTeam| team.name.clone();
    let listed = paged_for_administrators(&state, &reader, "/teams", asked.into_inner(), load, name).await?;
    html(&TeamList {
        page: reader.page("Teams", "teams"),
        query: listed.query,
        teams: listed.rows,
        next: listed.next,
    })
}

#[derive(Template)]
#[template(path = "teams/show.html")]
struct TeamShow {
    page: Page,
    id: i64,
    members: Vec<Named>,
    grants: Vec<GrantRow>,
    new_grant_url: String,
}

/// One team, its members and what they may by it.
pub async fn show(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    let (team, members, grants) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        let team = Team::find(connection, id)?.ok_or(AppError::NotFound)?;
        let members = team.members(connection)?;
        Ok((team, members, NamedGrant::of_team(connection, id)?))
    })
    .await?;
    html(&TeamShow {
        page: reader.page(&team.name, "teams"),
        id,
        members: members.into_iter().map(|(id, name)| Named { id, name }).collect(),
        grants: grants.into_iter().map(GrantRow::from).collect(),
        new_grant_url: url("/grants/new", &[("team", &team.name)]),
    })
}
