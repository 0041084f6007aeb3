//! Loads into a real database: what the source says, nothing else, and nothing by halves.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod export;
mod load;
mod loader;
mod sources;
