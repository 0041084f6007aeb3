//! What a load leaves in the audit log: one row for the load, and one for each right and each team that it changed.

use crate::load::Options;
use crate::report::Report;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::inventory::{Change, Noun};
use selfservice_core::models::teams::Team;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names of members by the name of their team.
pub(crate) type Members = BTreeMap<String, BTreeSet<String>>;

/// Writes the rows; `before` is who was in the teams that the load names.
pub(crate) fn write(
    connection: &mut PgConnection,
    options: &Options<'_>,
    report: &Report,
    before: &Members,
) -> Result<(), QueryError> {
    let row = |action, object, detail| NewAudit {
        users_id: None,
        actor: options.program,
        identity: "system",
        address: "",
        action,
        object,
        task_id: None,
        detail,
    };
    row("inventory.load", options.object, report.counts()).insert(connection)?;
    let objects = &report.changes.objects;
    let teams: Vec<&str> =
        objects.keys().filter(|(noun, _)| *noun == Noun::Team).map(|(_, name)| name.as_str()).collect();
    let after = Team::members_of(connection, &teams)?;
    let rows: Vec<NewAudit<'_>> = objects
        .iter()
        .filter_map(|((noun, name), change)| {
            let action = action(*noun, change)?;
            let mut detail = json!({ "source": report.source, "load": options.object });
            if let (Noun::Team, Some(fields)) = (noun, detail.as_object_mut()) {
                fields.extend(moved(before.get(name), after.get(name)));
            }
            Some(row(action, name.as_str(), detail))
        })
        .collect();
    NewAudit::insert_all(&rows, connection)
}

/// What the log calls a change of rights, as the browser does; other kinds stand in the numbers of the load.
fn action(noun: Noun, change: &Change) -> Option<&'static str> {
    match (noun, change) {
        (Noun::Grant, Change::Added) => Some("grant.add"),
        (Noun::Grant, Change::Removed) => Some("grant.remove"),
        (Noun::Team, Change::Added) => Some("team.create"),
        (Noun::Team, Change::Changed(_)) => Some("team.change"),
        (Noun::Team, Change::Removed) => Some("team.delete"),
        _ => None,
    }
}

/// Who joined and who left.
fn moved(before: Option<&BTreeSet<String>>, after: Option<&BTreeSet<String>>) -> [(String, Value); 2] {
    let nobody = BTreeSet::new();
    let (before, after) = (before.unwrap_or(&nobody), after.unwrap_or(&nobody));
    let joined: Vec<&String> = after.difference(before).collect();
    let left: Vec<&String> = before.difference(after).collect();
    [("joined".to_owned(), json!(joined)), ("left".to_owned(), json!(left))]
}
