//! Names: that each may exist, stands once, and looks like no other.

use super::references::Reference;
use crate::document::{Document, Found, Place};
use crate::problem::Problem;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::inventory::{Noun, known};
use selfservice_core::names;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The names that a reference may mean.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By kind: key to the name and its place in the files.
    in_files: BTreeMap<Noun, HashMap<String, (String, Place)>>,
    /// The same names as they are written.
    written: BTreeMap<Noun, HashSet<String>>,
    in_database: BTreeMap<Noun, BTreeSet<String>>,
}

impl Names {
    /// Takes the names of the files.
    pub(super) fn gather(document: &Document, problems: &mut Vec<Problem>) -> Self {
        let mut names = Self::default();
        names.add(Noun::Environment, &document.environments, |row| &row.name, problems);
        names.add(Noun::Hostgroup, &document.hostgroups, |row| &row.name, problems);
        names.add(Noun::Service, &document.services, |row| &row.name, problems);
        names.add(Noun::EventHandler, &document.event_handlers, |row| &row.name, problems);
        names.add(Noun::Host, &document.hosts, |row| &row.name, problems);
        names.add(Noun::Team, &document.teams, |row| &row.name, problems);
        names
    }

    fn add<T>(
        &mut self,
        noun: Noun,
        found: &[Found<T>],
        name: impl Fn(&T) -> &String,
        problems: &mut Vec<Problem>,
    ) {
        let known = self.in_files.entry(noun).or_default();
        let written = self.written.entry(noun).or_default();
        for Found { row, place } in found {
            let name = name(row);
            let key = match names::key(name) {
                Ok(key) => key,
                Err(why) => {
                    let message = format!("the {noun} name '{}' {why}", name.escape_debug());
                    problems.push(Problem::new(place, message));
                    continue;
                }
            };
            match known.get(&key) {
                None => {
                    written.insert(name.clone());
                    known.insert(key, (name.clone(), place.clone()));
                }
                Some((other, first)) if other == name => {
                    problems.push(Problem::new(place, format!("the {noun} '{name}' stands at {first} already")));
                }
                Some((other, first)) => problems.push(Problem::new(
                    place,
                    format!("the {noun} name '{name}' looks like '{other}' at {first}; choose names that people can tell apart"),
                )),
            }
        }
    }

    /// Adds what the database has, and complains about names that look like one of these.
    pub(super) fn with_database(
        mut self,
        connection: &mut PgConnection,
        references: &[Reference<'_>],
        problems: &mut Vec<Problem>,
    ) -> Result<Self, QueryError> {
        for noun in Noun::ALL.iter().copied().filter(|noun| *noun != Noun::Grant) {
            let in_files = self.in_files.entry(noun).or_default();
            let keys: Vec<&str> = in_files.keys().map(String::as_str).collect();
            let mut asked: Vec<&str> = in_files.values().map(|(name, _)| name.as_str()).collect();
            let referenced: BTreeSet<&str> = references
                .iter()
                .filter(|reference| reference.noun == noun)
                .map(|reference| reference.name)
                .collect();
            asked.extend(referenced);
            for row in known(connection, noun, &asked, &keys)? {
                if let Some((name, place)) = in_files.get(&row.name_key).filter(|(name, _)| *name != row.name)
                {
                    let message = format!(
                        "the {noun} name '{name}' looks like the {noun} '{}' that exists already; choose names that people can tell apart",
                        row.name
                    );
                    problems.push(Problem::new(place, message));
                }
                self.in_database.entry(noun).or_default().insert(row.name);
            }
        }
        Ok(self)
    }

    /// Whether the files or the database have it.
    pub(super) fn has(&self, noun: Noun, name: &str) -> bool {
        let has = |names: Option<&HashSet<String>>| names.is_some_and(|names| names.contains(name));
        has(self.written.get(&noun)) || self.in_database.get(&noun).is_some_and(|names| names.contains(name))
    }
}
