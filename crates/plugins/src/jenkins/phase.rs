//! How far the run has come, told by the main thread and read by the one that cancels.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where a run can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked for yet.
    Before,
    /// The trigger is on its way.
    Triggering,
    /// An item waits in the queue. `shared`: somebody else asked for it before us.
    Queued { item: u64, shared: bool },
    /// A build runs.
    Building { number: u64, shared: bool },
}

/// A phase that two threads share.
#[derive(Debug, Clone)]
pub struct Progressing(Arc<(Mutex<Phase>, Condvar)>);

impl Progressing {
    pub fn new() -> Self {
        Self(Arc::new((Mutex::new(Phase::Before), Condvar::new())))
    }

    pub fn set(&self, phase: Phase) {
        *self.lock() = phase;
        self.0.1.notify_all();
    }

    /// The phase after the trigger was answered, or `Triggering` when that takes longer than `limit`.
    pub fn after_trigger(&self, limit: Duration) -> Phase {
        let waited = self.0.1.wait_timeout_while(self.lock(), limit, |phase| *phase == Phase::Triggering);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
