//! What plans are decided from, read for many requests at once: a manager decides on a whole batch of tasks with as many
//! queries as on one.

use super::{Request, Requester};
use crate::access::{Access, Verb};
use crate::models::effective::EffectiveService;
use crate::models::event_handlers::EventHandler;
use crate::models::hosts::{Host, Placement};
use crate::models::services::Service;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Hosts, services, handlers and rights as they are now. Load it anew for every decision: it does not change.
#[derive(Debug, Default)]
pub struct Facts {
    hosts: HashMap<i64, (Host, Placement)>,
    services: HashMap<i64, Service>,
    /// Enabled handlers by host, service and handler, where they are effective.
    handlers: HashMap<(i64, i64, i64), EventHandler>,
    rights: Vec<((i64, Option<Verb>), Access)>,
}

impl Facts {
    /// Reads what these requests are about.
    pub fn load(connection: &mut PgConnection, wanted: &[(Request, Requester)]) -> QueryResult<Self> {
        let ids = |of: fn(&Request) -> i64| -> Vec<i64> {
            wanted.iter().map(|(request, _)| of(request)).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let hosts = Host::find_all(connection, &ids(|request| request.hosts_id))?;
        let placements = Host::placements(connection, &hosts.iter().map(|host| host.id).collect::<Vec<_>>())?;
        let services = Service::find_all(connection, &ids(|request| request.services_id))?;
        let targets: Vec<(i64, i64, i64)> = wanted
            .iter()
            .map(|(request, _)| (request.hosts_id, request.services_id, request.event_handlers_id))
            .collect();
        let mut rights: Vec<((i64, Option<Verb>), Access)> = Vec::new();
        for (_, requester) in wanted {
            let key = (requester.users_id, requester.token_verb);
            if rights.iter().all(|(known, _)| *known != key) {
                rights.push((key, Access::load(connection, key.0, key.1)?));
            }
        }
        Ok(Self {
            hosts: hosts.into_iter().zip(placements).map(|(host, place)| (host.id, (host, place))).collect(),
            services: services.into_iter().map(|service| (service.id, service)).collect(),
            handlers: EffectiveService::handlers_on(connection, &targets)?.into_iter().collect(),
            rights,
        })
    }

    pub(super) fn host(&self, id: i64) -> Option<&(Host, Placement)> {
        self.hosts.get(&id)
    }

    pub(super) fn service(&self, id: i64) -> Option<&Service> {
        self.services.get(&id)
    }

    pub(super) fn handler(&self, request: &Request) -> Option<&EventHandler> {
        self.handlers.get(&(request.hosts_id, request.services_id, request.event_handlers_id))
    }

    /// What the requester may do; nothing where they were not among the wanted.
    pub(super) fn access(&self, requester: &Requester) -> Option<&Access> {
        let key = (requester.users_id, requester.token_verb);
        self.rights.iter().find(|(known, _)| *known == key).map(|(_, access)| access)
    }
}
