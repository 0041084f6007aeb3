//! Names: that each may exist, stands once, and looks like no other.

use crate::document::{Found, Object, Place};
use crate::problem::Problem;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::inventory::{Noun, alike};
use selfservice_core::names;
use std::collections::{BTreeMap, HashMap};

/// The names of the objects that were read, by kind: key to the name and its place.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<Noun, HashMap<String, (String, Place)>>);

impl Names {
    /// Takes the name of an object.
    pub(super) fn add(&mut self, found: &Found<Object>, problems: &mut Vec<Problem>) {
        let Found { row: object, place } = found;
        let (noun, Some(name)) = (object.noun(), object.name()) else { return };
        let key = match names::key(name) {
            Ok(key) => key,
            Err(why) => {
                let message = format!("the {noun} name '{}' {why}", name.escape_debug());
                return problems.push(Problem::new(place, message));
            }
        };
        let known = self.0.entry(noun).or_default();
        let message = match known.get(&key) {
            None => {
                known.insert(key, (name.to_owned(), place.clone()));
                return;
            }
            Some((other, first)) if other == name => format!("the {noun} '{name}' stands at {first} already"),
            Some((other, first)) => format!(
                "the {noun} name '{name}' looks like '{other}' at {first}; choose names that people can tell apart"
            ),
        };
        problems.push(Problem::new(place, message));
    }

    /// Complains about names that look like one that the database has.
    pub(super) fn compare(
        &self,
        connection: &mut PgConnection,
        problems: &mut Vec<Problem>,
    ) -> Result<(), QueryError> {
        for (noun, known) in &self.0 {
            for row in alike(connection, *noun)? {
                let Some((name, place)) = known.get(&row.name_key) else { continue };
                let message = format!(
                    "the {noun} name '{name}' looks like the {noun} '{}' that exists already; choose names that people can tell apart",
                    row.name
                );
                problems.push(Problem::new(place, message));
            }
        }
        Ok(())
    }

    /// Whether an object of this name was read.
    pub(super) fn has(&self, noun: Noun, name: &str) -> bool {
        let known = self.0.get(&noun).zip(names::key(name).ok()).and_then(|(known, key)| known.get(&key));
        known.is_some_and(|(own, _)| own == name)
    }
}
