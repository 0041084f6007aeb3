//! What the API answers, field by field. Times are RFC 3339 in UTC with milliseconds.

use super::command_text::command_text;
use base64::Engine as _;
use chrono::{DateTime, SecondsFormat, Utc};
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::logs::{Chunk, Stream};
use selfservice_core::models::tasks::{
    Identity, Origin, Retry, Severity, Task, TaskKind, TaskResult, TaskState,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A moment as the API writes it: `2026-11-22T17:04:05.678Z`.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-11-22T17:04:05.678Z"))]
pub struct Time(pub DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Something with a page of its own; the id is null where it was deleted since.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Named)]
pub struct NamedShape {
    /// Primary key.
    pub id: Option<i64>,
    /// Name, as it was when it counted.
    pub name: String,
}

/// An environment as a badge.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EnvironmentBadge)]
pub struct EnvironmentShape {
    /// Name.
    pub name: String,
    /// One of the seven colours.
    pub colour: String,
}

impl EnvironmentShape {
    /// The environments that a host is in now.
    pub fn of(placement: &Placement) -> Vec<Self> {
        let shape = |name: &str, colour: &str| Self { name: name.to_owned(), colour: colour.to_owned() };
        placement
            .environments
            .iter()
            .map(|environment| shape(&environment.name, &environment.colour))
            .collect()
    }

    /// The environments that a task was asked for in; one that the host has left since is grey.
    fn at_the_time(names: &[String], placement: &Placement) -> Vec<Self> {
        let now = Self::of(placement);
        let find = |name: &String| now.iter().find(|shape| shape.name == *name).cloned();
        let grey = |name: &String| Self { name: name.clone(), colour: "grey".to_owned() };
        names.iter().map(|name| find(name).unwrap_or_else(|| grey(name))).collect()
    }
}

/// `HostBrief`: a line in a list of hosts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostBrief {
    /// Primary key.
    pub id: i64,
    /// Name.
    pub name: String,
    /// What plugins connect to.
    pub address: String,
    /// Where it stands.
    pub environments: Vec<EnvironmentShape>,
    /// Names of its host groups.
    pub hostgroups: Vec<String>,
}

impl HostBrief {
    /// From the rows.
    pub fn new(host: Host, placement: &Placement) -> Self {
        Self {
            id: host.id,
            name: host.name,
            address: host.address,
            environments: EnvironmentShape::of(placement),
            hostgroups: placement.hostgroups.iter().map(|(_, name)| name.clone()).collect(),
        }
    }
}

/// A page of hosts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HostPage {
    /// By name.
    pub hosts: Vec<HostBrief>,
    /// What `after` must be for the next page; null: this is the last.
    pub next: Option<String>,
}

/// Why an action is not offered for a while.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseShape {
    at: Time,
    by: String,
    reason: String,
}

impl PauseShape {
    /// None where it is offered.
    pub fn of(handler: &EventHandler) -> Option<Self> {
        Some(Self {
            at: Time(handler.paused_at?),
            by: handler.paused_by.clone()?,
            reason: handler.paused_reason.clone()?,
        })
    }
}

/// `TaskBrief`: a line in a list of tasks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaskBrief {
    /// `UUIDv7`.
    pub id: Uuid,
    /// What runs.
    pub handler: NamedShape,
    /// Where.
    pub host: NamedShape,
    /// For what.
    pub service: NamedShape,
    /// What the plugin is asked for.
    pub kind: TaskKind,
    /// Where it is on its way.
    pub state: TaskState,
    /// How it ended.
    pub result: Option<TaskResult>,
    /// The word that is shown first.
    pub severity: Option<Severity>,
    /// Who asked.
    pub requester: String,
    /// By what.
    pub origin: Origin,
    /// When.
    pub created_at: Time,
    /// When a manager took it.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// 0 to 100, as the plugin reported.
    pub percent: Option<i16>,
    /// The step that runs now.
    pub step: Option<String>,
}

impl TaskBrief {
    /// From the row.
    pub fn new(task: &Task) -> Self {
        let named = |id: Option<i64>, name: &str| NamedShape { id, name: name.to_owned() };
        Self {
            id: task.id,
            handler: named(task.event_handlers_id, &task.handler_name),
            host: named(task.hosts_id, &task.host_name),
            service: named(task.services_id, &task.service_name),
            kind: task.kind,
            state: task.state,
            result: task.result,
            severity: task.result.map(TaskResult::severity),
            requester: task.requester.clone(),
            origin: task.origin,
            created_at: Time(task.created_at),
            started_at: task.started_at.map(Time),
            finished_at: task.finished_at.map(Time),
            percent: task.percent,
            step: running_step(&task.steps),
        }
    }
}

/// The step of a task that runs now.
pub fn running_step(steps: &serde_json::Value) -> Option<String> {
    let word = |step: &serde_json::Value, key: &str| step.get(key)?.as_str().map(str::to_owned);
    steps
        .as_array()?
        .iter()
        .find(|step| word(step, "state").as_deref() == Some("running"))
        .and_then(|step| word(step, "name"))
}

/// What a [`TaskShape`] says besides the task's own row.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Where the host stands now.
    pub placement: Placement,
    /// The manager's name.
    pub manager: Option<String>,
    /// Whether the reader may end it now.
    pub can_cancel: bool,
    /// Whether the reader may start the same again now.
    pub can_run: bool,
    /// Why it has not started.
    pub waiting_reason: Option<String>,
    /// The newest task that does it again.
    pub retried_as: Option<Retry>,
}

/// Whether a lost task is done again without a person.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Repeat {
    /// A manager will start it again.
    Due,
    /// A manager has: `retried_as`.
    Started,
}

impl Repeat {
    fn of(due: bool, retry: Option<Retry>) -> Option<Self> {
        match retry {
            _ if due => Some(Self::Due),
            Some(retry) if retry.attempt > 1 => Some(Self::Started),
            _ => None,
        }
    }
}

/// One step of a run, as the plugin reports it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the manager writes steps as JSON; this says in the document what they are")]
struct Step {
    name: String,
    state: StepState,
    note: Option<String>,
    started_at: Option<Time>,
    seconds: Option<f64>,
}

/// How far a step is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "see `Step`")]
enum StepState {
    Waiting,
    Running,
    Done,
    Failed,
}

/// `Task`: everything about one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskShape {
    #[serde(flatten)]
    brief: TaskBrief,
    /// The plugin's name.
    plugin: String,
    /// Its arguments, secrets masked.
    argv: Vec<String>,
    /// Both as a person would type them.
    command: String,
    /// Where the host stood when the task was asked for.
    environments: Vec<EnvironmentShape>,
    /// Parameters for which a secret was typed.
    secret_parameters: Vec<String>,
    /// Why, as the person said.
    reason: Option<String>,
    identity: Identity,
    exit_code: Option<i32>,
    /// What the result's word does not say.
    result_text: Option<String>,
    /// The plugin's first line.
    summary: Option<String>,
    /// What it measured, as Nagios plugins write it.
    perfdata: Option<String>,
    timeout_seconds: i32,
    /// A queued task is not started any more after this.
    expires_at: Time,
    #[schema(value_type = Vec<Step>)]
    steps: serde_json::Value,
    output_bytes: i64,
    output_lines: i64,
    cancel_requested_at: Option<Time>,
    cancel_requested_by: Option<String>,
    manager: Option<String>,
    /// Whether the result came after the task had counted as lost.
    late: bool,
    /// Whether the reader may end it now.
    can_cancel: bool,
    /// Whether the reader may start the same again now.
    can_run: bool,
    /// Why it has not started.
    waiting_reason: Option<String>,
    /// The task that this one does again.
    retry_of: Option<Uuid>,
    /// Counted from 1; more where a lost task was started again without a person.
    attempt: i16,
    /// The newest task that does this one again.
    retried_as: Option<Uuid>,
    repeat: Option<Repeat>,
    /// The address of its page, below the address of the service.
    page_url: String,
}

impl TaskShape {
    /// The task's id.
    pub fn id(&self) -> Uuid {
        self.brief.id
    }

    /// From the row and what surrounds it.
    pub fn new(task: Task, around: Circumstances) -> Self {
        Self {
            brief: TaskBrief::new(&task),
            command: command_text(&task.plugin, &task.argv),
            environments: EnvironmentShape::at_the_time(&task.environments, &around.placement),
            page_url: format!("/tasks/{}", task.id),
            plugin: task.plugin,
            argv: task.argv,
            secret_parameters: task.secret_parameters,
            reason: task.reason,
            identity: task.identity,
            exit_code: task.exit_code,
            result_text: task.result_text,
            summary: task.summary,
            perfdata: task.perfdata,
            timeout_seconds: task.timeout_seconds,
            expires_at: Time(task.expires_at),
            steps: task.steps,
            output_bytes: task.output_bytes,
            output_lines: task.output_lines,
            cancel_requested_at: task.cancel_requested_at.map(Time),
            cancel_requested_by: task.cancel_requested_by,
            manager: around.manager,
            late: task.late,
            can_cancel: around.can_cancel,
            can_run: around.can_run,
            waiting_reason: around.waiting_reason,
            retry_of: task.retry_of,
            attempt: task.attempt,
            retried_as: around.retried_as.map(|retry| retry.id),
            repeat: Repeat::of(task.repeat_due, around.retried_as),
        }
    }
}

/// `Chunk`: a piece of output.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Chunk)]
pub struct ChunkShape {
    /// The byte at which it begins.
    offset: i64,
    /// Where the next chunk begins.
    pub next_offset: i64,
    /// Line ends before it.
    first_line: i64,
    stream: Stream,
    written_at: Time,
    #[serde(flatten)]
    content: Content,
}

/// The bytes: as text where they are UTF-8, else in base64.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChunkContent)]
enum Content {
    Text(String),
    Base64(String),
}

impl From<Chunk> for ChunkShape {
    fn from(chunk: Chunk) -> Self {
        Self {
            offset: chunk.byte_offset,
            next_offset: chunk.end(),
            first_line: chunk.first_line,
            stream: chunk.stream,
            written_at: Time(chunk.written_at),
            content: String::from_utf8(chunk.bytes).map_or_else(
                |error| Content::Base64(base64::engine::general_purpose::STANDARD.encode(error.as_bytes())),
                Content::Text,
            ),
        }
    }
}
