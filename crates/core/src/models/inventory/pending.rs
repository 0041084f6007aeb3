//! What a template says and its hosts do not have yet.

use super::Noun;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

/// The difference between a template and those that have it.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    /// Hosts that differ, in all.
    pub total: i64,
    /// The first of them by name.
    pub hosts: Vec<PendingHost>,
}

/// What applying the template would do to one host.
#[derive(Debug, Clone, QueryableByName)]
pub struct PendingHost {
    /// The host.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// What it would get.
    #[diesel(sql_type = Array<Text>)]
    pub gets: Vec<String>,
    /// What it has for another reason, and would keep when that goes.
    #[diesel(sql_type = Array<Text>)]
    pub has: Vec<String>,
    /// What it would lose.
    #[diesel(sql_type = Array<Text>)]
    pub loses: Vec<String>,
    /// What it keeps for another reason.
    #[diesel(sql_type = Array<Text>)]
    pub keeps: Vec<String>,
    /// Whether its handlers would stand in another order.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    pub reordered: bool,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

impl Pending {
    /// How the hosts of a host group or a service differ from its template; of at most `limit` hosts it is told what.
    pub fn of_template(connection: &mut PgConnection, noun: Noun, id: i64, limit: i64) -> QueryResult<Self> {
        let sql = match noun {
            Noun::Hostgroup => include_str!("pending_services.sql"),
            Noun::Service => include_str!("pending_handlers.sql"),
            _ => return Ok(Self::default()),
        };
        let hosts: Vec<PendingHost> =
            diesel::sql_query(sql).bind::<BigInt, _>(id).bind::<BigInt, _>(limit).load(connection)?;
        Ok(Self { total: hosts.first().map_or(0, |host| host.total), hosts })
    }

    /// How many hosts differ beside those that are told of.
    pub fn others(&self) -> i64 {
        self.total - i64::try_from(self.hosts.len()).unwrap_or(self.total)
    }
}
