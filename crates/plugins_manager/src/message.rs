//! What the manager's threads tell the writer, in the order in which it must happen.

use crate::outcome::{CancelledBy, Verdict};
use plugin_runner::Event;
use selfservice_core::config::Secret;
use uuid::Uuid;

/// What the writer is told.
pub enum Message {
    /// A run is about to begin; comes before any of its events.
    Begin {
        /// The task.
        id: Uuid,
        /// The epoch of its claim.
        epoch: i64,
        /// To be masked.
        secrets: Vec<Secret>,
    },
    /// Something happened to a run.
    Event(Event),
    /// A run is being cancelled.
    Cancel(Uuid, CancelledBy),
    /// A claimed task ends without a run.
    Refuse(Uuid, Verdict),
}
