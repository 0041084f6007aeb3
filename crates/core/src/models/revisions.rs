//! What an event handler has been, and who wrote it.

use crate::db::schema::event_handler_revisions as revisions;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use serde_json::Value;

/// A row of `event_handler_revisions`, without its handler.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = revisions, check_for_backend(Pg))]
pub struct Revision {
    /// Grows by one with every change; numbers that a handler got without one are missing.
    pub revision: i32,
    /// All fields that a run depends on.
    pub definition: Value,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub changed_at: DateTime<Utc>,
}

impl Revision {
    /// The last revisions of a handler, newest first.
    pub fn of_handler(connection: &mut PgConnection, id: i64, limit: i64) -> QueryResult<Vec<Self>> {
        revisions::table
            .filter(revisions::event_handlers_id.eq(id))
            .order(revisions::revision.desc())
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }

    /// One of them.
    pub fn find(connection: &mut PgConnection, id: i64, revision: i32) -> QueryResult<Option<Self>> {
        revisions::table.find((id, revision)).select(Self::as_select()).first(connection).optional()
    }
}
