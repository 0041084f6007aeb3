//! A schedule as a person writes it down, by names, and what is wrong with it.

use super::slots::{Rule, WrongRule};
use crate::config::Programs;
use crate::models::inventory::Complaint;
use crate::models::schedules::{Missed, NewSchedule, Overlap, Schedule, Source, Target, TargetIds};
use crate::names;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a form holds, and the JSON API: a handler on a host or a host group, or a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleDefinition)]
pub struct Draft {
    /// How it is called.
    pub name: String,
    /// Five fields of crontab(5), or a word such as `@daily`.
    pub expression: String,
    /// Of the IANA database.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Whether its times count.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// A name under `[programs]` of `settings.ini`, in place of host, service and handler.
    #[serde(default)]
    pub program: Option<String>,
    /// One of host and host group.
    #[serde(default)]
    pub host: Option<String>,
    /// One of host and host group.
    #[serde(default)]
    pub hostgroup: Option<String>,
    /// The service.
    #[serde(default)]
    pub service: Option<String>,
    /// The handler.
    #[serde(default)]
    pub handler: Option<String>,
    /// Values for the handler's parameters; what is absent takes its default.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// What becomes of missed slots.
    #[serde(default = "skip_missed")]
    pub missed: Missed,
    /// So many missed slots run, where all do.
    #[serde(default = "most_missed")]
    pub most_missed: i32,
    /// By how many seconds a slot may be late.
    #[serde(default)]
    pub jitter_seconds: i32,
    /// What becomes of a slot while the run before is active.
    #[serde(default = "skip_overlap")]
    pub overlap: Overlap,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

fn skip_missed() -> Missed {
    Missed::Skip
}

fn most_missed() -> i32 {
    10
}

fn skip_overlap() -> Overlap {
    Overlap::Skip
}

impl Draft {
    /// What was written down for a schedule that is there.
    pub fn of(schedule: &Schedule, target: Target) -> Self {
        Self {
            name: schedule.name.clone(),
            expression: schedule.expression.clone(),
            time_zone: schedule.time_zone.clone(),
            enabled: schedule.enabled,
            program: schedule.program.clone(),
            host: target.host,
            hostgroup: target.hostgroup,
            service: target.service,
            handler: target.handler,
            parameters: serde_json::from_value(schedule.parameters.clone()).unwrap_or_default(),
            reason: schedule.reason.clone(),
            missed: schedule.missed,
            most_missed: schedule.most_missed,
            jitter_seconds: schedule.jitter_seconds,
            overlap: schedule.overlap,
        }
    }

    /// The schedule that it describes, which runs with the rights of this user and begins after `now`; or everything that
    /// is wrong with it. Whether the user may run it is decided at each slot.
    pub fn check(
        self,
        connection: &mut PgConnection,
        programs: &Programs,
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
        match &self.program {
            Some(program) => {
                let others = [&self.host, &self.hostgroup, &self.service, &self.handler, &self.reason];
                if !programs.contains_key(program) {
                    let text = format!(
                        "there is no program '{}' under [programs] in settings.ini",
                        program.escape_debug()
                    );
                    wrong("program", text);
                } else if others.iter().any(|other| other.is_some()) || !self.parameters.is_empty() {
                    let text = "a program has no host, service, handler, parameters and reason: leave them empty, or the program";
                    wrong("program", text.to_owned());
                }
            }
            None if self.host.is_some() == self.hostgroup.is_some() => {
                wrong("host", "name either a host or a host group".to_owned());
            }
            None => {}
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
            self.service.as_deref().filter(|name| named(name)).unwrap_or_default(),
            self.handler.as_deref().filter(|name| named(name)).unwrap_or_default(),
        )?;
        let named = [
            ("host", "host", self.host.as_deref(), ids.hosts_id),
            ("hostgroup", "host group", self.hostgroup.as_deref(), ids.hostgroups_id),
            ("service", "service", Some(self.service.as_deref().unwrap_or_default()), ids.services_id),
            (
                "handler",
                "event handler",
                Some(self.handler.as_deref().unwrap_or_default()),
                ids.event_handlers_id,
            ),
        ];
        let named = named.into_iter().filter(|_| self.program.is_none());
        for (field, what, name, id) in named {
            match (name, id) {
                (Some(""), None) => wrong(field, format!("name the {what}")),
                (Some(name), None) => wrong(field, format!("there is no {what} '{}'", name.escape_debug())),
                _ => {}
            }
        }
        let (Some(name_key), true) = (name_key, complaints.is_empty()) else {
            return Ok(Err(complaints));
        };
        Ok(Ok(NewSchedule {
            source: Source::Gui,
            name: self.name,
            name_key,
            enabled: self.enabled,
            program: self.program,
            expression: self.expression,
            time_zone: self.time_zone,
            hosts_id: ids.hosts_id,
            hostgroups_id: ids.hostgroups_id,
            services_id: ids.services_id,
            event_handlers_id: ids.event_handlers_id,
            parameters: serde_json::json!(self.parameters),
            reason: self.reason,
            users_id,
            missed: self.missed,
            most_missed: self.most_missed,
            jitter_seconds: self.jitter_seconds,
            overlap: self.overlap,
            considered_until: now,
            next_at: next_at.filter(|_| self.enabled),
        }))
    }
}
