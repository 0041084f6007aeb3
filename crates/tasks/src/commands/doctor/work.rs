//! Whether work gets done: managers, the queue, handlers that are paused, loads of the inventory.

use super::Finding;
use selfservice_core::config::Settings;
use selfservice_core::db::PgConnection;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::loads::Overdue;
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::models::tasks::{Task, TaskState};
use selfservice_core::models::workers::{Worker, WorkerState};

/// Tasks that are looked at.
const NEWEST: i64 = 10_000;
const HANDLERS: i64 = 1000;

/// What the tables say; they must be up to date.
pub fn look(connection: &mut PgConnection, settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![managers(&Worker::recent(connection)?)];
    let waiting = Task::newest(connection, Some(TaskState::Queued), NEWEST)?;
    let now = database_time(connection)?;
    let longest = waiting.last().map_or(0, |task| (now - task.created_at).num_seconds().max(0));
    let patience = i64::try_from(settings.manager.queue_life.as_secs() / 2).unwrap_or(i64::MAX);
    findings.push(if longest > patience {
        Finding::warning(
            "queue",
            format!("{} tasks wait, the first since {longest} s", waiting.len()),
            "'tasks queue list --state queued' names them, and 'tasks queue show ID' says what each waits for.",
        )
    } else {
        Finding::ok("queue", format!("{} tasks wait", waiting.len()))
    });
    let paused: Vec<String> = EventHandler::page(connection, "", "", HANDLERS)?
        .into_iter()
        .filter(|handler| handler.paused_at.is_some())
        .map(|handler| handler.name)
        .collect();
    if !paused.is_empty() {
        findings.push(Finding::warning(
            "handlers",
            format!("paused: {}", paused.join(", ")),
            "'tasks handler list' says why; 'tasks handler resume NAME' lets one go on.",
        ));
    }
    findings.extend(inventory(connection, settings)?);
    Ok(findings)
}

/// Sources of inventory that are to be loaded again and again.
fn inventory(connection: &mut PgConnection, settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let intervals = &settings.loads.intervals;
    if intervals.is_empty() {
        return Ok(Vec::new());
    }
    let overdue = Overdue::among(connection, intervals)?;
    if overdue.is_empty() {
        let text = format!("{} sources are loaded as often as [load_intervals] says", intervals.len());
        return Ok(vec![Finding::ok("inventory", text)]);
    }
    let mend = "Load it with 'data_loader apply' or 'influxdata apply' and read what that says; then look at the timer, cron \
                line or schedule that should do it.";
    Ok(overdue.iter().map(|source| Finding::warning("inventory", source.to_string(), mend)).collect())
}

fn managers(recent: &[Worker]) -> Finding {
    let alive: Vec<&Worker> = recent.iter().filter(|worker| worker.state() == WorkerState::Alive).collect();
    let other = alive.iter().find(|worker| worker.version != env!("CARGO_PKG_VERSION"));
    match (alive.len(), other) {
        (0, _) => Finding::failed(
            "managers",
            "none takes tasks",
            "Start one: systemctl start selfservice-manager. Where one is being drained: tasks manager resume NAME.",
        ),
        (_, Some(other)) => Finding::warning(
            "managers",
            format!(
                "{} is of version {}, this command of {}",
                other.name,
                other.version,
                env!("CARGO_PKG_VERSION")
            ),
            "Restart the managers after an upgrade.",
        ),
        (count, None) => Finding::ok("managers", format!("{count} take tasks")),
    }
}
