//! The one thread that writes output, progress and results of all runs: one transaction for whatever has come in since
//! the last one. A result is never visible before the last line of its output.
//!
//! While the database is away everything waits here, and runs go on until they have printed their window full.

use crate::active::{Active, PARTIAL_AFTER};
use crate::executor::Plugins;
use crate::message::Message;
use crate::outcome::Verdict;
use crate::output::Output;
use crate::running::Running;
use chrono::Utc;
use failpoint::failpoint;
use plugin_runner::Event;
use selfservice_core::db::{DbError, Pool, Waker};
use selfservice_core::models::logs::Chunk;
use selfservice_core::queue::{self, Finish, Progress};
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Two transactions are so far apart, unless a result waits.
const PAUSE: Duration = Duration::from_millis(40);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// See the module's text.
pub struct LogWriter {
    /// The database.
    pub pool: Pool,
    /// For credit.
    pub plugins: Plugins,
    /// Shrinks when a result is stored.
    pub running: Running,
    /// Used when a slot is free again.
    pub waker: Waker,
    /// Bytes of output that are kept of a task.
    pub output_limit: u64,
}

impl LogWriter {
    /// Works until every sender of messages is gone and everything is stored, or until the database has been away
    /// for `patience` after that.
    pub fn run(self, messages: &Receiver<Message>, patience: Duration) {
        let mut active: HashMap<Uuid, Active> = HashMap::new();
        let mut next = Instant::now();
        let mut retry = FIRST_RETRY;
        let mut closed_at: Option<Instant> = None;
        loop {
            self.take_in(&mut active, messages, next, &mut closed_at);
            let waits = active.values().any(Active::has_something);
            if closed_at.is_some_and(|at| !waits || at.elapsed() > patience) {
                return;
            }
            let urgent = retry == FIRST_RETRY && active.values().any(|run| run.finish.is_some());
            if !waits || (Instant::now() < next && !urgent) {
                continue;
            }
            match self.flush(&mut active) {
                Ok(()) => {
                    next = Instant::now() + PAUSE;
                    retry = FIRST_RETRY;
                }
                Err(error) => {
                    tracing::warn!("output and results wait: {error}");
                    next = Instant::now() + retry;
                    retry = (retry * 2).min(LAST_RETRY);
                }
            }
        }
    }

    /// Waits for one message until something is due, then takes what is there.
    fn take_in(
        &self,
        active: &mut HashMap<Uuid, Active>,
        messages: &Receiver<Message>,
        next: Instant,
        closed_at: &mut Option<Instant>,
    ) {
        let timeout = if active.values().any(Active::has_something) {
            next.saturating_duration_since(Instant::now())
        } else if active.values().any(|run| run.has_partial()) {
            PARTIAL_AFTER
        } else {
            Duration::from_secs(1)
        };
        let first = match messages.recv_timeout(timeout) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                closed_at.get_or_insert_with(Instant::now);
                std::thread::sleep(timeout.min(PAUSE));
                None
            }
        };
        for message in first.into_iter().chain(messages.try_iter().take(4096)) {
            self.take_message(active, message);
        }
        for run in active.values_mut() {
            run.cut();
        }
    }

    fn take_message(&self, active: &mut HashMap<Uuid, Active>, message: Message) {
        match message {
            Message::Begin { id, epoch, secrets } => {
                active.insert(id, Active::new(Output::new(id, &secrets, self.output_limit), epoch));
            }
            Message::Cancel(id, by) => {
                if let Some(run) = active.get_mut(&id) {
                    run.cancelled_by.get_or_insert(by);
                }
            }
            Message::Refuse(id, verdict) => {
                if let Some(run) = active.get_mut(&id) {
                    run.end(id, &verdict, None, 0, Utc::now());
                }
            }
            Message::Event(event) => take_event(active, event),
        }
    }

    fn flush(&self, active: &mut HashMap<Uuid, Active>) -> Result<(), DbError> {
        let ids: Vec<Uuid> =
            active.iter().filter(|(_, run)| run.has_something()).map(|(id, _)| *id).collect();
        match self.store(active, &ids) {
            Err(error) if !error.is_outage() && ids.len() > 1 => {
                // One of them cannot be stored; the others must not wait for it.
                for id in ids {
                    if let Err(error) = self.store(active, &[id]) {
                        self.give_up_output(active, id, &error);
                    }
                }
                Ok(())
            }
            Err(error) if !error.is_outage() => {
                for id in ids {
                    self.give_up_output(active, id, &error);
                }
                Ok(())
            }
            result => result,
        }
    }

    /// The database refuses what it was given, not because it is away: the output is dropped so that the result can
    /// still be stored.
    fn give_up_output(&self, active: &mut HashMap<Uuid, Active>, id: Uuid, error: &DbError) {
        let Some(run) = active.get_mut(&id) else { return };
        tracing::error!(task.id = %id, ?error, "output of a task cannot be stored and is dropped");
        if run.chunks.is_empty() {
            active.remove(&id);
            self.running.remove(id);
        } else {
            run.chunks.clear();
        }
    }

    fn store(&self, active: &mut HashMap<Uuid, Active>, ids: &[Uuid]) -> Result<(), DbError> {
        let runs = || ids.iter().filter_map(|id| active.get(id).map(|run| (*id, run)));
        let chunks: Vec<Chunk> = runs().flat_map(|(_, run)| run.chunks.iter().cloned()).collect();
        let progress: Vec<Progress> = runs().map(|(id, run)| run.progress(id)).collect();
        let ends: Vec<&Finish> = runs().filter_map(|(_, run)| run.finish.as_ref()).collect();
        self.pool.transaction::<_, DbError>(|connection| {
            Chunk::append(connection, &chunks)?;
            queue::progress(connection, &progress)?;
            let done: HashSet<Uuid> = queue::finish_all(connection, &ends)?.into_iter().collect();
            for end in ends.iter().filter(|end| !done.contains(&end.id)) {
                tracing::warn!(task.id = %end.id, "a result came for a task that is not this manager's any more");
            }
            if !ends.is_empty() {
                failpoint!("before_result_commit");
            }
            Ok(())
        })?;
        if !ends.is_empty() {
            failpoint!("after_result_commit");
        }
        self.stored(active, ids);
        Ok(())
    }

    fn stored(&self, active: &mut HashMap<Uuid, Active>, ids: &[Uuid]) {
        for id in ids {
            let Some(run) = active.get_mut(id) else { continue };
            self.plugins.credit(*id, run.stored());
            if run.finish.is_some() {
                active.remove(id);
                self.running.remove(*id);
                self.waker.wake();
            }
        }
    }
}

fn take_event(active: &mut HashMap<Uuid, Active>, event: Event) {
    match event {
        Event::Started { run, pid, .. } => tracing::debug!(task.id = %run, pid, "the plugin was started"),
        Event::Output { run, stream, bytes, .. } => {
            failpoint!("on_output");
            if let Some(run) = active.get_mut(&run) {
                run.push(stream, &bytes);
            }
        }
        Event::Progress { run, progress, at } => {
            if let Some(run) = active.get_mut(&run) {
                run.report(progress, at.into());
            }
        }
        Event::Finished { run: id, outcome, elapsed, left, at } => {
            if let Some(run) = active.get_mut(&id) {
                let verdict = Verdict::of(&outcome, run.cancelled_by.as_ref());
                run.end(id, &verdict, elapsed, left, at.into());
            }
        }
    }
}
