//! Host groups, as one person may see them.

use super::visible::Viewer;
use crate::db::schema::{hostgroups, hostgroups_services};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

/// A row of `hostgroups`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = hostgroups, check_for_backend(Pg))]
pub struct Hostgroup {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
}

/// A host group in a list.
#[derive(Debug, Clone, Queryable)]
pub struct ListedHostgroup {
    /// The group.
    pub hostgroup: Hostgroup,
    /// Services that its members get.
    pub service_count: i64,
    /// Its members.
    pub host_count: i64,
}

impl Hostgroup {
    /// Groups by name after `after`, whose name contains `like`.
    pub fn visible_page(
        connection: &mut PgConnection,
        viewer: Viewer,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<ListedHostgroup>> {
        let services = "(SELECT count(*) FROM hostgroups_services s WHERE s.hostgroups_id = hostgroups.id)";
        let hosts = format!("(SELECT count(*) {MEMBERS} AND {})", viewer.sees_host("m.hosts_id"));
        hostgroups::table
            .filter(sql::<Bool>(&viewer.sees_hostgroup()))
            .filter(hostgroups::name.gt(after))
            .filter(hostgroups::name_key.like(super::contains(like)))
            .order(hostgroups::name)
            .limit(limit)
            .select((Self::as_select(), sql::<BigInt>(services), sql::<BigInt>(&hosts)))
            .load(connection)
    }

    /// Groups that bring a service, by name.
    pub fn visible_with_service(
        connection: &mut PgConnection,
        viewer: Viewer,
        services_id: i64,
    ) -> QueryResult<Vec<Self>> {
        hostgroups::table
            .inner_join(hostgroups_services::table)
            .filter(hostgroups_services::services_id.eq(services_id))
            .filter(sql::<Bool>(&viewer.sees_hostgroup()))
            .order(hostgroups::name)
            .select(Self::as_select())
            .load(connection)
    }

    /// The group with exactly this name, if it is there for the viewer.
    pub fn named_visible(
        connection: &mut PgConnection,
        viewer: Viewer,
        name: &str,
    ) -> QueryResult<Option<Self>> {
        hostgroups::table
            .filter(hostgroups::name.eq(name))
            .filter(sql::<Bool>(&viewer.sees_hostgroup()))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// The group with this id, if it is there for the viewer.
    pub fn find_visible(connection: &mut PgConnection, viewer: Viewer, id: i64) -> QueryResult<Option<Self>> {
        hostgroups::table
            .find(id)
            .filter(sql::<Bool>(&viewer.sees_hostgroup()))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }
}

const MEMBERS: &str = "FROM hostgroups_members m WHERE m.hostgroups_id = hostgroups.id";
