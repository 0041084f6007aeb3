//! `tasks purge`

use crate::context::{Context, note};
use selfservice_core::config::RetentionSettings;
use selfservice_core::db::{PgConnection, Pool, QueryError};
use selfservice_core::models::expired;
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::queue::retention;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

/// Between two steps, so that others come to their turn.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default, Serialize)]
struct Report {
    partitions_made: Vec<String>,
    partitions_dropped: Vec<String>,
    chunks_removed: usize,
    tasks_removed: usize,
    managers_removed: usize,
    /// Sessions, links, confirmations, failures of signing in, runs of cron lines.
    others_removed: usize,
    /// What could not be done this time.
    warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "removed {} tasks and {} chunks of output", self.tasks_removed, self.chunks_removed)?;
        for (what, tables) in [("dropped", &self.partitions_dropped), ("made", &self.partitions_made)] {
            if !tables.is_empty() {
                writeln!(f, "{what} {}", tables.join(", "))?;
            }
        }
        write!(
            f,
            "removed {} managers that are gone, and {} sessions, links and other things that had run out",
            self.managers_removed, self.others_removed
        )
    }
}

/// Exit code 1 where something is left for the next time.
pub fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let report = purge(&context.pool(), context.settings.retention)?;
    context.show(&report, &report)?;
    for warning in &report.warnings {
        note(format!("tasks: {warning}"))?;
    }
    Ok(ExitCode::from(u8::from(!report.warnings.is_empty())))
}

fn purge(pool: &Pool, keep: RetentionSettings) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let now = pool.run(|connection| -> anyhow::Result<_> { Ok(database_time(connection)?) })?;
    if let Some(days) = keep.logs_days {
        let cutoff = retention::cutoff(now, days);
        let dropped = tables(pool, |connection| retention::drop_partitions(connection, cutoff))?;
        report.partitions_dropped = report.told("dropped", dropped);
        report.chunks_removed = in_steps(pool, |connection| retention::remove_logs(connection, cutoff))?;
    }
    let made = tables(pool, |connection| retention::make_partitions(connection, now))?;
    report.partitions_made = report.told("made", made);
    if let Some(days) = keep.tasks_days {
        let cutoff = retention::cutoff(now, days);
        report.tasks_removed = in_steps(pool, |connection| retention::remove_tasks(connection, cutoff))?;
    }
    report.managers_removed = in_one(pool, retention::remove_workers)?;
    report.others_removed = in_one(pool, expired::purge)?;
    Ok(report)
}

impl Report {
    /// The tables, or none and a warning.
    fn told(&mut self, what: &str, tables: Result<Vec<String>, QueryError>) -> Vec<String> {
        tables.unwrap_or_else(|error| {
            self.warnings.push(format!("no month of output could be {what} this time: {error}"));
            Vec::new()
        })
    }
}

/// A lock that others keep is no failure; the inner result says so.
fn tables(
    pool: &Pool,
    work: impl FnOnce(&mut PgConnection) -> Result<Vec<String>, QueryError>,
) -> anyhow::Result<Result<Vec<String>, QueryError>> {
    match pool.transaction(|connection| work(connection).map_err(anyhow::Error::from)) {
        Ok(tables) => Ok(Ok(tables)),
        Err(error) => match error.downcast::<QueryError>() {
            Ok(error) => Ok(Err(error)),
            Err(other) => Err(other),
        },
    }
}

/// Each step is a transaction of its own, so that none holds what others need for long, and what was done stays done.
fn in_steps(
    pool: &Pool,
    step: impl Fn(&mut PgConnection) -> Result<usize, QueryError>,
) -> anyhow::Result<usize> {
    let mut all = 0;
    loop {
        match in_one(pool, &step)? {
            0 => return Ok(all),
            rows => all += rows,
        }
        std::thread::sleep(PAUSE);
    }
}

fn in_one(
    pool: &Pool,
    step: impl FnOnce(&mut PgConnection) -> Result<usize, QueryError>,
) -> anyhow::Result<usize> {
    pool.transaction(|connection| Ok(step(connection)?))
}
