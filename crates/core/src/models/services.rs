//! Services.

use crate::db::schema::services;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use serde::Deserialize;

/// A row of `services`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Deserialize)]
#[diesel(table_name = services, check_for_backend(Pg))]
pub struct Service {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Custom variables, name to text.
    pub vars: serde_json::Value,
}

impl Service {
    /// The service with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        services::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The service with exactly this name.
    pub fn named(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        services::table.filter(services::name.eq(name)).select(Self::as_select()).first(connection).optional()
    }

    /// Services by id, in any order; what does not exist is left out.
    pub fn find_all(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        services::table.filter(services::id.eq_any(ids)).select(Self::as_select()).load(connection)
    }

    /// The custom variables as (name, text); a value that is not text is written as JSON.
    pub fn variables(&self) -> Vec<(String, String)> {
        super::variables(&self.vars)
    }
}
