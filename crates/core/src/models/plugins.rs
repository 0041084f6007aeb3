//! The plugins that managers have, by the content of their files.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Nullable, Text};
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
}
