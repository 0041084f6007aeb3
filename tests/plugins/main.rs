//! The bundled plugins, run as the launcher runs them, against real servers: `OpenSSH`, PostgreSQL, MariaDB, and an HTTP
//! server that misbehaves on request.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a plugin under test is a process"
)]

mod command_line;
mod contract;
mod couchbase_server;
mod database;
mod demo;
mod hostile;
mod http;
mod http_server;
mod jenkins;
mod jenkins_server;
mod progress;
mod python;
mod run;
mod sql;
mod sql_couchbase;
mod sql_oracle;
mod ssh;
mod tls;
mod tls_front;
