//! The JSON API below `/api/v1`: what the popup, scripts and pages ask for. Every handler takes [`crate::auth::Signed`]
//! and decides with `core::access` on what exists now; what is not there and what is not yours give the same answer.

mod command_text;
mod hosts;
pub mod input;
mod inventory;
mod log_search;
mod logs;
mod plans;
mod popup;
pub mod session;
mod shapes;
mod stream;
mod tasks;

use actix_web::web;

pub use command_text::command_text;
pub use popup::would_wait;
pub use shapes::running_step;

/// The URLs of this module, in scope `/api/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/popup", web::get().to(popup::show))
        .configure(inventory::routes)
        .route("/plans", web::post().to(plans::create))
        .service(
            web::resource("/tasks").route(web::get().to(tasks::list)).route(web::post().to(tasks::create)),
        )
        .route("/tasks/{id}", web::get().to(tasks::show))
        .route("/tasks/{id}/cancel", web::post().to(tasks::cancel))
        .route("/tasks/{id}/log", web::get().to(logs::page))
        .route("/tasks/{id}/log/raw", web::get().to(logs::raw))
        .route("/tasks/{id}/log/search", web::get().to(log_search::search))
        .route("/tasks/{id}/events", web::get().to(stream::follow));
}
