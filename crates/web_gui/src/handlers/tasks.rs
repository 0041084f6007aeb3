//! Tasks: the list of every run that the reader may see, and one of them.

use crate::api::{self, input};
use crate::error::{AppError, AppResult};
use crate::lookup;
use crate::page::{self, Badge, Named, Page, Reader, Standing, TaskRow, When, html, named};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use selfservice_core::models::audit::AuditEntry;
use selfservice_core::models::hosts::Placement;
use selfservice_core::models::tasks::{self, Retry, Task, TaskState};
use selfservice_core::models::workers::Worker;
use selfservice_core::queue::MAX_ATTEMPTS;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "tasks/list.html")]
struct TaskList {
    page: Page,
    filter: TaskFilter,
    standings: &'static [Choice],
    periods: &'static [Choice],
    /// What the list covers, in words.
    range: String,
    /// The same list without a limit of time, where it has one.
    further: Option<String>,
    tasks: Vec<TaskRow>,
    next: Option<String>,
}

struct Choice {
    value: &'static str,
    label: &'static str,
}

const fn choice(value: &'static str, label: &'static str) -> Choice {
    Choice { value, label }
}

const STANDINGS: &[Choice] = &[
    choice("queued", "Queued"),
    choice("running", "Running"),
    choice("finished", "Finished"),
    choice("trouble", "Not OK"),
    choice("ok", "OK"),
    choice("warning", "WARNING"),
    choice("critical", "CRITICAL"),
    choice("unknown", "UNKNOWN"),
    choice("timed_out", "Timed out"),
    choice("lost", "Lost"),
    choice("cancelled", "Cancelled"),
    choice("expired", "Expired"),
    choice("rejected", "Rejected"),
];

/// The first one is where nothing was chosen.
const PERIODS: &[Choice] = &[
    choice("", "Last 7 days"),
    choice("1d", "Last 24 hours"),
    choice("30d", "Last 30 days"),
    choice("all", "Any time"),
];

/// What the form above the list restricts it to; host, service and handler are names.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct TaskFilter {
    #[serde(deserialize_with = "input::strict_text")]
    state: String,
    #[serde(deserialize_with = "input::strict_text")]
    host: String,
    #[serde(deserialize_with = "input::strict_text")]
    service: String,
    #[serde(deserialize_with = "input::strict_text")]
    handler: String,
    #[serde(deserialize_with = "input::strict_text")]
    requester: String,
    #[serde(deserialize_with = "input::strict_text")]
    manager: String,
    #[serde(deserialize_with = "input::strict_text")]
    period: String,
    /// A day, UTC.
    #[serde(deserialize_with = "input::strict_text")]
    from: String,
    /// The last day, UTC.
    #[serde(deserialize_with = "input::strict_text")]
    until: String,
    #[serde(deserialize_with = "input::strict_text")]
    after: String,
}

/// When the tasks of a list were asked for.
struct Range {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    words: String,
}

impl TaskFilter {
    fn query(&self, range: &Range) -> AppResult<tasks::TaskFilter> {
        let before = given(&self.after).map(|id| id.parse()).transpose();
        Ok(tasks::TaskFilter {
            standing: self.standing()?,
            host: given(&self.host),
            service: given(&self.service),
            handler: given(&self.handler),
            requester: given(&self.requester),
            manager: given(&self.manager),
            from: range.from,
            until: range.until,
            before: before.map_err(|_| AppError::BadRequest("The list cannot begin there.".to_owned()))?,
            ..tasks::TaskFilter::default()
        })
    }

    fn standing(&self) -> AppResult<Option<tasks::Standing>> {
        let standing = given(&self.state).map(|word| word.parse()).transpose();
        standing.map_err(|why: String| AppError::BadRequest(format!("State: {why}.")))
    }

    /// Days that were named win over a period that ends now. What is on its way is shown however old it is.
    fn range(&self, now: DateTime<Utc>) -> AppResult<Range> {
        let (from, until) = (day("From", &self.from)?, day("Until", &self.until)?);
        if from.is_some() || until.is_some() {
            let words = [from.map(|day| format!("from {day}")), until.map(|day| format!("until {day}"))];
            let (from, until) = span(from, until);
            return Ok(Range {
                from,
                until,
                words: format!("{} (UTC)", words.into_iter().flatten().collect::<Vec<_>>().join(" ")),
            });
        }
        let on_its_way =
            matches!(self.standing()?, Some(tasks::Standing::State(TaskState::Queued | TaskState::Running)));
        let (days, words) = match self.period.as_str() {
            "" if on_its_way => (None, "of any time"),
            "" => (Some(7), "of the last 7 days"),
            "1d" => (Some(1), "of the last 24 hours"),
            "30d" => (Some(30), "of the last 30 days"),
            "all" => (None, "of any time"),
            other => {
                let sentence = format!("Period: '{other}' is none of 1d, 30d, all.");
                return Err(AppError::BadRequest(sentence));
            }
        };
        let from = days.map(|days| now - TimeDelta::days(days));
        Ok(Range { from, until: None, words: words.to_owned() })
    }

    fn fields(&self) -> [(&'static str, &str); 9] {
        [
            ("state", &self.state),
            ("host", &self.host),
            ("service", &self.service),
            ("handler", &self.handler),
            ("requester", &self.requester),
            ("manager", &self.manager),
            ("period", &self.period),
            ("from", &self.from),
            ("until", &self.until),
        ]
    }

    /// The same list at any time.
    fn further(&self) -> String {
        let mut fields = self.fields();
        for (name, value) in &mut fields {
            match *name {
                "period" => *value = "all",
                "from" | "until" => *value = "",
                _ => {}
            }
        }
        page::url("/tasks", &fields)
    }
}

/// What was filled in, if anything.
fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn day(name: &str, text: &str) -> AppResult<Option<NaiveDate>> {
    let day = given(text).map(|text| NaiveDate::parse_from_str(&text, "%Y-%m-%d")).transpose();
    day.map_err(|_| AppError::BadRequest(format!("{name}: '{text}' is no day. Write it like 2026-11-24.")))
}

/// From the beginning of the first day to the end of the last one, UTC.
pub(super) fn span(
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    (first.map(midnight), last.and_then(|day| day.succ_opt()).map(midnight))
}

/// Tasks on hosts that the reader sees, newest first.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<TaskFilter>,
) -> AppResult<HttpResponse> {
    let (user, filter) = (reader.signed.user.id, asked.into_inner());
    let range = filter.range(Utc::now())?;
    let query = filter.query(&range)?;
    let mut rows =
        state.run(move |connection| Ok(Task::visible_page(connection, user, &query, page::limit())?)).await?;
    let after = page::cut(&mut rows, |task| task.id.to_string());
    let bounded = range.from.is_some() || range.until.is_some();
    html(&TaskList {
        page: reader.page("Tasks", "tasks"),
        next: after.map(|after| page::next_url("/tasks", &filter.fields(), &after)),
        further: bounded.then(|| filter.further()),
        range: range.words,
        filter,
        standings: STANDINGS,
        periods: PERIODS,
        tasks: rows.into_iter().map(TaskRow::from).collect(),
    })
}

#[derive(Template)]
#[template(path = "tasks/show.html")]
struct TaskShow {
    page: Page,
    task: TaskView,
    audit: Vec<AuditLine>,
    foreign_frame: bool,
}

struct TaskView {
    id: Uuid,
    kind: &'static str,
    handler: Named,
    handler_revision: i32,
    host: Named,
    service: Named,
    environments: Vec<Badge>,
    tone: &'static str,
    word: &'static str,
    detail: String,
    command: String,
    /// Names of parameters for which a secret was typed.
    secrets: String,
    plugin: String,
    timeout: String,
    created_at: When,
    started_at: Option<When>,
    finished_at: Option<When>,
    late: bool,
    manager: Option<String>,
    epoch: Option<i64>,
    attempt: i16,
    max_attempts: i16,
    retry_of: Option<Uuid>,
    retried_as: Option<Retry>,
    repeat_due: bool,
    requester: String,
    identity: &'static str,
    origin: &'static str,
    reason: Option<String>,
}

struct AuditLine {
    at: When,
    who: String,
    what: String,
}

impl From<AuditEntry> for AuditLine {
    fn from(entry: AuditEntry) -> Self {
        Self { at: entry.at.into(), who: entry.actor, what: entry.action }
    }
}

/// One task on a host that the reader sees.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<Uuid>,
) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let (task, audit) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            let (task, placement) = lookup::task(connection, &access, id)?;
            let manager = match task.workers_id {
                Some(worker) => Worker::find(connection, worker)?.map(|worker| worker.name),
                None => None,
            };
            let retried_as = task.retried_as(connection)?;
            let audit = AuditEntry::of_task(connection, id)?;
            Ok((TaskView::new(task, &placement, manager, retried_as), audit))
        })
        .await?;
    html(&TaskShow {
        page: reader.page(format!("{}{} on {}", task.kind, task.handler.name, task.host.name), "tasks"),
        task,
        audit: audit.into_iter().map(AuditLine::from).collect(),
        foreign_frame: reader.is_foreign_frame(),
    })
}

impl TaskView {
    fn new(task: Task, placement: &Placement, manager: Option<String>, retried_as: Option<Retry>) -> Self {
        let Standing { tone, word, detail } = Standing::of(&task);
        Self {
            id: task.id,
            kind: page::kind(&task),
            handler: named(task.event_handlers_id, task.handler_name),
            handler_revision: task.handler_revision,
            host: named(task.hosts_id, task.host_name),
            service: named(task.services_id, task.service_name),
            environments: badges_then(task.environments, placement),
            tone,
            word,
            detail,
            command: api::command_text(&task.plugin, &task.argv),
            secrets: task.secret_parameters.join(", "),
            plugin: task.plugin,
            timeout: format!("{} s", task.timeout_seconds),
            created_at: task.created_at.into(),
            started_at: task.started_at.map(When::from),
            finished_at: task.finished_at.map(When::from),
            late: task.late,
            manager,
            epoch: task.epoch,
            attempt: task.attempt,
            max_attempts: MAX_ATTEMPTS,
            retry_of: task.retry_of,
            retried_as,
            repeat_due: task.repeat_due,
            requester: task.requester,
            identity: task.identity.as_str(),
            origin: task.origin.as_str(),
            reason: task.reason,
        }
    }
}

/// The environments that the host was in then, in the colours of today.
fn badges_then(names: Vec<String>, placement: &Placement) -> Vec<Badge> {
    let today = page::badges(placement);
    let colour = |name: &String| {
        let badge = today.iter().find(|badge| badge.name == *name);
        badge.map_or_else(|| "grey".to_owned(), |badge| badge.colour.clone())
    };
    names.into_iter().map(|name| Badge { colour: colour(&name), name }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(state: &str, period: &str, from: &str, until: &str) -> TaskFilter {
        let [state, period, from, until] = [state, period, from, until].map(str::to_owned);
        TaskFilter { state, period, from, until, ..TaskFilter::default() }
    }

    #[test]
    fn a_list_covers_the_last_days_unless_told_otherwise() {
        let now: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let range = |state, period, from, until| {
            let range = filter(state, period, from, until).range(now).unwrap();
            let text =
                |moment: Option<DateTime<Utc>>| moment.map(|moment| moment.to_rfc3339()).unwrap_or_default();
            (text(range.from), text(range.until), range.words)
        };
        let of = |from: &str, until: &str, words: &str| (from.to_owned(), until.to_owned(), words.to_owned());
        assert_eq!(range("", "", "", ""), of("2026-11-17T10:00:00+00:00", "", "of the last 7 days"));
        assert_eq!(
            range("finished", "1d", "", ""),
            of("2026-11-23T10:00:00+00:00", "", "of the last 24 hours")
        );
        assert_eq!(range("running", "", "", ""), of("", "", "of any time"));
        assert_eq!(range("ok", "all", "", ""), of("", "", "of any time"));
        assert_eq!(
            range("", "all", "2026-11-01", "2026-11-02"),
            of(
                "2026-11-01T00:00:00+00:00",
                "2026-11-03T00:00:00+00:00",
                "from 2026-11-01 until 2026-11-02 (UTC)"
            )
        );
        assert_eq!(range("", "", "", "2026-11-02").0, "");
        for (period, from) in [("2w", ""), ("", "yesterday"), ("", "2026-02-30")] {
            assert!(filter("", period, from, "").range(now).is_err(), "{period} {from}");
        }
    }

    #[test]
    fn looking_further_keeps_everything_but_the_time() {
        let filter = TaskFilter { host: "web 1".to_owned(), ..filter("ok", "1d", "2026-11-01", "") };
        assert_eq!(filter.further(), "/tasks?state=ok&host=web%201&period=all");
    }
}
