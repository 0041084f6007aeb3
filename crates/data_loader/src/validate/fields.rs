//! What stands in an object beside names; the rules are those of every editor.

use crate::document::{Found, Object};
use crate::problem::Problem;
use selfservice_core::config::MacroFile;
use selfservice_core::models::inventory::Complaint;

/// Checks everything that needs no other object.
pub(super) fn check(found: &Found<Object>, file: &MacroFile, problems: &mut Vec<Problem>) {
    let Found { row: object, place } = found;
    let complaints: Vec<Complaint> = match object {
        Object::Environment(row) => row.complaints(),
        Object::Hostgroup(row) => row.complaints(),
        Object::Service(row) => row.complaints(),
        Object::EventHandler(row) => row.complaints(file),
        Object::Host(row) => row.complaints(),
        Object::Team(_) => Vec::new(),
        Object::Grant(row) => return problems.extend(row.complaint().map(|why| Problem::new(place, why))),
    };
    problems.extend(
        complaints.into_iter().map(|complaint| Problem::new(place, format!("{object}: {}", complaint.text))),
    );
}
