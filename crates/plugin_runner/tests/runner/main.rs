//! Tests of the runner and the launcher with real processes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bounded;
mod common;
mod contract;
mod endings;
mod killings;
mod limits;
mod names;
mod separation;
