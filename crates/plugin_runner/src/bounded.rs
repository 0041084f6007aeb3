//! Runs a program that somebody named in the settings, within bounds of time and output.

use crate::tool::PATH;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why there is no output.
#[derive(Debug, Error)]
pub enum BoundedError {
    /// It can't be started, or not be waited for.
    #[error("{program} can't be run: {source}")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its path.
        program: String,
        /// Its standard error, or how it ended.
        said: String,
    },
    /// It was not done in time, and was ended.
    #[error("{program} takes longer than {} s", timeout.as_secs_f64())]
    TooLong {
        /// Its path.
        program: String,
        /// The time that it had.
        timeout: Duration,
    },
    /// It printed too much, and was ended.
    #[error("{program} prints more than {max_bytes} bytes")]
    TooMuch {
        /// Its path.
        program: String,
        /// What it might have printed.
        max_bytes: u64,
    },
}

/// How much a program may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From its start to its end.
    pub timeout: Duration,
    /// Of its standard output.
    pub max_bytes: u64,
}

/// So much of what a program says about an error is kept.
const MAX_SAID: u64 = 4 * 1024;
/// How often an end is looked for once the output has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a program, by its path, to its end, without standard input and with an environment of `PATH` alone; gives its
/// standard output. Nothing is left behind that stayed in its process group.
///
/// # Errors
/// It can't be started, ended with another exit code than 0, took too long, or printed too much.
pub fn run_bounded(argv: &[String], bounds: Bounds) -> Result<Vec<u8>, BoundedError> {
    let (program, arguments) = argv.split_first().map_or(("", argv), |(first, rest)| (first.as_str(), rest));
    #[expect(clippy::disallowed_methods, reason = "starting programs is this crate's duty")]
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| BoundedError::Start { program: program.to_owned(), source })?;
    let deadline = Instant::now() + bounds.timeout;
    let printed = read_in_background(child.stdout.take(), bounds.max_bytes.saturating_add(1));
    let said = read_in_background(child.stderr.take(), MAX_SAID);
    let ended = await_end(&child, program, printed, deadline, bounds);
    if let Ok(group) = i32::try_from(child.id()) {
        // The program was not waited for yet, so the number still means its group; nothing is left where this fails.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let status =
        child.wait().map_err(|source| BoundedError::Start { program: program.to_owned(), source })?;
    let output = ended?;
    if status.success() {
        return Ok(output);
    }
    let said = said.recv_timeout(LOOK).ok().and_then(Result::ok).unwrap_or_default();
    let said = match String::from_utf8_lossy(&said).trim() {
        "" => status.to_string(),
        said => said.to_owned(),
    };
    Err(BoundedError::Failed { program: program.to_owned(), said })
}

/// Its whole output, once it has ended.
fn await_end(
    child: &Child,
    program: &str,
    printed: Receiver<io::Result<Vec<u8>>>,
    deadline: Instant,
    bounds: Bounds,
) -> Result<Vec<u8>, BoundedError> {
    let late = || BoundedError::TooLong { program: program.to_owned(), timeout: bounds.timeout };
    let left = deadline.saturating_duration_since(Instant::now());
    let output = match printed.recv_timeout(left) {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(BoundedError::Start { program: program.to_owned(), source }),
        Err(_) => return Err(late()),
    };
    if output.len() as u64 > bounds.max_bytes {
        return Err(BoundedError::TooMuch { program: program.to_owned(), max_bytes: bounds.max_bytes });
    }
    while !has_ended(child) {
        if Instant::now() > deadline {
            return Err(late());
        }
        thread::sleep(LOOK);
    }
    Ok(output)
}

/// Looks without waiting for it in the system's sense: its number stays its own.
fn has_ended(child: &Child) -> bool {
    let Ok(id) = i32::try_from(child.id()) else { return true };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(Pid::from_raw(id)), flags), Ok(WaitStatus::StillAlive))
}

/// Reads at most `limit` bytes and tells when it has them, or all; what comes then is thrown away, so that the program
/// does not wait for us.
fn read_in_background(pipe: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        let read = pipe.by_ref().take(limit).read_to_end(&mut bytes).map(|_| bytes);
        // The receiver may have given up.
        let _ = sender.send(read);
        let _ = io::copy(&mut pipe, &mut io::sink());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, bounds: Bounds) -> Result<Vec<u8>, String> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        run_bounded(&argv, bounds).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_has_its_bounds() {
        let bounds = Bounds { timeout: Duration::from_secs(60), max_bytes: 100_000 };
        assert_eq!(run("echo out; echo err >&2", bounds), Ok(b"out\n".to_vec()));
        assert_eq!(run("echo why >&2; exit 3", bounds), Err("/bin/sh failed: why".to_owned()));
        assert!(run("head -c 100000 /dev/zero", bounds).is_ok_and(|output| output.len() == 100_000));
        assert_eq!(run("cat /dev/zero", bounds), Err("/bin/sh prints more than 100000 bytes".to_owned()));
        let short = Bounds { timeout: Duration::from_millis(300), ..bounds };
        assert_eq!(run("sleep 1000", short), Err("/bin/sh takes longer than 0.3 s".to_owned()));
        assert_eq!(run("exec >&-; sleep 1000", short), Err("/bin/sh takes longer than 0.3 s".to_owned()));
        assert!(run_bounded(&["/nonexistent".to_owned()], bounds).is_err());
    }
}
