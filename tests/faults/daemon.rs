//! The programs of a world, and the keeper that starts again what has ended, as an init system would.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use supervisor::process::{GuardedChild, ProcessSpec};

/// The keeper waits so long before it starts a program again.
const PAUSE: Duration = Duration::from_millis(150);
/// A program that was asked to stop gets so long.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// One program with its settings; started again whenever it ends.
pub struct Daemon {
    pub name: String,
    program: PathBuf,
    settings: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<GuardedChild>,
    /// Somebody sent TERM: its end is no surprise.
    asked_to_stop: bool,
    /// Ends that nobody asked for.
    surprises: Vec<String>,
    starts: usize,
}

impl Daemon {
    pub fn new(
        name: String,
        program: PathBuf,
        settings: PathBuf,
        log: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self { name, program, settings, log, environment, state: Mutex::default() }
    }

    /// Sends a signal to the program, if it runs.
    pub fn signal(&self, signal: Signal) {
        let mut state = self.lock();
        if signal == Signal::SIGTERM {
            state.asked_to_stop = true;
        }
        if let Some(child) = &state.child {
            child.signal(signal);
        }
    }

    /// Sends a signal to the launchers that this program has started.
    pub fn signal_launcher(&self, signal: Signal) {
        send(self.keepers().into_iter().flat_map(children_of), signal);
    }

    /// Sends a signal to the launchers' keepers.
    pub fn signal_keeper(&self, signal: Signal) {
        send(self.keepers(), signal);
    }

    fn keepers(&self) -> Vec<i32> {
        let id = self.lock().child.as_ref().map(GuardedChild::id);
        id.into_iter().flat_map(children_of).collect()
    }

    /// SIGTERM, and returns when it has ended, or after its patience; the keeper starts it again.
    pub fn restart(&self) {
        let before = self.starts();
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while self.starts() == before && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often it was started.
    pub fn starts(&self) -> usize {
        self.lock().starts
    }

    /// Ends that nobody asked for.
    pub fn surprises(&self) -> Vec<String> {
        self.lock().surprises.clone()
    }

    /// Starts it where it does not run.
    fn keep(&self) {
        let mut state = self.lock();
        if let Some(status) = state.child.as_ref().map(GuardedChild::ended) {
            let Some(status) = status else { return };
            // What is asked to stop while the database is away may fail at its last statement.
            // Who is asked before it listens to signals ends by the signal.
            let (asked, signal) = (std::mem::take(&mut state.asked_to_stop), status.signal());
            let expected = signal == Some(Signal::SIGKILL as i32)
                || (asked && signal == Some(Signal::SIGTERM as i32))
                || (asked && status.code().is_some_and(|code| code <= 1));
            if !expected {
                state.surprises.push(format!("{} ended by itself: {status}", self.name));
            }
        }
        state.child = Some(self.start());
        state.starts += 1;
    }

    fn ended(&self) -> bool {
        self.lock().child.as_ref().is_none_or(|child| child.ended().is_some())
    }

    fn start(&self) -> GuardedChild {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut spec = ProcessSpec::new(&self.program)
            .arg("--settings")
            .arg(self.settings.display().to_string())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        for (name, value) in &self.environment {
            spec = spec.env(name, value);
        }
        spec.spawn(&log).unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts daemons, and starts them again, until it is dropped; then it kills them.
pub struct Keeper {
    daemons: Arc<Vec<Daemon>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub fn new(daemons: Vec<Daemon>) -> Self {
        let (daemons, stop) = (Arc::new(daemons), Arc::new(AtomicBool::new(false)));
        daemons.iter().for_each(Daemon::keep);
        let (for_thread, stopped) = (Arc::clone(&daemons), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                for daemon in for_thread.iter().filter(|daemon| daemon.ended()).collect::<Vec<_>>() {
                    std::thread::sleep(PAUSE);
                    if !stopped.load(Ordering::SeqCst) {
                        daemon.keep();
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { daemons, stop, thread: Some(thread) }
    }

    pub fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    /// Kills everything, launchers too, and starts nothing again.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for daemon in self.daemons.iter() {
            daemon.signal(Signal::SIGKILL);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to processes that may have ended just now.
fn send(processes: impl IntoIterator<Item = i32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process), signal);
    }
}

/// The processes whose parent is `parent`.
fn children_of(parent: i32) -> Vec<i32> {
    let parent = parent.to_string();
    processes()
        .filter(|process| {
            // The second field is a name in parentheses, which may hold anything; the parent is the fourth.
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            after.split_whitespace().nth(1) == Some(&parent)
        })
        .filter_map(|process| process.file_name()?.to_str()?.parse().ok())
        .collect()
}

/// The directories of all processes in `/proc`.
pub fn processes() -> impl Iterator<Item = PathBuf> {
    let is_number = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<i32>().is_ok())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(move |path| is_number(path))
}
