//! Bounds every use of a connection.
//!
//! libpq's limits hold while connecting, and TCP's while the other machine is silent. Neither helps against a server,
//! or something between, that takes every byte and never answers: then libpq waits for ever. diesel keeps libpq's socket
//! to itself, so it is found when the connection is made ([`super::socket`]), and one thread shuts it down when a use
//! has overrun its deadline: the blocked call comes back with an error.

use super::socket::{Fresh, Socket};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the thread sleeps when nothing is watched.
const LONG: Duration = Duration::from_secs(3600);

/// The thread and what it watches. It ends with the value.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By deadline; the number tells those of one instant apart.
    uses: BTreeMap<(Instant, u64), Watched>,
    next: u64,
    /// When the thread wakes by itself. A use that must end earlier wakes it; for all others that costs nothing.
    wakes_at: Option<Instant>,
    stopping: bool,
}

#[derive(Debug)]
enum Watched {
    Use(Arc<Socket>),
    /// A connection that is being made; its socket is not known yet.
    Making(Arc<Fresh>),
}

/// A use that ends with the value.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    key: (Instant, u64),
}

impl Watchdog {
    /// Starts the thread.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        if let Err(error) = thread.spawn(move || for_thread.watch()) {
            // Everything works without it, but for the deadlines.
            tracing::error!("uses of the database are not bounded, there is no thread for it: {error}");
        }
        Self(shared)
    }

    /// Shuts `socket` down at `deadline`, unless the answer is dropped before.
    pub fn bound(&self, socket: &Arc<Socket>, deadline: Instant) -> Watch {
        self.insert(Watched::Use(Arc::clone(socket)), deadline)
    }

    /// Shuts down whatever connection has been begun since `fresh` was made, at `deadline`.
    pub fn bound_making(&self, fresh: &Arc<Fresh>, deadline: Instant) -> Watch {
        self.insert(Watched::Making(Arc::clone(fresh)), deadline)
    }

    fn insert(&self, watched: Watched, deadline: Instant) -> Watch {
        let mut state = self.0.lock();
        state.next += 1;
        let key = (deadline, state.next);
        state.uses.insert(key, watched);
        if state.wakes_at.is_none_or(|wakes_at| deadline < wakes_at) {
            self.0.changed.notify_one();
        }
        Watch { shared: Arc::clone(&self.0), key }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.lock().stopping = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().uses.remove(&self.key);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut state = self.lock();
        while !state.stopping {
            let now = Instant::now();
            while let Some(entry) = state.uses.first_entry().filter(|entry| entry.key().0 <= now) {
                match entry.remove() {
                    Watched::Use(socket) => socket.shut_down(),
                    Watched::Making(fresh) => fresh.shut_down(),
                }
            }
            let wait = state.uses.first_key_value().map_or(LONG, |((deadline, _), _)| *deadline - now);
            state.wakes_at = Some(now + wait);
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_overruns_is_ended_and_what_ends_in_time_is_not() {
        let watchdog = Watchdog::start();
        let pair = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (Arc::new(Socket::of(&ours).unwrap()), ours, theirs)
        };
        let (quick, mut quick_stream, _quick_peer) = pair();
        drop(watchdog.bound(&quick, Instant::now() + Duration::from_millis(50)));
        let (slow, mut slow_stream, _slow_peer) = pair();
        let _later = watchdog.bound(&quick, Instant::now() + LONG);
        let _watch = watchdog.bound(&slow, Instant::now() + Duration::from_millis(100));
        assert_eq!(slow_stream.read(&mut [0]).unwrap(), 0, "the blocked call comes back");
        assert!(slow.was_shut_down() && !quick.was_shut_down());
        quick_stream.set_nonblocking(true).unwrap();
        assert_eq!(quick_stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
