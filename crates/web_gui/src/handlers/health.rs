//! `/health`: for load balancers and for the example inventory's own check.

use crate::error::AppResult;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use selfservice_core::models::workers::Worker;
use serde_json::json;

/// Whether the pages work, and how many managers take tasks. Tells nothing else, since nobody signs in for it.
pub async fn show(state: web::Data<AppState>) -> AppResult<HttpResponse> {
    match state.run(|connection| Ok(Worker::alive_count(connection)?)).await {
        Ok(managers) => Ok(HttpResponse::Ok().json(json!({ "status": "ok", "managers_alive": managers }))),
        Err(error) => {
            tracing::warn!(error = ?error, "the health check failed");
            Ok(HttpResponse::ServiceUnavailable().json(json!({ "status": "the database does not answer" })))
        }
    }
}
