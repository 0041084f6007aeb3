//! How a run ended, for the caller. Only the kernel's word about the plugin's own process decides it, never output.

use std::fmt;
use std::time::Duration;

use crate::protocol::{Cause, ExitStatus, Exited};

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin ended by itself with this exit code, 0 to 255.
    Exit(i32),
    /// The plugin was ended by this signal, which neither a time-out nor a cancellation sent.
    Signal(i32),
    /// The plugin ran longer than this and its whole tree was ended.
    TimedOut {
        /// The time-out of the run.
        after: Duration,
    },
    /// The runner was asked to cancel the run, and its whole tree was ended.
    Cancelled,
    /// It went beyond a limit, and its whole tree was ended; this says which limit, such as `more than 512 processes`.
    OverLimit(String),
    /// No process was started; the sentence says why.
    NotStarted(String),
    /// No process was started, since the plugin is not the one that was approved; the sentence says so.
    Rejected(String),
    /// The plugin may have been started, and its result can't be known; the sentence says why.
    Lost(String),
}

impl Outcome {
    pub(crate) fn of(exited: &Exited, timeout: Duration) -> Self {
        match (exited.cause, exited.status) {
            (Cause::Exited, ExitStatus::Code(code)) => Self::Exit(code),
            (Cause::Exited, ExitStatus::Signal(number)) => Self::Signal(number),
            (Cause::TimedOut, _) => Self::TimedOut { after: timeout },
            (Cause::Cancelled, _) => Self::Cancelled,
            (Cause::TooManyProcesses { allowed }, _) => {
                Self::OverLimit(format!("more than {allowed} processes"))
            }
            (Cause::LauncherStopped, _) => {
                Self::Lost("the launcher was stopped, and it ended the plugin".to_owned())
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(formatter, "exit code {code}"),
            Self::Signal(number) => write!(formatter, "ended by signal {number}"),
            Self::TimedOut { after } => write!(formatter, "timed out after {} s", after.as_secs_f64()),
            Self::Cancelled => formatter.write_str("cancelled"),
            Self::OverLimit(limit) => write!(formatter, "ended: {limit}"),
            Self::NotStarted(sentence) => write!(formatter, "not started: {sentence}"),
            Self::Rejected(sentence) => write!(formatter, "rejected: {sentence}"),
            Self::Lost(sentence) => write!(formatter, "lost: {sentence}"),
        }
    }
}
