//! `GET /openapi.json`: the document that describes this API.

use crate::state::AppState;
use actix_web::{HttpResponse, web};

/// The document as it was made when the program started.
pub(super) async fn show(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(state.document.clone())
}
