//! API tokens: what programs send as `Authorization: Bearer`.

use super::users::User;
use crate::access::Verb;
use crate::credentials::{self, same};
use crate::db::part;
use crate::db::schema::{api_tokens, users};
use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text, Timestamptz};
use std::time::Duration;

/// A row of `api_tokens` without its secret.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Identifiable)]
#[diesel(table_name = api_tokens, check_for_backend(Pg))]
pub struct ApiToken {
    /// The part of the token that names it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose rights it has at most.
    pub users_id: i64,
    /// The strongest verb that it may use, whatever its user may.
    pub verb: Verb,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// It is refused afterwards.
    pub expires_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ApiToken {
    /// Stores a token that was drawn for the user.
    pub fn create(
        connection: &mut PgConnection,
        token: &credentials::ApiToken,
        users_id: i64,
        name: &str,
        verb: Verb,
        life: Duration,
    ) -> QueryResult<Self> {
        diesel::sql_query(
            "INSERT INTO api_tokens (id, secret_hash, name, users_id, verb, expires_at) \
             VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6)) RETURNING *",
        )
        .bind::<Text, _>(token.id())
        .bind::<Binary, _>(token.secret_hash())
        .bind::<Text, _>(name)
        .bind::<BigInt, _>(users_id)
        .bind::<Text, _>(verb)
        .bind::<Double, _>(life.as_secs_f64())
        .get_result(connection)
    }

    /// The row of a token and its user. `None`: unknown, another secret, run out, or the user is disabled. Notes the
    /// use, at most once a minute.
    pub fn authenticate(
        connection: &mut PgConnection,
        token: &credentials::ApiToken,
    ) -> QueryResult<Option<(Self, User)>> {
        let noted_lately = part::<Nullable<Bool>>("api_tokens.last_used_at > now() - interval '1 minute'");
        let found: Option<(Vec<u8>, Option<bool>, Self, User)> = api_tokens::table
            .inner_join(users::table)
            .filter(api_tokens::id.eq(token.id()))
            .filter(api_tokens::expires_at.gt(now))
            .filter(users::disabled.eq(false))
            .select((api_tokens::secret_hash, noted_lately, Self::as_select(), User::as_select()))
            .first(connection)
            .optional()?;
        let Some((_, noted_lately, row, user)) = found.filter(|(hash, ..)| same(hash, &token.secret_hash()))
        else {
            return Ok(None);
        };
        if noted_lately != Some(true) {
            diesel::update(api_tokens::table.find(&row.id))
                .set(api_tokens::last_used_at.eq(now.into_sql::<Nullable<Timestamptz>>()))
                .execute(connection)?;
        }
        Ok(Some((row, user)))
    }

    /// Whether the token still counts: for streams that outlive the request that opened them.
    pub fn still_valid(connection: &mut PgConnection, id: &str) -> QueryResult<bool> {
        diesel::select(diesel::dsl::exists(
            api_tokens::table
                .inner_join(users::table)
                .filter(api_tokens::id.eq(id))
                .filter(api_tokens::expires_at.gt(now))
                .filter(users::disabled.eq(false)),
        ))
        .get_result(connection)
    }

    /// Every token with its user's name, by name, at most 10,000.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<(Self, String)>> {
        api_tokens::table
            .inner_join(users::table)
            .order((users::name, api_tokens::name, api_tokens::id))
            .limit(10_000)
            .select((Self::as_select(), users::name))
            .load(connection)
    }

    /// The tokens of a user, the newest first; at most 200.
    pub fn of_user(connection: &mut PgConnection, users_id: i64) -> QueryResult<Vec<Self>> {
        api_tokens::table
            .filter(api_tokens::users_id.eq(users_id))
            .order((api_tokens::created_at.desc(), api_tokens::id))
            .limit(200)
            .select(Self::as_select())
            .load(connection)
    }

    /// The token with this id and its owner.
    pub fn find(connection: &mut PgConnection, id: &str) -> QueryResult<Option<(Self, User)>> {
        api_tokens::table
            .inner_join(users::table)
            .filter(api_tokens::id.eq(id))
            .select((Self::as_select(), User::as_select()))
            .first(connection)
            .optional()
    }

    /// Takes every token of the user back. Gives how many there were.
    pub fn revoke_all(connection: &mut PgConnection, users_id: i64) -> QueryResult<usize> {
        diesel::delete(api_tokens::table.filter(api_tokens::users_id.eq(users_id))).execute(connection)
    }

    /// Takes the token back. False: there is no such token.
    pub fn revoke(connection: &mut PgConnection, id: &str) -> QueryResult<bool> {
        diesel::delete(api_tokens::table.find(id)).execute(connection).map(|rows| rows == 1)
    }
}
