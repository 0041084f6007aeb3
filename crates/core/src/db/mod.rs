//! The connection to PostgreSQL: pool, embedded migrations, listener for notifications, and the schema that diesel
//! generated from the migrations.

mod connection;
mod environment;
mod error;
pub mod health;
mod libpq;
mod listener;
pub mod migrations;
mod pool;
mod prepared;
pub(crate) mod schema;
mod socket;
mod watchdog;

pub use connection::is_read_only;
pub use environment::environment;
pub use error::DbError;
pub use listener::{Listener, Wake, Waker};
pub use pool::{Pool, Unbounded};
pub(crate) use prepared::{NUMBER, Part, part, part_with, prepared};
// Programs name these two, and nothing else of diesel.
pub use diesel::pg::PgConnection;
pub use diesel::result::Error as QueryError;

/// The channel that an inserted task wakes; its payload is empty.
pub const TASK_QUEUED: &str = "selfservice_task_queued";
/// A task of a manager should end; the payload is its id.
pub const TASK_CANCEL: &str = "selfservice_task_cancel";
/// A manager was told to take no tasks, or to take them again; the payload is its id.
pub const WORKER_TOLD: &str = "selfservice_worker_told";
/// Rows of a task or of its log changed; the payload is a list of task ids, separated by commas.
pub const TASK_CHANGED: &str = "selfservice_task_changed";
