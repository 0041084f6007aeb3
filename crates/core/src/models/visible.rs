//! Lists of the inventory as one person may see them: what belongs to no host that they see is not there for them.

use super::event_handlers::EventHandler;
use super::hosts::Host;
use super::inventory::Noun;
use super::services::Service;
use crate::access::{Access, fits_handler, grant_exists, has_grant, may_run, task_is_visible};
use crate::db::schema::{event_handlers, hosts, services};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

/// Who looks at a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    users_id: i64,
    everything: bool,
}

/// A part of the inventory that has hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// A host group's members.
    Hostgroup(i64),
    /// Hosts that have a service.
    Service(i64),
}

/// A service in a list.
#[derive(Debug, Clone)]
pub struct ListedService {
    /// The service.
    pub service: Service,
    /// Handlers that it brings.
    pub handler_count: i64,
    /// Hosts that have it.
    pub host_count: i64,
}

impl Viewer {
    /// Somebody with these rights; an administrator also sees what belongs to no host yet.
    pub fn new(users_id: i64, access: &Access) -> Self {
        Self { users_id, everything: access.is_admin() }
    }

    /// Who it is.
    pub fn users_id(self) -> i64 {
        self.users_id
    }

    /// The SQL condition that they see the host whose id stands in `column`.
    pub(super) fn sees_host(self, column: &str) -> String {
        if self.everything { "TRUE".to_owned() } else { grant_exists(self.users_id, column, "TRUE") }
    }

    /// The SQL condition that something is there for them: `rows` (`FROM` and `WHERE`) finds a host in `column` that
    /// they see.
    pub(super) fn finds(self, rows: &str, column: &str) -> String {
        if self.everything {
            "TRUE".to_owned()
        } else {
            format!("EXISTS (SELECT 1 {rows} AND {})", self.sees_host(column))
        }
    }

    /// The SQL condition that a row of `event_handlers` is there for them: enabled, and effective on some host with a
    /// grant for this handler.
    fn sees_handler(self) -> String {
        if self.everything {
            return "TRUE".to_owned();
        }
        format!(
            "event_handlers.enabled AND EXISTS (SELECT 1 FROM events_handlers_members e \
             JOIN services_members m ON m.id = e.services_members_id \
             WHERE e.event_handlers_id = event_handlers.id AND NOT e.dropped AND NOT m.dropped AND {})",
            grant_exists(self.users_id, "m.hosts_id", &fits_handler("event_handlers"))
        )
    }

    /// The SQL condition that they may run the handler in the row `handler` on the host whose id stands in `column`.
    pub(super) fn runs(self, handler: &str, column: &str) -> String {
        may_run(self.users_id, column, handler)
    }

    /// The SQL condition that a row of `environments` is there for them: a grant of theirs names it, or they see a host
    /// in it.
    pub(super) fn sees_environment(self) -> String {
        let hosts = "FROM environments_members m WHERE m.environments_id = environments.id";
        self.finds_or_names(hosts, "g.environments_id = environments.id")
    }

    /// The same for a row of `hostgroups`.
    pub(super) fn sees_hostgroup(self) -> String {
        let hosts = "FROM hostgroups_members m WHERE m.hostgroups_id = hostgroups.id";
        self.finds_or_names(hosts, "g.hostgroups_id = hostgroups.id")
    }

    fn finds_or_names(self, rows: &str, names: &str) -> String {
        format!("({} OR {})", self.finds(rows, "m.hosts_id"), has_grant(self.users_id, names))
    }

    /// The SQL condition that a row of `services` is there for them.
    pub(super) fn sees_service(self) -> String {
        self.finds(
            "FROM services_members m WHERE m.services_id = services.id AND NOT m.dropped",
            "m.hosts_id",
        )
    }
}

/// Names of this kind that are there for the viewer, in order; with `among` only of these.
pub fn names(
    connection: &mut PgConnection,
    viewer: Viewer,
    noun: Noun,
    among: Option<&[&str]>,
    limit: i64,
) -> QueryResult<Vec<String>> {
    let seen = match noun {
        Noun::Environment => viewer.sees_environment(),
        Noun::Hostgroup => viewer.sees_hostgroup(),
        Noun::Service => viewer.sees_service(),
        Noun::EventHandler => viewer.sees_handler(),
        Noun::Host => viewer.sees_host("hosts.id"),
        // Who has rights is known to administrators only.
        Noun::Team | Noun::User if viewer.everything => "TRUE".to_owned(),
        Noun::Team | Noun::User | Noun::Grant => return Ok(Vec::new()),
    };
    let rows: Vec<NameRow> = diesel::sql_query(format!(
        "SELECT name FROM {} WHERE ($1 IS NULL OR name = ANY($1)) AND {seen} ORDER BY name LIMIT $2",
        noun.table()
    ))
    .bind::<Nullable<Array<Text>>, _>(among)
    .bind::<BigInt, _>(limit)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Hosts within a part of the inventory, by name after `after`, whose name or address contains `like`.
pub fn hosts_within(
    connection: &mut PgConnection,
    viewer: Viewer,
    within: Within,
    like: &str,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<Host>> {
    let belongs = match within {
        Within::Hostgroup(id) => {
            format!("hosts.id IN (SELECT hosts_id FROM hostgroups_members WHERE hostgroups_id = {id})")
        }
        Within::Service(id) => {
            format!(
                "hosts.id IN (SELECT hosts_id FROM services_members WHERE services_id = {id} AND NOT dropped)"
            )
        }
    };
    let pattern = super::contains(like);
    hosts::table
        .filter(condition(&belongs))
        .filter(condition(&viewer.sees_host("hosts.id")))
        .filter(hosts::name.gt(after))
        .filter(hosts::name_key.like(pattern.clone()).or(hosts::address.like(pattern)))
        .order(hosts::name)
        .limit(limit)
        .select(Host::as_select())
        .load(connection)
}

/// Services by name after `after`, whose name contains `like`.
pub fn services(
    connection: &mut PgConnection,
    viewer: Viewer,
    like: &str,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<ListedService>> {
    let handlers = format!(
        "(SELECT count(*) FROM services_event_handlers s JOIN event_handlers ON event_handlers.id = s.event_handlers_id \
         WHERE s.services_id = services.id AND {})",
        viewer.sees_handler()
    );
    let hosts = format!(
        "(SELECT count(*) FROM services_members m WHERE m.services_id = services.id AND NOT m.dropped AND {})",
        viewer.sees_host("m.hosts_id")
    );
    let rows: Vec<(Service, i64, i64)> = services::table
        .filter(condition(&viewer.sees_service()))
        .filter(services::name.gt(after))
        .filter(services::name_key.like(super::contains(like)))
        .order(services::name)
        .limit(limit)
        .select((Service::as_select(), sql::<BigInt>(&handlers), sql::<BigInt>(&hosts)))
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(service, handler_count, host_count)| ListedService { service, handler_count, host_count })
        .collect())
}

/// The service with this id, if it is there for the viewer.
pub fn service(connection: &mut PgConnection, viewer: Viewer, id: i64) -> QueryResult<Option<Service>> {
    services::table
        .find(id)
        .filter(condition(&viewer.sees_service()))
        .select(Service::as_select())
        .first(connection)
        .optional()
}

/// Services that a host group brings, by name.
pub fn services_of_hostgroup(
    connection: &mut PgConnection,
    viewer: Viewer,
    hostgroups_id: i64,
) -> QueryResult<Vec<Service>> {
    services_where(
        connection,
        viewer,
        &format!(
            "services.id IN (SELECT services_id FROM hostgroups_services WHERE hostgroups_id = {hostgroups_id})"
        ),
    )
}

/// Services that bring a handler, by name.
pub fn services_of_handler(
    connection: &mut PgConnection,
    viewer: Viewer,
    event_handlers_id: i64,
) -> QueryResult<Vec<Service>> {
    services_where(
        connection,
        viewer,
        &format!(
            "services.id IN (SELECT services_id FROM services_event_handlers WHERE event_handlers_id = {event_handlers_id})"
        ),
    )
}

fn services_where(connection: &mut PgConnection, viewer: Viewer, also: &str) -> QueryResult<Vec<Service>> {
    services::table
        .filter(condition(also))
        .filter(condition(&viewer.sees_service()))
        .order(services::name)
        .select(Service::as_select())
        .load(connection)
}

/// Handlers by name after `after`, whose name contains `like`; disabled ones are there for administrators.
pub fn handlers(
    connection: &mut PgConnection,
    viewer: Viewer,
    like: &str,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<EventHandler>> {
    event_handlers::table
        .filter(condition(&viewer.sees_handler()))
        .filter(event_handlers::name.gt(after))
        .filter(event_handlers::name_key.like(super::contains(like)))
        .order(event_handlers::name)
        .limit(limit)
        .select(EventHandler::as_select())
        .load(connection)
}

/// The handler with this id, if it is there for the viewer.
pub fn handler(connection: &mut PgConnection, viewer: Viewer, id: i64) -> QueryResult<Option<EventHandler>> {
    event_handlers::table
        .find(id)
        .filter(condition(&viewer.sees_handler()))
        .select(EventHandler::as_select())
        .first(connection)
        .optional()
}

/// Handlers that a service brings, in the engineer's order.
pub fn handlers_of_service(
    connection: &mut PgConnection,
    viewer: Viewer,
    services_id: i64,
) -> QueryResult<Vec<EventHandler>> {
    let position = format!(
        "(SELECT s.position FROM services_event_handlers s \
         WHERE s.event_handlers_id = event_handlers.id AND s.services_id = {services_id})"
    );
    event_handlers::table
        .filter(condition(&format!("{position} IS NOT NULL")))
        .filter(condition(&viewer.sees_handler()))
        .order((sql::<diesel::sql_types::Integer>(&position), event_handlers::name))
        .select(EventHandler::as_select())
        .load(connection)
}

/// Tasks on their way on hosts that somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct TaskCounts {
    /// Running now.
    #[diesel(sql_type = BigInt)]
    pub running: i64,
    /// Waiting now.
    #[diesel(sql_type = BigInt)]
    pub queued: i64,
}

impl TaskCounts {
    /// Counts them.
    pub fn active(connection: &mut PgConnection, users_id: i64) -> QueryResult<Self> {
        diesel::sql_query(format!(
            "SELECT count(*) FILTER (WHERE state = 'running') AS running, \
             count(*) FILTER (WHERE state = 'queued') AS queued \
             FROM tasks WHERE state <> 'finished' AND {}",
            task_is_visible(users_id)
        ))
        .get_result(connection)
    }
}

fn condition(text: &str) -> SqlLiteral<Bool> {
    sql(&format!("({text})"))
}
