//! The plugins that managers have, by the content of their files.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use uuid::Uuid;

/// A row of `plugins`, without its manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRow {
    /// The plugin's name.
    pub name: String,
    /// Of its content; `None` where it can't be used.
    pub sha256: Option<Vec<u8>>,
    /// Why it can't be used.
    pub problem: Option<String>,
}

impl PluginRow {
    /// Replaces everything that is known of a manager's plugins, and forgets those of managers that are gone.
    pub fn replace(connection: &mut PgConnection, workers_id: Uuid, rows: &[Self]) -> QueryResult<()> {
        diesel::sql_query(include_str!("plugins_replaced.sql"))
            .bind::<diesel::sql_types::Uuid, _>(workers_id)
            .bind::<Array<Text>, _>(rows.iter().map(|row| &row.name).collect::<Vec<_>>())
            .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|row| &row.sha256).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| &row.problem).collect::<Vec<_>>())
            .execute(connection)
            .map(|_| ())
    }

    /// The plugins that managers have told of, by name: usable where any manager that lives can use it.
    pub fn reported(connection: &mut PgConnection) -> QueryResult<Vec<ReportedPlugin>> {
        diesel::sql_query(
            "SELECT p.name, count(*) FILTER (WHERE p.sha256 IS NOT NULL) AS usable, count(*) AS managers, \
             min(p.problem) AS problem \
             FROM plugins p JOIN workers w ON w.id = p.workers_id WHERE w.alive_until > now() \
             GROUP BY p.name ORDER BY p.name",
        )
        .load(connection)
    }
}

/// A plugin as the living managers tell of it.
#[derive(Debug, Clone, QueryableByName)]
pub struct ReportedPlugin {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Managers that could run it.
    #[diesel(sql_type = BigInt)]
    pub usable: i64,
    /// Managers that have a file of this name.
    #[diesel(sql_type = BigInt)]
    pub managers: i64,
    /// Why one of them cannot use it.
    #[diesel(sql_type = Nullable<Text>)]
    pub problem: Option<String>,
}
