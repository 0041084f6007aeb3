//! The pages, sign-in and everything that browsers are told, against the running program and a real database.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod administering;
mod assigning;
mod below;
mod bulk;
mod common;
mod doors;
mod editing;
mod handlers;
mod headers;
mod origins;
mod outage;
mod reading;
mod rights;
mod schedules;
mod sessions;
mod signing_in;
mod why;
