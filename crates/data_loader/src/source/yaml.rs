//! YAML files as `docs/INVENTORY.md` describes them. Unknown keys, unknown tags and keys that stand twice are refused;
//! limits on depth, size and aliases keep a small file from becoming a large document.

use crate::document::{Document, Found, Place};
use crate::problem::Problem;
use selfservice_core::models::inventory::{Environment, EventHandler, Grant, Host, Hostgroup, Service, Team};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter as _, Options, Spanned, UserMessageFormatter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: Option<Spanned<String>>,
    #[serde(default)]
    environments: Vec<Spanned<Environment>>,
    #[serde(default)]
    hostgroups: Vec<Spanned<Hostgroup>>,
    #[serde(default)]
    services: Vec<Spanned<Service>>,
    #[serde(default)]
    event_handlers: Vec<Spanned<EventHandler>>,
    #[serde(default)]
    hosts: Vec<Spanned<Host>>,
    #[serde(default)]
    teams: Vec<Spanned<Team>>,
    #[serde(default)]
    grants: Vec<Spanned<Grant>>,
}

/// Reads `text`; `whole` names the file in complaints and places.
pub(super) fn parse(whole: &Place, text: &str) -> Result<Document, Problem> {
    let file: File = read(whole, text)?;
    Ok(Document {
        source: found(whole, file.source.into_iter().collect()).pop(),
        environments: found(whole, file.environments),
        hostgroups: found(whole, file.hostgroups),
        services: found(whole, file.services),
        event_handlers: found(whole, file.event_handlers),
        hosts: found(whole, file.hosts),
        teams: found(whole, file.teams),
        grants: found(whole, file.grants),
        warnings: Vec::new(),
    })
}

/// Reads `text` as `T` within our limits, and complains with the line.
pub(super) fn read<T: DeserializeOwned>(whole: &Place, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let place = Place { line, ..whole.clone() };
        Problem::new(&place, UserMessageFormatter.format_message(&error))
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 10_000_000,
            max_nodes: 5_000_000,
            max_depth: 16,
            max_aliases: 10_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn found<T>(whole: &Place, rows: Vec<Spanned<T>>) -> Vec<Found<T>> {
    rows.into_iter()
        .map(|row| Found { place: Place { line: row.referenced.line(), ..whole.clone() }, row: row.value })
        .collect()
}
