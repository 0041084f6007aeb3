//! Teams: users who share their rights.

use crate::db::schema::{teams, teams_members};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;

/// A row of `teams`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = teams, check_for_backend(Pg))]
pub struct Team {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
}

impl Team {
    /// The team of this name.
    pub fn by_name(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        teams::table.filter(teams::name.eq(name)).select(Self::as_select()).first(connection).optional()
    }

    /// Every team by name, at most 10,000.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        teams::table.order(teams::name).limit(10_000).select(Self::as_select()).load(connection)
    }

    /// Makes the user a member. False: they are one already.
    pub fn add_member(&self, connection: &mut PgConnection, users_id: i64) -> QueryResult<bool> {
        diesel::insert_into(teams_members::table)
            .values((teams_members::teams_id.eq(self.id), teams_members::users_id.eq(users_id)))
            .on_conflict_do_nothing()
            .execute(connection)
            .map(|rows| rows == 1)
    }
}
