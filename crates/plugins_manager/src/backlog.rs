//! What the writer, the replayer and the manager's loop know together: which way output and results go now, and whether
//! new tasks may be taken.

use crate::batch::Batch;
use crate::spool::{Spool, Waiting};
use selfservice_core::db::{DbError, Waker};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often to look for what managers left that died meanwhile.
const LOOK_FOR_THE_DEAD: Duration = Duration::from_secs(60);

/// Where a batch is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the database: nothing waits before it.
    Database,
    /// To the spool: the database is away.
    Spool,
    /// Nowhere yet: the database is back, and what was spooled before comes first.
    Wait,
}

/// What the replayer does next.
pub enum Next {
    /// Store this.
    Store(Waiting),
    /// End.
    Stop,
}

/// See the module's text.
pub struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
    waker: Waker,
}

struct State {
    spool: Spool,
    /// The last try to reach the database failed.
    away: bool,
    /// The last batch that was to be spooled was not taken.
    full: bool,
    looked_for_the_dead: Option<Instant>,
    /// The manager stops: what waits may still be stored until then.
    stop_by: Option<Instant>,
}

impl Backlog {
    /// `waker` is used when tasks may be taken again.
    pub fn new(spool: Spool, waker: Waker) -> Self {
        let state = State { spool, away: false, full: false, looked_for_the_dead: None, stop_by: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), waker }
    }

    /// Whether new tasks may be taken: everything that this manager has spooled is in the database, and there is room
    /// for more.
    pub fn may_claim(&self) -> bool {
        let state = self.lock();
        state.spool.is_empty() && !state.full
    }

    /// Where the next batch goes.
    pub fn way(&self) -> Way {
        let state = self.lock();
        match (state.spool.is_empty(), state.away) {
            (true, _) => Way::Database,
            (false, true) => Way::Spool,
            (false, false) => Way::Wait,
        }
    }

    /// A batch reached the database directly.
    pub fn stored(&self) {
        let mut state = self.lock();
        state.away = false;
        self.end_full(&mut state);
    }

    /// A batch did not reach the database.
    pub fn failed(&self, error: &DbError) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.away, true) {
            tracing::warn!("the database is away, so output and results are spooled: {error}");
        }
    }

    /// Puts a batch on the disk. False: it does not take it now.
    pub fn put(&self, batch: &Batch) -> bool {
        let mut state = self.lock();
        match state.spool.put(batch) {
            Ok(()) => {
                self.end_full(&mut state);
                self.changed.notify_all();
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut state.full, true) {
                    tracing::error!("{error}: plugins that print more must wait, and no tasks are taken");
                }
                false
            }
        }
    }

    fn end_full(&self, state: &mut State) {
        if std::mem::replace(&mut state.full, false) {
            tracing::info!("what had to wait has been written");
            self.waker.wake();
        }
    }

    /// Waits for something to store. `pause`: after a failed try, nothing is tried before.
    pub fn next(&self, pause: Duration) -> Next {
        let mut state = self.lock();
        let from = Instant::now() + pause;
        loop {
            let now = Instant::now();
            if state.looked_for_the_dead.is_none_or(|at| now.duration_since(at) >= LOOK_FOR_THE_DEAD) {
                state.looked_for_the_dead = Some(now);
                state.spool.inherit();
            }
            let first = state.spool.first();
            if state.stop_by.is_some_and(|by| first.is_none() || state.away || now >= by) {
                return Next::Stop;
            }
            let wait = match first {
                Some(waiting) if now >= from => return Next::Store(waiting),
                Some(_) => from - now,
                None => LOOK_FOR_THE_DEAD,
            };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The first one is in the database.
    pub fn replayed(&self, waiting: &Waiting) {
        let mut state = self.lock();
        state.away = false;
        state.spool.remove_first(waiting);
        self.end_own(&state, waiting);
    }

    /// The first one cannot be read.
    pub fn unreadable(&self, waiting: &Waiting, why: &str) {
        let path = waiting.segment.path.display();
        tracing::error!(
            "{path} cannot be read ({why}); what it held is lost, and its tasks will count as lost"
        );
        let mut state = self.lock();
        state.spool.set_first_aside(waiting);
        self.end_own(&state, waiting);
    }

    fn end_own(&self, state: &State, waiting: &Waiting) {
        if waiting.own && state.spool.is_empty() {
            tracing::info!("the database is back, and everything that was spooled is in it");
            self.waker.wake();
        }
    }

    /// Lets the replayer end: when nothing waits, when the database is away, or at `by`.
    pub fn stop(&self, by: Instant) {
        self.lock().stop_by = Some(by);
        self.changed.notify_all();
    }

    /// Leaves the spool as it is, for a later manager.
    pub fn close(self) {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).spool.close();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
