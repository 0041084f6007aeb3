//! The library against a real database. One program for all of it: each has a PostgreSQL server of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod audit;
mod database;
mod outage;
mod queue;
mod queue_life;
mod schedules;
mod settings;
mod task_lists;
