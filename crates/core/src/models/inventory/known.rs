//! What the database knows already, for the checks before a load.

use super::Noun;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

/// A name that exists, with its key.
#[derive(Debug, Clone, QueryableByName)]
pub struct Known {
    /// As it was given.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// As people see it ([`crate::names::key`]).
    #[diesel(sql_type = Text)]
    pub name_key: String,
}

/// The objects of this kind that have one of these names, or look like it. Not for grants, which have no names.
pub fn known(
    connection: &mut PgConnection,
    noun: Noun,
    names: &[&str],
    keys: &[&str],
) -> QueryResult<Vec<Known>> {
    diesel::sql_query(format!(
        "SELECT name, name_key FROM {} WHERE name = ANY($1) OR name_key = ANY($2)",
        noun.table()
    ))
    .bind::<Array<Text>, _>(names)
    .bind::<Array<Text>, _>(keys)
    .load(connection)
}

/// What the database has that looks like something which is staged, and is not that.
pub fn alike(connection: &mut PgConnection, noun: Noun) -> QueryResult<Vec<Known>> {
    let table = noun.table();
    diesel::sql_query(format!(
        "SELECT t.name, t.name_key FROM {table} t JOIN load_{table} l ON l.name_key = t.name_key WHERE l.name <> t.name"
    ))
    .load(connection)
}
