//! The start page: what runs, what failed, and how the handlers did in the last days.

use super::manager_sentence;
use crate::chart::{self, Chart, share};
use crate::error::AppResult;
use crate::page::{Page, Reader, TaskRow, When, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use selfservice_core::models::tasks::statistics::{
    HandlerStatistics, Outcomes, STRETCHES_OF_A_DAY, Statistics,
};
use selfservice_core::models::tasks::{Standing, Task, TaskFilter, TaskState};
use selfservice_core::models::visible::TaskCounts;

/// Tasks in each of the lists.
const ROWS: i64 = 8;
/// Handlers in the table.
const HANDLERS: usize = 10;
/// Failures older than this are no news.
const NEWS: TimeDelta = TimeDelta::days(7);

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    page: Page,
    manager_sentence: Option<String>,
    counts: TaskCounts,
    numbers: Numbers,
    running: Vec<TaskRow>,
    waiting: Vec<TaskRow>,
    failed: Vec<TaskRow>,
    course: Chart,
    days: Vec<String>,
    handlers: Vec<HandlerRow>,
    counted_from: Option<When>,
}

/// What stands in large figures.
struct Numbers {
    failed_today: i64,
    ok_share: String,
    runs: i64,
}

struct HandlerRow {
    id: Option<i64>,
    name: String,
    runs: i64,
    ok_share: String,
    mean: String,
    course: Chart,
}

impl Numbers {
    fn new(statistics: &Statistics) -> Self {
        let course = statistics.course();
        let all: Outcomes = course.iter().copied().sum();
        let today: Outcomes = course.iter().rev().take(STRETCHES_OF_A_DAY).copied().sum();
        Self { failed_today: today.failed, ok_share: share(all.ok, all.runs()), runs: all.runs() }
    }
}

impl HandlerRow {
    fn new(handler: HandlerStatistics, since: DateTime<Utc>) -> Self {
        let outcomes = handler.outcomes();
        let name = handler.name.unwrap_or_else(|| "deleted handlers".to_owned());
        Self {
            course: chart::of_shares(&name, &handler.course, since, 18),
            id: handler.id,
            name,
            runs: outcomes.runs(),
            ok_share: share(outcomes.ok, outcomes.runs()),
            mean: mean(handler.seconds, outcomes.ok + outcomes.warning),
        }
    }
}

/// What one run took on average.
fn mean(seconds: f64, runs: i64) -> String {
    if runs == 0 {
        return "–".to_owned();
    }
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "nobody counts that many runs")]
    let mean = seconds / runs as f64;
    match mean {
        ..1.0 => "under 1 s".to_owned(),
        1.0..120.0 => format!("{mean:.0} s"),
        _ => format!("{:.0} min", mean / 60.0),
    }
}

/// The page.
pub async fn show(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let user = reader.signed.user.id;
    let (manager_sentence, counts, statistics, [running, waiting, failed]) = state
        .run(move |connection| {
            let active =
                |state| TaskFilter { standing: Some(Standing::State(state)), ..TaskFilter::default() };
            let failed = TaskFilter {
                standing: Some(Standing::Trouble),
                from: Some(Utc::now() - NEWS),
                ..TaskFilter::default()
            };
            let mut list = |filter: TaskFilter| Task::visible_page(connection, user, &filter, ROWS);
            let lists = [list(active(TaskState::Running))?, list(active(TaskState::Queued))?, list(failed)?];
            Ok((
                manager_sentence(connection)?,
                TaskCounts::active(connection, user)?,
                Statistics::of_last_days(connection, user)?,
                lists,
            ))
        })
        .await?;
    let rows = |tasks: Vec<Task>| tasks.into_iter().map(TaskRow::from).collect();
    let since = statistics.since;
    html(&Start {
        page: reader.page("Start", ""),
        manager_sentence,
        counts,
        numbers: Numbers::new(&statistics),
        running: rows(running),
        waiting: rows(waiting),
        failed: rows(failed),
        course: chart::of_counts(&statistics.course(), since, 84),
        days: chart::names(since),
        counted_from: statistics.counted_from.map(When::from),
        handlers: statistics
            .handlers
            .into_iter()
            .take(HANDLERS)
            .map(|handler| HandlerRow::new(handler, since))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::mean;

    #[test]
    fn a_mean_needs_runs() {
        assert_eq!(mean(0.0, 0), "–");
        assert_eq!(mean(0.9, 1), "under 1 s");
        assert_eq!(mean(90.0, 3), "30 s");
        assert_eq!(mean(3600.0, 1), "60 min");
    }
}
