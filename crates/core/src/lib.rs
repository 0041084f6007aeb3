//! What all programs of Self Service Manager share: settings, macros, the database and its queries, the queue of
//! tasks, and the one decision about rights.
//!
//! Dependencies point one way: `config`, `names`, `macros`, `cron_expr`, `sealing` know nothing of the database; `models` stand on
//! `db`; `queue`, `access` and `plan` stand on `models`, `schedule` on all of them; programs stand on all of them and never on each other.

pub mod access;
pub mod config;
pub mod credentials;
pub mod cron_expr;
pub mod db;
pub mod interpreters;
mod macro_names;
pub mod macros;
pub mod masking;
pub mod models;
pub mod names;
pub mod plan;
pub mod queue;
pub mod schedule;
pub mod sealing;
mod text_enum;
