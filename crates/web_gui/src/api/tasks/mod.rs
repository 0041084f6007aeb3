//! `/tasks`: ask for one, look at it, list them, end one.

mod cancel;
mod create;
mod seen;

pub(super) use cancel::cancel;
pub(super) use create::create;
pub(super) use seen::SeenTask;

use super::input;
use super::shapes::{TaskBrief, TaskShape};
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::web;
use chrono::{DateTime, Utc};
use selfservice_core::models::tasks::{Task, TaskFilter};
use serde::{Deserialize, Serialize};

const PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    state: Option<String>,
    host: Option<String>,
    service: Option<String>,
    handler: Option<String>,
    requester: Option<String>,
    manager: Option<String>,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    after: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
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
    let limit = input::limit(query.limit, PAGE, LARGEST_PAGE)?;
    let filter = query.filter()?;
    let mut tasks = state
        .run(move |connection| {
            Ok(Task::visible_page(connection, signed.user.id, &filter, limit.saturating_add(1))?)
        })
        .await?;
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = tasks.len() > wanted;
    tasks.truncate(wanted);
    Ok(web::Json(TaskPage {
        next: tasks.last().filter(|_| more).map(|task| task.id.to_string()),
        tasks: tasks.iter().map(TaskBrief::new).collect(),
    }))
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
