//! What is effective on a host: its services, where each came from, and the handlers of each in the engineer's order.

use super::event_handlers::EventHandler;
use super::services::Service;
use crate::db::prepared;
use crate::db::schema::{event_handlers, events_handlers_members, services, services_members};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use std::collections::HashSet;

/// Host, service and handler.
pub type Target = (i64, i64, i64);

/// A service of a host.
#[derive(Debug, Clone)]
pub struct EffectiveService {
    /// The service.
    pub service: Service,
    /// Assigned to the host itself.
    pub direct: bool,
    /// Host groups that brought it, by name.
    pub hostgroups: Vec<String>,
    /// The host does without it.
    pub dropped: bool,
    /// Its handlers on this host, in order.
    pub handlers: Vec<EffectiveHandler>,
}

/// A handler of a service on one host.
#[derive(Debug, Clone)]
pub struct EffectiveHandler {
    /// The handler.
    pub handler: EventHandler,
    /// Assigned on this host itself.
    pub direct: bool,
    /// Copied from the service.
    pub inherited: bool,
    /// The host does without it.
    pub dropped: bool,
}

#[derive(QueryableByName)]
struct Origin {
    #[diesel(sql_type = BigInt)]
    services_members_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
}

impl EffectiveService {
    /// The services of a host by name, with their enabled handlers; what was dropped on the host is left out.
    pub fn of_host(connection: &mut PgConnection, hosts_id: i64) -> QueryResult<Vec<Self>> {
        Self::read(connection, hosts_id, false)
    }

    /// The same with what was dropped on the host, for those who may give it back.
    pub fn of_host_with_dropped(connection: &mut PgConnection, hosts_id: i64) -> QueryResult<Vec<Self>> {
        Self::read(connection, hosts_id, true)
    }

    fn read(connection: &mut PgConnection, hosts_id: i64, with_dropped: bool) -> QueryResult<Vec<Self>> {
        let members: Vec<(i64, bool, bool, Service)> = services_members::table
            .inner_join(services::table)
            .filter(services_members::hosts_id.eq(hosts_id))
            .filter(services_members::dropped.eq(false).or(with_dropped.into_sql::<Bool>()))
            .order(services::name)
            .select((
                services_members::id,
                services_members::direct,
                services_members::dropped,
                Service::as_select(),
            ))
            .load(connection)?;
        let handlers: Vec<(i64, bool, bool, bool, EventHandler)> = events_handlers_members::table
            .inner_join(event_handlers::table)
            .inner_join(services_members::table)
            .filter(services_members::hosts_id.eq(hosts_id))
            .filter(events_handlers_members::dropped.eq(false).or(with_dropped.into_sql::<Bool>()))
            .filter(event_handlers::enabled.eq(true))
            .order((events_handlers_members::position, event_handlers::name))
            .select((
                events_handlers_members::services_members_id,
                events_handlers_members::direct,
                events_handlers_members::inherited,
                events_handlers_members::dropped,
                EventHandler::as_select(),
            ))
            .load(connection)?;
        let origins: Vec<Origin> = prepared(
            "SELECT o.services_members_id, g.name FROM services_members_hostgroups o \
             JOIN services_members m ON m.id = o.services_members_id JOIN hostgroups g ON g.id = o.hostgroups_id \
             WHERE m.hosts_id = $1 ORDER BY g.name",
        )
        .bind::<BigInt, _>(hosts_id)
        .load(connection)?;
        Ok(members
            .into_iter()
            .map(|(id, direct, dropped, service)| Self {
                service,
                direct,
                dropped,
                hostgroups: origins
                    .iter()
                    .filter(|origin| origin.services_members_id == id)
                    .map(|origin| origin.name.clone())
                    .collect(),
                handlers: handlers
                    .iter()
                    .filter(|(member, ..)| *member == id)
                    .map(|(_, direct, inherited, dropped, handler)| EffectiveHandler {
                        handler: handler.clone(),
                        dropped: *dropped,
                        direct: *direct,
                        inherited: *inherited,
                    })
                    .collect(),
            })
            .collect())
    }

    /// Enabled handlers where they are effective, by (host, service, handler); targets without one are left out.
    pub fn handlers_on(
        connection: &mut PgConnection,
        targets: &[Target],
    ) -> QueryResult<Vec<(Target, EventHandler)>> {
        let ids = |of: fn(&Target) -> i64| targets.iter().map(of).collect::<Vec<_>>();
        let target = (services_members::hosts_id, services_members::services_id, event_handlers::id);
        let found: Vec<(Target, EventHandler)> = events_handlers_members::table
            .inner_join(event_handlers::table)
            .inner_join(services_members::table)
            .filter(services_members::hosts_id.eq_any(ids(|target| target.0)))
            .filter(services_members::services_id.eq_any(ids(|target| target.1)))
            .filter(services_members::dropped.eq(false))
            .filter(events_handlers_members::dropped.eq(false))
            .filter(event_handlers::id.eq_any(ids(|target| target.2)))
            .filter(event_handlers::enabled.eq(true))
            .select((target, EventHandler::as_select()))
            .load(connection)?;
        // The filters cross hosts, services and handlers of different targets.
        let wanted: HashSet<&Target> = targets.iter().collect();
        Ok(found.into_iter().filter(|(target, _)| wanted.contains(target)).collect())
    }

    /// The enabled handler with this id where it is effective on this service of this host.
    pub fn handler_on(
        connection: &mut PgConnection,
        hosts_id: i64,
        services_id: i64,
        event_handlers_id: i64,
    ) -> QueryResult<Option<EventHandler>> {
        events_handlers_members::table
            .inner_join(event_handlers::table)
            .inner_join(services_members::table)
            .filter(services_members::hosts_id.eq(hosts_id))
            .filter(services_members::services_id.eq(services_id))
            .filter(services_members::dropped.eq(false))
            .filter(events_handlers_members::dropped.eq(false))
            .filter(event_handlers::id.eq(event_handlers_id))
            .filter(event_handlers::enabled.eq(true))
            .select(EventHandler::as_select())
            .first(connection)
            .optional()
    }
}
