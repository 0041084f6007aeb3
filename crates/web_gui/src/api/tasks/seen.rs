//! A task together with what decides who may see it, end it and start it again.

use crate::api::shapes::{Circumstances, TaskShape};
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::lookup;
use selfservice_core::access::{Access, Verb};
use selfservice_core::db::PgConnection;
use selfservice_core::models::effective::EffectiveService;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hosts::Placement;
use selfservice_core::models::tasks::{Task, TaskState};
use selfservice_core::models::wait_reason::WaitReason;
use selfservice_core::models::workers::Worker;
use uuid::Uuid;

/// A task that the reader may see now.
#[derive(Debug, Clone)]
pub struct SeenTask {
    /// The row.
    pub task: Task,
    placement: Placement,
    access: Access,
}

impl SeenTask {
    /// The task, where it exists and may be seen. [`AppError::NotFound`] otherwise.
    pub fn find(connection: &mut PgConnection, signed: &Signed, id: Uuid) -> AppResult<Self> {
        let task = Task::find(connection, id)?.ok_or(AppError::NotFound)?;
        Self::new(connection, signed, task)
    }

    /// The same for a row that is at hand.
    pub fn new(connection: &mut PgConnection, signed: &Signed, task: Task) -> AppResult<Self> {
        let access = signed.access(connection)?;
        let placement = lookup::placement_of(connection, &access, &task)?;
        Ok(Self { task, placement, access })
    }

    /// Whether the reader may end it: the right to run its handler on its host, now. What a deleted handler left
    /// behind is ended by those who may do everything.
    pub fn may_cancel(&self, connection: &mut PgConnection) -> AppResult<bool> {
        let handler = match self.task.event_handlers_id {
            Some(id) => EventHandler::find(connection, id)?,
            None => None,
        };
        Ok(handler.map_or_else(
            || self.access.is_admin(),
            |handler| self.access.may(Verb::Run, &self.placement, &handler),
        ))
    }

    fn may_run_again(&self, connection: &mut PgConnection) -> AppResult<bool> {
        let task = &self.task;
        let (Some(host), Some(service), Some(handler)) =
            (task.hosts_id, task.services_id, task.event_handlers_id)
        else {
            return Ok(false);
        };
        let handler = EffectiveService::handler_on(connection, host, service, handler)?;
        Ok(handler.is_some_and(|handler| self.access.may(Verb::Run, &self.placement, &handler)))
    }

    /// What the task's own row does not say.
    pub fn circumstances(&self, connection: &mut PgConnection) -> AppResult<Circumstances> {
        let active = self.task.state != TaskState::Finished;
        let manager = match self.task.workers_id {
            Some(id) => Worker::find(connection, id)?.map(|worker| worker.name),
            None => None,
        };
        Ok(Circumstances {
            can_cancel: active && self.may_cancel(connection)?,
            can_run: self.may_run_again(connection)?,
            waiting_reason: WaitReason::of(connection, &self.task)?.map(|reason| reason.to_string()),
            retried_as: self.task.retried_as(connection)?,
            placement: self.placement.clone(),
            manager,
        })
    }

    /// As the API shows it.
    pub fn shape(self, connection: &mut PgConnection) -> AppResult<TaskShape> {
        let around = self.circumstances(connection)?;
        Ok(TaskShape::new(self.task, around))
    }
}
