//! The manager with a real database, real plugins and real processes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod floods;
mod run_path;
mod two_users;
