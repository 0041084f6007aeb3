//! Names that objects use of each other.

use super::Findings;
use super::names::Names;
use crate::document::{Document, Found, Place};
use crate::problem::Problem;
use selfservice_core::models::inventory::{Grant, Host, Noun};
use std::fmt;

/// A name that stands where an object of that name is meant.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    /// What is meant.
    pub noun: Noun,
    /// Its name.
    pub name: &'a str,
    by: By<'a>,
    place: &'a Place,
}

/// Who names something: the object's kind and name; a grant has none.
#[derive(Debug, Clone, Copy)]
struct By<'a>(Noun, &'a str);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Noun::Grant { f.write_str("a grant") } else { write!(f, "{} '{}'", self.0, self.1) }
    }
}

/// Every reference of the document.
pub(super) fn of(document: &Document) -> Vec<Reference<'_>> {
    let mut all = Vec::new();
    for Found { row, place } in &document.hostgroups {
        add_list(&mut all, Noun::Service, row.services.as_deref(), By(Noun::Hostgroup, &row.name), place);
    }
    for Found { row, place } in &document.services {
        add_list(&mut all, Noun::EventHandler, row.handlers.as_deref(), By(Noun::Service, &row.name), place);
    }
    for Found { row, place } in &document.teams {
        add_list(&mut all, Noun::User, row.members.as_deref(), By(Noun::Team, &row.name), place);
    }
    for found in &document.hosts {
        add_host(&mut all, found);
    }
    for found in &document.grants {
        add_grant(&mut all, found);
    }
    all
}

fn add_list<'a>(
    all: &mut Vec<Reference<'a>>,
    noun: Noun,
    names: Option<&'a [String]>,
    by: By<'a>,
    place: &'a Place,
) {
    all.extend(names.into_iter().flatten().map(|name| Reference { noun, name, by, place }));
}

fn add_host<'a>(all: &mut Vec<Reference<'a>>, Found { row, place }: &'a Found<Host>) {
    let by = By(Noun::Host, &row.name);
    add_list(all, Noun::Hostgroup, row.hostgroups.as_deref(), by, place);
    add_list(all, Noun::Service, row.services.as_deref(), by, place);
    add_list(all, Noun::Service, row.dropped_services.as_deref(), by, place);
    for (service, handlers) in [&row.handlers, &row.dropped_handlers].into_iter().flatten().flatten() {
        all.push(Reference { noun: Noun::Service, name: service, by, place });
        add_list(all, Noun::EventHandler, Some(handlers), by, place);
    }
    for (environment, hostgroup) in row.environments.iter().flatten() {
        let named = std::iter::once((Noun::Environment, environment))
            .chain(hostgroup.iter().map(|hostgroup| (Noun::Hostgroup, hostgroup)));
        all.extend(named.map(|(noun, name)| Reference { noun, name, by, place }));
    }
}

fn add_grant<'a>(all: &mut Vec<Reference<'a>>, Found { row, place }: &'a Found<Grant>) {
    let named = [
        (Noun::User, &row.user),
        (Noun::Team, &row.team),
        (Noun::Environment, &row.environment),
        (Noun::Hostgroup, &row.hostgroup),
        (Noun::EventHandler, &row.handler),
    ];
    for (noun, name) in named {
        all.extend(name.iter().map(|name| Reference { noun, name, by: By(Noun::Grant, ""), place }));
    }
}

/// Complains about names that nothing has. Users are made elsewhere, so one that is missing is only passed over.
pub(super) fn check(references: &[Reference<'_>], names: &Names, findings: &mut Findings) {
    for Reference { noun, name, by, place } in references {
        if names.has(*noun, name) {
            continue;
        }
        let name = name.escape_debug();
        if *noun == Noun::User {
            let message = format!(
                "{by} names the user '{name}', who does not exist yet and is passed over; add them with 'tasks user add' and load again"
            );
            findings.warnings.push(Problem::new(place, message));
        } else {
            let message =
                format!("{by} names the {noun} '{name}', which neither these files nor the database have");
            findings.problems.push(Problem::new(place, message));
        }
    }
}
