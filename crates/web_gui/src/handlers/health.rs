//! `/health`: for load balancers and for the example inventory's own check.

use crate::state::AppState;
use actix_web::{HttpResponse, web};
use selfservice_core::db;
use selfservice_core::models::workers::Worker;
use serde_json::json;

/// Whether the pages work, and how many managers take tasks. Tells nothing else, since nobody signs in for it.
pub async fn show(state: web::Data<AppState>) -> HttpResponse {
    let looked =
        state.run(|connection| Ok((Worker::alive_count(connection)?, db::is_read_only(connection)?))).await;
    let trouble = match looked {
        Ok((managers, false)) => {
            return HttpResponse::Ok().json(json!({ "status": "ok", "managers_alive": managers }));
        }
        Ok((_, true)) => "the database is read-only",
        Err(error) => {
            tracing::warn!(error = ?error, "the health check failed");
            if error.is_outage() {
                "the database does not answer"
            } else {
                "the database refuses a statement; the log of web_gui says why"
            }
        }
    };
    HttpResponse::ServiceUnavailable().json(json!({ "status": trouble }))
}
