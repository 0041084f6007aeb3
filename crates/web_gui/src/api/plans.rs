//! `POST /plans`: the exact command, before somebody confirms it.

use super::command_text::command_text;
use super::input;
use super::shapes::EnvironmentShape;
use crate::auth::Signed;
use crate::body::Json;
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::web;
use chrono::Utc;
use selfservice_core::access::Confirmation;
use selfservice_core::models::confirmations;
use selfservice_core::models::tasks::TaskKind;
use selfservice_core::plan::{Plan, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
/// What is to run, and where.
#[schema(as = PlanRequest, examples(json!({"host_id": 1, "service_id": 1, "handler_id": 1, "parameters": {}})))]
pub(super) struct Asked {
    host_id: i64,
    service_id: i64,
    handler_id: i64,
    /// `run`, or `check` to look whether it could, or `help` to have the plugin say what it is.
    #[serde(default = "input::run")]
    kind: TaskKind,
    #[serde(deserialize_with = "input::parameters")]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(super) struct PlanShape {
    /// Stands for exactly this command; a task brings it back, once.
    nonce: Uuid,
    argv: Vec<String>,
    command: String,
    confirmation: Confirmation,
    host: String,
    service: String,
    handler: String,
    environments: Vec<EnvironmentShape>,
    timeout_seconds: i32,
}

/// Decides as `POST /tasks` will, remembers what is shown, and gives the nonce that stands for exactly that.
pub(super) async fn create(
    state: web::Data<AppState>,
    signed: Signed,
    asked: Json<Asked>,
) -> AppResult<web::Json<PlanShape>> {
    let asked = asked.into_inner();
    let request = Request {
        hosts_id: asked.host_id,
        services_id: asked.service_id,
        event_handlers_id: asked.handler_id,
        kind: asked.kind,
        parameters: asked.parameters,
    };
    let shared = state.clone();
    state
        .run(move |connection| {
            // The task has no id yet: a macro for it shows as zeros.
            let plan = Plan::decide(
                connection,
                &shared.macros,
                &signed.requester(),
                &request,
                Uuid::nil(),
                Utc::now(),
            )?;
            let nonce = confirmations::remember(connection, signed.user.id, plan.hash())?;
            Ok(PlanShape::new(plan, nonce))
        })
        .await
        .map(web::Json)
}

impl PlanShape {
    fn new(plan: Plan, nonce: Uuid) -> Self {
        Self {
            nonce,
            command: command_text(&plan.handler.plugin, &plan.argv),
            confirmation: plan.confirmation(),
            environments: EnvironmentShape::of(&plan.placement),
            timeout_seconds: plan.handler.timeout_seconds,
            argv: std::iter::once(plan.handler.plugin).chain(plan.argv).collect(),
            host: plan.host.name,
            service: plan.service.name,
            handler: plan.handler.name,
        }
    }
}
