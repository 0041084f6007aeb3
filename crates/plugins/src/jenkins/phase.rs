//! How far the run has come, told by the main thread and read by the one that cancels.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::verdict::Failure;

/// Where a run can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked for yet.
    Before,
    /// Stopped before anything was asked for, so nothing must be asked for any more.
    Stopped,
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

    /// The trigger is about to be sent.
    ///
    /// # Errors
    /// It must not be sent: somebody was told already that it was not.
    pub fn begin(&self) -> Result<(), Failure> {
        let mut phase = self.lock();
        if *phase == Phase::Stopped {
            return Err(Failure::critical("stopped before the job was triggered"));
        }
        *phase = Phase::Triggering;
        Ok(())
    }

    /// The phase in which to stop: after the trigger was answered, or `Triggering` when that takes longer than `limit`.
    /// Where nothing was asked for yet, nothing will be.
    pub fn stop(&self, limit: Duration) -> Phase {
        let waited = self.0.1.wait_timeout_while(self.lock(), limit, |phase| *phase == Phase::Triggering);
        let mut phase = waited.unwrap_or_else(PoisonError::into_inner).0;
        if *phase == Phase::Before {
            *phase = Phase::Stopped;
        }
        *phase
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_not_to_be_triggered_is_not_triggered_later() {
        let phase = Progressing::new();
        assert_eq!(phase.stop(Duration::ZERO), Phase::Stopped);
        assert!(phase.begin().is_err());
        let phase = Progressing::new();
        phase.begin().unwrap();
        assert_eq!(phase.stop(Duration::ZERO), Phase::Triggering);
    }
}
