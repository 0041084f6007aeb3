//! Loads into a real database: what the source says, nothing else, and nothing by halves.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the programs are run as people run them")]

mod export;
mod formats;
mod influxdb;
mod inputs;
mod load;
mod loader;
mod programs;
mod server;
mod sources;
