//! The handle by which other threads talk to a runner's thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use nix::sys::eventfd::{EfdFlags, EventFd};
use uuid::Uuid;

use super::RunnerError;
use crate::command::RunSpec;
use crate::registry::Examined;

pub(super) enum Command {
    Start(RunSpec),
    Cancel(Uuid),
    Credit(Uuid, usize),
    Examine(Examination),
    Stop,
}

/// What is done with the entries of the plugin directories, as the launcher sees them.
pub type Examination = Box<dyn FnOnce(Vec<Examined>) + Send>;

pub(super) struct Waker(EventFd);

impl Waker {
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(EventFd::from_flags(flags)?))
    }

    /// Forgets earlier wakes; must come before the look at the commands, or one could be missed.
    pub fn clear(&self) {
        let _ = self.0.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Talks to a [`super::Runner`] from any thread. An error means that the runner is gone: the caller then knows
/// for itself which of its runs had no `Finished` event.
#[derive(Clone)]
pub struct Remote {
    pub(super) sender: Sender<Command>,
    pub(super) waker: Arc<Waker>,
}

impl Remote {
    /// Starts a run; see [`super::Runner::start`].
    ///
    /// # Errors
    /// The runner is gone; nothing was started.
    pub fn start(&self, spec: RunSpec) -> Result<(), RunnerError> {
        self.send(Command::Start(spec))
    }

    /// Ends the whole tree of a run; see [`super::Runner::cancel`].
    ///
    /// # Errors
    /// The runner is gone.
    pub fn cancel(&self, run: Uuid) -> Result<(), RunnerError> {
        self.send(Command::Cancel(run))
    }

    /// Gives back credit for so many bytes of output that the caller is done with; see
    /// [`super::RunnerOptions::window`].
    ///
    /// # Errors
    /// The runner is gone.
    pub fn credit(&self, run: Uuid, bytes: usize) -> Result<(), RunnerError> {
        self.send(Command::Credit(run, bytes))
    }

    /// Asks the launcher which plugins are there; see [`super::Runner::examine`].
    ///
    /// # Errors
    /// The runner is gone.
    pub fn examine(&self, answer: Examination) -> Result<(), RunnerError> {
        self.send(Command::Examine(answer))
    }

    /// Makes [`super::Runner::run`] return after the present turn. Runs that are still alive end with the
    /// runner.
    ///
    /// # Errors
    /// The runner is gone already.
    pub fn stop(&self) -> Result<(), RunnerError> {
        self.send(Command::Stop)
    }

    fn send(&self, command: Command) -> Result<(), RunnerError> {
        self.sender.send(command).map_err(|_| RunnerError::LauncherGone)?;
        // A full counter means that a wake is pending already.
        let _ = self.waker.0.write(1);
        Ok(())
    }
}
