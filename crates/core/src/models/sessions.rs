//! Sessions of browsers. All times are the database's, so every `web_gui` agrees on when a session ends.

use super::tasks::Identity;
use super::users::User;
use crate::credentials::{CredentialError, random_secret, secret_hash};
use crate::db::schema::{sessions, users};
use crate::db::{NUMBER, Part, part, part_with};
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Text};
use std::time::Duration;
use uuid::Uuid;

/// A row of `sessions` as far as a request needs it.
#[derive(Clone, Queryable, QueryableByName, Selectable, Identifiable)]
#[diesel(table_name = sessions, check_for_backend(Pg))]
pub struct Session {
    /// Primary key; no secret.
    pub id: Uuid,
    /// What a writing request must bring besides the cookie.
    pub csrf_token: String,
    /// Whose session it is.
    pub users_id: i64,
    /// How they proved it.
    pub identity: Identity,
    /// It ends then at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Without the token, which a log must not hold.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("users_id", &self.users_id)
            .finish_non_exhaustive()
    }
}

/// A sign-in that succeeded.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Who.
    pub users_id: i64,
    /// How they proved it: password or link.
    pub identity: Identity,
    /// From where.
    pub address: &'a str,
    /// The browser, in its own words.
    pub user_agent: &'a str,
    /// How long the session may live.
    pub life: Duration,
}

/// Why a session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No secret could be drawn.
    #[error(transparent)]
    Secret(#[from] CredentialError),
    /// The database failed.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl NewSession<'_> {
    /// Stores the session, and gives it with the secret for the cookie, which nobody can read again. Sessions that
    /// have run out go on the way.
    pub fn insert(&self, connection: &mut PgConnection) -> Result<(Session, String), SessionError> {
        let secret = random_secret()?;
        diesel::delete(sessions::table.filter(sessions::expires_at.lt(diesel::dsl::now)))
            .execute(connection)?;
        let session = diesel::sql_query(
            "INSERT INTO sessions (id, secret_hash, csrf_token, users_id, identity, address, user_agent, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8)) RETURNING *",
        )
        .bind::<diesel::sql_types::Uuid, _>(Uuid::new_v4())
        .bind::<Binary, _>(secret_hash(&secret))
        .bind::<Text, _>(random_secret()?)
        .bind::<BigInt, _>(self.users_id)
        .bind::<Text, _>(self.identity)
        .bind::<Text, _>(self.address)
        .bind::<Text, _>(self.user_agent)
        .bind::<Double, _>(self.life.as_secs_f64())
        .get_result(connection)?;
        Ok((session, secret))
    }
}

/// A session as its owner recognises it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(Pg))]
pub struct ListedSession {
    /// Primary key; no secret.
    pub id: Uuid,
    /// How they proved who they are.
    pub identity: Identity,
    /// From where they signed in.
    pub address: String,
    /// The browser, in its own words.
    pub user_agent: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// It ends then at the latest.
    pub expires_at: DateTime<Utc>,
}

impl ListedSession {
    /// The sessions of a user that still count, the last used first; at most 200.
    pub fn of_user(connection: &mut PgConnection, users_id: i64, idle: Duration) -> QueryResult<Vec<Self>> {
        sessions::table
            .filter(sessions::users_id.eq(users_id))
            .filter(is_alive(idle))
            .order((sessions::last_seen_at.desc(), sessions::id))
            .limit(200)
            .select(Self::as_select())
            .load(connection)
    }
}

/// Whether the user has a grant that lets them do everything everywhere, for menus: decisions read [`crate::access`].
const ADMINISTERS: &str = "EXISTS (SELECT 1 FROM grants g WHERE g.verb = 'admin' \
     AND num_nonnulls(g.environments_id, g.hostgroups_id, g.event_handlers_id, g.handler_tag) = 0 \
     AND (g.users_id = users.id OR g.teams_id IN (SELECT m.teams_id FROM teams_members m WHERE m.users_id = users.id)))";

/// A session that counts.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// Whether they may do everything everywhere: for menus, as decisions read their rights anew.
    pub administers: bool,
}

impl Session {
    /// The session of a cookie's secret and its user: neither at its end nor unused for longer than `idle`, and the
    /// user not disabled. Notes the use, at most once a minute.
    pub fn find_valid(
        connection: &mut PgConnection,
        secret: &str,
        idle: Duration,
    ) -> QueryResult<Option<Recognised>> {
        let unnoted = part::<Bool>("sessions.last_seen_at < now() - interval '1 minute'");
        let found: Option<(Self, User, bool, bool)> = sessions::table
            .inner_join(users::table)
            .filter(sessions::secret_hash.eq(secret_hash(secret)))
            .filter(is_alive(idle))
            .filter(users::disabled.eq(false))
            .select((Self::as_select(), User::as_select(), unnoted, part::<Bool>(ADMINISTERS)))
            .first(connection)
            .optional()?;
        let Some((session, user, unnoted, administers)) = found else {
            return Ok(None);
        };
        if unnoted {
            diesel::update(sessions::table.find(session.id))
                .set(sessions::last_seen_at.eq(diesel::dsl::now))
                .execute(connection)?;
        }
        Ok(Some(Recognised { session, user, administers }))
    }

    /// Whether the session still counts: for streams that outlive the request that opened them.
    pub fn still_valid(connection: &mut PgConnection, id: Uuid, idle: Duration) -> QueryResult<bool> {
        diesel::select(diesel::dsl::exists(
            sessions::table
                .inner_join(users::table)
                .filter(sessions::id.eq(id))
                .filter(is_alive(idle))
                .filter(users::disabled.eq(false)),
        ))
        .get_result(connection)
    }

    /// Whose session it is, if it is there.
    pub fn owner(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<User>> {
        sessions::table
            .inner_join(users::table)
            .filter(sessions::id.eq(id))
            .select(User::as_select())
            .first(connection)
            .optional()
    }

    /// Ends the session. False: it had ended already.
    pub fn end(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
        diesel::delete(sessions::table.find(id)).execute(connection).map(|rows| rows == 1)
    }
}

/// Neither at its end nor unused for too long.
fn is_alive(idle: Duration) -> Part<Bool> {
    part_with(
        i64::try_from(idle.as_secs()).unwrap_or(i64::MAX),
        format!(
            "(sessions.expires_at > now() AND sessions.last_seen_at > now() - make_interval(secs => {NUMBER}))"
        ),
    )
}
