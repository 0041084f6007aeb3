//! Deleting one object, and what hangs on it.

use super::Noun;
use super::definition::Stored;
use super::people::keeping_administrator;
use super::save::{EditError, Editor, seen};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// Something that changes when an object goes.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Dependant {
    /// What they are and what happens to them.
    #[diesel(sql_type = Text)]
    pub text: String,
    /// How many there are; at least one.
    #[diesel(sql_type = BigInt)]
    pub count: i64,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Services that hosts would lose with the host group $1, because nothing else brings them.
const LAST_ORIGIN: &str = "FROM services_members s WHERE NOT s.direct \
     AND EXISTS (SELECT 1 FROM services_members_hostgroups o \
                 WHERE o.services_members_id = s.id AND o.hostgroups_id = $1) \
     AND NOT EXISTS (SELECT 1 FROM services_members_hostgroups o \
                     WHERE o.services_members_id = s.id AND o.hostgroups_id <> $1)";

/// What hangs on the object, most important first; nothing where it can go without a trace.
pub fn dependants(connection: &mut PgConnection, noun: Noun, id: i64) -> QueryResult<Vec<Dependant>> {
    let mut found = Vec::new();
    for (what, from) in counted(noun) {
        let row: CountRow = diesel::sql_query(format!("SELECT count(*) AS count {from}"))
            .bind::<BigInt, _>(id)
            .get_result(connection)?;
        if row.count > 0 {
            found.push(Dependant { text: (*what).to_owned(), count: row.count });
        }
    }
    Ok(found)
}

/// Tasks of the object that wait or run: while there are any it is not deleted.
fn active(connection: &mut PgConnection, noun: Noun, id: i64) -> QueryResult<i64> {
    let column = match noun {
        Noun::Host => "hosts_id",
        Noun::Service => "services_id",
        Noun::EventHandler => "event_handlers_id",
        Noun::User => "users_id",
        _ => return Ok(0),
    };
    let row: CountRow = diesel::sql_query(format!(
        "SELECT count(*) AS count FROM tasks WHERE state IN ('queued', 'running') AND {column} = $1"
    ))
    .bind::<BigInt, _>(id)
    .get_result(connection)?;
    Ok(row.count)
}

/// Deletes the object if it is still what its editor saw, and gives what was deleted. Call it in a transaction and after
/// [`super::try_lock`], or [`super::lock_rights`] for users and teams.
pub fn delete(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    noun: Noun,
    id: i64,
    version: &str,
) -> Result<Stored, EditError> {
    let stored = seen(connection, noun, id, version)?;
    let tasks = active(connection, noun, id)?;
    if tasks > 0 {
        return Err(EditError::Busy { tasks });
    }
    if noun == Noun::Hostgroup {
        diesel::sql_query(format!("DELETE {LAST_ORIGIN}")).bind::<BigInt, _>(id).execute(connection)?;
    }
    let delete = |connection: &mut PgConnection| {
        diesel::sql_query(format!("DELETE FROM {} WHERE id = $1", noun.table()))
            .bind::<BigInt, _>(id)
            .execute(connection)?;
        Ok(())
    };
    if matches!(noun, Noun::Team | Noun::User) {
        keeping_administrator(connection, editor.viewer.users_id(), "", delete)?;
    } else {
        delete(connection)?;
    }
    Ok(stored)
}

/// What is counted, in words, and its rows.
fn counted(noun: Noun) -> &'static [(&'static str, &'static str)] {
    match noun {
        Noun::Environment => &[
            ("Hosts that leave it", "FROM environments_members WHERE environments_id = $1"),
            (
                "Hosts that are in no other environment: only grants for every environment count there then",
                "FROM environments_members m WHERE environments_id = $1 AND NOT EXISTS (SELECT 1 FROM \
                 environments_members o WHERE o.hosts_id = m.hosts_id AND o.environments_id <> $1)",
            ),
            ("Grants that name it and go with it", "FROM grants WHERE environments_id = $1"),
        ],
        Noun::Hostgroup => &[
            ("Hosts that leave it", "FROM hostgroups_members WHERE hostgroups_id = $1"),
            ("Services that hosts lose, because nothing else brings them", LAST_ORIGIN),
            ("Services in its template", "FROM hostgroups_services WHERE hostgroups_id = $1"),
            (
                "Hosts that stand as it in an environment",
                "FROM environments_members WHERE hostgroups_id = $1",
            ),
            ("Grants that name it and go with it", "FROM grants WHERE hostgroups_id = $1"),
            ("Schedules that name it and go with it", "FROM schedules WHERE hostgroups_id = $1"),
        ],
        Noun::Service => &[
            ("Hosts that lose it, with its handlers", "FROM services_members WHERE services_id = $1"),
            ("Host groups that bring it", "FROM hostgroups_services WHERE services_id = $1"),
            ("Event handlers in its template", "FROM services_event_handlers WHERE services_id = $1"),
            ("Schedules that name it and go with it", "FROM schedules WHERE services_id = $1"),
        ],
        Noun::EventHandler => &[
            (
                "Hosts that lose it",
                "FROM (SELECT DISTINCT m.hosts_id FROM events_handlers_members e JOIN services_members m \
                 ON m.id = e.services_members_id WHERE e.event_handlers_id = $1) h",
            ),
            ("Services that bring it", "FROM services_event_handlers WHERE event_handlers_id = $1"),
            ("Grants that name it and go with it", "FROM grants WHERE event_handlers_id = $1"),
            ("Schedules that name it and go with it", "FROM schedules WHERE event_handlers_id = $1"),
            ("Revisions that go with it", "FROM event_handler_revisions WHERE event_handlers_id = $1"),
        ],
        Noun::Host => &[
            ("Services on it", "FROM services_members WHERE hosts_id = $1"),
            ("Schedules that name it and go with it", "FROM schedules WHERE hosts_id = $1"),
            ("Environments that it leaves", "FROM environments_members WHERE hosts_id = $1"),
            ("Host groups that it leaves", "FROM hostgroups_members WHERE hosts_id = $1"),
            ("Aliases", "FROM host_aliases WHERE hosts_id = $1"),
        ],
        Noun::Team => &[
            ("Members that leave it", "FROM teams_members WHERE teams_id = $1"),
            ("Grants that it has and that go with it", "FROM grants WHERE teams_id = $1"),
        ],
        Noun::User => &[
            ("Teams that they leave", "FROM teams_members WHERE users_id = $1"),
            ("Grants of their own that go with them", "FROM grants WHERE users_id = $1"),
            ("Schedules with their rights that go with them", "FROM schedules WHERE users_id = $1"),
            ("Sessions that end", "FROM sessions WHERE users_id = $1"),
            ("API tokens that are refused from then on", "FROM api_tokens WHERE users_id = $1"),
        ],
        Noun::Grant => &[],
    }
}
