//! Users and teams, one at a time. A load makes teams too, but never a user; what both write goes into the same tables.

use super::complaints::Complaint;
use super::definition::Definition;
use super::rows::{Team, User};
use super::save::{EditError, Editor};
use super::{Noun, sources};
use crate::access::{Access, Verb};
use crate::db::schema::{grants, teams, users};
use crate::models::grants::{GrantLine, NewGrant};
use crate::models::users::{self as accounts, UserError};
use crate::names;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Array, BigInt, Text};

/// Serialises every change of who may do what. Nothing else uses this key.
const RIGHTS_LOCK: i64 = 7_305_803_399_054;

/// Waits until nobody else changes users, teams or grants, and keeps them out until the transaction ends: two
/// administrators cannot take each other's rights at the same moment. Loads of the inventory do not wait for it, nor it
/// for them.
pub fn lock_rights(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(RIGHTS_LOCK)
        .execute(connection)
        .map(|_| ())
}

/// Does `change` and takes it back where it would cost the person who asks the right to administer everything. So
/// nobody locks themselves out, and somebody who may administer everything is always left. `field` is complained about.
pub fn keeping_administrator<T>(
    connection: &mut PgConnection,
    users_id: i64,
    field: &'static str,
    change: impl FnOnce(&mut PgConnection) -> Result<T, EditError>,
) -> Result<T, EditError> {
    connection.transaction(|connection| {
        let done = change(connection)?;
        if Access::load(connection, users_id, None)?.is_admin() {
            return Ok(done);
        }
        let text = "that would take from yourself the right to administer everything; another administrator can do it";
        Err(EditError::Complaints(vec![Complaint::new(field, text)]))
    })
}

impl Definition {
    /// The field that can cost a person their own rights.
    pub(super) fn own_rights_field(&self) -> &'static str {
        match self {
            Self::User(row) if row.disabled == Some(true) => "disabled",
            Self::User(_) => "administrator",
            Self::Team(_) => "members",
            _ => "",
        }
    }
}

/// Writes a user or a team: a new one where `id` is none. Gives its id.
pub(super) fn write(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    id: Option<i64>,
    definition: &Definition,
) -> Result<i64, EditError> {
    let field = definition.own_rights_field();
    keeping_administrator(connection, editor.viewer.users_id(), field, |connection| match definition {
        Definition::User(row) => write_user(connection, id, row),
        Definition::Team(row) => write_team(connection, id, row),
        _ => Err(EditError::Gone),
    })
}

fn write_user(connection: &mut PgConnection, id: Option<i64>, row: &User) -> Result<i64, EditError> {
    let id = match id {
        Some(id) => id,
        None => match accounts::User::create(connection, &row.name, "") {
            Ok(user) => user.id,
            Err(UserError::Query(error)) => return Err(error.into()),
            Err(error @ (UserError::Name(_) | UserError::Taken(_))) => return Err(taken(error)),
        },
    };
    if let Some(name) = &row.display_name {
        diesel::update(users::table.find(id)).set(users::display_name.eq(name)).execute(connection)?;
    }
    if let Some(disabled) = row.disabled {
        accounts::User::set_disabled(connection, id, disabled)?;
    }
    match row.administrator {
        Some(true) => {
            NewGrant::everywhere(id, Verb::Admin).insert(connection)?;
        }
        Some(false) => {
            let everywhere: Vec<i64> = grants::table
                .filter(grants::users_id.eq(id))
                .filter(grants::verb.eq(Verb::Admin))
                .filter(grants::environments_id.is_null())
                .filter(grants::hostgroups_id.is_null())
                .filter(grants::event_handlers_id.is_null())
                .filter(grants::handler_tag.is_null())
                .select(grants::id)
                .load(connection)?;
            for grant in everywhere {
                GrantLine::take(connection, grant)?;
            }
        }
        None => {}
    }
    if let Some(names) = &row.teams {
        let teams = set_members(connection, LEAVE_TEAMS, JOIN_TEAMS, id, names)?;
        sources::set_by_hand(connection, Noun::Team, &teams, std::iter::once("members"))?;
    }
    Ok(id)
}

fn write_team(connection: &mut PgConnection, id: Option<i64>, row: &Team) -> Result<i64, EditError> {
    let key = names::key(&row.name).map_err(taken)?;
    let values = (teams::name.eq(&row.name), teams::name_key.eq(key));
    let id = match id {
        Some(id) => diesel::update(teams::table.find(id))
            .set(values)
            .returning(teams::id)
            .get_result(connection)
            .map_err(|error| {
                if is_taken(&error) { taken("another team is called so already") } else { error.into() }
            })?,
        // A load may have made it meanwhile.
        None => diesel::insert_into(teams::table)
            .values(values)
            .on_conflict_do_nothing()
            .returning(teams::id)
            .get_result(connection)
            .optional()?
            .ok_or_else(|| taken("another team is called so already"))?,
    };
    if let Some(names) = &row.members {
        set_members(connection, LOSE_MEMBERS, TAKE_MEMBERS, id, names)?;
    }
    Ok(id)
}

const LEAVE_TEAMS: &str = "DELETE FROM teams_members m USING teams t \
     WHERE m.users_id = $1 AND t.id = m.teams_id AND t.name <> ALL($2) RETURNING m.teams_id AS id";
const JOIN_TEAMS: &str = "INSERT INTO teams_members (teams_id, users_id) SELECT id, $1 FROM teams \
     WHERE name = ANY($2) ON CONFLICT DO NOTHING RETURNING teams_id AS id";
const LOSE_MEMBERS: &str = "DELETE FROM teams_members m USING users u \
     WHERE m.teams_id = $1 AND u.id = m.users_id AND u.name <> ALL($2) RETURNING m.users_id AS id";
const TAKE_MEMBERS: &str = "INSERT INTO teams_members (teams_id, users_id) SELECT $1, id FROM users \
     WHERE name = ANY($2) ON CONFLICT DO NOTHING RETURNING users_id AS id";

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Makes `names` the other side of the memberships of `id`, touching only what differs. Gives the ids of those that were
/// lost or taken.
fn set_members(
    connection: &mut PgConnection,
    lose: &str,
    take: &str,
    id: i64,
    names: &[String],
) -> QueryResult<Vec<i64>> {
    let mut touched = Vec::new();
    for statement in [lose, take] {
        let rows: Vec<IdRow> = diesel::sql_query(statement)
            .bind::<BigInt, _>(id)
            .bind::<Array<Text>, _>(names)
            .load(connection)?;
        touched.extend(rows.into_iter().map(|row| row.id));
    }
    Ok(touched)
}

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

fn taken(why: impl std::fmt::Display) -> EditError {
    EditError::Complaints(vec![Complaint::new("name", why.to_string())])
}
