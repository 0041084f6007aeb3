//! Lost tasks of repeatable handlers are done again without a person: as new tasks, decided on anew.

use super::{Plan, PlanError, Request};
use crate::config::MacroFile;
use crate::db::{DbError, Pool};
use crate::models::audit::NewAudit;
use crate::models::schedule_runs::database_time;
use crate::models::tasks::Task;
use crate::queue::{self, Enqueued, NewTask};
use diesel::pg::PgConnection;
use std::time::Duration;
use uuid::Uuid;

/// Who starts it, in the audit log.
const ACTOR: &str = "plugins_manager";

/// What became of one lost task.
#[derive(Debug, Clone)]
pub struct Repeated {
    /// The lost task.
    pub lost: Uuid,
    /// The task that does it again, or a sentence why none does.
    pub outcome: Result<Uuid, String>,
}

/// Starts again what was lost and may be repeated, each in a transaction of its own. Any manager may do this at any time:
/// each lost task is repeated once. It needs the right of the person who asked for it as it is now, and the very command
/// that was confirmed: where either changed, nothing is repeated, and the audit log says so.
pub fn repeat_lost(pool: &Pool, macros: &MacroFile, queue_life: Duration) -> Result<Vec<Repeated>, DbError> {
    let mut done = Vec::new();
    while let Some(one) = pool.transaction(|connection| repeat_one(connection, macros, queue_life))? {
        done.push(one);
    }
    Ok(done)
}

fn repeat_one(
    connection: &mut PgConnection,
    macros: &MacroFile,
    queue_life: Duration,
) -> Result<Option<Repeated>, DbError> {
    let Some(lost) = queue::take_lost(connection)? else { return Ok(None) };
    let outcome = match new_task(connection, macros, &lost, queue_life)? {
        Ok(task) => match queue::enqueue(connection, &task)? {
            Enqueued::New(task) => Ok(task.id),
            Enqueued::Attached(task) | Enqueued::Busy(task) => {
                Err(format!("task {} of {} does it on the same target already", task.id, task.requester))
            }
        },
        Err(why) => Err(why),
    };
    queue::strike_off(connection, lost.id)?;
    NewAudit {
        users_id: None,
        actor: ACTOR,
        identity: "system",
        address: "",
        action: if outcome.is_ok() { "task.repeat" } else { "task.repeat.refuse" },
        object: &format!("{} on {}", lost.handler_name, lost.host_name),
        task_id: Some(*outcome.as_ref().unwrap_or(&lost.id)),
        detail: match &outcome {
            Ok(_) => serde_json::json!({ "retry_of": lost.id, "attempt": lost.attempt + 1 }),
            Err(why) => serde_json::json!({ "why": why }),
        },
    }
    .insert(connection)?;
    queue::notify_changed(connection, &[lost.id])?;
    Ok(Some(Repeated { lost: lost.id, outcome }))
}

/// The inner error is a sentence.
fn new_task(
    connection: &mut PgConnection,
    macros: &MacroFile,
    lost: &Task,
    queue_life: Duration,
) -> Result<Result<NewTask, String>, DbError> {
    let (id, at) = (Uuid::now_v7(), database_time(connection)?);
    let may_wait = lost.expires_at - lost.created_at;
    if lost.finished_at.is_none_or(|end| at - end > may_wait) {
        return Ok(Err("it was lost too long ago".to_owned()));
    }
    let (request, requester) = match Request::of_task(lost) {
        Ok(asked) => asked,
        Err(why) => return Ok(Err(why)),
    };
    let plan = match Plan::decide(connection, macros, &requester, &request, id, at) {
        Ok(plan) => plan,
        Err(PlanError::Query(error)) => return Err(error.into()),
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(why) = plan.needs_typing() {
        return Ok(Err(why.trim_end_matches('.').to_owned()));
    }
    if !plan.handler.repeatable {
        return Ok(Err("the handler is not repeatable any more".to_owned()));
    }
    if plan.hash() != lost.plan_hash {
        return Ok(Err("the command or its target has changed since this was confirmed".to_owned()));
    }
    let task =
        plan.into_task(&requester, id, at, queue_life, lost.origin, Uuid::new_v4(), lost.reason.clone());
    Ok(Ok(NewTask { retry_of: Some(lost.id), attempt: lost.attempt + 1, ..task }))
}
