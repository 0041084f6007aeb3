//! The messages between a runner and its launcher, one JSON document in one packet. Descriptors travel beside
//! them: a start carries the write ends of the plugin's standard output and error, a started report the read end
//! of its progress FIFO.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::RunSpec;
use crate::registry::Examined;

/// From the runner to the launcher.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// Start this run; two descriptors come along.
    Start(RunSpec),
    /// End the whole tree of this run; unknown runs are ignored, since they may have just ended.
    Cancel { run: Uuid },
    /// Which plugins are there; answered by `Plugins`.
    Examine,
}

/// From the launcher to the runner. Every start is answered by `NotStarted`, `Rejected`, or by `Started` and later `Exited`.
#[derive(Serialize, Deserialize)]
pub(crate) enum Report {
    /// The plugin's process exists.
    Started { run: Uuid, pid: i32 },
    /// No process was started, for this reason.
    NotStarted { run: Uuid, sentence: String },
    /// No process was started, since the plugin is not the one that was approved.
    Rejected { run: Uuid, sentence: String },
    /// Every entry of the plugin directories.
    Plugins(Vec<Examined>),
    /// The plugin's own process ended and its tree is gone.
    Exited(Exited),
}

/// The end of a run as the launcher saw it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exited {
    pub run: Uuid,
    pub status: ExitStatus,
    pub cause: Cause,
    /// From the start of the process to the end of its tree.
    pub elapsed: Duration,
    /// Processes that could not be ended, for example because they run as another user.
    pub left: usize,
}

/// How the plugin's own process ended, as the kernel told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExitStatus {
    Code(i32),
    Signal(i32),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// By itself.
    Exited,
    /// Its time-out passed.
    TimedOut,
    /// The runner asked for it.
    Cancelled,
    /// It had more processes and threads than so many.
    TooManyProcesses { allowed: u32 },
    /// The launcher itself was told to stop.
    LauncherStopped,
}
