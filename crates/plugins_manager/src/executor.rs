//! The thread that drives runs, and the launcher behind it: started again when it is gone.

use anyhow::Context as _;
use plugin_runner::{
    Event, Examination, Launcher, Outcome, Remote, RunSpec, Runner, RunnerError, RunnerOptions,
};
use selfservice_core::config::PluginSettings;
use selfservice_core::db::Waker;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

use crate::message::Message;
use crate::running::Running;

/// Output that a run may have on its way to the database. A plugin that prints more waits at its pipe, so memory
/// stays bounded while the database is slow or away.
const WINDOW: usize = 1024 * 1024;
const LAUNCHER_PAUSE: Duration = Duration::from_secs(1);

/// Owns the thread that drives runs.
pub struct Executor {
    plugins: Plugins,
    thread: Option<JoinHandle<()>>,
}

/// Starts and cancels runs from any thread. Clones act on the same runs.
#[derive(Clone)]
pub struct Plugins(Arc<Shared>);

struct Shared {
    running: Running,
    waker: Waker,
    state: Mutex<State>,
    stopping: AtomicBool,
}

#[derive(Default)]
struct State {
    remote: Option<Remote>,
    /// Runs that were handed to the present runner and have not ended. What is left when it is gone was never taken
    /// by it: those it had taken got their last event from it.
    sent: HashSet<Uuid>,
}

impl Executor {
    /// Connects to the launcher, or starts one, and begins to hand events of all runs to `events`. `waker` is used
    /// when the launcher is there (again), and when a slot of `running` is free.
    pub fn start(
        settings: &PluginSettings,
        events: Sender<Message>,
        running: Running,
        waker: Waker,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            running,
            waker,
            state: Mutex::new(State::default()),
            stopping: AtomicBool::new(false),
        });
        let runner = new_runner(settings)?;
        let (settings, for_thread) = (settings.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("runner".to_owned())
            .spawn(move || drive(Some(runner), &settings, &for_thread, &events))
            .context("while starting the runner's thread")?;
        Ok(Self { plugins: Plugins(shared), thread: Some(thread) })
    }

    /// A handle for any thread.
    pub fn plugins(&self) -> Plugins {
        self.plugins.clone()
    }

    /// Ends the thread; what still runs is ended by the launcher.
    pub fn stop(mut self) {
        self.plugins.0.stopping.store(true, Ordering::SeqCst);
        let _ = self.plugins.with(Remote::stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Plugins {
    /// Starts a run. False: there is no launcher now, and nothing was started.
    pub fn run(&self, spec: RunSpec) -> bool {
        let id = spec.run();
        let mut state = self.0.lock();
        let sent = state.remote.as_ref().is_some_and(|remote| remote.start(spec).is_ok());
        if sent {
            state.sent.insert(id);
        }
        sent
    }

    /// Ends a run's whole tree. A run that has just ended is ignored; without a launcher there is no tree to end.
    pub fn cancel(&self, run: Uuid) {
        let _ = self.with(|remote| remote.cancel(run));
    }

    /// Says that `bytes` of the run's output are stored, so that it may print more.
    pub fn credit(&self, run: Uuid, bytes: usize) {
        let _ = self.with(|remote| remote.credit(run, bytes));
    }

    /// Asks the launcher which plugins are there. Without a launcher there is no answer.
    pub fn examine(&self, answer: Examination) {
        let _ = self.with(|remote| remote.examine(answer));
    }

    /// Whether runs can be started now.
    pub fn is_ready(&self) -> bool {
        self.with(|_| Ok(())).is_some()
    }

    fn with<T>(&self, work: impl FnOnce(&Remote) -> Result<T, RunnerError>) -> Option<T> {
        self.0.lock().remote.as_ref().and_then(|remote| work(remote).ok())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event on its way to the writer.
    fn note(&self, event: &Event) {
        if let Event::Finished { run, .. } = event {
            self.lock().sent.remove(run);
            self.running.end(*run);
            self.waker.wake();
        }
    }
}

fn drive(mut first: Option<Runner>, settings: &PluginSettings, shared: &Shared, events: &Sender<Message>) {
    while !shared.stopping.load(Ordering::SeqCst) {
        let runner = match first.take().map_or_else(|| new_runner(settings), Ok) {
            Ok(runner) => runner,
            Err(error) => {
                tracing::error!("no plugin can be started: {error:#}");
                std::thread::sleep(LAUNCHER_PAUSE);
                continue;
            }
        };
        shared.lock().remote = Some(runner.remote());
        shared.waker.wake();
        // The writer is gone only when the program ends, so its answer does not matter.
        let result = runner.run(&mut |event: Event| {
            shared.note(&event);
            let _ = events.send(Message::Event(event));
        });
        let left = std::mem::take(&mut *shared.lock()).sent;
        for run in left {
            let _ = events.send(Message::Event(never_taken(run)));
        }
        if let Err(error) = result {
            tracing::error!("{error}; its runs are lost, and a new launcher is looked for");
            std::thread::sleep(LAUNCHER_PAUSE);
        }
    }
}

fn never_taken(run: Uuid) -> Event {
    let outcome = Outcome::NotStarted("the launcher went away before".to_owned());
    Event::Finished { run, outcome, elapsed: None, left: 0, at: SystemTime::now() }
}

fn new_runner(settings: &PluginSettings) -> anyhow::Result<Runner> {
    let launcher = match &settings.launcher_socket {
        Some(path) => Launcher::connect(path)?,
        None => Launcher::spawn(&settings.launcher, settings.launcher_arguments())?,
    };
    let options = RunnerOptions { window: Some(WINDOW), ..RunnerOptions::default() };
    Ok(Runner::new(launcher, options)?)
}
