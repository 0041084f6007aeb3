//! Users: people and programs that may sign in.

use crate::db::schema::{sessions, signin_links, users};
use crate::names::{self, NameError};
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use uuid::Uuid;

/// A row of `users`.
#[derive(Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = users, check_for_backend(Pg))]
pub struct User {
    /// Primary key.
    pub id: i64,
    /// Unique name, for signing in.
    pub name: String,
    /// The name that pages show; may be empty.
    display_name: String,
    /// Argon2id in PHC form; `None`: no sign-in by password.
    pub password_hash: Option<String>,
    /// A disabled user has no rights and cannot sign in.
    pub disabled: bool,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
}

/// Without the hash, which a log must not hold.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// Why a user could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name cannot be used.
    #[error("the user name {0}")]
    Name(#[from] NameError),
    /// A user of this name, or of one that looks like it, exists.
    #[error("there is a user '{0}' already, or one whose name looks the same")]
    Taken(String),
    /// The database failed.
    #[error(transparent)]
    Query(#[from] Error),
}

/// A user in a list.
#[derive(Debug, Clone, QueryableByName)]
pub struct ListedUser {
    /// Primary key.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Unique name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The name that pages show; may be empty.
    #[diesel(sql_type = Text)]
    pub display_name: String,
    /// Without rights, and kept from signing in.
    #[diesel(sql_type = Bool)]
    pub disabled: bool,
    /// Whether a password was set.
    #[diesel(sql_type = Bool)]
    pub has_password: bool,
    /// Whether some grant, their own or a team's, lets them do everything everywhere.
    #[diesel(sql_type = Bool)]
    pub administrator: bool,
    /// Names of their teams.
    #[diesel(sql_type = Array<Text>)]
    pub teams: Vec<String>,
    /// When one of their sessions that are still there was used last.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_seen_at: Option<DateTime<Utc>>,
}

impl ListedUser {
    /// Users by name after `after`, whose name or shown name contains `like`.
    pub fn page(
        connection: &mut PgConnection,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        diesel::sql_query(include_str!("users_page.sql"))
            .bind::<Text, _>(super::contains(like))
            .bind::<Text, _>(after)
            .bind::<BigInt, _>(limit)
            .load(connection)
    }
}

impl User {
    /// The user with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        users::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The user of this name, or of one that looks the same (`Dana` and `dana` cannot both exist).
    pub fn by_name(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        let Ok(key) = names::key(name) else {
            return Ok(None);
        };
        users::table.filter(users::name_key.eq(key)).select(Self::as_select()).first(connection).optional()
    }

    /// The user with this id, locked until the transaction ends: nobody changes password or state meanwhile.
    pub fn locked(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        users::table.find(id).for_update().select(Self::as_select()).first(connection).optional()
    }

    /// Every user by name, at most 10,000.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        users::table.order(users::name).limit(10_000).select(Self::as_select()).load(connection)
    }

    /// Makes a user without a password and without rights.
    pub fn create(connection: &mut PgConnection, name: &str, display_name: &str) -> Result<Self, UserError> {
        let key = names::key(name)?;
        diesel::insert_into(users::table)
            .values((users::name.eq(name), users::name_key.eq(key), users::display_name.eq(display_name)))
            .returning(Self::as_select())
            .get_result(connection)
            .map_err(|error| match error {
                Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                    UserError::Taken(name.to_owned())
                }
                other => UserError::Query(other),
            })
    }

    /// Sets the hash of [`crate::credentials::hash_password`], or takes the password away. Ends every session and link
    /// of the user.
    pub fn set_password(connection: &mut PgConnection, id: i64, hash: Option<&str>) -> QueryResult<()> {
        connection.transaction(|connection| {
            diesel::update(users::table.find(id)).set(users::password_hash.eq(hash)).execute(connection)?;
            Self::sign_out(connection, id, None).map(|_| ())
        })
    }

    /// Ends every session and link of the user but the session `kept`. Gives the number of sessions.
    pub fn sign_out(connection: &mut PgConnection, id: i64, kept: Option<Uuid>) -> QueryResult<usize> {
        let mine = sessions::table.filter(sessions::users_id.eq(id));
        // No session has the nil id.
        let ended =
            diesel::delete(mine.filter(sessions::id.ne(kept.unwrap_or_default()))).execute(connection)?;
        diesel::delete(signin_links::table.filter(signin_links::users_id.eq(id))).execute(connection)?;
        Ok(ended)
    }

    /// Disables the user, which ends their sessions and links, or enables them again.
    pub fn set_disabled(connection: &mut PgConnection, id: i64, disabled: bool) -> QueryResult<()> {
        connection.transaction(|connection| {
            diesel::update(users::table.find(id)).set(users::disabled.eq(disabled)).execute(connection)?;
            if disabled {
                Self::sign_out(connection, id, None)?;
            }
            Ok(())
        })
    }

    /// The name that pages show.
    pub fn display_name(&self) -> &str {
        if self.display_name.is_empty() { &self.name } else { &self.display_name }
    }
}
