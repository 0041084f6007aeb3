//! Hosts: looking them up by what the outside calls them, and listing those that a person may see.

use super::TextArray;
use crate::db::prepared;
use crate::db::schema::{host_aliases, hostgroups, hostgroups_members, hosts};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use serde::Deserialize;

/// A row of `hosts`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, QueryableByName, Deserialize)]
#[diesel(table_name = hosts, check_for_backend(Pg))]
pub struct Host {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// Host name or IP address that plugins connect to.
    pub address: String,
    /// For people.
    pub description: String,
    /// Custom variables, name to text.
    pub vars: serde_json::Value,
    /// A manager serves it when it has all of these.
    #[diesel(deserialize_as = TextArray)]
    pub tags: Vec<String>,
    /// So many tasks run on it at once; `None`: no limit.
    pub max_running: Option<i32>,
}

/// Where a host belongs: what rights and confirmations depend on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Environments by name.
    pub environments: Vec<PlacedEnvironment>,
    /// Host groups (id, name) by name.
    pub hostgroups: Vec<(i64, String)>,
}

/// An environment that a host is in.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Deserialize)]
pub struct PlacedEnvironment {
    /// The host.
    #[diesel(sql_type = BigInt)]
    pub hosts_id: i64,
    /// The environment.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Its colour.
    #[diesel(sql_type = Text)]
    pub colour: String,
    /// What handlers count as at least.
    #[diesel(sql_type = Text)]
    pub minimum_risk: super::event_handlers::Risk,
}

/// A host group that a host is in.
#[derive(QueryableByName, Deserialize)]
pub(crate) struct PlacedGroup {
    #[diesel(sql_type = BigInt)]
    pub hosts_id: i64,
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
}

impl Host {
    /// The host with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        hosts::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// Hosts by id, in any order; what does not exist is left out.
    pub fn find_all(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        hosts::table.filter(hosts::id.eq_any(ids)).select(Self::as_select()).load(connection)
    }

    /// The host with exactly this name.
    pub fn named(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        hosts::table.filter(hosts::name.eq(name)).select(Self::as_select()).first(connection).optional()
    }

    /// The members of the host group with exactly this name, by name; none where there is no such group.
    pub fn of_hostgroup(connection: &mut PgConnection, name: &str) -> QueryResult<Vec<Self>> {
        let members = hostgroups_members::table
            .inner_join(hostgroups::table)
            .filter(hostgroups::name.eq(name))
            .select(hostgroups_members::hosts_id);
        hosts::table
            .filter(hosts::id.eq_any(members))
            .order(hosts::name)
            .select(Self::as_select())
            .load(connection)
    }

    /// Hosts that somebody outside may mean by `asked`, among those that the user may see: the first of these steps
    /// that finds any wins: the exact name, an alias, the address, the name without port, the name without domain.
    pub fn looked_up(connection: &mut PgConnection, users_id: i64, asked: &str) -> QueryResult<Vec<Self>> {
        for candidate in candidates(asked) {
            let found = prepared(include_str!("hosts_looked_up.sql"))
                .bind::<Text, _>(candidate)
                .bind::<Text, _>(candidate.to_lowercase())
                .bind::<BigInt, _>(users_id)
                .load::<Self>(connection)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Hosts that the user may see, by name after `after`; `like` restricts them to names, addresses and aliases that
    /// contain it.
    pub fn visible_page(
        connection: &mut PgConnection,
        users_id: i64,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        diesel::sql_query(include_str!("hosts_visible_page.sql"))
            .bind::<BigInt, _>(users_id)
            .bind::<Text, _>(super::contains(like))
            .bind::<Text, _>(after)
            .bind::<BigInt, _>(limit)
            .load(connection)
    }

    /// Where each of `ids` belongs, in the same order.
    pub fn placements(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Placement>> {
        let environments: Vec<PlacedEnvironment> = prepared(
            "SELECT m.hosts_id, e.id, e.name, e.colour, e.minimum_risk FROM environments_members m \
             JOIN environments e ON e.id = m.environments_id WHERE m.hosts_id = ANY($1) ORDER BY e.name",
        )
        .bind::<Array<BigInt>, _>(ids)
        .load(connection)?;
        let groups: Vec<PlacedGroup> = prepared(
            "SELECT m.hosts_id, g.id, g.name FROM hostgroups_members m \
             JOIN hostgroups g ON g.id = m.hostgroups_id WHERE m.hosts_id = ANY($1) ORDER BY g.name",
        )
        .bind::<Array<BigInt>, _>(ids)
        .load(connection)?;
        Ok(ids
            .iter()
            .map(|id| Placement {
                environments: environments.iter().filter(|row| row.hosts_id == *id).cloned().collect(),
                hostgroups: groups
                    .iter()
                    .filter(|row| row.hosts_id == *id)
                    .map(|row| (row.id, row.name.clone()))
                    .collect(),
            })
            .collect())
    }

    /// Where one host belongs.
    pub fn placement(connection: &mut PgConnection, id: i64) -> QueryResult<Placement> {
        Ok(Self::placements(connection, &[id])?.pop().unwrap_or_default())
    }

    /// Where a host would belong that is in these environments and host groups; names that nothing has are left out.
    pub fn placement_by_names(
        connection: &mut PgConnection,
        environments: &[String],
        groups: &[String],
    ) -> QueryResult<Placement> {
        let environments = diesel::sql_query(
            "SELECT 0::bigint AS hosts_id, id, name, colour, minimum_risk FROM environments \
             WHERE name = ANY($1) ORDER BY name",
        )
        .bind::<Array<Text>, _>(environments)
        .load(connection)?;
        let groups = hostgroups::table
            .filter(hostgroups::name.eq_any(groups))
            .order(hostgroups::name)
            .select((hostgroups::id, hostgroups::name))
            .load(connection)?;
        Ok(Placement { environments, hostgroups: groups })
    }

    /// Other names that the outside has for it, by name.
    pub fn aliases(&self, connection: &mut PgConnection) -> QueryResult<Vec<String>> {
        host_aliases::table
            .filter(host_aliases::hosts_id.eq(self.id))
            .order(host_aliases::alias)
            .select(host_aliases::alias)
            .load(connection)
    }

    /// The custom variables as (name, text); a value that is not text is written as JSON.
    pub fn variables(&self) -> Vec<(String, String)> {
        super::variables(&self.vars)
    }
}

/// What a look-up takes for a name of a host, one after the other: what was asked, without port, without domain.
pub(super) fn candidates(asked: &str) -> Vec<&str> {
    let without_port = asked.rsplit_once(':').filter(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let bare = without_port.map_or(asked, |(host, _)| host);
    let short = bare.split('.').next().filter(|short| !short.is_empty() && *short != bare);
    let mut candidates = vec![asked];
    candidates.extend(without_port.map(|(host, _)| host));
    // The first label of an IP address is no name.
    candidates.extend(short.filter(|_| bare.parse::<std::net::IpAddr>().is_err()));
    candidates
}
