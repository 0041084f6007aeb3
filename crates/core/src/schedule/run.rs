//! A due schedule queues its tasks, in the transaction that takes its slot: both happen, once, or neither.

use super::slots::Rule;
use crate::access::Access;
use crate::config::MacroFile;
use crate::models::audit::NewAudit;
use crate::models::event_handlers::Risk;
use crate::models::schedule_runs::{ScheduleRun, database_time};
use crate::models::schedules::{Overlap, Schedule};
use crate::models::tasks::{Identity, Origin, TaskKind};
use crate::models::users::User;
use crate::plan::{Facts, Plan, PlanError, Request, Requester};
use crate::queue::{self, Enqueued};
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// A schedule that would be on more hosts queues nothing.
const MOST_HOSTS: i64 = 1000;
/// So many reasons are told; of more, how many.
const TOLD: usize = 3;

/// What one look at a schedule did, for the log.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Slots that ran, each with what came of it.
    pub slots: Vec<(DateTime<Utc>, String)>,
    /// Whether slots were missed and are passed over.
    pub skipped: bool,
    /// Programs to be started once the transaction is committed: no transaction can hold one.
    pub programs: Vec<ProgramRun>,
}

/// A slot that was taken for a program.
#[derive(Debug, Clone)]
pub struct ProgramRun {
    /// Under which name its run is kept.
    pub run_name: String,
    /// The slot.
    pub slot: DateTime<Utc>,
    /// The program's name under `[programs]`.
    pub program: String,
}

/// Looks at one schedule that is due, if there is one. Run it in a transaction, again and again until it gives `None`.
/// However many schedulers do so, each slot runs once.
pub fn run_due(
    connection: &mut PgConnection,
    macros: &MacroFile,
    queue_life: Duration,
) -> QueryResult<Option<Ran>> {
    let Some(schedule) = Schedule::lock_due(connection)? else { return Ok(None) };
    let now = database_time(connection)?;
    let mut ran =
        Ran { name: schedule.name.clone(), slots: Vec::new(), skipped: false, programs: Vec::new() };
    let mut slots: Vec<(DateTime<Utc>, Option<&str>)> =
        schedule.run_requested_at.map(|at| (at, schedule.run_requested_by.as_deref())).into_iter().collect();
    let (mut until, mut next_at) = (schedule.considered_until, None);
    match Rule::of(&schedule) {
        Ok(rule) if schedule.enabled => {
            let due = rule.due(schedule.considered_until, now);
            slots.extend(due.run.into_iter().map(|slot| (slot, None)));
            (until, next_at, ran.skipped) = (due.until, due.next_at, due.skipped);
        }
        Ok(_) => {}
        // It was checked when it was made; a program of another version may read it otherwise.
        Err(why) => ran.slots.push((now, format!("does not run any more: {why}"))),
    }
    let name = schedule.run_name();
    for (slot, by) in slots {
        if !ScheduleRun::claim(connection, &name, slot, by)? {
            continue;
        }
        if let Some(program) = &schedule.program
            && may_start(connection, &schedule)?
        {
            let (run_name, program) = (name.clone(), program.clone());
            ran.programs.push(ProgramRun { run_name, slot, program });
            continue;
        }
        let outcome = run_slot(connection, macros, queue_life, &schedule, &name, now)?;
        ScheduleRun::queued(connection, &name, slot, &outcome.queued)?;
        let text = outcome.to_string();
        ScheduleRun::finish(connection, &name, slot, Some(outcome.code()), &text)?;
        ran.slots.push((slot, text));
    }
    schedule.considered(connection, until, next_at)?;
    Ok(Some(ran))
}

/// Whether the person with whose rights it runs may still have a program started.
fn may_start(connection: &mut PgConnection, schedule: &Schedule) -> QueryResult<bool> {
    match schedule.users_id {
        Some(id) => Ok(Access::load(connection, id, None)?.is_admin()),
        None => Ok(false),
    }
}

/// What a slot did.
#[derive(Debug, Default)]
struct Outcome {
    queued: Vec<Uuid>,
    /// Hosts on which the very same, or another run of the handler, is active.
    active: usize,
    /// Why not, host by host.
    refused: Vec<String>,
    /// Why nothing was tried.
    skipped: Option<String>,
}

impl Outcome {
    fn nothing(why: impl Into<String>) -> Self {
        Self { skipped: Some(why.into()), ..Self::default() }
    }

    /// As of our programs: 0 done, 1 partly, 2 nothing was done.
    fn code(&self) -> i32 {
        match (self.queued.is_empty() && self.active == 0, self.refused.is_empty() && self.skipped.is_none())
        {
            (true, _) => 2,
            (false, false) => 1,
            (false, true) => 0,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.skipped {
            return write!(f, "skipped: {why}");
        }
        write!(f, "queued {}", counted(self.queued.len(), "task"))?;
        if self.active > 0 {
            write!(f, "; on {} it is active already", counted(self.active, "host"))?;
        }
        if !self.refused.is_empty() {
            write!(f, "; refused on {}: ", counted(self.refused.len(), "host"))?;
            write!(f, "{}", self.refused.get(..TOLD).unwrap_or(&self.refused).join(" "))?;
        }
        Ok(())
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn run_slot(
    connection: &mut PgConnection,
    macros: &MacroFile,
    queue_life: Duration,
    schedule: &Schedule,
    name: &str,
    now: DateTime<Utc>,
) -> QueryResult<Outcome> {
    if schedule.program.is_some() {
        return Ok(Outcome::nothing(
            "the user with whose rights it runs does not administer everything any more",
        ));
    }
    if schedule.overlap == Overlap::Skip && ScheduleRun::is_active(connection, name)? {
        return Ok(Outcome::nothing("tasks of the run before have not ended"));
    }
    let (Some(services_id), Some(event_handlers_id), Some(users_id)) =
        (schedule.services_id, schedule.event_handlers_id, schedule.users_id)
    else {
        return Ok(Outcome::nothing("it names no handler"));
    };
    let Some(user) = User::find(connection, users_id)?.filter(|user| !user.disabled) else {
        return Ok(Outcome::nothing("the user with whose rights it runs is disabled"));
    };
    let Ok(parameters) = serde_json::from_value::<BTreeMap<String, String>>(schedule.parameters.clone())
    else {
        return Ok(Outcome::nothing("its parameters are not understood"));
    };
    let hosts = schedule.hosts(connection, MOST_HOSTS + 1)?;
    if hosts.is_empty() {
        return Ok(Outcome::nothing("no host of the group has the service with the handler"));
    }
    if hosts.len() > usize::try_from(MOST_HOSTS).unwrap_or(usize::MAX) {
        return Ok(Outcome::nothing(format!("the group has more than {MOST_HOSTS} hosts with the handler")));
    }
    let requester = Requester { users_id, name: user.name, identity: Identity::System, token_verb: None };
    let wanted: Vec<(Request, Requester)> = hosts
        .into_iter()
        .map(|hosts_id| {
            let request = Request {
                hosts_id,
                services_id,
                event_handlers_id,
                kind: TaskKind::Run,
                parameters: parameters.clone(),
            };
            (request, requester.clone())
        })
        .collect();
    let facts = Facts::load(connection, &wanted)?;
    let mut outcome = Outcome::default();
    for (request, requester) in &wanted {
        let id = Uuid::now_v7();
        let plan = match Plan::decide_from(&facts, macros, requester, request, id, now) {
            Ok(plan) => plan,
            Err(PlanError::Query(error)) => return Err(error),
            Err(why) => {
                let host = facts.host(request.hosts_id).map_or("?", |(host, _)| host.name.as_str());
                outcome.refused.push(format!("{host}: {why}"));
                continue;
            }
        };
        if let Some(why) = obstacle(&plan, schedule) {
            outcome.refused.push(format!("{}: {why}", plan.host.name));
            continue;
        }
        let reason = schedule.reason.clone().or_else(|| Some(format!("schedule {}", schedule.name)));
        let task = plan.into_task(requester, id, now, queue_life, Origin::Schedule, Uuid::new_v4(), reason);
        match queue::enqueue(connection, &task)? {
            Enqueued::New(made) => {
                NewAudit {
                    users_id: Some(users_id),
                    actor: &made.requester,
                    identity: "system",
                    address: "",
                    action: "task.create",
                    object: &format!("{} on {}", made.handler_name, made.host_name),
                    task_id: Some(made.id),
                    detail: serde_json::json!({
                        "schedule": schedule.name, "argv": made.argv, "reason": made.reason, "origin": "schedule",
                    }),
                }
                .insert(connection)?;
                outcome.queued.push(made.id);
            }
            Enqueued::Attached(_) | Enqueued::Busy(_) => outcome.active += 1,
        }
    }
    Ok(outcome)
}

/// Why a plan that is permitted is not carried out without a person.
fn obstacle(plan: &Plan, schedule: &Schedule) -> Option<String> {
    if plan.risk == Risk::Dangerous {
        return Some("a dangerous action is confirmed by a person each time.".to_owned());
    }
    if plan.handler.reason_required && schedule.reason.is_none() {
        return Some("the handler asks for a reason, and the schedule gives none.".to_owned());
    }
    plan.needs_typing().or_else(|| plan.handler.pause_text())
}
