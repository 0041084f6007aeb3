//! What a runner hands to its caller, and how it is told to read.

use std::io;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use thiserror::Error;
use uuid::Uuid;

use crate::outcome::Outcome;
use crate::progress::Progress;

/// Which of a plugin's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens to a run, in order: nothing or `Started`, then output and progress, then one `Finished`.
#[derive(Debug)]
pub enum Event {
    /// The plugin's process exists.
    Started {
        /// The run.
        run: Uuid,
        /// Its process id, on the launcher's machine.
        pid: i32,
        /// When this was heard.
        at: SystemTime,
    },
    /// Bytes as they came, at most 64 KiB, cut anywhere.
    Output {
        /// The run.
        run: Uuid,
        /// From which output.
        stream: Stream,
        /// Never empty.
        bytes: Vec<u8>,
        /// When they were read.
        at: SystemTime,
    },
    /// A line of the progress FIFO.
    Progress {
        /// The run.
        run: Uuid,
        /// What it said.
        progress: Progress,
        /// When it was read.
        at: SystemTime,
    },
    /// The last event of a run, after its last output.
    Finished {
        /// The run.
        run: Uuid,
        /// How it ended.
        outcome: Outcome,
        /// From the start of the process to the end of its tree; `None` when that is not known.
        elapsed: Option<Duration>,
        /// Processes of the run that could not be ended.
        left: usize,
        /// When this was known.
        at: SystemTime,
    },
}

/// A runner that can't go on.
#[derive(Debug, Error)]
pub enum RunnerError {
    /// The launcher ended or closed the connection. Every run had its `Finished` event with [`Outcome::Lost`].
    #[error("the launcher is gone")]
    LauncherGone,
    /// The system refused something that the runner needs.
    #[error("the runner can't go on: {0}")]
    System(#[from] io::Error),
}

impl From<Errno> for RunnerError {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

/// How a runner reads.
#[derive(Debug, Clone, Copy)]
pub struct RunnerOptions {
    /// So many bytes of a run's output are handed out before credit must come back ([`super::Remote::credit`]); until it
    /// does, the plugin waits at its pipe. `None`: the caller takes everything at once and gives no credit.
    pub window: Option<usize>,
    /// A process that left the tree may hold the pipes open; after this they are closed.
    pub drain: Duration,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self { window: None, drain: Duration::from_secs(2) }
    }
}
