//! Tasks: the list of every run that the reader may see, and one of them.

use crate::api::{self, input};
use crate::error::{AppError, AppResult};
use crate::lookup;
use crate::page::{self, Badge, Named, Page, Reader, Standing, TaskRow, When, html, named};
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
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
    state_choices: [Choice; 3],
    tasks: Vec<TaskRow>,
    next: Option<String>,
}

struct Choice {
    value: &'static str,
    label: &'static str,
}

const STATES: [Choice; 3] = [
    Choice { value: TaskState::Queued.as_str(), label: "Queued" },
    Choice { value: TaskState::Running.as_str(), label: "Running" },
    Choice { value: TaskState::Finished.as_str(), label: "Finished" },
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
    after: String,
}

impl TaskFilter {
    fn query(&self) -> AppResult<tasks::TaskFilter> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = given(&self.state).map(|word| word.parse()).transpose();
        let before = given(&self.after).map(|id| id.parse()).transpose();
        Ok(tasks::TaskFilter {
            state: state.map_err(|why: String| AppError::BadRequest(format!("State: {why}.")))?,
            host: given(&self.host),
            service: given(&self.service),
            handler: given(&self.handler),
            requester: given(&self.requester),
            manager: given(&self.manager),
            before: before.map_err(|_| AppError::BadRequest("The list cannot begin there.".to_owned()))?,
            ..tasks::TaskFilter::default()
        })
    }

    fn next_url(&self, after: &str) -> String {
        let fields = [
            ("state", self.state.as_str()),
            ("host", &self.host),
            ("service", &self.service),
            ("handler", &self.handler),
            ("requester", &self.requester),
            ("manager", &self.manager),
        ];
        page::next_url("/tasks", &fields, after)
    }
}

/// Tasks on hosts that the reader sees, newest first.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<TaskFilter>,
) -> AppResult<HttpResponse> {
    let (user, filter) = (reader.signed.user.id, asked.into_inner());
    let query = filter.query()?;
    let mut rows =
        state.run(move |connection| Ok(Task::visible_page(connection, user, &query, page::limit())?)).await?;
    let after = page::cut(&mut rows, |task| task.id.to_string());
    html(&TaskList {
        page: reader.page("Tasks", "tasks"),
        next: after.map(|after| filter.next_url(&after)),
        filter,
        state_choices: STATES,
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
    handler: Named,
    handler_revision: i32,
    host: Named,
    service: Named,
    environments: Vec<Badge>,
    tone: &'static str,
    word: &'static str,
    detail: String,
    command: String,
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
        page: reader.page(format!("{} on {}", task.handler.name, task.host.name), "tasks"),
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
            handler: named(task.event_handlers_id, task.handler_name),
            handler_revision: task.handler_revision,
            host: named(task.hosts_id, task.host_name),
            service: named(task.services_id, task.service_name),
            environments: badges_then(task.environments, placement),
            tone,
            word,
            detail,
            command: api::command_text(&task.plugin, &task.argv),
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
