//! The temporary tables that a load works from.

use super::rows::Inventory;
use super::sources::{NAMED, WHOLE};
use crate::names;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Json, Text};
use serde::Serialize;
use serde_json::{Map, Value};

/// Loads exclude each other and all editors: two that change the same templates would wait for each other's rows, or
/// deadlock.
const LOAD: &str = "7305803399052";

/// Editors take turns, which are short.
const TURN: &str = "SELECT pg_advisory_xact_lock(7305803399055)";

/// A load of 100,000 hosts takes longer than a page may, and compares a million rows.
const TIMEOUT: &str = "SET LOCAL statement_timeout = '15min'; SET LOCAL work_mem = '64MB'";

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

/// Makes the temporary tables of a load, which go with the transaction, and lets its statements take as long as they need.
pub fn begin(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(TIMEOUT)?;
    tables(connection)
}

/// Makes the temporary tables alone.
pub(super) fn tables(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(include_str!("stage.sql"))
}

/// Adds what `source` says to the temporary tables. Call it with a part of a large inventory at a time, and with none of
/// which something is wrong.
pub fn stage(connection: &mut PgConnection, inventory: &Inventory, source: &str) -> QueryResult<()> {
    insert(connection, "load_environments", &inventory.environments, source, |row| &row.name)?;
    insert(connection, "load_hostgroups", &inventory.hostgroups, source, |row| &row.name)?;
    insert(connection, "load_services", &inventory.services, source, |row| &row.name)?;
    insert(connection, "load_event_handlers", &inventory.event_handlers, source, |row| &row.name)?;
    insert(connection, "load_hosts", &inventory.hosts, source, |row| &row.name)?;
    insert(connection, "load_teams", &inventory.teams, source, |row| &row.name)?;
    insert(connection, "load_grants", &inventory.grants, source, |_| "")
}

/// Says in whose name everything was staged, where that was not known at first.
pub fn rename_source(connection: &mut PgConnection, source: &str) -> QueryResult<()> {
    for noun in NAMED {
        diesel::sql_query(format!(
            "UPDATE load_{} SET claims = (SELECT coalesce(jsonb_object_agg(field, $1), '{{}}') \
             FROM jsonb_object_keys(claims) AS f (field))",
            noun.table()
        ))
        .bind::<Text, _>(source)
        .execute(connection)?;
    }
    Ok(())
}

/// The names of the teams that are staged.
pub fn staged_teams(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    let rows: Vec<NameRow> = diesel::sql_query("SELECT name FROM load_teams").load(connection)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// How many objects are staged.
pub(super) fn count(connection: &mut PgConnection) -> QueryResult<usize> {
    let tables = NAMED.iter().map(|noun| noun.table()).chain(["grants"]);
    let counts: Vec<String> = tables.map(|table| format!("(SELECT count(*) FROM load_{table})")).collect();
    let count = diesel::dsl::sql::<BigInt>(&counts.join(" + "));
    let count: i64 = diesel::select(count).get_result(connection)?;
    Ok(usize::try_from(count).unwrap_or_default())
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
    if rows.is_empty() {
        return Ok(());
    }
    let whole = table == "load_event_handlers";
    let staged: Result<Vec<Value>, serde_json::Error> =
        rows.iter().map(|row| staged(row, source, name(row), whole)).collect();
    let staged = staged.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    diesel::sql_query(format!("INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1)"))
        .bind::<Json, _>(Value::Array(staged))
        .execute(connection)
        .map(|_| ())
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
