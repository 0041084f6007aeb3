//! The JSON API below `/api/v1`: what the popup, scripts and pages ask for. Every handler takes [`crate::auth::Signed`]
//! and decides with `core::access` on what exists now; what is not there and what is not yours give the same answer.

mod account;
mod command_text;
mod hosts;
pub mod input;
mod inventory;
mod log_search;
mod logs;
mod plans;
mod popup;
mod rights;
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
        .configure(rights_routes)
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

/// Who may what, and what they have.
fn rights_routes(config: &mut web::ServiceConfig) {
    config
        .route("/users/{id}/password", web::put().to(rights::set_password))
        .service(
            web::resource("/users/{id}/sessions")
                .route(web::get().to(account::sessions_of))
                .route(web::delete().to(rights::end_sessions)),
        )
        .route("/users/{id}/tokens", web::get().to(account::tokens_of))
        .service(
            web::resource("/grants").route(web::get().to(rights::grants)).route(web::post().to(rights::give)),
        )
        .service(
            web::resource("/grants/{id}")
                .route(web::get().to(rights::grant))
                .route(web::delete().to(rights::take)),
        )
        .route("/rights", web::get().to(rights::why))
        .route("/audit", web::get().to(rights::audit))
        .route("/session/password", web::put().to(account::change_password))
        .route("/sessions", web::get().to(account::sessions))
        .route("/sessions/{id}", web::delete().to(account::end_session))
        .service(
            web::resource("/tokens")
                .route(web::get().to(account::tokens))
                .route(web::post().to(account::make_token)),
        )
        .route("/tokens/{id}", web::delete().to(account::revoke_token));
}
