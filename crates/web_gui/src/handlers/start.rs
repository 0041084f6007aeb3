//! The start page: what runs, what failed, and the numbers of the last days.

use super::manager_sentence;
use crate::error::AppResult;
use crate::page::{Page, Reader, TaskRow, html};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::models::tasks::{Task, TaskFilter, TaskState};
use selfservice_core::models::visible::TaskCounts;

/// Tasks in each of the two lists.
const ROWS: i64 = 8;

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    page: Page,
    manager_sentence: Option<String>,
    counts: Counts,
    running: Vec<TaskRow>,
    failed: Vec<TaskRow>,
}

struct Counts {
    running: i64,
    queued: i64,
    failed_today: i64,
    ok_share: String,
    finished: i64,
}

impl From<TaskCounts> for Counts {
    fn from(counts: TaskCounts) -> Self {
        Self {
            running: counts.running,
            queued: counts.queued,
            failed_today: counts.failed_today,
            ok_share: share(counts.ok, counts.finished),
            finished: counts.finished,
        }
    }
}

/// The page.
pub async fn show(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let user = reader.signed.user.id;
    let (manager_sentence, counts, running, failed) = state
        .run(move |connection| {
            let running = TaskFilter { state: Some(TaskState::Running), ..TaskFilter::default() };
            let failed = TaskFilter { troubled: true, ..TaskFilter::default() };
            Ok((
                manager_sentence(connection)?,
                TaskCounts::of_last_days(connection, user)?,
                Task::visible_page(connection, user, &running, ROWS)?,
                Task::visible_page(connection, user, &failed, ROWS)?,
            ))
        })
        .await?;
    html(&Start {
        page: reader.page("Start", ""),
        manager_sentence,
        counts: counts.into(),
        running: running.into_iter().map(TaskRow::from).collect(),
        failed: failed.into_iter().map(TaskRow::from).collect(),
    })
}

/// A share in per cent with one digit, rounded down so that 100 % means all.
fn share(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    let per_mille = part * 1000 / whole;
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn only_all_are_a_hundred_per_cent() {
        assert_eq!(share(2000, 2000), "100.0 %");
        assert_eq!(share(1999, 2000), "99.9 %");
        assert_eq!(share(0, 0), "–");
    }
}
