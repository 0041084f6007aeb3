//! `GET /hosts`: hosts that the reader may see.

use super::lists::{Query, cut};
use super::shapes::{HostBrief, HostPage};
use crate::auth::Signed;
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::web;
use selfservice_core::db::PgConnection;
use selfservice_core::models::hosts::Host;

/// A page of hosts whose name, address or an alias contains `query`.
pub(super) async fn list(
    state: web::Data<AppState>,
    signed: Signed,
    query: web::Query<Query>,
) -> AppResult<web::Json<HostPage>> {
    let (query, after, read) = query.into_inner().checked()?;
    state.run(move |connection| page(connection, &signed, &query, &after, read)).await.map(web::Json)
}

/// Visible hosts that contain `like`, by name after `after`: one less than `read`.
pub(super) fn page(
    connection: &mut PgConnection,
    signed: &Signed,
    like: &str,
    after: &str,
    read: i64,
) -> AppResult<HostPage> {
    let mut hosts = Host::visible_page(connection, signed.user.id, like, after, read)?;
    let next = cut(&mut hosts, read, |host| host.name.clone());
    Ok(HostPage { next, hosts: briefs(connection, hosts)? })
}

/// Hosts as lines of a list, in the same order.
pub(super) fn briefs(connection: &mut PgConnection, hosts: Vec<Host>) -> AppResult<Vec<HostBrief>> {
    let ids: Vec<i64> = hosts.iter().map(|host| host.id).collect();
    let placements = Host::placements(connection, &ids)?;
    Ok(hosts.into_iter().zip(&placements).map(|(host, placement)| HostBrief::new(host, placement)).collect())
}
