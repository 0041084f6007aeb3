//! A schedule as a person writes it down, by names, and what is wrong with it.

use super::slots::{Rule, WrongRule};
use crate::models::inventory::Complaint;
use crate::models::schedules::{Missed, NewSchedule, Overlap, Source, TargetIds};
use crate::names;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// What a form holds.
#[derive(Debug, Clone)]
pub struct Draft {
    /// How it is called.
    pub name: String,
    /// Five fields of crontab(5), or a word such as `@daily`.
    pub expression: String,
    /// Of the IANA database.
    pub time_zone: String,
    /// One of host and host group.
    pub host: Option<String>,
    /// One of host and host group.
    pub hostgroup: Option<String>,
    /// The service.
    pub service: String,
    /// The handler.
    pub handler: String,
    /// Values for the handler's parameters; what is absent takes its default.
    pub parameters: BTreeMap<String, String>,
    /// Why.
    pub reason: Option<String>,
    /// What becomes of missed slots.
    pub missed: Missed,
    /// For [`Missed::All`].
    pub most_missed: i32,
    /// By how much a slot may be late.
    pub jitter_seconds: i32,
    /// What becomes of a slot while the run before is active.
    pub overlap: Overlap,
}

impl Draft {
    /// The schedule that it describes, which runs with the rights of this user and begins after `now`; or everything that
    /// is wrong with it. Whether the user may run it is decided at each slot.
    pub fn check(
        self,
        connection: &mut PgConnection,
        users_id: i64,
        now: DateTime<Utc>,
    ) -> QueryResult<Result<NewSchedule, Vec<Complaint>>> {
        let mut complaints = Vec::new();
        let mut wrong = |field: &'static str, text: String| complaints.push(Complaint::new(field, text));
        let name_key = names::key(&self.name).map_err(|why| wrong("name", format!("the name {why}"))).ok();
        let next_at = match Rule::plain(&self.expression, &self.time_zone) {
            Ok(rule) => rule.next_at(now),
            Err(why @ WrongRule::When(_)) => {
                wrong("expression", why.to_string());
                None
            }
            Err(why @ WrongRule::Zone(_)) => {
                wrong("time_zone", why.to_string());
                None
            }
        };
        if self.host.is_some() == self.hostgroup.is_some() {
            wrong("host", "name either a host or a host group".to_owned());
        }
        for (field, what, number, allowed) in [
            ("most_missed", "the number of missed times", self.most_missed, 1..=100),
            ("jitter_seconds", "the number of seconds", self.jitter_seconds, 0..=3600),
        ] {
            if !allowed.contains(&number) {
                wrong(field, format!("{what} must be from {} to {}", allowed.start(), allowed.end()));
            }
        }
        // PostgreSQL takes no NUL, and no name has one.
        let named = |name: &str| !name.contains('\0');
        let ids = TargetIds::find(
            connection,
            self.host.as_deref().filter(|name| named(name)),
            self.hostgroup.as_deref().filter(|name| named(name)),
            Some(self.service.as_str()).filter(|name| named(name)).unwrap_or_default(),
            Some(self.handler.as_str()).filter(|name| named(name)).unwrap_or_default(),
        )?;
        let named = [
            ("host", "host", self.host.as_deref(), ids.hosts_id),
            ("hostgroup", "host group", self.hostgroup.as_deref(), ids.hostgroups_id),
            ("service", "service", Some(self.service.as_str()), ids.services_id),
            ("handler", "event handler", Some(self.handler.as_str()), ids.event_handlers_id),
        ];
        for (field, what, name, id) in named {
            match (name, id) {
                (Some(""), None) => wrong(field, format!("name the {what}")),
                (Some(name), None) => wrong(field, format!("there is no {what} '{}'", name.escape_debug())),
                _ => {}
            }
        }
        let (Some(name_key), Some(services_id), Some(event_handlers_id), true) =
            (name_key, ids.services_id, ids.event_handlers_id, complaints.is_empty())
        else {
            return Ok(Err(complaints));
        };
        Ok(Ok(NewSchedule {
            source: Source::Gui,
            name: self.name,
            name_key,
            expression: self.expression,
            time_zone: self.time_zone,
            hosts_id: ids.hosts_id,
            hostgroups_id: ids.hostgroups_id,
            services_id,
            event_handlers_id,
            parameters: serde_json::json!(self.parameters),
            reason: self.reason,
            users_id,
            missed: self.missed,
            most_missed: self.most_missed,
            jitter_seconds: self.jitter_seconds,
            overlap: self.overlap,
            considered_until: now,
            next_at,
        }))
    }
}
