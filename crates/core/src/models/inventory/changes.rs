//! What a load did, object by object.

use super::sources::{self, Kept, Missing, Source};
use super::{Copies, Noun};
use crate::models::grants::{GIVEN, GrantLine, TAKEN};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use std::collections::{BTreeMap, BTreeSet};

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there, and these of its fields are different now.
    Changed(BTreeSet<String>),
    /// The source brought it, names it no more, and nobody else brought it: it is gone.
    Removed,
    /// The source names it no more, but somebody else brought it, too: it stays, and is theirs alone.
    Released,
}

/// What a load did; empty where everything was as the source says.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// By kind and name.
    pub objects: BTreeMap<(Noun, String), Change>,
    /// What that meant for services and handlers that hosts inherit.
    pub copies: Copies,
    /// What belongs to somebody who counts more than the source, and therefore stays as it is.
    pub kept: Vec<Kept>,
    /// By kind: what the source brought and names no more.
    pub missing: BTreeMap<Noun, Missing>,
    /// What was not removed, and why; sentences.
    pub in_use: Vec<String>,
    /// Services that the source's hosts had before, where some of them lost any; else 0.
    pub services_before: i64,
    /// Objects that the source names, as they were.
    pub unchanged: usize,
}

/// Writes the ids of rights of `table` that the lines speak of into their column.
fn find_grants(connection: &mut PgConnection, column: &str, table: &str) -> QueryResult<()> {
    let sql = include_str!("grants_found.sql").replace("{column}", column).replace("{table}", table);
    diesel::sql_query(sql).execute(connection).map(|_| ())
}

#[derive(QueryableByName)]
struct ObjectRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    added: bool,
    #[diesel(sql_type = Array<Text>)]
    fields: Vec<String>,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

const OBJECTS: &[(Noun, &str)] = &[
    (Noun::Environment, include_str!("environments.sql")),
    (Noun::Service, include_str!("services.sql")),
    (Noun::Hostgroup, include_str!("hostgroups.sql")),
    (Noun::Host, include_str!("hosts.sql")),
    (Noun::Team, include_str!("teams.sql")),
];

/// Whose field a list is, its name, and the statement that makes the tables as the list says and names whose was
/// different.
const LINKS: &[(Noun, &str, &str)] = &[
    (Noun::Service, "handlers", include_str!("services_event_handlers.sql")),
    (Noun::Hostgroup, "services", include_str!("hostgroups_services.sql")),
    (Noun::Host, "aliases", include_str!("host_aliases.sql")),
    (Noun::Host, "hostgroups", include_str!("hostgroups_members.sql")),
    (Noun::Host, "environments", include_str!("environments_members.sql")),
    (Noun::Host, "services", include_str!("services_members_direct.sql")),
    (Noun::Team, "members", include_str!("teams_members.sql")),
];

/// As [`LINKS`].
const ASSIGNMENTS: &[(Noun, &str, &str)] = &[
    (Noun::Host, "dropped_services", include_str!("dropped_services.sql")),
    (Noun::Host, "dropped_handlers", include_str!("dropped_handlers.sql")),
    (Noun::Host, "handlers", include_str!("own_handlers.sql")),
];

impl Changes {
    /// Whether nothing was different.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.copies == Copies::default()
    }

    pub(super) fn take_objects(&mut self, connection: &mut PgConnection, author: &str) -> QueryResult<()> {
        let handlers =
            diesel::sql_query(include_str!("event_handlers.sql")).bind::<Text, _>(author).load(connection)?;
        self.note(Noun::EventHandler, handlers);
        for (noun, sql) in OBJECTS {
            let rows = diesel::sql_query(*sql).load(connection)?;
            self.note(*noun, rows);
        }
        Ok(())
    }

    pub(super) fn take_links(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        self.take_lists(connection, LINKS)
    }

    /// What hosts have beside their templates; after the copies.
    pub(super) fn take_assignments(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        self.take_lists(connection, ASSIGNMENTS)
    }

    fn take_lists(&mut self, connection: &mut PgConnection, lists: &[(Noun, &str, &str)]) -> QueryResult<()> {
        for (noun, field, sql) in lists {
            let rows: Vec<NameRow> = diesel::sql_query(*sql).load(connection)?;
            for row in rows {
                let change =
                    self.objects.entry((*noun, row.name)).or_insert_with(|| Change::Changed(BTreeSet::new()));
                // That a new object has a new list goes without saying.
                if let Change::Changed(fields) = change {
                    fields.insert((*field).to_owned());
                }
            }
        }
        Ok(())
    }

    pub(super) fn take_grants(
        &mut self,
        connection: &mut PgConnection,
        source: &Source<'_>,
    ) -> QueryResult<()> {
        diesel::sql_query(include_str!("grants_named.sql")).execute(connection)?;
        find_grants(connection, "id", GIVEN)?;
        sources::remember_given(connection)?;
        find_grants(connection, "taken_id", TAKEN)?;
        // Before fields, of which there may be more than anybody reads.
        self.kept.splice(0..0, sources::respect_taken(connection, source)?);
        let rows: Vec<IdRow> = diesel::sql_query(include_str!("grants.sql")).load(connection)?;
        find_grants(connection, "id", GIVEN)?;
        let ids: Vec<i64> = rows.into_iter().map(|row| row.id).collect();
        for grant in GrantLine::of(connection, &ids)? {
            self.objects.insert((Noun::Grant, grant.text), Change::Added);
        }
        Ok(())
    }

    fn note(&mut self, noun: Noun, rows: Vec<ObjectRow>) {
        for row in rows {
            let change =
                if row.added { Change::Added } else { Change::Changed(row.fields.into_iter().collect()) };
            self.objects.insert((noun, row.name), change);
        }
    }
}
