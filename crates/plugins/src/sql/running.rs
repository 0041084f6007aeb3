//! The statement that runs, as the thread sees it that may have to end it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::verdict::Failure;

/// How often the server is asked: a request that comes before the statement does ends nothing.
const AGAIN: Duration = Duration::from_millis(500);

/// Asks the server to end the statement.
pub type CancelStatement = Box<dyn FnMut() -> Result<(), String> + Send>;

enum State {
    Before,
    /// Stopped before it was sent, so it must not be sent any more.
    Stopped,
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
    ///
    /// # Errors
    /// It must not be sent: somebody was told already that it was not.
    pub fn begin(&self, cancel: CancelStatement) -> Result<(), Failure> {
        let mut state = self.lock();
        if matches!(*state, State::Stopped) {
            return Err(Failure::critical("stopped before the statement was run"));
        }
        *state = State::Running(Some(cancel));
        Ok(())
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
        let deadline = Instant::now() + grace;
        let cancel = match &mut *self.lock() {
            State::Ended(how) => {
                return Failure::critical(format!("{why}, but the statement had ended before: {how}"));
            }
            State::Running(cancel) => cancel.take(),
            state => {
                *state = State::Stopped;
                return Failure::critical(format!("{why} before the statement was run"));
            }
        };
        let answer = self.ask(cancel);
        let open = |state: &mut State| !matches!(state, State::Ended(_));
        let left = deadline.saturating_duration_since(Instant::now());
        let waited =
            self.0.1.wait_timeout_while(self.lock(), left, open).unwrap_or_else(PoisonError::into_inner);
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        Failure::critical(match (&*waited.0, &*answer) {
            (State::Ended(how), _) => format!("{why}; the statement has ended on the server: {how}"),
            (_, Some(Err(problem))) => format!(
                "{why}; the server could not be asked to end the statement ({problem}), so it may go on there"
            ),
            (_, Some(Ok(()))) => format!(
                "{why}; the server was asked to end the statement and has not confirmed it within {} s",
                grace.as_secs()
            ),
            (_, None) => format!(
                "{why}; the server did not answer the request to end the statement within {} s, so it may go on \
                 there",
                grace.as_secs()
            ),
        })
    }

    /// Asks again and again until the statement has ended, on a thread of its own, which ends with the process at the
    /// latest: a server that is silent holds nobody up.
    fn ask(&self, cancel: Option<CancelStatement>) -> Answer {
        let (running, answer) = (self.clone(), Answer::default());
        let Some(mut cancel) = cancel else {
            return answer;
        };
        let told = Arc::clone(&answer);
        let asking = thread::Builder::new().name("ask".to_owned()).spawn(move || {
            while !matches!(*running.lock(), State::Ended(_)) {
                tell(&told, cancel());
                thread::sleep(AGAIN);
            }
        });
        if let Err(error) = asking {
            tell(&answer, Err(error.to_string()));
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the server answered last; `None`: nothing yet.
type Answer = Arc<Mutex<Option<Result<(), String>>>>;

fn tell(answer: &Answer, said: Result<(), String>) {
    *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const GRACE: Duration = Duration::from_secs(20);

    #[test]
    fn what_was_said_not_to_have_been_run_is_not_sent_later() {
        let running = Running::new();
        assert_eq!(running.stop("stopped", GRACE).sentence, "stopped before the statement was run");
        assert!(running.begin(Box::new(|| Ok(()))).is_err());
    }

    #[test]
    fn a_request_that_came_too_early_is_repeated() {
        let running = Running::new();
        let server = running.clone();
        let mut requests = 0;
        let cancel = move || {
            requests += 1;
            if requests == 2 {
                server.ended("it was cancelled");
            }
            Ok(())
        };
        running.begin(Box::new(cancel)).unwrap();
        let said = running.stop("stopped", GRACE).sentence;
        assert_eq!(said, "stopped; the statement has ended on the server: it was cancelled");
    }

    #[test]
    fn a_silent_server_holds_nobody_up() {
        let (running, (hold, held)) = (Running::new(), mpsc::channel::<()>());
        running.begin(Box::new(move || held.recv().map_err(|error| error.to_string()))).unwrap();
        let said = running.stop("stopped", Duration::from_millis(50)).sentence;
        assert!(said.contains("did not answer the request"), "{said}");
        drop(hold);
    }
}
