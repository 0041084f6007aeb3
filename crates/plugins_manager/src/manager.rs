//! The manager's loop: register, claim, start, renew, cancel, drain.

use crate::backlog::Backlog;
use crate::batch::Storage;
use crate::executor::{Executor, Plugins};
use crate::log_writer::LogWriter;
use crate::message::Message;
use crate::outcome::{CancelledBy, Verdict};
use crate::plan_check::{Approved, Refused, approve_all, typed_secrets_of};
use crate::replay::Replayer;
use crate::running::Running;
use crate::shelf::Shelf;
use crate::signals::Signals;
use crate::spool::Spool;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use failpoint::failpoint;
use selfservice_core::config::{MacroFile, Settings};
use selfservice_core::db::{DbError, Listener, Pool, TASK_CANCEL, TASK_QUEUED, WORKER_TOLD, Wake};
use selfservice_core::models::tasks::Task;
use selfservice_core::models::workers::{Presence, Worker};
use selfservice_core::plan::{Repeated, repeat_lost};
use selfservice_core::queue::{self, Claim};
use selfservice_core::sealing::OpeningKey;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the writer may take to store what is left when the manager stops, and the replayer after that.
const LAST_WRITES: Duration = Duration::from_secs(10);
/// How long cancelled runs may take beyond their grace period.
const LAST_RUNS: Duration = Duration::from_secs(5);

/// While the database is away it is looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// After a claim so long is waited for a quarter of the slots to be free before the next one: while many short runs end,
/// a claim and its commit serve several of them.
const GATHER: Duration = Duration::from_millis(5);

/// See the module's text.
pub struct Manager {
    settings: Settings,
    /// Those that the parts were started with.
    started_with: Settings,
    macros: MacroFile,
    name: String,
    pool: Pool,
    listener: Listener,
    signals: Signals,
    executor: Executor,
    plugins: Plugins,
    shelf: Shelf,
    messages: Sender<Message>,
    writer: JoinHandle<()>,
    replayer: JoinHandle<()>,
    backlog: Arc<Backlog>,
    running: Running,
    id: Uuid,
    /// Opens the secrets that people typed for this manager's tasks.
    opening_key: OpeningKey,
    worker: Option<Worker>,
    /// Claimed, but not started: the database failed between claim and start, or there was no launcher.
    unstarted: Vec<Claim>,
    cancelled: HashSet<Uuid>,
    heartbeat_at: Instant,
    /// The time of [`GATHER`] ends then.
    gathered_at: Instant,
    /// Before this nothing is looked for: the oldest task of the last claim. Only while claims give as many tasks as were
    /// asked for, and until the next heartbeat: an older one may come late, or back.
    claim_from: Option<DateTime<Utc>>,
    /// The database did not answer the last time.
    away: bool,
    set_log_filter: SetLogFilter,
}

/// Takes another `[log] filter`; the error says what is wrong with it.
pub type SetLogFilter = Box<dyn Fn(&str) -> Result<(), String>>;

impl Manager {
    /// Connects to the launcher and starts the threads. The database may still be away.
    pub fn build(
        settings: &Settings,
        macros: MacroFile,
        set_log_filter: SetLogFilter,
    ) -> anyhow::Result<Self> {
        let pool = Pool::new(&settings.database.keeping_plans(), "plugins_manager");
        let url = settings.database.connection_string("plugins_manager");
        let listener = Listener::new(&url, &[TASK_QUEUED, TASK_CANCEL, WORKER_TOLD])
            .context("while making the listener")?;
        let waker = || listener.waker().context("while making a waker");
        let id = Uuid::now_v7();
        let spool = Spool::open(&settings.manager.spool_directory, settings.manager.spool_limit, id)?;
        let backlog = Arc::new(Backlog::new(spool, waker()?));
        let (messages, for_writer) = mpsc::channel();
        let running = Running::default();
        let executor = Executor::start(&settings.plugins, messages.clone(), running.clone(), waker()?)?;
        let writer = LogWriter::new(
            Storage::new(pool.clone()),
            Arc::clone(&backlog),
            executor.plugins(),
            running.clone(),
            waker()?,
            settings.plugins.output_limit,
        );
        let replayer = Replayer {
            backlog: Arc::clone(&backlog),
            storage: Storage::new(pool.clone()),
            running: running.clone(),
        };
        let writer = thread("log_writer", move || writer.run(&for_writer, LAST_WRITES))?;
        let replayer = thread("replayer", move || replayer.run())?;
        Ok(Self {
            signals: Signals::listen(waker()?)?,
            name: manager_name(settings),
            plugins: executor.plugins(),
            shelf: Shelf::new(waker()?),
            settings: settings.clone(),
            started_with: settings.clone(),
            macros,
            pool,
            listener,
            executor,
            messages,
            writer,
            replayer,
            backlog,
            running,
            id,
            opening_key: OpeningKey::generate().context("while drawing the key for typed secrets")?,
            worker: None,
            unstarted: Vec::new(),
            cancelled: HashSet::new(),
            heartbeat_at: Instant::now(),
            gathered_at: Instant::now(),
            claim_from: None,
            away: false,
            set_log_filter,
        })
    }

    /// Works until a signal asks to stop; then drains and stops.
    pub fn run(mut self) -> anyhow::Result<()> {
        tracing::info!(worker.id = %self.id, slots = self.settings.manager.slots, "{} takes tasks", self.name);
        while !self.signals.stop() {
            // Without them no output or result would be stored, while the leases would be renewed for ever.
            anyhow::ensure!(
                !self.writer.is_finished() && !self.replayer.is_finished(),
                "the thread that stores output and results has ended"
            );
            if self.signals.take_reload() {
                self.reload();
            }
            let turn = self.turn();
            self.note_outage(&turn);
            self.wait();
        }
        self.drain();
        self.stop()
    }

    /// One look at everything that may be due.
    fn turn(&mut self) -> Result<(), DbError> {
        if Instant::now() >= self.heartbeat_at {
            self.heartbeat(false)?;
            self.shelf.ask(&self.plugins);
        }
        if let Some(worker) = &self.worker {
            self.shelf.tell(&self.pool, worker)?;
        }
        self.start_unstarted()?;
        while self.claim()? {}
        Ok(())
    }

    /// Says once in the log that the database is away, and that it is back.
    fn note_outage(&mut self, turn: &Result<(), DbError>) {
        match turn {
            Ok(()) if std::mem::take(&mut self.away) => tracing::info!("tasks can be taken again"),
            Ok(()) => {}
            Err(error) if error.is_outage() => {
                // Whatever the last statement did, the next heartbeat shows it.
                self.heartbeat_at = self.heartbeat_at.min(Instant::now() + LOOK_AGAIN);
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!("no tasks can be taken, runs go on: {error}");
                }
            }
            Err(error) => tracing::error!(?error, "no tasks can be taken"),
        }
    }

    fn wait(&mut self) {
        let until_heartbeat = self.heartbeat_at.saturating_duration_since(Instant::now());
        let mut timeout = until_heartbeat.clamp(Duration::from_millis(50), self.settings.manager.poll);
        let until_gathered = self.gathered_at.saturating_duration_since(Instant::now());
        if !until_gathered.is_zero() {
            timeout = timeout.min(until_gathered);
        }
        let Wake::Notified { channel, payload } = self.listener.wait(timeout) else { return };
        let Ok(id) = payload.parse() else { return };
        match channel.as_str() {
            TASK_CANCEL => self.cancel(id),
            // The heartbeat reads what it was told.
            WORKER_TOLD if id == self.id => self.heartbeat_at = Instant::now(),
            _ => {}
        }
    }

    /// Registers, or says that this manager lives; renews leases, hears of cancellations, and finishes what nobody
    /// else can.
    fn heartbeat(&mut self, stopping: bool) -> Result<(), DbError> {
        let lease = self.settings.manager.lease;
        // The next one is due even where this one fails: an outage must not turn into a busy loop.
        self.heartbeat_at = Instant::now() + self.settings.manager.heartbeat;
        self.claim_from = None;
        let (ids, known) = (self.running.ids(), self.running.known());
        let presence = Presence {
            slots: self.settings.manager.slots,
            tags: &self.settings.manager.tags,
            running: ids.len(),
            stopping,
            lease,
        };
        let (id, name, sealing_key) = (self.id, &self.name, self.opening_key.sealing_key());
        let (worker, renewed, strays) = self.pool.transaction::<_, DbError>(|connection| {
            let worker = match Worker::heartbeat(connection, id, &presence)? {
                Some(worker) => worker,
                None => {
                    let worker =
                        Worker::register(connection, id, name, env!("CARGO_PKG_VERSION"), &presence)?;
                    Worker::tell_sealing_key(connection, id, sealing_key)?;
                    worker
                }
            };
            let renewed = queue::renew(connection, worker.epoch, &ids, lease)?;
            failpoint!("in_heartbeat");
            queue::expire(connection)?;
            let strays = queue::strays(connection, worker.epoch, &known)?;
            Ok((worker, renewed, strays))
        })?;
        self.take_up(strays);
        self.note_draining(worker.draining);
        self.worker = Some(worker);
        self.finish_for_others(stopping)?;
        for row in renewed.iter().filter(|row| row.cancel_requested_at.is_some()) {
            self.cancel(row.id);
        }
        let running: HashSet<Uuid> = self.running.ids().into_iter().collect();
        self.cancelled.retain(|id| running.contains(id));
        Ok(())
    }

    /// Claims whose commit was never acknowledged: nobody but this manager may start them, and it did not know of them.
    fn take_up(&mut self, strays: Vec<Claim>) {
        for claim in strays {
            tracing::info!(task.id = %claim.task.id, "a task was claimed without this manager hearing of it");
            self.running.insert(claim.task.id);
            self.unstarted.push(claim);
        }
    }

    /// Says in the log that a person has told this manager to take no tasks, or to take them again.
    fn note_draining(&self, draining: bool) {
        match (self.worker.as_ref().is_some_and(|worker| worker.draining), draining) {
            (false, true) => {
                tracing::info!(running = self.running.count(), "being drained: no new tasks are taken");
            }
            (true, false) => tracing::info!("drained no more: tasks are taken again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Declares lost what other managers left behind, and starts again what may be repeated.
    fn finish_for_others(&self, stopping: bool) -> Result<(), DbError> {
        failpoint!("before_rescue");
        let rescued = self.pool.transaction::<_, DbError>(|connection| Ok(queue::rescue(connection)?))?;
        for id in rescued.lost {
            tracing::warn!(task.id = %id, "a task is lost: its manager was not heard of any more");
        }
        if stopping {
            return Ok(());
        }
        for Repeated { lost, outcome } in
            repeat_lost(&self.pool, &self.macros, self.settings.manager.queue_life)?
        {
            match outcome {
                Ok(id) => tracing::info!(task.id = %id, "the lost task {lost} is started again"),
                Err(why) => tracing::warn!(task.id = %lost, "a lost task is not started again: {why}"),
            }
        }
        Ok(())
    }

    /// Takes as many tasks as there are free slots. True: there may be more.
    fn claim(&mut self) -> Result<bool, DbError> {
        let slots = usize::try_from(self.settings.manager.slots).unwrap_or(usize::MAX);
        let free = self.running.free(slots);
        if free < slots.div_ceil(4) && Instant::now() < self.gathered_at {
            return Ok(false);
        }
        let may = free > 0 && self.plugins.is_ready() && self.backlog.may_claim();
        let takes = |worker: &Worker| may && !worker.draining;
        let Some(worker) = self.worker.clone().filter(takes) else {
            return Ok(false);
        };
        let (lease, from) = (self.settings.manager.lease, self.claim_from.take());
        let trusted = self.trusted();
        let claims = self
            .pool
            .run::<_, DbError>(|connection| Ok(queue::claim(connection, &worker, lease, free, from)?))?;
        let Some(oldest) = claims.first() else {
            return Ok(from.is_some());
        };
        failpoint!("after_claim_commit");
        let full = claims.len() == free;
        self.claim_from = full.then_some(oldest.task.created_at);
        self.gathered_at = Instant::now() + GATHER;
        claims.iter().for_each(|claim| self.running.insert(claim.task.id));
        self.start(claims, trusted);
        Ok(full || from.is_some())
    }

    /// How long this manager may trust by itself that a lease which it asks for now is its own: half of it. Who was frozen
    /// for longer could start what others have declared lost, and perhaps started again (G11).
    fn trusted(&self) -> Instant {
        Instant::now() + self.settings.manager.lease / 2
    }

    /// Decides once more on claimed tasks, and starts those that may run before their lease is `trusted` no more.
    fn start(&mut self, claims: Vec<Claim>, trusted: Instant) {
        let tasks: Vec<&Task> = claims.iter().map(|claim| &claim.task).collect();
        let decided = self.pool.run::<_, DbError>(|connection| {
            let typed = typed_secrets_of(connection, self.id, &self.opening_key, &tasks)?;
            Ok(approve_all(connection, &self.macros, &self.settings.plugins, &tasks, &typed))
        });
        match decided {
            Ok(decided) => {
                for (claim, result) in claims.into_iter().zip(decided) {
                    if Instant::now() < trusted {
                        self.start_one(claim, result);
                    } else {
                        self.unstarted.push(claim);
                    }
                }
            }
            Err(_) => self.unstarted.extend(claims),
        }
    }

    fn start_one(&mut self, claim: Claim, decided: Result<Approved, Refused>) {
        let (id, epoch) = (claim.task.id, claim.epoch);
        let begin = |secrets| Message::Begin { id, epoch, secrets };
        match decided {
            Ok(approved) => {
                let spec = match approved.invocation.into_spec() {
                    Ok(spec) => spec,
                    Err(error) => return self.refuse(begin(Vec::new()), id, &error.to_string()),
                };
                self.tell(begin(approved.secrets));
                failpoint!("before_start");
                if !self.plugins.run(spec) {
                    self.unstarted.push(claim);
                }
                failpoint!("after_start");
            }
            Err(Refused::Rejected(why)) => self.refuse(begin(Vec::new()), id, &why),
            Err(Refused::Undecided) => self.unstarted.push(claim),
        }
    }

    fn refuse(&self, begin: Message, id: Uuid, why: &str) {
        tracing::info!(task.id = %id, why, "a task was rejected before its start");
        self.tell(begin);
        self.tell(Message::Refuse(id, Verdict::rejected(why)));
    }

    /// Tries again what could not be started, as long as it is still ours.
    fn start_unstarted(&mut self) -> Result<(), DbError> {
        if self.unstarted.is_empty() || !self.plugins.is_ready() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.unstarted.iter().map(|claim| claim.task.id).collect();
        let epoch = self.worker.as_ref().map_or(0, |worker| worker.epoch);
        let lease = self.settings.manager.lease;
        let trusted = self.trusted();
        let ours =
            self.pool.run::<_, DbError>(|connection| Ok(queue::renew(connection, epoch, &ids, lease)?))?;
        for row in ours.iter().filter(|row| row.cancel_requested_at.is_some()) {
            self.cancel(row.id);
        }
        let ours: HashSet<Uuid> = ours.into_iter().map(|row| row.id).collect();
        let (ours, others): (Vec<Claim>, Vec<Claim>) =
            std::mem::take(&mut self.unstarted).into_iter().partition(|claim| ours.contains(&claim.task.id));
        others.iter().for_each(|claim| self.running.remove(claim.task.id));
        self.start(ours, trusted);
        Ok(())
    }

    fn cancel(&mut self, id: Uuid) {
        if !self.running.ids().contains(&id) || !self.cancelled.insert(id) {
            return;
        }
        let by = self.pool.run::<_, DbError>(|connection| Ok(Task::find(connection, id)?)).ok().flatten();
        let name = by.and_then(|task| task.cancel_requested_by).unwrap_or_else(|| "a person".to_owned());
        tracing::info!(task.id = %id, "{name} cancels a task");
        if let Some(index) = self.unstarted.iter().position(|claim| claim.task.id == id) {
            let epoch = self.unstarted.swap_remove(index).epoch;
            self.tell(Message::Begin { id, epoch, secrets: Vec::new() });
            self.tell(Message::Refuse(id, Verdict::cancelled_before_start(&name)));
            return;
        }
        self.tell(Message::Cancel(id, CancelledBy::Person(name)));
        self.plugins.cancel(id);
    }

    /// Reads settings and macros again. Where a file is wrong, both stay as they were. What only a start can change (the
    /// database, the launcher and what it is told, name, spool and output limit) waits for the next one, which is said.
    fn reload(&mut self) {
        let read = Settings::load(Some(&self.settings.path))
            .and_then(|settings| settings.macro_file().map(|macros| (settings, macros)));
        match read {
            Ok((settings, macros)) => {
                if let Err(error) = (self.set_log_filter)(&settings.log_filter) {
                    tracing::error!("[log] filter stays as it was: {error}");
                }
                let left = self.started_with.changed_for_a_restart(&settings);
                if !left.is_empty() {
                    tracing::warn!(
                        "changed, but only a restart of this manager applies it: {}",
                        left.join(", ")
                    );
                }
                self.settings = settings;
                self.macros = macros;
                // The heartbeat tells the others of slots and tags.
                self.heartbeat_at = Instant::now();
                tracing::info!(slots = self.settings.manager.slots, "settings and macros were read again");
            }
            Err(error) => tracing::error!("settings and macros stay as they were: {error}"),
        }
    }

    /// Takes nothing new, gives back what was not started, waits for the rest, and ends what is left.
    fn drain(&mut self) {
        tracing::info!(running = self.running.count(), "stopping: no new tasks are taken");
        self.give_back();
        self.wait_for_runs(self.settings.manager.drain, true);
        for id in self.running.busy() {
            tracing::warn!(task.id = %id, "a task is ended because the manager stops");
            self.tell(Message::Cancel(id, CancelledBy::Manager));
            self.plugins.cancel(id);
        }
        self.wait_for_runs(self.settings.plugins.grace + LAST_RUNS, false);
    }

    fn give_back(&mut self) {
        let ids: Vec<Uuid> = self.unstarted.iter().map(|claim| claim.task.id).collect();
        failpoint!("in_give_back");
        if ids.is_empty() {
            return;
        }
        let epoch = self.worker.as_ref().map_or(0, |worker| worker.epoch);
        let result =
            self.pool.transaction::<_, DbError>(|connection| Ok(queue::give_back(connection, epoch, &ids)?));
        match result {
            Ok(_) => {
                self.unstarted.clear();
                ids.into_iter().for_each(|id| self.running.remove(id));
            }
            // Tried again as long as the manager waits for its runs; then they count as lost.
            Err(error) => tracing::warn!("unstarted tasks cannot be given back: {error}"),
        }
    }

    fn wait_for_runs(&mut self, limit: Duration, may_hurry: bool) {
        let deadline = Instant::now() + limit;
        while self.running.count() > 0 && Instant::now() < deadline && !(may_hurry && self.signals.hurry()) {
            if Instant::now() >= self.heartbeat_at
                && let Err(error) = self.heartbeat(true)
            {
                tracing::warn!("no heartbeat while stopping: {error}");
            }
            self.give_back();
            self.heartbeat_at = self.heartbeat_at.min(deadline);
            self.wait();
        }
    }

    /// Ends the threads in the order in which they feed each other, so that nothing is left unwritten.
    fn stop(self) -> anyhow::Result<()> {
        self.executor.stop();
        drop(self.messages);
        self.writer.join().map_err(|_| anyhow::anyhow!("the writer's thread has panicked"))?;
        self.backlog.stop(Instant::now() + LAST_WRITES);
        self.replayer.join().map_err(|_| anyhow::anyhow!("the replayer's thread has panicked"))?;
        if let Some(backlog) = Arc::into_inner(self.backlog) {
            backlog.close();
        }
        failpoint!("before_sign_off");
        let signed_off = self.pool.run::<_, DbError>(|c| Ok(Worker::sign_off(c, self.id)?));
        if let Err(error) = signed_off {
            tracing::warn!("stopped without signing off: {error}");
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn tell(&self, message: Message) {
        // The writer lives as long as the manager.
        let _ = self.messages.send(message);
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.with_context(|| format!("while starting the thread {name}"))
}

fn manager_name(settings: &Settings) -> String {
    if !settings.manager.name.is_empty() {
        return settings.manager.name.clone();
    }
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "manager".to_owned())
}
