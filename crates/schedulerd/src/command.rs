//! Runs one of our own programs: by its file, with plain arguments, without a shell.

use crate::stop::Stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// From the request to stop to TERM, and from TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code, where it exited by itself.
    pub exit_code: Option<i32>,
    /// In words.
    pub outcome: String,
}

/// Where our programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    directories: Vec<PathBuf>,
    settings: PathBuf,
}

impl Programs {
    /// Beside this program, or in `../bin` as in an installed tree. Every program is given `settings`.
    pub fn beside_us(settings: &Path) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let directory = own.parent().unwrap_or(Path::new("/"));
        Ok(Self {
            directories: vec![directory.to_owned(), directory.join("../bin")],
            settings: std::path::absolute(settings)?,
        })
    }

    /// In `directory` alone.
    #[cfg(test)]
    pub fn in_directory(directory: &Path, settings: &Path) -> Self {
        Self { directories: vec![directory.to_owned()], settings: settings.to_owned() }
    }

    /// Runs `command` (a program's name and its arguments) to its end; when a stop is asked for, it is ended.
    pub fn run(&self, command: &[String], stop: &Stop) -> Ended {
        match self.start(command) {
            Ok(child) => wait(child, stop),
            Err(error) => Ended { exit_code: None, outcome: format!("could not be started: {error}") },
        }
    }

    fn start(&self, command: &[String]) -> io::Result<Child> {
        let (name, arguments) =
            command.split_first().ok_or_else(|| io::Error::other("the line names no program"))?;
        let file = self
            .directories
            .iter()
            .map(|directory| directory.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                io::Error::other(format!("the program {name} is not installed beside schedulerd"))
            })?;
        #[expect(clippy::disallowed_methods, reason = "a scheduler's own commands")]
        Command::new(file).arg("--settings").arg(&self.settings).args(arguments).stdin(Stdio::null()).spawn()
    }
}

fn wait(mut child: Child, stop: &Stop) -> Ended {
    let mut stopping: Option<Instant> = None;
    let mut told = false;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return ended(status),
            Ok(None) => {}
            Err(error) => {
                return Ended { exit_code: None, outcome: format!("its end could not be awaited: {error}") };
            }
        }
        match stopping {
            None if stop.sleep(LOOK) => stopping = Some(Instant::now()),
            None => {}
            Some(since) => {
                let waited = since.elapsed();
                if waited > PATIENCE + GRACE {
                    // It has ended where this fails.
                    let _ = child.kill();
                } else if waited > PATIENCE && !told {
                    told = true;
                    if let Ok(id) = i32::try_from(child.id()) {
                        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
                    }
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    let outcome = match (status.code(), status.signal()) {
        (Some(0), _) => "done".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    Ended { exit_code: status.code(), outcome }
}
