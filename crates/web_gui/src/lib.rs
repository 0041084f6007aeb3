//! The GUI, the popup, the JSON API and the live output.
//!
//! Every handler runs its queries on the blocking pool through [`state::AppState::run`], takes [`auth::Signed`] and asks
//! `core::access`; one middleware, [`answer`], refuses requests of foreign sites, renders every error and sets the
//! headers of every answer.

pub mod answer;
pub mod api;
pub mod application;
pub mod auth;
pub mod body;
pub mod border;
pub mod bulk;
pub mod chart;
pub mod document;
pub mod editors;
pub mod endpoint;
pub mod error;
pub mod events;
pub mod forms;
pub mod handlers;
pub mod lookup;
pub mod page;
pub mod patience;
pub mod rights;
pub mod routes;
pub mod scheduling;
pub mod security;
pub mod state;
pub mod store;
pub mod why;
