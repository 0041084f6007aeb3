//! One run as its runner sees it: the pipes that are still open, the credit, and the end when it is known.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read};

use super::Stream;
use crate::command::RunSpec;
use crate::outcome::Outcome;
use crate::progress::ProgressLines;

/// One read, one event.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// After the plugin's exit its pipes hold at most this (the kernel's default upper limit of a pipe); what comes
/// beyond it was written by somebody who outlived the tree.
const DRAIN_BYTES: usize = 2 * 1024 * 1024;

/// How a run ended, kept until its pipes are empty.
pub(super) struct Ending {
    pub outcome: Outcome,
    pub elapsed: Option<Duration>,
    pub left: usize,
    /// The pipes are closed then, whatever is in them.
    pub deadline: Instant,
    pub drained: usize,
}

pub(super) struct Active {
    pub serial: u64,
    pub timeout: Duration,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub progress: Option<OwnedFd>,
    pub lines: ProgressLines,
    /// The pipes are watched: the run has started, and its credit is not used up.
    pub watched: bool,
    pub started: bool,
    /// Bytes that were handed out and not given back.
    pub outstanding: usize,
    pub ending: Option<Ending>,
}

impl Active {
    /// Makes the pipes; gives the run and the write ends for the launcher.
    pub fn new(serial: u64, spec: &RunSpec) -> nix::Result<(Self, Vec<OwnedFd>)> {
        let (stdout, stdout_writer) = output_pipe()?;
        let (stderr, stderr_writer) = output_pipe()?;
        let active = Self {
            serial,
            timeout: spec.timeout,
            stdout: Some(stdout),
            stderr: Some(stderr),
            progress: None,
            lines: ProgressLines::default(),
            watched: false,
            started: false,
            outstanding: 0,
            ending: None,
        };
        Ok((active, vec![stdout_writer, stderr_writer]))
    }

    pub fn pipe(&mut self, stream: Stream) -> &mut Option<OwnedFd> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// True when there is nothing left to wait for.
    pub fn is_done(&self, now: Instant) -> bool {
        let empty = self.stdout.is_none() && self.stderr.is_none();
        self.ending
            .as_ref()
            .is_some_and(|ending| empty || now >= ending.deadline || ending.drained >= DRAIN_BYTES)
    }

    /// True when the caller must give credit before more is read. A run that has ended is read to its end.
    pub fn is_out_of_credit(&self, window: Option<usize>) -> bool {
        self.ending.is_none() && window.is_some_and(|window| self.outstanding >= window)
    }
}

/// What one look into a pipe gave.
pub(super) enum Look {
    Bytes(usize),
    Empty,
    End,
}

/// Reads once. A read error is an end too: there will be nothing more to read.
pub(super) fn look(pipe: &OwnedFd, buffer: &mut [u8]) -> Look {
    loop {
        return match read(pipe, buffer) {
            Ok(0) => Look::End,
            Ok(count) => Look::Bytes(count),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Look::Empty,
            Err(_) => Look::End,
        };
    }
}

/// A pipe whose read end does not block; the plugin's end does, as plugins expect.
fn output_pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader, writer))
}
