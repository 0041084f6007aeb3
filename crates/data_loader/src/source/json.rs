//! JSON of the same form as our YAML. Keys that stand twice are refused wherever they stand: one would silently win.

use crate::document::{Document, Found, Place};
use crate::problem::Problem;
use selfservice_core::models::inventory::{Environment, EventHandler, Grant, Host, Hostgroup, Service, Team};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    environments: Vec<Environment>,
    #[serde(default)]
    hostgroups: Vec<Hostgroup>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    event_handlers: Vec<EventHandler>,
    #[serde(default)]
    hosts: Vec<Host>,
    #[serde(default)]
    teams: Vec<Team>,
    #[serde(default)]
    grants: Vec<Grant>,
}

/// Reads `text`; `whole` names where it came from.
pub(super) fn parse(whole: &Place, text: &str) -> Result<Document, Problem> {
    let _unique: Unique = read(whole, text)?;
    let file: File = read(whole, text)?;
    Ok(Document {
        source: file.source.map(|row| Found { row, place: whole.clone() }),
        environments: found(whole, "environments", file.environments),
        hostgroups: found(whole, "hostgroups", file.hostgroups),
        services: found(whole, "services", file.services),
        event_handlers: found(whole, "event_handlers", file.event_handlers),
        hosts: found(whole, "hosts", file.hosts),
        teams: found(whole, "teams", file.teams),
        grants: found(whole, "grants", file.grants),
        ..Document::default()
    })
}

/// Reads `text` as `T`, and complains with the line.
pub(super) fn read<'a, T: Deserialize<'a>>(whole: &Place, text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let place = Place { line: error.line().try_into().unwrap_or_default(), ..whole.clone() };
        Problem::new(&place, error.to_string())
    })
}

fn found<T>(whole: &Place, section: &'static str, rows: Vec<T>) -> Vec<Found<T>> {
    let place = |entry| Place { entry: Some((section, entry)), ..whole.clone() };
    rows.into_iter().enumerate().map(|(entry, row)| Found { place: place(entry), row }).collect()
}

/// Any JSON in which no key stands twice in one object.
pub(super) struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk).map(|()| Self)
    }
}

#[derive(Clone, Copy)]
struct Walk;

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            keys.insert(key);
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}
