//! Templates fill what is effective by copying: a host group's services and a service's handlers. A row remembers its
//! origins and goes with the last of them; one that was dropped on a host stays dropped.

use diesel::pg::PgConnection;
use diesel::prelude::*;

/// How many rows came and went because of templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copies {
    /// Services that hosts got from their groups.
    pub services_added: usize,
    /// Services that hosts lost with their last origin.
    pub services_removed: usize,
    /// Handlers that services of hosts got, or have in another order now.
    pub handlers_changed: usize,
    /// Handlers that services of hosts lost.
    pub handlers_removed: usize,
}

const TOUCHED_HOSTS: &str = "INSERT INTO load_touched_hosts \
     SELECT id FROM load_hosts WHERE hostgroups IS NOT NULL OR services IS NOT NULL UNION \
     SELECT m.hosts_id FROM hostgroups_members m JOIN load_hostgroups l ON l.id = m.hostgroups_id \
     WHERE l.services IS NOT NULL";

const SERVICES_ADDED: &str = "INSERT INTO services_members (hosts_id, services_id) \
     SELECT DISTINCT m.hosts_id, t.services_id FROM load_touched_hosts \
     JOIN hostgroups_members m USING (hosts_id) JOIN hostgroups_services t USING (hostgroups_id) \
     ON CONFLICT DO NOTHING";

const ORIGINS_ADDED: &str = "INSERT INTO services_members_hostgroups (services_members_id, hostgroups_id) \
     SELECT s.id, t.hostgroups_id FROM load_touched_hosts \
     JOIN hostgroups_members m USING (hosts_id) JOIN hostgroups_services t USING (hostgroups_id) \
     JOIN services_members s ON s.hosts_id = m.hosts_id AND s.services_id = t.services_id \
     ON CONFLICT DO NOTHING";

const ORIGINS_REMOVED: &str = "DELETE FROM services_members_hostgroups o \
     USING services_members s, load_touched_hosts h \
     WHERE o.services_members_id = s.id AND s.hosts_id = h.hosts_id AND NOT EXISTS ( \
         SELECT 1 FROM hostgroups_members m JOIN hostgroups_services t USING (hostgroups_id) \
         WHERE m.hosts_id = s.hosts_id AND t.services_id = s.services_id AND t.hostgroups_id = o.hostgroups_id)";

const SERVICES_REMOVED: &str = "DELETE FROM services_members s USING load_touched_hosts h \
     WHERE s.hosts_id = h.hosts_id AND NOT s.direct AND NOT EXISTS ( \
         SELECT 1 FROM services_members_hostgroups o WHERE o.services_members_id = s.id)";

/// Where neither the service brings a handler nor the host has one there is nothing to look at.
const TOUCHED_MEMBERS: &str = "INSERT INTO load_touched_members \
     SELECT s.id, s.services_id FROM services_members s JOIN load_touched_hosts USING (hosts_id) \
     WHERE EXISTS (SELECT 1 FROM services_event_handlers t WHERE t.services_id = s.services_id) \
        OR EXISTS (SELECT 1 FROM events_handlers_members e WHERE e.services_members_id = s.id) UNION \
     SELECT s.id, s.services_id FROM services_members s JOIN load_services l ON l.id = s.services_id \
     WHERE l.handlers IS NOT NULL";

/// A handler that the host itself has keeps the host's own position.
const HANDLERS_CHANGED: &str = "INSERT INTO events_handlers_members AS e \
         (services_members_id, event_handlers_id, position, inherited) \
     SELECT m.services_members_id, t.event_handlers_id, t.position, true \
     FROM load_touched_members m JOIN services_event_handlers t USING (services_id) \
     ON CONFLICT (services_members_id, event_handlers_id) DO UPDATE \
     SET inherited = true, position = CASE WHEN e.direct THEN e.position ELSE excluded.position END \
     WHERE NOT e.inherited OR (NOT e.direct AND e.position <> excluded.position)";

const HANDLERS_DISINHERITED: &str = "UPDATE events_handlers_members e SET inherited = false \
     FROM load_touched_members m WHERE e.services_members_id = m.services_members_id AND e.inherited AND e.direct \
     AND NOT EXISTS (SELECT 1 FROM services_event_handlers t \
                     WHERE t.services_id = m.services_id AND t.event_handlers_id = e.event_handlers_id)";

const HANDLERS_REMOVED: &str = "DELETE FROM events_handlers_members e USING load_touched_members m \
     WHERE e.services_members_id = m.services_members_id AND NOT e.direct \
     AND NOT EXISTS (SELECT 1 FROM services_event_handlers t \
                     WHERE t.services_id = m.services_id AND t.event_handlers_id = e.event_handlers_id)";

/// Makes the copies as the templates are now, for the loaded hosts and for all hosts of the loaded templates.
pub(super) fn refresh(connection: &mut PgConnection) -> QueryResult<Copies> {
    let mut run = |sql: &str| diesel::sql_query(sql).execute(connection);
    run(TOUCHED_HOSTS)?;
    let services_added = run(SERVICES_ADDED)?;
    run(ORIGINS_ADDED)?;
    run(ORIGINS_REMOVED)?;
    let services_removed = run(SERVICES_REMOVED)?;
    run(TOUCHED_MEMBERS)?;
    let handlers_changed = run(HANDLERS_CHANGED)?;
    run(HANDLERS_DISINHERITED)?;
    Ok(Copies {
        services_added,
        services_removed,
        handlers_changed,
        handlers_removed: run(HANDLERS_REMOVED)?,
    })
}
