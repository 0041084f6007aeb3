//! One object as an editor has it before them: what a file would say about it, read from the database.

use super::rows::{Environment, EventHandler, Host, Hostgroup, Service, Team, User};
use super::{Inventory, Noun};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// What may be made, changed and deleted one by one.
#[derive(Debug, Clone)]
pub enum Definition {
    /// An environment.
    Environment(Environment),
    /// An event handler.
    EventHandler(EventHandler),
    /// A service with its template of handlers.
    Service(Service),
    /// A host group with its template of services.
    Hostgroup(Hostgroup),
    /// A host with everything that it belongs to.
    Host(Host),
    /// A team with its members.
    Team(Team),
    /// A user with their teams.
    User(User),
}

/// A definition that the database has.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Primary key.
    pub id: i64,
    /// All of it; no field is absent.
    pub definition: Definition,
}

#[derive(QueryableByName)]
struct DefinitionRow {
    #[diesel(sql_type = Jsonb)]
    definition: Value,
}

impl Definition {
    /// What it is.
    pub fn noun(&self) -> Noun {
        match self {
            Self::Environment(_) => Noun::Environment,
            Self::EventHandler(_) => Noun::EventHandler,
            Self::Service(_) => Noun::Service,
            Self::Hostgroup(_) => Noun::Hostgroup,
            Self::Host(_) => Noun::Host,
            Self::Team(_) => Noun::Team,
            Self::User(_) => Noun::User,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Environment(row) => &row.name,
            Self::EventHandler(row) => &row.name,
            Self::Service(row) => &row.name,
            Self::Hostgroup(row) => &row.name,
            Self::Host(row) => &row.name,
            Self::Team(row) => &row.name,
            Self::User(row) => &row.name,
        }
    }

    /// Reads what a file or a program says of one object.
    ///
    /// # Errors
    /// A field is unknown or of another type, or `noun` has no definition that is edited.
    pub fn from_json(noun: Noun, json: Value) -> Result<Self, serde_json::Error> {
        use serde::de::Error as _;
        match noun {
            Noun::Environment => serde_json::from_value(json).map(Self::Environment),
            Noun::EventHandler => serde_json::from_value(json).map(Self::EventHandler),
            Noun::Service => serde_json::from_value(json).map(Self::Service),
            Noun::Hostgroup => serde_json::from_value(json).map(Self::Hostgroup),
            Noun::Host => serde_json::from_value(json).map(Self::Host),
            Noun::Team => serde_json::from_value(json).map(Self::Team),
            Noun::User => serde_json::from_value(json).map(Self::User),
            Noun::Grant => Err(serde_json::Error::custom(format!("a {noun} has no definition"))),
        }
    }

    /// Field by field.
    ///
    /// # Errors
    /// None of the values that a definition holds gives one.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Environment(row) => serde_json::to_value(row),
            Self::EventHandler(row) => serde_json::to_value(row),
            Self::Service(row) => serde_json::to_value(row),
            Self::Hostgroup(row) => serde_json::to_value(row),
            Self::Host(row) => serde_json::to_value(row),
            Self::Team(row) => serde_json::to_value(row),
            Self::User(row) => serde_json::to_value(row),
        }
    }

    /// The same with lists whose order means nothing in one order.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        match &mut self {
            Self::Hostgroup(row) => row.normalise(),
            Self::Host(row) => row.normalise(),
            Self::Team(row) => row.normalise(),
            Self::User(row) => row.teams.iter_mut().for_each(|teams| teams.sort()),
            Self::Environment(_) | Self::Service(_) | Self::EventHandler(_) => {}
        }
        self
    }

    /// A host with all that says where it belongs: what is absent is as it was before.
    #[must_use]
    pub fn placed(mut self, before: Option<&Stored>) -> Self {
        if let Self::Host(row) = &mut self {
            let old = match before.map(|stored| &stored.definition) {
                Some(Self::Host(old)) => (old.environments.clone(), old.hostgroups.clone()),
                _ => (None, None),
            };
            row.environments.get_or_insert_with(|| old.0.unwrap_or_default());
            row.hostgroups.get_or_insert_with(|| old.1.unwrap_or_default());
        }
        self
    }

    /// As the only object of a load.
    pub(super) fn into_inventory(self) -> Inventory {
        let mut inventory = Inventory::default();
        match self {
            Self::Environment(row) => inventory.environments.push(row),
            Self::EventHandler(row) => inventory.event_handlers.push(row),
            Self::Service(row) => inventory.services.push(row),
            Self::Hostgroup(row) => inventory.hostgroups.push(row),
            Self::Host(row) => inventory.hosts.push(row),
            Self::Team(row) => inventory.teams.push(row),
            // No load makes a user.
            Self::User(_) => {}
        }
        inventory
    }
}

impl Stored {
    /// The object with this id as it is.
    pub fn find(connection: &mut PgConnection, noun: Noun, id: i64) -> QueryResult<Option<Self>> {
        let Some(sql) = stored(noun) else { return Ok(None) };
        Self::read(connection, noun, sql, id)
    }

    /// A host as it is, with what it has beside its lists: handlers of its own, and what it does without.
    pub(super) fn whole_host(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        let Some(sql) = everything(Noun::Host) else { return Ok(None) };
        Self::read(connection, Noun::Host, &sql, id)
    }

    fn read(connection: &mut PgConnection, noun: Noun, sql: &str, id: i64) -> QueryResult<Option<Self>> {
        let row: Option<DefinitionRow> = diesel::sql_query(format!("{sql} WHERE o.id = $1"))
            .bind::<BigInt, _>(id)
            .get_result(connection)
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let definition = Definition::from_json(noun, row.definition).map_err(unreadable)?;
        Ok(Some(Self { id, definition }))
    }

    /// What changes whenever the definition does, however it was changed: its fingerprint. An editor brings back the
    /// version that they saw.
    ///
    /// # Errors
    /// As [`Definition::to_json`].
    pub fn version(&self) -> QueryResult<String> {
        let json = self.definition.to_json().map_err(unreadable)?;
        // A list of (field, value): the order of an object's members depends on features of serde_json.
        let mut fields: Vec<(&String, String)> =
            json.as_object().into_iter().flatten().map(|(name, value)| (name, canonical(value))).collect();
        fields.sort();
        let digest = Sha256::digest(format!("{} {fields:?}", self.id));
        Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The query for id, name and definition of all objects (`o`) that have a definition by which they are edited.
fn stored(noun: Noun) -> Option<&'static str> {
    match noun {
        Noun::Environment => Some(include_str!("stored/environments.sql")),
        Noun::EventHandler => Some(include_str!("stored/event_handlers.sql")),
        Noun::Service => Some(include_str!("stored/services.sql")),
        Noun::Hostgroup => Some(include_str!("stored/hostgroups.sql")),
        Noun::Host => Some(include_str!("stored/hosts.sql")),
        Noun::Team => Some(include_str!("stored/teams.sql")),
        Noun::User => Some(include_str!("stored/users.sql")),
        Noun::Grant => None,
    }
}

/// The query for id, name and everything that a file may say of all objects (`o`) that have names.
pub(super) fn everything(noun: Noun) -> Option<Cow<'static, str>> {
    match noun {
        Noun::Host => {
            let whole = include_str!("stored/host_assignments.sql");
            Some(whole.replace("$stored$", include_str!("stored/hosts.sql")).into())
        }
        _ => stored(noun).map(Cow::Borrowed),
    }
}

/// The value as text that does not depend on the order of members.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, String)> =
                members.iter().map(|(name, value)| (name, canonical(value))).collect();
            members.sort();
            format!("{members:?}")
        }
        Value::Array(values) => format!("{:?}", values.iter().map(canonical).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

pub(super) fn unreadable(error: serde_json::Error) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(error))
}
