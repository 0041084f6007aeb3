//! The pages: each file has the view structs of one folder of templates and the handlers that fill them.

pub mod assets;
pub mod environments;
pub mod error_page;
pub mod event_handlers;
pub mod health;
pub mod hostgroups;
pub mod hosts;
pub mod managers;
pub mod popup;
pub mod services;
pub mod sign_in;
pub mod start;
pub mod tasks;

use crate::error::AppResult;
use crate::page::{HostRow, Variable, cut};
use selfservice_core::db::PgConnection;
use selfservice_core::models::hosts::Host;
use selfservice_core::models::workers::Worker;
use serde::Deserialize;

/// What restricts a list, and where its page begins.
#[derive(Deserialize)]
pub struct List {
    /// Only what contains this.
    #[serde(default)]
    query: String,
    /// Only what comes after this name.
    #[serde(default)]
    after: String,
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

/// What to tell readers when nothing takes tasks.
fn manager_sentence(connection: &mut PgConnection) -> AppResult<Option<String>> {
    let alive = Worker::alive_count(connection)?;
    Ok((alive == 0).then(|| crate::api::NO_MANAGER.to_owned()))
}
