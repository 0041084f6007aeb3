//! What stands in the objects beside names.

use crate::document::{Document, Found};
use crate::problem::Problem;
use selfservice_core::config::MacroFile;
use selfservice_core::interpreters;
use selfservice_core::macros;
use selfservice_core::models::inventory::{COLOURS, EventHandler, Grant, Host};
use selfservice_core::names;
use std::collections::{BTreeMap, BTreeSet};

const TIMEOUTS: std::ops::RangeInclusive<i32> = 1..=86_400;

/// Checks everything that needs no other object.
pub(super) fn check(document: &Document, file: &MacroFile, problems: &mut Vec<Problem>) {
    for Found { row, place } in &document.environments {
        if let Some(colour) = row.colour.as_deref().filter(|colour| !COLOURS.contains(colour)) {
            let message = format!(
                "environment '{}' has the colour '{colour}'; allowed are {}",
                row.name,
                COLOURS.join(", ")
            );
            problems.push(Problem::new(place, message));
        }
        problems.extend(text("description", row.description.as_deref()).map(|why| Problem::new(place, why)));
    }
    for Found { row, place } in &document.hostgroups {
        problems.extend(text("description", row.description.as_deref()).map(|why| Problem::new(place, why)));
    }
    for Found { row, place } in &document.services {
        let mut complaints = Vec::from_iter(text("description", row.description.as_deref()));
        complaints.extend(vars(row.vars.as_ref()));
        complaints.extend(twice("handlers", row.handlers.as_deref()));
        problems.extend(
            complaints.into_iter().map(|why| Problem::new(place, format!("service '{}': {why}", row.name))),
        );
    }
    for Found { row, place } in &document.event_handlers {
        problems.extend(
            handler(row, file)
                .into_iter()
                .map(|why| Problem::new(place, format!("event handler '{}': {why}", row.name))),
        );
    }
    for Found { row, place } in &document.hosts {
        problems.extend(
            host(row).into_iter().map(|why| Problem::new(place, format!("host '{}': {why}", row.name))),
        );
    }
    for Found { row, place } in &document.grants {
        problems.extend(grant(row).map(|why| Problem::new(place, why)));
    }
}

fn host(row: &Host) -> Vec<String> {
    let mut complaints = Vec::from_iter(text("description", row.description.as_deref()));
    let (what, address) = match &row.address {
        Some(address) => ("address", address),
        None => ("name is its address too, and it", &row.name),
    };
    if let Err(why) = check_address(address) {
        complaints.push(format!("the {what} {why}"));
    }
    for alias in row.aliases.iter().flatten() {
        if let Err(why) = names::check(alias) {
            complaints.push(format!("the alias '{}' {why}", alias.escape_debug()));
        }
    }
    complaints.extend(vars(row.vars.as_ref()));
    complaints.extend(tags(row.tags.as_deref().unwrap_or_default()));
    complaints.extend(
        row.tags.iter().flatten().filter(|tag| tag.contains(char::is_whitespace)).map(|tag| {
            format!("the tag '{}' must be one word, as settings.ini lists them", tag.escape_debug())
        }),
    );
    complaints.extend(twice("tags", row.tags.as_deref()));
    if let Some(limit) = row.max_running.filter(|limit| *limit < 0) {
        complaints.push(format!("max_running is {limit}; allowed is 1 or more, or 0 for no limit"));
    }
    if let Some(groups) = &row.hostgroups {
        let strangers = row.environments.iter().flatten().filter_map(|(environment, group)| {
            let group = group.as_ref().filter(|group| !groups.contains(group))?;
            Some(format!("it stands in '{environment}' as '{group}', which is not one of its hostgroups"))
        });
        complaints.extend(strangers);
    }
    complaints
}

/// Host name, IPv4 or IPv6 address; never what a program could read as an option or a file to include.
fn check_address(address: &str) -> Result<(), String> {
    names::check(address).map_err(|error| error.to_string())?;
    if address.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"' | '$' | ';' | '&' | '|'))
    {
        return Err("must be a host name or an IP address".to_owned());
    }
    Ok(())
}

fn handler(row: &EventHandler, file: &MacroFile) -> Vec<String> {
    let mut complaints = Vec::from_iter(text("description", Some(&row.description)));
    if row.plugin.is_empty() || row.plugin.starts_with('-') || row.plugin.contains(['/', '\0']) {
        complaints.push(format!(
            "the plugin '{}' must be the name of a file in a plugin directory, never a path",
            row.plugin.escape_debug()
        ));
    }
    complaints.extend(interpreters::complaint(&row.plugin, &row.arguments));
    if !TIMEOUTS.contains(&row.timeout_seconds) {
        complaints.push(format!(
            "timeout_seconds is {}; allowed is {} to {}",
            row.timeout_seconds,
            TIMEOUTS.start(),
            TIMEOUTS.end()
        ));
    }
    let url = row.runbook_url.as_deref();
    if url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        complaints.push("runbook_url must begin with https:// or http://".to_owned());
    }
    complaints.extend(row.secrets.iter().filter(|name| !file.secrets.contains_key(*name)).map(|name| {
        format!("the secret '{}' does not stand under [secrets] in macros.ini", name.escape_debug())
    }));
    complaints.extend(tags(&row.tags));
    if let Some(limit) = row.max_running.filter(|limit| *limit < 1) {
        complaints
            .push(format!("max_running is {limit}; allowed is 1 or more, or no such line for no limit"));
    }
    complaints.extend(parameters(row));
    complaints.extend(macros::check(
        file,
        row.parameters.iter().map(|parameter| parameter.name.as_str()),
        &row.arguments,
    ));
    complaints
}

fn parameters(row: &EventHandler) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for parameter in &row.parameters {
        if let Err(why) = parameter.check_definition() {
            complaints.push(format!("the parameter '{}' {why}", parameter.name.escape_debug()));
        }
        // The macro counts without case.
        if !seen.insert(parameter.name.to_uppercase()) {
            complaints.push(format!("the parameter '{}' stands twice", parameter.name.escape_debug()));
        }
    }
    complaints
}

fn grant(row: &Grant) -> Option<String> {
    if row.user.is_some() == row.team.is_some() {
        return Some("a grant needs either 'user' or 'team'".to_owned());
    }
    if row.handler.is_some() && row.tag.is_some() {
        return Some("a grant may name a 'handler' or a 'tag', not both".to_owned());
    }
    let tag = row.tag.as_deref()?;
    let why = names::check(tag).err()?;
    Some(format!("the tag '{}' {why}", tag.escape_debug()))
}

fn tags(tags: &[String]) -> Vec<String> {
    let complaint = |tag: &String| {
        let why = names::check(tag).err()?;
        Some(format!("the tag '{}' {why}", tag.escape_debug()))
    };
    tags.iter().filter_map(complaint).collect()
}

fn vars(vars: Option<&BTreeMap<String, String>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for (name, value) in vars.into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            complaints.push(format!(
                "the variable '{}' needs a name of letters, digits and '_'",
                name.escape_debug()
            ));
        }
        if !seen.insert(name.to_uppercase()) {
            complaints.push(format!("the variable '{name}' stands twice; case does not count"));
        }
        complaints.extend(text(&format!("variable '{name}'"), Some(value)));
    }
    complaints
}

fn twice(list: &str, names: Option<&[String]>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let name = names?.iter().find(|name| !seen.insert(*name))?;
    Some(format!("'{}' stands twice in {list}", name.escape_debug()))
}

/// PostgreSQL keeps any text but one with a NUL character.
fn text(what: &str, value: Option<&str>) -> Option<String> {
    value?.contains('\0').then(|| format!("the {what} must not contain a NUL character"))
}
