//! Real parts for the tests: PostgreSQL databases, MariaDB, InfluxDB, running programs, an SSH server, certificates, fixtures. Only
//! a dev-dependency.
#![expect(clippy::panic, reason = "a test that cannot have its parts fails by panicking")]

mod app;
pub mod certificates;
mod database;
mod eventually;
pub mod fixture;
mod influxdb;
mod mariadb;
mod ports;
mod proxy;
mod reads;
mod sql;
pub mod sshd;

pub use app::{AppOptions, TestApp, impatient, program};
pub use database::TestDatabase;
pub use eventually::{PATIENCE, eventually, next_look};
pub use influxdb::InfluxDb;
pub use mariadb::MariaDb;
pub use ports::FreePort;
pub use proxy::{Fault, FaultyProxy};
pub use reads::Reads;
pub use sql::sql;
