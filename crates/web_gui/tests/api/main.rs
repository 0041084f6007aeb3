//! The JSON API against a real database, through the real program.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod borders;
mod common;
mod creating;
mod inventory;
mod lists;
mod live;
mod matrix;
mod output;
mod pauses;
mod popup;
mod retries;
mod rights;
mod schedules;
mod visibility;
mod wrong;
