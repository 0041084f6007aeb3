//! The temporary tables that a load works from.

use super::rows::Inventory;
use super::sources::WHOLE;
use crate::names;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Jsonb;
use serde::Serialize;
use serde_json::{Map, Value};

/// So many rows go to the server at once: few enough that a large inventory does not stand in memory twice.
const ROWS: usize = 5_000;

/// Loads exclude each other and all editors: two that change the same templates would wait for each other's rows, or
/// deadlock.
const LOAD: &str = "7305803399052";

/// Editors take turns, which are short.
const TURN: &str = "SELECT pg_advisory_xact_lock(7305803399055)";

/// A load of 100,000 hosts takes longer than a page may, and compares a million rows.
const TIMEOUT: &str = "SET LOCAL statement_timeout = '15min'; SET LOCAL work_mem = '64MB'";

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

/// Makes the tables and fills them with what `source` says.
pub(super) fn fill(connection: &mut PgConnection, inventory: &Inventory, source: &str) -> QueryResult<()> {
    connection.batch_execute(include_str!("stage.sql"))?;
    insert(connection, "load_environments", &inventory.environments, source, |row| &row.name)?;
    insert(connection, "load_hostgroups", &inventory.hostgroups, source, |row| &row.name)?;
    insert(connection, "load_services", &inventory.services, source, |row| &row.name)?;
    insert(connection, "load_event_handlers", &inventory.event_handlers, source, |row| &row.name)?;
    insert(connection, "load_hosts", &inventory.hosts, source, |row| &row.name)?;
    insert(connection, "load_teams", &inventory.teams, source, |row| &row.name)?;
    insert(connection, "load_grants", &inventory.grants, source, |_| "")
}

/// Gives the rows of the temporary tables their ids, once the objects exist.
pub(super) fn resolve(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "UPDATE load_environments l SET id = t.id FROM environments t WHERE t.name = l.name; \
         UPDATE load_event_handlers l SET id = t.id FROM event_handlers t WHERE t.name = l.name; \
         UPDATE load_hostgroups l SET id = t.id FROM hostgroups t WHERE t.name = l.name; \
         UPDATE load_services l SET id = t.id FROM services t WHERE t.name = l.name; \
         UPDATE load_hosts l SET id = t.id FROM hosts t WHERE t.name = l.name; \
         UPDATE load_teams l SET id = t.id FROM teams t WHERE t.name = l.name;",
    )
}

/// Takes the tables away before the transaction ends, for one that writes more than one object.
pub(super) fn drop(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(
        "DROP TABLE load_environments, load_hostgroups, load_services, load_hosts, load_event_handlers, load_teams, \
         load_grants, load_kept, load_touched_hosts, load_touched_members",
    )
}

fn insert<T: Serialize>(
    connection: &mut PgConnection,
    table: &str,
    rows: &[T],
    source: &str,
    name: impl Fn(&T) -> &str,
) -> QueryResult<()> {
    let whole = table == "load_event_handlers";
    for part in rows.chunks(ROWS) {
        let staged: Result<Vec<Value>, serde_json::Error> =
            part.iter().map(|row| staged(row, source, name(row), whole)).collect();
        diesel::sql_query(format!(
            "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1)"
        ))
        .bind::<Jsonb, _>(Value::Array(
            staged.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?,
        ))
        .execute(connection)?;
    }
    Ok(())
}

/// The row with its key and with what the source claims: the fields of which it says something, or all of
/// an event handler, which is always given as a whole (`whole`).
fn staged<T: Serialize>(row: &T, source: &str, name: &str, whole: bool) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(row)?;
    if let Some(fields) = value.as_object_mut() {
        let claims: Map<String, Value> = if whole {
            Map::from_iter([(WHOLE.to_owned(), source.into())])
        } else {
            let said = fields.iter().filter(|(field, value)| *field != "name" && !value.is_null());
            said.map(|(field, _)| (field.clone(), source.into())).collect()
        };
        fields.insert("name_key".to_owned(), names::key(name).unwrap_or_default().into());
        fields.insert("claims".to_owned(), claims.into());
    }
    Ok(value)
}
