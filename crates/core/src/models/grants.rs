//! Grants: rights that users and teams have. What they allow is decided in [`crate::access`].

use crate::access::Verb;
use crate::db::schema::grants;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

/// A new row. Exactly one of user and team is given; what else is absent means any.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = grants)]
pub struct NewGrant<'a> {
    /// Whose it is, unless a team's.
    pub users_id: Option<i64>,
    /// Whose it is, unless a user's.
    pub teams_id: Option<i64>,
    /// Where.
    pub environments_id: Option<i64>,
    /// On what.
    pub hostgroups_id: Option<i64>,
    /// With which handler.
    pub event_handlers_id: Option<i64>,
    /// With which handlers, by their tag.
    pub handler_tag: Option<&'a str>,
    /// What it allows.
    pub verb: Verb,
}

impl NewGrant<'_> {
    /// `verb` everywhere and with everything, for one user.
    pub fn everywhere(users_id: i64, verb: Verb) -> Self {
        Self {
            users_id: Some(users_id),
            teams_id: None,
            environments_id: None,
            hostgroups_id: None,
            event_handlers_id: None,
            handler_tag: None,
            verb,
        }
    }

    /// Adds the row. False: the same right exists already.
    pub fn insert(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        diesel::insert_into(grants::table)
            .values(self)
            .on_conflict_do_nothing()
            .execute(connection)
            .map(|rows| rows == 1)
    }
}

/// A grant in words, for lists.
#[derive(Debug, Clone, QueryableByName)]
pub struct GrantLine {
    /// Primary key.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// `run for team oncall in staging`.
    #[diesel(sql_type = Text)]
    pub text: String,
}

impl GrantLine {
    /// Every grant, at most 10,000, in the order in which they were given.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        Self::load(connection, None)
    }

    /// The grants with these ids.
    pub fn of(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        Self::load(connection, Some(ids))
    }

    fn load(connection: &mut PgConnection, ids: Option<&[i64]>) -> QueryResult<Vec<Self>> {
        diesel::sql_query(include_str!("grants_in_words.sql"))
            .bind::<Nullable<Array<BigInt>>, _>(ids)
            .load(connection)
    }

    /// Takes the right away. False: there is no such grant.
    pub fn remove(connection: &mut PgConnection, id: i64) -> QueryResult<bool> {
        diesel::delete(grants::table.find(id)).execute(connection).map(|rows| rows == 1)
    }
}
