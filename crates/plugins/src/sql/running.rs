//! The statement that runs, as the thread sees it that may have to end it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::verdict::Failure;

/// Asks the server to end the statement.
pub type CancelStatement = Box<dyn FnOnce() -> Result<(), String> + Send>;

enum State {
    Before,
    Running(Option<CancelStatement>),
    /// The server's last word, for people.
    Ended(String),
}

/// Shared by the thread that runs the statement and the one that ends it.
#[derive(Clone)]
pub struct Running(Arc<(Mutex<State>, Condvar)>);

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Running")
    }
}

impl Running {
    /// Nothing was sent yet.
    pub fn new() -> Self {
        Self(Arc::new((Mutex::new(State::Before), Condvar::new())))
    }

    /// The statement is about to be sent.
    pub fn begin(&self, cancel: CancelStatement) {
        *self.lock() = State::Running(Some(cancel));
    }

    /// The server said how the statement ended.
    pub fn ended(&self, how: &str) {
        *self.lock() = State::Ended(how.to_owned());
        self.0.1.notify_all();
    }

    /// The statement came back with `result`. Where it went well, `commit` makes it true, for a mode that needs one.
    ///
    /// # Errors
    /// The statement's, or the commit's.
    pub fn conclude<T>(
        &self,
        result: Result<T, Failure>,
        commit: Option<impl FnOnce() -> Result<(), Failure>>,
    ) -> Result<T, Failure> {
        let committed = commit.is_some();
        let result = result.and_then(|done| commit.map_or(Ok(()), |commit| commit()).map(|()| done));
        match &result {
            Ok(_) if committed => self.ended("it was completed and committed"),
            Ok(_) => self.ended("it was completed"),
            Err(failure) => self.ended(&failure.sentence),
        }
        result
    }

    /// Has the server end the statement, and waits at most `grace` for its word.
    pub fn stop(&self, why: &str, grace: Duration) -> Failure {
        let mut state = self.lock();
        let cancel = match &mut *state {
            State::Before => return Failure::critical(format!("{why} before the statement was run")),
            State::Ended(how) => {
                return Failure::critical(format!("{why}, but the statement had ended before: {how}"));
            }
            State::Running(cancel) => cancel.take(),
        };
        drop(state);
        let asked = cancel.map_or(Ok(()), |cancel| cancel());
        let open = |state: &mut State| !matches!(state, State::Ended(_));
        let waited =
            self.0.1.wait_timeout_while(self.lock(), grace, open).unwrap_or_else(PoisonError::into_inner);
        match (&*waited.0, asked) {
            (State::Ended(how), _) => {
                Failure::critical(format!("{why}; the statement has ended on the server: {how}"))
            }
            (_, Err(problem)) => Failure::critical(format!(
                "{why}; the server could not be asked to end the statement ({problem}), so it may go on there"
            )),
            (_, Ok(())) => Failure::critical(format!(
                "{why}; the server was asked to end the statement and has not confirmed it within {} s",
                grace.as_secs()
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
