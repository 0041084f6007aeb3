//! What one host has beside its templates: a handler of its own, or something inherited that it does without.

use super::borders::Border;
use super::definition::Stored;
use super::save::{EditError, Editor, differences};
use super::{Noun, sources};
use crate::models::visible::Viewer;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// A change of what is effective on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// The host gets the handler for this service of it, whatever the service brings.
    GiveHandler {
        /// The service.
        services_id: i64,
        /// The handler.
        event_handlers_id: i64,
    },
    /// The host does without the handler: what is its own goes, what it inherits is dropped and stays so.
    DropHandler {
        /// The service.
        services_id: i64,
        /// The handler.
        event_handlers_id: i64,
    },
    /// An inherited handler counts again.
    RestoreHandler {
        /// The service.
        services_id: i64,
        /// The handler.
        event_handlers_id: i64,
    },
    /// The host does without the service, as with [`Assignment::DropHandler`].
    DropService {
        /// The service.
        services_id: i64,
    },
    /// An inherited service counts again.
    RestoreService {
        /// The service.
        services_id: i64,
    },
}

const GIVE_HANDLER: &str = "INSERT INTO events_handlers_members AS e \
         (services_members_id, event_handlers_id, position, direct) \
     SELECT m.id, $3, coalesce((SELECT max(x.position) + 1 FROM events_handlers_members x \
                                WHERE x.services_members_id = m.id), 1), true \
     FROM services_members m WHERE m.hosts_id = $1 AND m.services_id = $2 AND NOT m.dropped \
     ON CONFLICT (services_members_id, event_handlers_id) DO UPDATE SET direct = true, dropped = false \
     WHERE NOT e.direct OR e.dropped";

/// The handler $3 of the service $2 on the host $1.
const THE_HANDLER: &str = "FROM services_members m WHERE m.id = e.services_members_id \
     AND m.hosts_id = $1 AND m.services_id = $2 AND e.event_handlers_id = $3";

const REMOVE_HANDLER: &str = "DELETE FROM events_handlers_members e USING services_members m \
     WHERE m.id = e.services_members_id AND m.hosts_id = $1 AND m.services_id = $2 AND e.event_handlers_id = $3 \
     AND NOT e.inherited";

/// $3 is not looked at.
const REMOVE_SERVICE: &str = "DELETE FROM services_members m WHERE m.hosts_id = $1 AND m.services_id = $2 \
     AND $3 = 0 AND NOT EXISTS (SELECT 1 FROM services_members_hostgroups o WHERE o.services_members_id = m.id)";

const DROP_SERVICE: &str = "UPDATE services_members SET direct = false, dropped = true \
     WHERE hosts_id = $1 AND services_id = $2 AND $3 = 0 AND NOT dropped";

const RESTORE_SERVICE: &str = "UPDATE services_members SET dropped = false \
     WHERE hosts_id = $1 AND services_id = $2 AND $3 = 0 AND dropped";

/// Makes the change. False: it was so already, or the host has no such service. Call it in a transaction, which the
/// caller's audit row belongs to, and after [`super::try_lock`]; where it is refused, nothing of it is left. What it
/// changes of the host is the editor's from then on, and no load changes it.
pub fn assign(
    connection: &mut PgConnection,
    editor: Editor<'_>,
    hosts_id: i64,
    assignment: Assignment,
) -> Result<bool, EditError> {
    connection.transaction(|connection| {
        let border = Border::around(connection, editor, Some(hosts_id))?;
        let before = Stored::whole_host(connection, hosts_id)?.ok_or(EditError::Gone)?;
        let made = assignment.make(connection, hosts_id)?;
        border.keeps(connection, hosts_id)?;
        if made {
            let after = Stored::whole_host(connection, hosts_id)?.ok_or(EditError::Gone)?;
            let changed = differences(Some(&before.definition), &after.definition)?;
            sources::set_by_hand(connection, Noun::Host, &[hosts_id], changed.keys().map(String::as_str))?;
        }
        Ok(made)
    })
}

impl Assignment {
    fn make(self, connection: &mut PgConnection, hosts_id: i64) -> QueryResult<bool> {
        let (services_id, event_handlers_id) = self.target();
        let mut run = |sql: &str| {
            diesel::sql_query(sql)
                .bind::<BigInt, _>(hosts_id)
                .bind::<BigInt, _>(services_id)
                .bind::<BigInt, _>(event_handlers_id)
                .execute(connection)
        };
        let rows = match self {
            Self::GiveHandler { .. } => run(GIVE_HANDLER)?,
            Self::DropHandler { .. } => {
                let dropped = format!(
                    "UPDATE events_handlers_members e SET direct = false, dropped = true {THE_HANDLER} \
                     AND e.inherited AND NOT e.dropped"
                );
                run(REMOVE_HANDLER)? + run(&dropped)?
            }
            Self::RestoreHandler { .. } => {
                let restored = format!(
                    "UPDATE events_handlers_members e SET dropped = false {THE_HANDLER} AND e.dropped"
                );
                run(&restored)?
            }
            Self::DropService { .. } => run(REMOVE_SERVICE)? + run(DROP_SERVICE)?,
            Self::RestoreService { .. } => run(RESTORE_SERVICE)?,
        };
        Ok(rows > 0)
    }

    /// What the audit log calls it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::GiveHandler { .. } => "give_handler",
            Self::DropHandler { .. } => "drop_handler",
            Self::RestoreHandler { .. } => "restore_handler",
            Self::DropService { .. } => "drop_service",
            Self::RestoreService { .. } => "restore_service",
        }
    }

    /// Service and handler; 0, which no row has, where it is about no handler.
    pub fn target(self) -> (i64, i64) {
        match self {
            Self::GiveHandler { services_id, event_handlers_id }
            | Self::DropHandler { services_id, event_handlers_id }
            | Self::RestoreHandler { services_id, event_handlers_id } => (services_id, event_handlers_id),
            Self::DropService { services_id } | Self::RestoreService { services_id } => (services_id, 0),
        }
    }
}

/// What joining a host group would mean for one host and one of the group's services.
#[derive(Debug, Clone, QueryableByName)]
pub struct Joining {
    /// The service.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Its name.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub name: String,
    /// How many handlers it brings.
    #[diesel(sql_type = BigInt)]
    pub handlers: i64,
    /// The host has it already.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    pub there: bool,
    /// The host does without it, and will.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    pub dropped: bool,
}

impl Joining {
    /// The services of the host group by name, as the host would get them: those that the viewer sees, and those that
    /// this host of theirs has or does without.
    pub fn of(
        connection: &mut PgConnection,
        viewer: Viewer,
        hosts_id: i64,
        hostgroups_id: i64,
    ) -> QueryResult<Vec<Self>> {
        diesel::sql_query(format!(
            "SELECT services.id, services.name, m.id IS NOT NULL AS there, coalesce(m.dropped, false) AS dropped, \
             (SELECT count(*) FROM services_event_handlers h WHERE h.services_id = services.id) AS handlers \
             FROM hostgroups_services t JOIN services ON services.id = t.services_id \
             LEFT JOIN services_members m ON m.hosts_id = $1 AND m.services_id = services.id \
             WHERE t.hostgroups_id = $2 AND (m.id IS NOT NULL OR {}) ORDER BY services.name",
            viewer.sees_service()
        ))
        .bind::<BigInt, _>(hosts_id)
        .bind::<BigInt, _>(hostgroups_id)
        .load(connection)
    }
}
