//! The JSON API below `/api/v1`: what the popup, scripts and pages ask for. Every handler takes [`crate::auth::Signed`]
//! and decides with `core::access` on what exists now; what is not there and what is not yours give the same answer.

mod account;
mod command_text;
mod hosts;
pub mod input;
mod inventory;
mod lists;
mod log_search;
mod logs;
mod openapi;
mod plans;
mod popup;
mod rights;
mod schedules;
pub mod session;
mod shapes;
mod stream;
mod tasks;

use crate::endpoint::{Endpoint, api};
use actix_web::http::Method;

pub use command_text::command_text;
pub use popup::would_wait;
pub use shapes::running_step;

/// The addresses below `/api/v1`.
pub fn endpoints() -> Vec<Endpoint> {
    [
        session_endpoints(),
        lists::endpoints(),
        inventory::endpoints(),
        rights::endpoints(),
        account::endpoints(),
        schedules::endpoints(),
        task_endpoints(),
        log_endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn session_endpoints() -> Vec<Endpoint> {
    vec![
        api(Method::GET, "/openapi.json", openapi::show)
            .says("This document", "It says nothing of anybody, so everybody may read it.")
            .answers_plain(200, "The document.", Some("application/json")),
        api(Method::GET, "/session", session::show)
            .says("Who asks", "")
            .answers::<session::SessionShape<'_>>(
                200,
                "The session, or what stands for it where a token asks.",
            ),
        api(Method::POST, "/session", session::create)
            .says("Sign in", "With name and password; the answer sets the session's cookie.")
            .answers::<session::SessionShape<'_>>(200, "Signed in.")
            .gives_header(200, "Set-Cookie", "The session.")
            .refuses(401, "The name or the password is wrong.")
            .refuses(429, "Too many sign-ins failed; `retry_after` says when to try again."),
        api(Method::DELETE, "/session", session::end)
            .says("Sign out", "The session counts nowhere any more.")
            .answers_plain(204, "Signed out.", None),
    ]
}

fn task_endpoints() -> Vec<Endpoint> {
    vec![
        api(Method::GET, "/popup", popup::show)
            .says("What the popup shows", "One host with its services and actions, or the hosts to choose from.")
            .refuses(404, "The asker may see no such host."),
        api(Method::POST, "/plans", plans::create)
            .says("See the exact command", "Decides as `POST /tasks` will, and gives a nonce for exactly that.")
            .refuses(404, "There is no such action, or the asker may not see it."),
        api(Method::GET, "/tasks", tasks::list)
            .says("Tasks, newest first", "Those on hosts that the asker may see now."),
        api(Method::POST, "/tasks", tasks::create)
            .says(
                "Run an action",
                "The task is on the disk before it is answered. Send the same request again until it is answered: \
                 `request_key` makes sure that it runs once.",
            )
            .answers::<tasks::Made>(201, "The task was made.")
            .answers::<tasks::Made>(200, "The same task was there already.")
            .gives_header(201, "Location", "The task's address.")
            .refuses(404, "There is no such action, or the asker may not see it.")
            .refuses(409, "Something is in the way: `detail` says what, `task_id` which task."),
        api(Method::GET, "/tasks/{id}", tasks::show).says("One task", ""),
        api(Method::POST, "/tasks/{id}/cancel", tasks::cancel)
            .says("End a task", "A queued one ends at once; the manager of a running one is asked to end it.")
            .answers::<tasks::Cancelled>(202, "It was asked for.")
            .refuses(409, "It has finished already."),
    ]
}

fn log_endpoints() -> Vec<Endpoint> {
    vec![
        api(Method::GET, "/tasks/{id}/log", logs::page).says("Output by byte or line", "Whole chunks, in order."),
        api(Method::GET, "/tasks/{id}/log/raw", logs::raw)
            .says("All output as a file", "Byte for byte, of all streams.")
            .answers_plain(200, "The output.", Some("text/plain")),
        api(Method::GET, "/tasks/{id}/log/search", log_search::search)
            .says("Lines of output with a text", "Ask on from `next_offset` until `complete`."),
        api(Method::GET, "/tasks/{id}/events", stream::follow)
            .says(
                "A task and its output, live",
                "Server-sent events: `log` (Chunk), `task` (Task), `away` (the database does not answer), `end`, and `gone` \
                 (the asker may not see it any more).",
            )
            .takes_header("Last-Event-ID", "The byte to go on at, as the last event had it.", false)
            .answers_plain(200, "The stream.", Some("text/event-stream")),
    ]
}
