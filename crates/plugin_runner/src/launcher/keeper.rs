//! The launcher's parent, which does nothing while the launcher lives. It is a subreaper too: when the launcher is
//! killed, all its plugins' processes become children of the keeper, whatever they have shed, and it kills them. When
//! the keeper is killed, the launcher is told by the kernel and stops, which ends them too. So only who kills both at once
//! leaves something behind, to be found by the next launcher.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpid, getppid};

use super::processes::{Watcher, send};
use crate::protocol::ExitStatus;
use crate::sys::{self, Reaped};

/// What the launcher gets when its keeper is gone.
pub(super) const KEEPER_GONE: Signal = Signal::SIGUSR1;
/// Killed processes that are still there after this can't be ended.
const WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Which of the two this process has become.
pub(super) enum Role {
    Launcher,
    /// It has done its duty, and ends with this.
    Keeper(ExitCode),
}

/// Splits this process, which must have one thread, into keeper and launcher; returns in the launcher at once, and in the
/// keeper when everything is over. `connection` is an open descriptor that only the launcher keeps: who is at its other
/// end must notice when the launcher is gone.
pub(super) fn split(connection: Option<i32>) -> anyhow::Result<Role> {
    let mut watched = SigSet::empty();
    for number in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, KEEPER_GONE] {
        watched.add(number);
    }
    watched.thread_block().context("while blocking signals")?;
    let keeper = getpid();
    match sys::fork().context("while starting the launcher's own process")? {
        None => {
            prctl::set_pdeathsig(KEEPER_GONE).context("while asking for the keeper's end")?;
            anyhow::ensure!(getppid() == keeper, "the keeper is gone");
            Ok(Role::Launcher)
        }
        Some(launcher) => {
            if let Some(number) = connection {
                let nothing = File::open("/dev/null").context("while opening /dev/null")?;
                sys::replace(number, nothing.as_raw_fd()).context("while leaving the connection")?;
            }
            keep(launcher, &watched, connection.is_none()).map(Role::Keeper)
        }
    }
}

/// Waits for the launcher's end. A launcher that listens gets the signals that its keeper gets.
fn keep(launcher: i32, watched: &SigSet, passes_on: bool) -> anyhow::Result<ExitCode> {
    loop {
        let signal = watched.wait().context("while waiting for the launcher")?;
        if signal != Signal::SIGCHLD {
            if passes_on {
                send(launcher, signal);
            }
            continue;
        }
        while let Reaped::Child { pid, status } = sys::reap().context("while collecting the launcher")? {
            if pid == launcher {
                return Ok(end_everything(&status));
            }
        }
    }
}

/// Kills what the launcher left, until there is nothing, and gives the code with which to end.
fn end_everything(launcher: &ExitStatus) -> ExitCode {
    let code = match launcher {
        ExitStatus::Code(code) => ExitCode::from(u8::try_from(*code).unwrap_or(1)),
        ExitStatus::Signal(number) => {
            tracing::error!("the launcher was ended by signal {number}; its plugins are ended");
            ExitCode::FAILURE
        }
    };
    let deadline = Instant::now() + WITHIN;
    let mut watcher = Watcher::default();
    loop {
        while let Ok(Reaped::Child { .. }) = sys::reap() {}
        if matches!(sys::reap(), Ok(Reaped::NoChildren)) {
            return code;
        }
        if Instant::now() > deadline {
            tracing::warn!("some processes of the launcher's plugins can't be ended");
            return code;
        }
        watcher.look().processes.keys().for_each(|&id| send(id, Signal::SIGKILL));
        std::thread::sleep(LOOK);
    }
}
