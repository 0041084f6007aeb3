//! `/tasks`: ask for one, look at it, list them, end one.

mod cancel;
mod create;
mod seen;

pub(super) use cancel::{Answer as Cancelled, cancel};
pub(super) use create::{Answer as Made, create};
pub(super) use seen::SeenTask;

use super::input;
use super::lists::{self, cut};
use super::shapes::{TaskBrief, TaskShape};
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::web;
use chrono::{DateTime, Utc};
use selfservice_core::models::tasks::{Task, TaskFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// A state, a result, or `trouble`.
    state: Option<String>,
    /// A host's name of today.
    host: Option<String>,
    /// A service's name of today.
    service: Option<String>,
    /// An event handler's name of today.
    handler: Option<String>,
    /// Who asked.
    requester: Option<String>,
    /// The name of the manager that had it.
    manager: Option<String>,
    /// Asked for at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Asked for before this moment.
    until: Option<DateTime<Utc>>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskPage {
    tasks: Vec<TaskBrief>,
    next: Option<String>,
}

impl Query {
    /// Host, service and handler are names as they are today; `state` is a state, a result, or `trouble`; what is left
    /// empty restricts nothing.
    fn filter(self) -> AppResult<TaskFilter> {
        let given = |name: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            text.as_deref().map_or(Ok(()), |text| input::query_text(name, text))?;
            Ok::<_, AppError>(text)
        };
        let after = given("after", self.after)?;
        let before = after.map(|text| {
            input::uuid(&text)
                .ok_or_else(|| AppError::BadRequest("'after' must be the id of a task.".to_owned()))
        });
        let state = given("state", self.state)?
            .map(|word| word.parse().map_err(|why| AppError::BadRequest(format!("'state': {why}."))));
        Ok(TaskFilter {
            standing: state.transpose()?,
            host: given("host", self.host)?,
            service: given("service", self.service)?,
            handler: given("handler", self.handler)?,
            requester: given("requester", self.requester)?,
            manager: given("manager", self.manager)?,
            from: self.from,
            until: self.until,
            before: before.transpose()?,
            ..TaskFilter::default()
        })
    }
}

/// Tasks on hosts that the reader may see now, newest first.
pub(super) async fn list(
    state: web::Data<AppState>,
    signed: Signed,
    query: web::Query<Query>,
) -> AppResult<web::Json<TaskPage>> {
    let query = query.into_inner();
    let read = lists::read(query.limit)?;
    let filter = query.filter()?;
    let mut tasks = state
        .run(move |connection| Ok(Task::visible_page(connection, signed.user.id, &filter, read)?))
        .await?;
    let next = cut(&mut tasks, read, |task| task.id.to_string());
    Ok(web::Json(TaskPage { next, tasks: tasks.iter().map(TaskBrief::new).collect() }))
}

/// One task.
pub(super) async fn show(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
) -> AppResult<web::Json<TaskShape>> {
    let id = input::task_id(&id)?;
    state
        .run(move |connection| SeenTask::find(connection, &signed, id)?.shape(connection))
        .await
        .map(web::Json)
}
