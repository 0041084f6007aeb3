//! The daemons: in which order they start and stop, what happens when one dies, and their log files.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::interrupts::Interrupts;
use super::say;
use crate::process::{GuardedChild, ProcessSpec};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A daemon that ran for so long had started well: the next restart is quick again.
const STEADY: Duration = Duration::from_secs(60);
const LOG_LIMIT_BYTES: u64 = 20 * 1024 * 1024;
const WATCH_INTERVAL: Duration = Duration::from_millis(200);
/// What a daemon gets after a second signal before it is killed: running plugins have 10 s of it.
const HURRIED: Duration = Duration::from_secs(15);

const AFTER_KILL: Duration = Duration::from_secs(5);

/// How one daemon is started and stopped.
pub struct DaemonPlan {
    /// Its name, which is also the name of its log.
    pub name: &'static str,
    /// Makes the call anew for every start.
    pub spec: Box<dyn Fn() -> Result<ProcessSpec>>,
    /// What it gets to end its work after TERM before it is killed.
    pub patience: Duration,
}

/// One daemon, running or waiting for its next start. Dropping it stops it.
pub struct Daemon {
    plan: DaemonPlan,
    log: PathBuf,
    child: Option<GuardedChild>,
    started: Instant,
    pause: Duration,
}

impl Daemon {
    /// Starts the daemon with its outputs appended to `<log_directory>/<name>.log`.
    pub fn start(plan: DaemonPlan, log_directory: &Path) -> Result<Self> {
        let log = log_directory.join(format!("{}.log", plan.name));
        let mut daemon = Self { plan, log, child: None, started: Instant::now(), pause: FIRST_PAUSE };
        daemon.launch()?;
        Ok(daemon)
    }

    /// Name of the daemon.
    pub fn name(&self) -> &'static str {
        self.plan.name
    }

    /// How it ended and the last lines of its log, when it does not run.
    pub fn failure(&self) -> Option<String> {
        let status = self.child.as_ref()?.ended()?;
        Some(format!(
            "{} ended ({status}); the end of {} says:\n{}",
            self.name(),
            self.log.display(),
            tail(&self.log)
        ))
    }

    /// Looks after the daemon: starts it again when it ended, after a pause that doubles each time.
    pub fn watch(&mut self) -> Result<()> {
        let ended = self.child.as_ref().and_then(GuardedChild::ended);
        if let Some(status) = ended {
            let lasted = self.started.elapsed();
            self.pause = if lasted > STEADY { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
            let seconds = self.pause.as_secs();
            say(&format!(
                "{} ended ({status}); starting it again in {seconds} s. See {}",
                self.name(),
                self.log.display()
            ));
            self.child = None;
            self.started = Instant::now();
        } else if self.child.is_none() && self.started.elapsed() >= self.pause {
            self.launch()?;
        }
        bound_log(&self.log).with_context(|| format!("while shortening {}", self.log.display()))
    }

    /// Ends the daemon: TERM, then KILL when its patience is over. A second signal to us is passed on as a second
    /// TERM, by which a daemon ends its work at once, and shortens the patience.
    pub fn stop(&mut self, interrupts: Option<&Interrupts>) {
        let Some(child) = self.child.take() else { return };
        child.signal(Signal::SIGTERM);
        let mut deadline = Instant::now() + self.plan.patience;
        let mut hurried = false;
        while child.wait(WATCH_INTERVAL).is_none() {
            if !hurried && interrupts.is_some_and(|interrupts| interrupts.count() > 1) {
                hurried = true;
                deadline = deadline.min(Instant::now() + HURRIED);
                child.signal(Signal::SIGTERM);
            }
            if Instant::now() > deadline {
                say(&format!("{} does not end; killing it.", self.plan.name));
                child.signal(Signal::SIGKILL);
                child.wait(AFTER_KILL);
                return;
            }
        }
    }

    fn launch(&mut self) -> Result<()> {
        let start = || -> Result<GuardedChild> { Ok((self.plan.spec)()?.spawn(&open_log(&self.log)?)?) };
        self.child = Some(start().with_context(|| format!("while starting {}", self.plan.name))?);
        self.started = Instant::now();
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop(None);
    }
}

fn open_log(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// Keeps one older copy of a log that grew too long. Writers append, so they go on at the new beginning.
fn bound_log(path: &Path) -> std::io::Result<()> {
    if fs::metadata(path)?.len() > LOG_LIMIT_BYTES {
        fs::copy(path, path.with_extension("log.1"))?;
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(15)).map(|line| format!("  {line}\n")).collect()
}
