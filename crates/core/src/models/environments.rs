//! Environments, as one person may see them.

use super::visible::Viewer;
use crate::db::schema::{environments, environments_members, hostgroups, hosts};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

/// A row of `environments`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = environments, check_for_backend(Pg))]
pub struct Environment {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
    /// A word of the style sheet.
    pub colour: String,
}

/// A host in an environment.
#[derive(Debug, Clone, Queryable)]
pub struct Member {
    /// The host.
    pub hosts_id: i64,
    /// Its name.
    pub host: String,
    /// The host group as which it stands here (id, name), if one was named.
    pub hostgroup: Option<(i64, String)>,
}

impl Environment {
    /// Environments by name after `after`, whose name contains `like`, each with the number of its hosts.
    pub fn visible_page(
        connection: &mut PgConnection,
        viewer: Viewer,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<(Self, i64)>> {
        let hosts = format!("(SELECT count(*) {MEMBERS} AND {})", viewer.sees_host("m.hosts_id"));
        environments::table
            .filter(sql::<Bool>(&viewer.sees_environment()))
            .filter(environments::name.gt(after))
            .filter(environments::name_key.like(super::contains(like)))
            .order(environments::name)
            .limit(limit)
            .select((Self::as_select(), sql::<BigInt>(&hosts)))
            .load(connection)
    }

    /// The environment with this id, if it is there for the viewer.
    pub fn find_visible(connection: &mut PgConnection, viewer: Viewer, id: i64) -> QueryResult<Option<Self>> {
        environments::table
            .find(id)
            .filter(sql::<Bool>(&viewer.sees_environment()))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// Hosts of the environment by name after `after`, whose name contains `like`.
    pub fn members(
        &self,
        connection: &mut PgConnection,
        viewer: Viewer,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Member>> {
        environments_members::table
            .inner_join(hosts::table)
            .left_join(hostgroups::table)
            .filter(environments_members::environments_id.eq(self.id))
            .filter(sql::<Bool>(&viewer.sees_host("hosts.id")))
            .filter(hosts::name.gt(after))
            .filter(hosts::name_key.like(super::contains(like)))
            .order(hosts::name)
            .limit(limit)
            .select((hosts::id, hosts::name, (hostgroups::id, hostgroups::name).nullable()))
            .load(connection)
    }
}

const MEMBERS: &str = "FROM environments_members m WHERE m.environments_id = environments.id";
