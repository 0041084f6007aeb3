//! `GET /hosts`: hosts that the reader may see.

use super::input;
use super::shapes::{HostBrief, HostPage};
use crate::auth::Signed;
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::web;
use selfservice_core::db::PgConnection;
use selfservice_core::models::hosts::Host;
use serde::Deserialize;

const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    #[serde(default)]
    query: String,
    #[serde(default)]
    after: String,
    limit: Option<i64>,
}

/// A page of hosts whose name, address or an alias contains `query`.
pub(super) async fn list(
    state: web::Data<AppState>,
    signed: Signed,
    query: web::Query<Query>,
) -> AppResult<web::Json<HostPage>> {
    let Query { query, after, limit } = query.into_inner();
    input::query_text("query", &query)?;
    input::query_text("after", &after)?;
    let limit = input::limit(limit, PAGE, LARGEST_PAGE)?;
    state.run(move |connection| page(connection, &signed, query.trim(), &after, limit)).await.map(web::Json)
}

/// Visible hosts that contain `like`, by name after `after`.
pub(super) fn page(
    connection: &mut PgConnection,
    signed: &Signed,
    like: &str,
    after: &str,
    limit: i64,
) -> AppResult<HostPage> {
    let mut hosts = Host::visible_page(connection, signed.user.id, like, after, limit.saturating_add(1))?;
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = hosts.len() > wanted;
    hosts.truncate(wanted);
    Ok(HostPage {
        next: hosts.last().filter(|_| more).map(|host| host.name.clone()),
        hosts: briefs(connection, hosts)?,
    })
}

/// Hosts as lines of a list, in the same order.
pub(super) fn briefs(connection: &mut PgConnection, hosts: Vec<Host>) -> AppResult<Vec<HostBrief>> {
    let ids: Vec<i64> = hosts.iter().map(|host| host.id).collect();
    let placements = Host::placements(connection, &ids)?;
    Ok(hosts.into_iter().zip(&placements).map(|(host, placement)| HostBrief::new(host, placement)).collect())
}
