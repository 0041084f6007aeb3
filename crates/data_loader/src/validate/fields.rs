//! What stands in the objects beside names; the rules are those of every editor.

use crate::document::{Document, Found};
use crate::problem::Problem;
use selfservice_core::config::MacroFile;
use selfservice_core::models::inventory::{Complaint, Noun};

/// Checks everything that needs no other object.
pub(super) fn check(document: &Document, file: &MacroFile, problems: &mut Vec<Problem>) {
    each(Noun::Environment, &document.environments, |row| (&row.name, row.complaints()), problems);
    each(Noun::Hostgroup, &document.hostgroups, |row| (&row.name, row.complaints()), problems);
    each(Noun::Service, &document.services, |row| (&row.name, row.complaints()), problems);
    each(Noun::EventHandler, &document.event_handlers, |row| (&row.name, row.complaints(file)), problems);
    each(Noun::Host, &document.hosts, |row| (&row.name, row.complaints()), problems);
    for Found { row, place } in &document.grants {
        problems.extend(row.complaint().map(|why| Problem::new(place, why)));
    }
}

fn each<T>(
    noun: Noun,
    found: &[Found<T>],
    complaints: impl Fn(&T) -> (&String, Vec<Complaint>),
    problems: &mut Vec<Problem>,
) {
    for Found { row, place } in found {
        let (name, complaints) = complaints(row);
        problems.extend(
            complaints
                .into_iter()
                .map(|complaint| Problem::new(place, format!("{noun} '{name}': {}", complaint.text))),
        );
    }
}
