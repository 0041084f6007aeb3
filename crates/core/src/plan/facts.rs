//! What plans are decided from, read for many requests at once and in one statement: a decision waits for one trip to
//! the server, and everything it is made from is of one moment.

use super::{Request, Requester};
use crate::access::{Access, Grant, Verb};
use crate::db::prepared;
use crate::models::effective::Target;
use crate::models::event_handlers::EventHandler;
use crate::models::hosts::{Host, PlacedEnvironment, PlacedGroup, Placement};
use crate::models::services::Service;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Hosts, services, handlers and rights as they are now. Load it anew for every decision: it does not change.
#[derive(Debug, Default)]
pub struct Facts {
    hosts: HashMap<i64, (Host, Placement)>,
    services: HashMap<i64, Service>,
    /// Enabled ones.
    handlers: HashMap<i64, EventHandler>,
    /// Where the handlers are effective.
    targets: HashSet<Target>,
    rights: HashMap<(i64, Option<Verb>), Access>,
}

const OF_MANY: &str = include_str!("facts.sql");

/// The same for one request. The server takes an array that it does not know for ten values, and would rather plan the
/// statement anew each time, which takes longer than the rest; for one value it keeps its plan.
static OF_ONE: LazyLock<String> = LazyLock::new(|| {
    (1..=4)
        .fold(OF_MANY.to_owned(), |sql, at| sql.replace(&format!("= ANY (${at})"), &format!("= ${at}")))
        .replace("unnest($1, $2, $3)", "(VALUES ($1, $2, $3))")
});

/// Each is a JSON array.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    hosts: String,
    #[diesel(sql_type = Text)]
    environments: String,
    #[diesel(sql_type = Text)]
    hostgroups: String,
    #[diesel(sql_type = Text)]
    services: String,
    #[diesel(sql_type = Text)]
    handlers: String,
    #[diesel(sql_type = Text)]
    targets: String,
    #[diesel(sql_type = Text)]
    grants: String,
}

#[derive(Deserialize)]
struct Granted {
    users_id: i64,
    allows: Grant,
}

impl Facts {
    /// Reads what these requests are about.
    pub fn load(connection: &mut PgConnection, wanted: &[(Request, Requester)]) -> QueryResult<Self> {
        let ids = |of: fn(&Request) -> i64| wanted.iter().map(|(request, _)| of(request)).collect::<Vec<_>>();
        let users: HashSet<i64> = wanted.iter().map(|(_, requester)| requester.users_id).collect();
        let row: Row = match wanted {
            [(request, requester)] => prepared(OF_ONE.as_str())
                .bind::<BigInt, _>(request.hosts_id)
                .bind::<BigInt, _>(request.services_id)
                .bind::<BigInt, _>(request.event_handlers_id)
                .bind::<BigInt, _>(requester.users_id)
                .get_result(connection)?,
            _ => prepared(OF_MANY)
                .bind::<Array<BigInt>, _>(ids(|request| request.hosts_id))
                .bind::<Array<BigInt>, _>(ids(|request| request.services_id))
                .bind::<Array<BigInt>, _>(ids(|request| request.event_handlers_id))
                .bind::<Array<BigInt>, _>(users.into_iter().collect::<Vec<_>>())
                .get_result(connection)?,
        };
        Self::new(&row, wanted).map_err(|error| diesel::result::Error::DeserializationError(error.into()))
    }

    fn new(row: &Row, wanted: &[(Request, Requester)]) -> serde_json::Result<Self> {
        let mut placements: HashMap<i64, Placement> = HashMap::new();
        for environment in list::<PlacedEnvironment>(&row.environments)? {
            placements.entry(environment.hosts_id).or_default().environments.push(environment);
        }
        for group in list::<PlacedGroup>(&row.hostgroups)? {
            placements.entry(group.hosts_id).or_default().hostgroups.push((group.id, group.name));
        }
        let mut grants: HashMap<i64, Vec<Grant>> = HashMap::new();
        for granted in list::<Granted>(&row.grants)? {
            grants.entry(granted.users_id).or_default().push(granted.allows);
        }
        let asking: HashSet<_> = wanted.iter().map(|(_, who)| (who.users_id, who.token_verb)).collect();
        let rights = asking.into_iter().map(|(user, ceiling)| {
            let grants = grants.get(&user).cloned().unwrap_or_default();
            ((user, ceiling), Access::new(grants, ceiling))
        });
        Ok(Self {
            rights: rights.collect(),
            hosts: list::<Host>(&row.hosts)?
                .into_iter()
                .map(|host| {
                    let placement = placements.remove(&host.id).unwrap_or_default();
                    (host.id, (host, placement))
                })
                .collect(),
            services: list::<Service>(&row.services)?
                .into_iter()
                .map(|service| (service.id, service))
                .collect(),
            handlers: list::<EventHandler>(&row.handlers)?
                .into_iter()
                .map(|handler| (handler.id, handler))
                .collect(),
            targets: list::<Target>(&row.targets)?.into_iter().collect(),
        })
    }

    pub(crate) fn host(&self, id: i64) -> Option<&(Host, Placement)> {
        self.hosts.get(&id)
    }

    pub(super) fn service(&self, id: i64) -> Option<&Service> {
        self.services.get(&id)
    }

    /// The handler, where it is effective on the target.
    pub(super) fn handler(&self, request: &Request) -> Option<&EventHandler> {
        let target = (request.hosts_id, request.services_id, request.event_handlers_id);
        self.handlers.get(&request.event_handlers_id).filter(|_| self.targets.contains(&target))
    }

    /// What the requester may do; nothing where they were not among the wanted.
    pub(super) fn access(&self, requester: &Requester) -> Option<&Access> {
        self.rights.get(&(requester.users_id, requester.token_verb))
    }
}

fn list<T: DeserializeOwned>(json: &str) -> serde_json::Result<Vec<T>> {
    serde_json::from_str(json)
}
