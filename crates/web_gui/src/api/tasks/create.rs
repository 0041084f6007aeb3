//! `POST /tasks`: one click becomes one task.
//!
//! One transaction: the plan is decided again, the confirmation is used up and compared with it, the task is queued
//! and the audit row written. What the answer tells of the task is read after the commit: the plugin does not wait for it.
//! A refusal commits too: its audit row, and the use of the confirmation.
//!
//! A browser must confirm what the risk asks for, with the nonce of the command that was shown. A program with an API
//! token was shown nothing and needs no nonce; the reason and, where the action is dangerous, the host's name it must
//! give as well: ids alone are easily mixed up.

use super::SeenTask;
use crate::api::input;
use crate::api::shapes::TaskShape;
use crate::auth::Signed;
use crate::body::Json;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use failpoint::failpoint;
use selfservice_core::access::Confirmation;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::confirmations;
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskKind, TaskState};
use selfservice_core::models::typed_secrets::{Readers, StoreError};
use selfservice_core::plan::{Plan, Request};
use selfservice_core::queue::{Enqueued, NewTask, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// A secret that a person typed is sealed for the managers that live.
const NO_READER: &str = "No plugins manager that takes tasks of this host is running, and what you typed is kept for \
                         nobody else. Nothing was started; try again when a manager runs.";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
/// What is to run and where, with what confirms it.
#[schema(
    as = TaskRequest,
    examples(json!({
        "host_id": 1, "service_id": 1, "handler_id": 1, "parameters": {}, "reason": "disk is full",
        "request_key": "018f3b5e-7c1a-7cc0-8f00-0123456789ab"
    }))
)]
pub(in crate::api) struct Asked {
    host_id: i64,
    service_id: i64,
    handler_id: i64,
    /// `run`, or `check` to look whether it could, or `help` to have the plugin say what it is.
    #[serde(default = "input::run")]
    kind: TaskKind,
    #[serde(deserialize_with = "input::parameters")]
    parameters: BTreeMap<String, String>,
    /// Values of secret parameters, by name: typed anew for each run, never kept in clear and never told again.
    #[serde(default, deserialize_with = "input::secrets")]
    secrets: BTreeMap<String, String>,
    /// Why; some actions need one.
    #[serde(default)]
    reason: Option<String>,
    /// From `POST /plans`, where a browser asks and the action needs a confirmation.
    #[serde(default, deserialize_with = "input::optional_uuid")]
    nonce: Option<Uuid>,
    /// The host's name, where the action is dangerous.
    #[serde(default)]
    typed_host: Option<String>,
    /// The finished task that is done again.
    #[serde(default, deserialize_with = "input::optional_uuid")]
    retry_of: Option<Uuid>,
    /// Made by the asker, one for each click: a request that is sent again finds the task that is there.
    #[serde(deserialize_with = "input::strict_uuid")]
    request_key: Uuid,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskMade)]
pub(in crate::api) struct Answer {
    task: TaskShape,
    /// Whether the task was there already.
    attached: bool,
}

/// Makes the task, or attaches to the same one that is there.
pub(in crate::api) async fn create(
    state: web::Data<AppState>,
    signed: Signed,
    asked: Json<Asked>,
) -> AppResult<HttpResponse> {
    let order = Order::new(asked.into_inner(), signed.clone())?;
    let shared = state.clone();
    let placed = state.transaction(move |connection| order.place(connection, &shared)).await??;
    failpoint!("web_after_commit_before_answer");
    let answer = state.run(move |connection| placed.answer(connection, &signed)).await?;
    let mut response = if answer.attached {
        HttpResponse::Ok()
    } else {
        let location = format!("/api/v1/tasks/{}", answer.task.id());
        let mut created = HttpResponse::Created();
        created.insert_header((header::LOCATION, location));
        created
    };
    Ok(response.json(answer))
}

/// The task that a request has led to.
struct Placed {
    task: Box<Task>,
    attached: bool,
}

impl Placed {
    fn answer(self, connection: &mut PgConnection, signed: &Signed) -> AppResult<Answer> {
        let task = SeenTask::new(connection, signed, *self.task)?.shape(connection)?;
        Ok(Answer { task, attached: self.attached })
    }
}

/// A request whose form was checked.
struct Order {
    signed: Signed,
    request: Request,
    secrets: BTreeMap<String, String>,
    reason: Option<String>,
    nonce: Option<Uuid>,
    typed_host: Option<String>,
    retry_of: Option<Uuid>,
    request_key: Uuid,
}

impl Order {
    fn new(asked: Asked, signed: Signed) -> AppResult<Self> {
        Ok(Self {
            signed,
            request: Request {
                hosts_id: asked.host_id,
                services_id: asked.service_id,
                event_handlers_id: asked.handler_id,
                kind: asked.kind,
                parameters: asked.parameters,
            },
            secrets: asked.secrets,
            reason: input::reason(asked.reason)?,
            nonce: asked.nonce,
            typed_host: asked.typed_host,
            retry_of: asked.retry_of,
            request_key: asked.request_key,
        })
    }

    /// The inner result is a refusal, which is committed.
    fn place(&self, connection: &mut PgConnection, state: &AppState) -> AppResult<AppResult<Placed>> {
        match self.decide(connection, state) {
            Err(error @ (AppError::NotFound | AppError::Forbidden(_))) => {
                let mut audit = self.signed.audit("task.create.refuse", "");
                audit.detail = json!({
                    "host_id": self.request.hosts_id,
                    "service_id": self.request.services_id,
                    "handler_id": self.request.event_handlers_id,
                    "why": error.to_string(),
                });
                audit.insert(connection)?;
                Ok(Err(error))
            }
            Err(error @ (AppError::BadRequest(_) | AppError::Fields(_) | AppError::Conflict { .. })) => {
                Ok(Err(error))
            }
            decided => decided.map(Ok),
        }
    }

    fn decide(&self, connection: &mut PgConnection, state: &AppState) -> AppResult<Placed> {
        let requester = self.signed.requester();
        let (id, at) = (Uuid::now_v7(), database_time(connection)?);
        let plan = Plan::decide(connection, &state.macros, &requester, &self.request, id, at)?;
        if let Some(task) = self.earlier(connection, &plan)? {
            return Ok(Placed { task: Box::new(task), attached: true });
        }
        let typed = plan.typed(&self.secrets)?;
        self.check_retry(connection, &plan)?;
        if let Some(why) = plan.handler.pause_text() {
            let detail = format!("{why}. Nothing was started.");
            return Err(AppError::Conflict { detail, task_id: None });
        }
        self.check_reason_and_host(&plan)?;
        // Most actions ask for no secret, and need no look at the managers.
        let readers =
            if typed.is_empty() { Readers::default() } else { Readers::on(connection, plan.host.id)? };
        if readers.is_empty() && !typed.is_empty() {
            return Err(AppError::Conflict { detail: NO_READER.to_owned(), task_id: None });
        }
        if let Err(error) = self.use_confirmation(connection, &plan) {
            // The other half of a double click may just have used it.
            return match self.earlier(connection, &plan)? {
                Some(task) => Ok(Placed { task: Box::new(task), attached: true }),
                None => Err(error),
            };
        }
        let origin = match self.signed.identity {
            Identity::Token => Origin::Api,
            Identity::Password | Identity::Link | Identity::System => Origin::Gui,
        };
        let reason = self.reason.clone();
        let task = plan.into_task(&requester, id, at, state.queue_life, origin, self.request_key, reason);
        let secret_parameters = typed.keys().cloned().collect();
        let task = NewTask { retry_of: self.retry_of, secret_parameters, ..task };
        let placed = self.enqueue(connection, &task)?;
        if !placed.attached {
            readers.store(connection, placed.task.id, &typed).map_err(not_stored)?;
        }
        failpoint!("web_after_insert_before_commit");
        Ok(placed)
    }

    /// What this click has made already.
    fn earlier(&self, connection: &mut PgConnection, plan: &Plan) -> AppResult<Option<Task>> {
        let found = Task::by_request_key(connection, &self.signed.user.name, self.request_key)?;
        let same = |task: &Task| {
            task.hosts_id == Some(plan.host.id)
                && task.services_id == Some(plan.service.id)
                && task.event_handlers_id == Some(plan.handler.id)
                && task.kind == plan.kind
                && task.parameters == json!(plan.parameters)
        };
        match found {
            Some(task) if !same(&task) => Err(AppError::Conflict {
                detail: "This request key was used for another request already.".to_owned(),
                task_id: Some(task.id),
            }),
            found => Ok(found),
        }
    }

    /// A retry is of a run that the person may see, that has ended, and of the same action on the same target.
    fn check_retry(&self, connection: &mut PgConnection, plan: &Plan) -> AppResult<()> {
        let Some(id) = self.retry_of else { return Ok(()) };
        let retried = SeenTask::find(connection, &self.signed, id)?.task;
        let same = retried.hosts_id == Some(plan.host.id)
            && retried.services_id == Some(plan.service.id)
            && retried.event_handlers_id == Some(plan.handler.id)
            && retried.kind == plan.kind;
        if same && retried.state == TaskState::Finished {
            return Ok(());
        }
        let why = if same { "has not ended yet" } else { "was of another action, or on another target" };
        Err(AppError::BadRequest(format!("The run that is to be done again {why}.")))
    }

    fn check_reason_and_host(&self, plan: &Plan) -> AppResult<()> {
        if plan.handler.reason_required && self.reason.is_none() {
            return Err(AppError::BadRequest("This action needs a reason: say why it is to run.".to_owned()));
        }
        let typed = self.typed_host.as_deref() == Some(plan.host.name.as_str());
        if plan.confirmation() == Confirmation::Typed && !typed {
            return Err(AppError::BadRequest(format!(
                "This action is dangerous: type the host's name, {}, exactly, to confirm it.",
                plan.host.name
            )));
        }
        Ok(())
    }

    fn use_confirmation(&self, connection: &mut PgConnection, plan: &Plan) -> AppResult<()> {
        let needed = plan.confirmation() != Confirmation::None && self.signed.identity != Identity::Token;
        let Some(nonce) = self.nonce else {
            return if needed {
                Err(AppError::BadRequest(
                    "This action must be confirmed: ask POST /api/v1/plans for the command and send its nonce."
                        .to_owned(),
                ))
            } else {
                Ok(())
            };
        };
        let conflict = |detail: &str| AppError::Conflict { detail: detail.to_owned(), task_id: None };
        match confirmations::take(connection, self.signed.user.id, nonce)? {
            Some(shown) if shown == plan.hash() => Ok(()),
            Some(_) => Err(conflict("The command changed since it was shown. Look at it again.")),
            None => Err(conflict(
                "This confirmation was used already, or it is too old. Look at the command again.",
            )),
        }
    }

    fn enqueue(&self, connection: &mut PgConnection, new: &NewTask) -> AppResult<Placed> {
        let (task, attached) = match enqueue(connection, new).map_err(in_the_way)? {
            Enqueued::New(task) => (task, false),
            Enqueued::Attached(task) => (task, true),
            Enqueued::Busy(task) => return Err(busy(&task)),
        };
        let object = format!("{} on {}", new.handler_name, new.host_name);
        let action = match (attached, new.kind) {
            (true, _) => "task.attach",
            (false, TaskKind::Run) => "task.create",
            (false, TaskKind::Check) => "task.check",
            (false, TaskKind::Help) => "task.help",
        };
        let mut audit = self.signed.audit(action, &object);
        audit.task_id = Some(task.id);
        audit.detail = json!({
            "service": new.service_name,
            "environments": new.environments,
            "plugin": new.plugin,
            "argv": new.argv,
            "secrets": new.secret_parameters,
            "risk": new.risk,
            "reason": new.reason,
            "retry_of": new.retry_of,
        });
        audit.insert(connection)?;
        Ok(Placed { task, attached })
    }
}

/// Each time that the queue looked for what was in the way, that had just finished.
fn in_the_way(error: QueryError) -> AppError {
    match error {
        QueryError::NotFound => AppError::Conflict {
            detail: "The same action started and finished several times just now. Try again.".to_owned(),
            task_id: None,
        },
        other => other.into(),
    }
}

fn not_stored(error: StoreError) -> AppError {
    match error {
        StoreError::Query(error) => error.into(),
        StoreError::Seal(error) => anyhow::Error::new(error).context("while sealing a typed secret").into(),
    }
}

fn busy(task: &Task) -> AppError {
    let how = match task.kind {
        TaskKind::Check => "as a check",
        TaskKind::Help => "to say what it is",
        TaskKind::Run if !task.secret_parameters.is_empty() => "with a secret that was typed",
        TaskKind::Run => "with other parameters",
    };
    AppError::Conflict {
        detail: format!(
            "{} {} on {} already, {how}, started by {}.",
            task.handler_name,
            if task.started_at.is_some() { "runs" } else { "waits" },
            task.host_name,
            task.requester
        ),
        task_id: Some(task.id),
    }
}
