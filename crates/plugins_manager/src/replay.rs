//! The thread that brings what was spooled into the database, once that is back.

use crate::backlog::{Backlog, Next};
use crate::batch::Storage;
use crate::running::Running;
use failpoint::failpoint;
use std::sync::Arc;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The database is looked for so often while it is away: claims wait for what was spooled.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// See the module's text.
pub struct Replayer {
    /// What waits.
    pub backlog: Arc<Backlog>,
    /// A way to the database of its own, so that the writer is not held up while that is away.
    pub storage: Storage,
    /// Shrinks when a result is stored.
    pub running: Running,
}

impl Replayer {
    /// Works until [`Backlog::stop`].
    pub fn run(mut self) {
        let mut pause = Duration::ZERO;
        while let Next::Store(waiting) = self.backlog.next(pause) {
            pause = Duration::ZERO;
            let batch = match waiting.segment.read() {
                Ok(batch) => batch,
                Err(why) => {
                    self.backlog.unreadable(&waiting, &why);
                    waiting.segment.ends.iter().for_each(|id| self.running.abandon(*id));
                    continue;
                }
            };
            match self.storage.store(&batch) {
                Ok(dropped) => {
                    failpoint!("before_spool_remove");
                    batch.ends.iter().for_each(|end| self.running.remove(end.id));
                    dropped.into_iter().for_each(|id| self.running.abandon(id));
                    self.backlog.replayed(&waiting);
                }
                Err(error) => {
                    self.backlog.failed(&error);
                    pause = (self.storage.failures_in_a_row() * FIRST_PAUSE).min(LAST_PAUSE);
                }
            }
        }
    }
}
