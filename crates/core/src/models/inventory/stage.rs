//! The temporary tables that a load works from.

use super::rows::Inventory;
use crate::names;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Jsonb;
use serde::Serialize;

/// So many rows go to the server at once: few enough that a large inventory does not stand in memory twice.
const ROWS: usize = 5_000;

/// Loads exclude each other and all editors: two that change the same templates would wait for each other's rows, or
/// deadlock.
const LOAD: &str = "7305803399052";

/// Editors take turns, which are short.
const TURN: &str = "SELECT pg_advisory_xact_lock(7305803399053)";

/// A load of 100,000 hosts takes longer than a page may.
const TIMEOUT: &str = "SET LOCAL statement_timeout = '15min'";

#[derive(Serialize)]
struct Staged<'a, T> {
    name_key: String,
    #[serde(flatten)]
    row: &'a T,
}

/// Lets the statements of this transaction take as long as a large load needs.
pub(super) fn allow_time(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(TIMEOUT)
}

/// Excludes every other load and editor until the transaction ends.
pub(super) fn lock(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOAD})"))
}

/// Keeps loads and other editors out until the transaction ends. False: a load is running or about to, and nobody waits
/// for it with a connection in their hands.
pub fn try_lock(connection: &mut PgConnection) -> QueryResult<bool> {
    let free = is_free(connection, "pg_try_advisory_xact_lock_shared")?;
    if free {
        connection.batch_execute(TURN)?;
    }
    Ok(free)
}

/// As [`try_lock`], for what takes as long as a load and keeps editors out like one.
pub fn try_lock_all(connection: &mut PgConnection) -> QueryResult<bool> {
    is_free(connection, "pg_try_advisory_xact_lock")
}

fn is_free(connection: &mut PgConnection, lock: &str) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(&format!("{lock}({LOAD})")))
        .get_result(connection)
}

/// Makes the tables and fills them.
pub(super) fn fill(connection: &mut PgConnection, inventory: &Inventory) -> QueryResult<()> {
    connection.batch_execute(include_str!("stage.sql"))?;
    insert(connection, "load_environments", &inventory.environments, |row| &row.name)?;
    insert(connection, "load_hostgroups", &inventory.hostgroups, |row| &row.name)?;
    insert(connection, "load_services", &inventory.services, |row| &row.name)?;
    insert(connection, "load_event_handlers", &inventory.event_handlers, |row| &row.name)?;
    insert(connection, "load_hosts", &inventory.hosts, |row| &row.name)?;
    insert(connection, "load_teams", &inventory.teams, |row| &row.name)?;
    insert(connection, "load_grants", &inventory.grants, |_| "")
}

/// Gives the rows of the temporary tables their ids, once the objects exist.
pub(super) fn resolve(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "UPDATE load_hostgroups l SET id = t.id FROM hostgroups t WHERE t.name = l.name; \
         UPDATE load_services l SET id = t.id FROM services t WHERE t.name = l.name; \
         UPDATE load_hosts l SET id = t.id FROM hosts t WHERE t.name = l.name; \
         UPDATE load_teams l SET id = t.id FROM teams t WHERE t.name = l.name;",
    )
}

/// Takes the tables away before the transaction ends, for one that writes more than one object.
pub(super) fn drop(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "DROP TABLE load_environments, load_hostgroups, load_services, load_hosts, load_event_handlers, load_teams, \
         load_grants, load_touched_hosts, load_touched_members",
    )
}

fn insert<T: Serialize>(
    connection: &mut PgConnection,
    table: &str,
    rows: &[T],
    name: impl Fn(&T) -> &str,
) -> QueryResult<()> {
    for part in rows.chunks(ROWS) {
        let staged: Vec<_> = part
            .iter()
            .map(|row| Staged { name_key: names::key(name(row)).unwrap_or_default(), row })
            .collect();
        let json = serde_json::to_value(staged)
            .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        diesel::sql_query(format!(
            "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1)"
        ))
        .bind::<Jsonb, _>(json)
        .execute(connection)?;
    }
    Ok(())
}
