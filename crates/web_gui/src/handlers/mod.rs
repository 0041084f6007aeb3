//! The pages: each file has the view structs of one folder of templates and the handlers that fill them.

pub mod account;
pub mod assets;
pub mod assigning;
pub mod audit;
pub mod bulk;
pub mod docs;
pub mod editing;
pub mod environments;
pub mod error_page;
pub mod event_handlers;
pub mod grants;
pub mod health;
pub mod hostgroups;
pub mod hosts;
pub mod managers;
pub mod popup;
pub mod revisions;
pub mod schedules;
pub mod services;
pub mod sign_in;
pub mod start;
pub mod tasks;
pub mod teams;
pub mod trying;
pub mod users;
pub mod why;

use crate::api::{self, input};
use crate::auth::Signed;
use crate::error::AppResult;
use crate::page::{self, HostRow, Reader, Variable, cut};
use crate::rights;
use crate::state::AppState;
use actix_web::HttpResponse;
use actix_web::http::header;
use selfservice_core::access::Access;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::hosts::Host;
use selfservice_core::models::inventory::{Noun, Pending};
use selfservice_core::models::visible::Viewer;
use selfservice_core::models::wait_reason::WaitReason;
use serde::Deserialize;

/// So many hosts that differ from a template are told one by one.
const PENDING_HOSTS: i64 = 20;

/// What restricts a list, and where its page begins.
#[derive(Deserialize)]
pub struct List {
    /// Only what contains this.
    #[serde(default, deserialize_with = "input::strict_text")]
    query: String,
    /// Only what comes after this name.
    #[serde(default, deserialize_with = "input::strict_text")]
    after: String,
}

/// One page of a list of things by name.
struct Paged<T> {
    rows: Vec<T>,
    /// What was searched for.
    query: String,
    /// Where the next page is, if there is one.
    next: Option<String>,
    /// Whether the reader may make things of this kind, as those may who administer everything.
    may_create: bool,
}

impl<T> Paged<T> {
    /// `rows` was read one too long.
    fn new(
        mut rows: Vec<T>,
        path: &str,
        query: String,
        may_create: bool,
        name: impl Fn(&T) -> String,
    ) -> Self {
        let after = page::cut(&mut rows, name);
        let next = after.map(|after| page::next_url(path, &[("query", &query)], &after));
        Self { rows, query, next, may_create }
    }
}

/// Reads the page that was asked for of the list at `path`. `load` gets the reader, what to search for and the name to
/// begin after, and reads [`page::limit`] rows; `name` is the name that the rows are sorted by.
async fn paged<T: Send + 'static>(
    state: &AppState,
    reader: &Reader,
    path: &str,
    asked: List,
    load: impl FnOnce(&mut PgConnection, Viewer, &List) -> Result<Vec<T>, QueryError> + Send + 'static,
    name: impl Fn(&T) -> String,
) -> AppResult<Paged<T>> {
    let (signed, query) = (reader.signed.clone(), asked.query.clone());
    let (rows, may_create) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let viewer = Viewer::new(signed.user.id, &access);
            Ok((load(connection, viewer, &asked)?, access.is_admin()))
        })
        .await?;
    Ok(Paged::new(rows, path, query, may_create, name))
}

/// The same of a list for those who administer everything; for others there is none.
async fn paged_for_administrators<T: Send + 'static>(
    state: &AppState,
    reader: &Reader,
    path: &str,
    asked: List,
    load: impl FnOnce(&mut PgConnection, &List) -> Result<Vec<T>, QueryError> + Send + 'static,
    name: impl Fn(&T) -> String,
) -> AppResult<Paged<T>> {
    let query = asked.query.clone();
    let read = move |connection: &mut PgConnection, _: &Signed| Ok(load(connection, &asked)?);
    let rows = rights::read(state, reader.signed.clone(), read).await?;
    Ok(Paged::new(rows, path, query, true, name))
}

/// The rows of a list of hosts that was read one too long, and the name where the next page begins.
fn host_rows(
    connection: &mut PgConnection,
    mut hosts: Vec<Host>,
) -> AppResult<(Vec<HostRow>, Option<String>)> {
    let after = cut(&mut hosts, |host| host.name.clone());
    let ids: Vec<i64> = hosts.iter().map(|host| host.id).collect();
    let placements = Host::placements(connection, &ids)?;
    let rows =
        hosts.into_iter().zip(&placements).map(|(host, placement)| HostRow::new(host, placement)).collect();
    Ok((rows, after))
}

/// Custom variables with the macros that expand to them; `owner` is `HOST` or `SERVICE`.
fn variables(owner: &str, pairs: Vec<(String, String)>) -> Vec<Variable> {
    pairs
        .into_iter()
        .map(|(name, value)| Variable { macro_name: format!("$_{owner}{}$", name.to_uppercase()), value })
        .collect()
}

/// Leads the browser from a form that was done to the page that shows it.
fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// How the hosts of a template differ from it, for those who may apply it.
fn pending(connection: &mut PgConnection, access: &Access, noun: Noun, id: i64) -> AppResult<Pending> {
    if !access.is_admin() {
        return Ok(Pending::default());
    }
    Ok(Pending::of_template(connection, noun, id, PENDING_HOSTS)?)
}

/// What to tell readers when nothing takes tasks.
fn manager_sentence(connection: &mut PgConnection) -> AppResult<Option<String>> {
    Ok(WaitReason::of_all(connection)?.map(|reason| api::would_wait(&reason)))
}
