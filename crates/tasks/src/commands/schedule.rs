//! `tasks schedule ...`

use crate::context::{ACTOR, Context, audit};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use selfservice_core::db::PgConnection;
use selfservice_core::models::schedule_runs::ScheduleRun;
use selfservice_core::models::schedules::{Schedule, Source};
use selfservice_core::schedule::Rule;
use serde::Serialize;

/// Schedules that one statement reads.
const PAGE: i64 = 1000;

#[derive(Subcommand)]
pub enum ScheduleCommand {
    /// List the lines of settings.ini that a scheduler has told of, and what people have made
    List,
    /// Let one run now, beside its times; the next scheduler that looks does it
    Run {
        /// Its name
        name: String,
    },
}

#[derive(Serialize)]
struct Row {
    name: String,
    source: Source,
    expression: String,
    time_zone: String,
    enabled: bool,
    next_at: Option<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    last_outcome: Option<String>,
}

impl Row {
    fn read(connection: &mut PgConnection, schedule: Schedule) -> anyhow::Result<Self> {
        let last = ScheduleRun::recent(connection, &schedule.run_name(), 1)?.pop();
        let next_at = match schedule.source {
            Source::Gui => schedule.next_at.filter(|_| schedule.enabled),
            Source::Settings => Rule::of(&schedule).ok().and_then(|rule| rule.next_at(Utc::now())),
        };
        Ok(Self {
            name: schedule.name,
            source: schedule.source,
            expression: schedule.expression,
            time_zone: schedule.time_zone,
            enabled: schedule.enabled,
            next_at,
            last_at: last.as_ref().map(|run| run.slot),
            last_outcome: last.and_then(|run| run.outcome),
        })
    }
}

impl ScheduleCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List => list(context),
            Self::Run { name } => run_now(context, &name),
        }
    }
}

fn all(connection: &mut PgConnection) -> anyhow::Result<Vec<Schedule>> {
    let mut all: Vec<Schedule> = Vec::new();
    loop {
        let after = all.last().map(|schedule| schedule.name.clone()).unwrap_or_default();
        let page = Schedule::page(connection, "", &after, PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let rows = context.pool().run(|connection| {
        let schedules = all(connection)?;
        schedules
            .into_iter()
            .map(|schedule| Row::read(connection, schedule))
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    context.list(&rows, "there are no schedules", |row| {
        let at = |at: Option<DateTime<Utc>>| {
            at.map_or("never".to_owned(), |at| at.format("%F %R UTC").to_string())
        };
        let state = if row.enabled { "" } else { "  off" };
        format!(
            "{}  {}  {} {}{state}  next {}  last {}  {}",
            row.name,
            row.source,
            row.expression,
            row.time_zone,
            at(row.next_at),
            at(row.last_at),
            row.last_outcome.as_deref().unwrap_or_default().escape_debug()
        )
    })
}

fn run_now(context: &Context, name: &str) -> anyhow::Result<()> {
    context.transaction(|connection| {
        let mut named = all(connection)?;
        named.retain(|schedule| schedule.name == name);
        if named.len() > 1 {
            bail!("'{name}' is both a line of settings.ini and a schedule from the browser; run it there");
        }
        let schedule = named
            .pop()
            .with_context(|| format!("there is no schedule '{name}'; 'tasks schedule list' names them"))?;
        Schedule::request_run(connection, schedule.id, ACTOR)?;
        Ok(audit(connection, "schedule.run", name)?)
    })?;
    context.show(&serde_json::json!({ "name": name }), format!("{name} runs as soon as a scheduler looks"))
}
