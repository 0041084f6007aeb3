//! Starts what the project needs on one machine: a private PostgreSQL that belongs to the checkout, and the
//! daemons beside it. The tests use the same [`PrivatePostgres`], so they run against a real server without
//! touching one that is installed.

pub mod account;
pub mod postgres;
pub mod process;
pub mod run;

pub use postgres::{PostgresError, PostgresOptions, PrivatePostgres, SUPERUSER, TemporaryDirectory};
