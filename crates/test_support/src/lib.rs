//! Real parts for the tests: PostgreSQL databases, running programs, an SSH server, fixtures. Only a dev-dependency.
#![expect(clippy::panic, reason = "a test that cannot have its parts fails by panicking")]

mod app;
mod database;
mod eventually;
pub mod fixture;
mod proxy;
pub mod sshd;

pub use app::{AppOptions, TestApp, program};
pub use database::TestDatabase;
pub use eventually::eventually;
pub use proxy::{Fault, FaultyProxy};
