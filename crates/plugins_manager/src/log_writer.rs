//! The one thread that takes in output, progress and results of all runs and brings them on their way: whatever has come
//! in since the last time, in one transaction. A result is never visible before the last line of its output.
//!
//! While the database is away the same goes to the spool. A plugin may print more when what it has printed is safe in
//! either; where neither takes it, plugins wait, and memory stays bounded.

use crate::active::{Active, PARTIAL_AFTER};
use crate::backlog::{Backlog, Way};
use crate::batch::{Batch, MAX_BYTES, Storage};
use crate::executor::Plugins;
use crate::message::Message;
use crate::outcome::Verdict;
use crate::output::Output;
use crate::running::Running;
use chrono::Utc;
use failpoint::failpoint;
use plugin_runner::Event;
use selfservice_core::db::Waker;
use selfservice_core::models::logs::MAX_CHUNK;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Two transactions are so far apart, unless a result or much output waits.
const PAUSE: Duration = Duration::from_millis(40);
/// So much output does not wait for the pause.
const VOLUME: usize = 256 * 1024;
/// After a transaction messages gather so long: the results of many short runs share the next one.
const GATHER: Duration = Duration::from_millis(5);
/// What was spooled is being stored; then it is our turn.
const TURN: Duration = Duration::from_millis(20);
/// Neither the database nor the disk took it.
const RETRY: Duration = Duration::from_millis(500);

/// See the module's text.
pub struct LogWriter {
    storage: Storage,
    backlog: Arc<Backlog>,
    plugins: Plugins,
    running: Running,
    waker: Waker,
    output_limit: u64,
    active: HashMap<Uuid, Active>,
    /// Runs that something came from since they were cut last.
    touched: HashSet<Uuid>,
    /// Put together, and taken by nobody yet; comes before everything else.
    held: Option<Batch>,
    next: Instant,
    closed_at: Option<Instant>,
}

impl LogWriter {
    /// `plugins` gets the credit; `running` shrinks when a result is stored, and `waker` is used then. `output_limit` is
    /// how many bytes of output are kept of a task.
    pub fn new(
        storage: Storage,
        backlog: Arc<Backlog>,
        plugins: Plugins,
        running: Running,
        waker: Waker,
        output_limit: u64,
    ) -> Self {
        Self {
            storage,
            backlog,
            plugins,
            running,
            waker,
            output_limit,
            active: HashMap::new(),
            touched: HashSet::new(),
            held: None,
            next: Instant::now(),
            closed_at: None,
        }
    }

    /// Works until every sender of messages is gone and everything is safe, at most for `patience` after that.
    pub fn run(mut self, messages: &Receiver<Message>, patience: Duration) {
        loop {
            self.take_in(messages);
            let waits = self.waits();
            if self.closed_at.is_some_and(|at| !waits || at.elapsed() > patience) {
                return self.leave();
            }
            if waits && (Instant::now() >= self.next || self.is_urgent()) {
                self.flush();
            }
        }
    }

    fn waits(&self) -> bool {
        self.held.is_some() || self.active.values().any(|run| run.due_since().is_some())
    }

    fn is_urgent(&self) -> bool {
        let bytes = || self.active.values().map(Active::waiting_bytes).sum::<usize>();
        self.held.is_none() && (self.active.values().any(Active::has_ended) || bytes() >= VOLUME)
    }

    /// Waits for one message until something is due, then takes what is there.
    fn take_in(&mut self, messages: &Receiver<Message>) {
        let timeout = if self.waits() {
            self.next.saturating_duration_since(Instant::now())
        } else if self.active.values().any(|run| run.partial_since().is_some()) {
            PARTIAL_AFTER
        } else {
            Duration::from_secs(1)
        };
        let timeout = if self.is_urgent() { Duration::ZERO } else { timeout };
        let first = match messages.recv_timeout(timeout) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.closed_at.get_or_insert_with(Instant::now);
                std::thread::sleep(timeout.min(PAUSE));
                None
            }
        };
        for message in first.into_iter().chain(messages.try_iter().take(4096)) {
            self.take_message(message);
        }
        let partial = self
            .active
            .iter()
            .filter(|(_, run)| run.partial_since().is_some_and(|since| since.elapsed() >= PARTIAL_AFTER));
        let due: Vec<Uuid> = partial.map(|(id, _)| *id).chain(self.touched.drain()).collect();
        for id in due {
            if let Some(run) = self.active.get_mut(&id) {
                run.cut();
                give(&self.plugins, id, run.spare_credit());
            }
        }
    }

    fn take_message(&mut self, message: Message) {
        match message {
            Message::Begin { id, epoch, secrets } => {
                let output = Output::new(id, &secrets, self.output_limit);
                self.active.insert(id, Active::new(output, epoch));
            }
            Message::Cancel(id, by) => {
                if let Some(run) = self.active.get_mut(&id) {
                    run.cancelled_by.get_or_insert(by);
                }
            }
            Message::Refuse(id, verdict) => {
                if let Some(run) = self.active.get_mut(&id) {
                    run.end(id, &verdict, None, 0, Utc::now());
                }
            }
            Message::Event(event) => self.take_event(event),
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Started { run, pid, .. } => tracing::debug!(task.id = %run, pid, "the plugin was started"),
            Event::Output { run: id, stream, bytes, .. } => {
                failpoint!("on_output");
                if let Some(run) = self.active.get_mut(&id) {
                    run.push(stream, &bytes);
                    self.touched.insert(id);
                }
            }
            Event::Progress { run, progress, at } => {
                if let Some(run) = self.active.get_mut(&run) {
                    run.report(progress, at.into());
                }
            }
            Event::Finished { run: id, outcome, elapsed, left, at } => {
                if let Some(run) = self.active.get_mut(&id) {
                    let verdict = Verdict::of(&outcome, run.cancelled_by.as_ref());
                    run.end(id, &verdict, elapsed, left, at.into());
                }
            }
        }
    }

    /// Brings one batch on its way.
    fn flush(&mut self) {
        let batch = self.held.take().unwrap_or_else(|| self.gather());
        let wait = match self.backlog.way() {
            Way::Wait => Some(TURN),
            Way::Database => match self.storage.store(&batch) {
                Ok(dropped) => {
                    self.backlog.stored();
                    self.settle(&batch, &Settled::Stored { dropped });
                    std::thread::sleep(GATHER);
                    None
                }
                Err(error) => {
                    self.backlog.failed(&error);
                    self.spool(&batch)
                }
            },
            Way::Spool => self.spool(&batch),
        };
        self.held = wait.map(|_| batch);
        self.next = Instant::now() + wait.unwrap_or(PAUSE);
    }

    /// Puts a batch on the disk; the answer says when to try again.
    fn spool(&mut self, batch: &Batch) -> Option<Duration> {
        if !self.backlog.put(batch) {
            return Some(RETRY);
        }
        self.settle(batch, &Settled::Spooled);
        None
    }

    /// Something of every run that something waits of, the longest wait first, so that a flood holds up only itself.
    fn gather(&mut self) -> Batch {
        let due = self.active.iter().filter_map(|(id, run)| run.due_since().map(|since| (since, *id)));
        let mut due: Vec<(Instant, Uuid)> = due.collect();
        due.sort_unstable();
        let share = (MAX_BYTES / due.len().max(1)).max(MAX_CHUNK);
        let (mut batch, mut bytes) = (Batch::default(), 0);
        for (_, id) in due {
            if bytes >= MAX_BYTES {
                break;
            }
            if let Some(run) = self.active.get_mut(&id) {
                let before = run.waiting_bytes();
                run.portion(id, share.min(MAX_BYTES - bytes), &mut batch);
                bytes += before - run.waiting_bytes();
            }
        }
        batch
    }

    /// A batch is safe: its runs may print more, and those that ended are done with.
    fn settle(&mut self, batch: &Batch, settled: &Settled) {
        let mut safe: HashMap<Uuid, usize> = HashMap::new();
        for chunk in &batch.chunks {
            *safe.entry(chunk.task_id).or_default() += chunk.bytes.len();
        }
        for (id, bytes) in safe {
            if let Some(run) = self.active.get_mut(&id) {
                give(&self.plugins, id, run.credit(bytes));
            }
        }
        for end in &batch.ends {
            self.active.remove(&end.id);
            match settled {
                Settled::Stored { dropped } if dropped.contains(&end.id) => self.running.abandon(end.id),
                Settled::Stored { .. } => self.running.remove(end.id),
                Settled::Spooled => {
                    tracing::debug!(task.id = %end.id, "a result is spooled");
                    self.running.spool(end.id);
                }
            }
        }
        if !batch.ends.is_empty() {
            self.waker.wake();
        }
    }

    /// The manager stops: what the database has not taken by now goes to the spool, for a later manager.
    fn leave(mut self) {
        while self.waits() {
            let batch = self.held.take().unwrap_or_else(|| self.gather());
            if !self.backlog.put(&batch) {
                let results = batch.ends.len() + self.active.values().filter(|run| run.has_ended()).count();
                tracing::error!(
                    "neither the database nor the spool takes what is left: {results} results and their output are lost"
                );
                return;
            }
        }
    }
}

/// What became of a batch.
enum Settled {
    /// It is in the database, but for the results of these tasks, which that refuses.
    Stored { dropped: Vec<Uuid> },
    /// It is on the disk.
    Spooled,
}

fn give(plugins: &Plugins, run: Uuid, credit: usize) {
    if credit > 0 {
        plugins.credit(run, credit);
    }
}
