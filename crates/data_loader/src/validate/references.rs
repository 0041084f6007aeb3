//! Names that objects use of each other.

use super::Findings;
use super::names::Names;
use crate::document::{Found, Object, Place};
use crate::problem::Problem;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::inventory::{Grant, Host, Noun, known};
use std::collections::{BTreeMap, HashMap, HashSet};

/// So many of those who use a name that nothing has are told of.
const TOLD: usize = 20;

/// Who uses a name, in words, and where.
#[derive(Debug)]
struct Use {
    by: String,
    place: Place,
    /// Which use of all names it is, from the first on.
    number: usize,
}

/// The first of those who use a name, and how many there are beside them.
#[derive(Debug, Default)]
struct Uses {
    first: Vec<Use>,
    more: usize,
}

/// Names that stand where an object of that name is meant, by its kind.
#[derive(Debug, Default)]
pub(super) struct References {
    names: BTreeMap<Noun, HashMap<String, Uses>>,
    count: usize,
}

/// The object that names others.
struct By<'a>(&'a Found<Object>, &'a mut References);

impl By<'_> {
    fn name(&mut self, noun: Noun, name: &str) {
        let Self(Found { row, place }, References { names, count }) = self;
        let names = names.entry(noun).or_default();
        if !names.contains_key(name) {
            names.insert(name.to_owned(), Uses::default());
        }
        let Some(uses) = names.get_mut(name) else { return };
        if uses.first.len() < TOLD {
            *count += 1;
            uses.first.push(Use { by: row.to_string(), place: place.clone(), number: *count });
        } else {
            uses.more += 1;
        }
    }

    fn list(&mut self, noun: Noun, names: Option<&[String]>) {
        names.into_iter().flatten().for_each(|name| self.name(noun, name));
    }

    fn host(&mut self, row: &Host) {
        self.list(Noun::Hostgroup, row.hostgroups.as_deref());
        self.list(Noun::Service, row.services.as_deref());
        self.list(Noun::Service, row.dropped_services.as_deref());
        for (service, handlers) in [&row.handlers, &row.dropped_handlers].into_iter().flatten().flatten() {
            self.name(Noun::Service, service);
            self.list(Noun::EventHandler, Some(handlers));
        }
        for (environment, hostgroup) in row.environments.iter().flatten() {
            self.name(Noun::Environment, environment);
            hostgroup.iter().for_each(|hostgroup| self.name(Noun::Hostgroup, hostgroup));
        }
    }

    fn grant(&mut self, row: &Grant) {
        for (noun, name) in [
            (Noun::User, &row.user),
            (Noun::Team, &row.team),
            (Noun::Environment, &row.environment),
            (Noun::Hostgroup, &row.hostgroup),
            (Noun::EventHandler, &row.handler),
        ] {
            name.iter().for_each(|name| self.name(noun, name));
        }
    }
}

impl References {
    /// Takes the names that an object uses.
    pub(super) fn add(&mut self, found: &Found<Object>) {
        let mut by = By(found, self);
        match &found.row {
            Object::Hostgroup(row) => by.list(Noun::Service, row.services.as_deref()),
            Object::Service(row) => by.list(Noun::EventHandler, row.handlers.as_deref()),
            Object::Team(row) => by.list(Noun::User, row.members.as_deref()),
            Object::Host(row) => by.host(row),
            Object::Grant(row) => by.grant(row),
            Object::Environment(_) | Object::EventHandler(_) => {}
        }
    }

    /// Complains about names that nothing has, neither what was read nor the database. Users are made elsewhere, so one
    /// that is missing is only passed over.
    pub(super) fn check(
        self,
        connection: &mut PgConnection,
        names: &Names,
        findings: &mut Findings,
    ) -> Result<(), QueryError> {
        let mut missing = Vec::new();
        for (noun, mut used) in self.names {
            used.retain(|name, _| !names.has(noun, name));
            // PostgreSQL takes no NUL.
            let asked: Vec<&str> =
                used.keys().map(String::as_str).filter(|name| !name.contains('\0')).collect();
            let there: HashSet<String> =
                known(connection, noun, &asked, &[])?.into_iter().map(|row| row.name).collect();
            used.retain(|name, _| !there.contains(name));
            for (name, Uses { first, more }) in used {
                let last = first.len();
                missing.extend(first.into_iter().enumerate().map(|(at, by)| {
                    let others = if at + 1 == last { more } else { 0 };
                    (by.number, noun, name.clone(), by, others)
                }));
            }
        }
        missing.sort_by_key(|(number, ..)| *number);
        for (_, noun, name, by, others) in missing {
            tell(noun, &name, &by, others, findings);
        }
        Ok(())
    }
}

fn tell(noun: Noun, name: &str, used: &Use, others: usize, findings: &mut Findings) {
    let (by, name) = (&used.by, name.escape_debug());
    let others = if others == 0 { String::new() } else { format!("; {others} more do so") };
    if noun == Noun::User {
        let message = format!(
            "{by} names the user '{name}', who does not exist yet and is passed over; add them with 'tasks user add' and load again{others}"
        );
        findings.warnings.push(Problem::new(&used.place, message));
    } else {
        let message = format!(
            "{by} names the {noun} '{name}', which neither these files nor the database have{others}"
        );
        findings.problems.push(Problem::new(&used.place, message));
    }
}
