//! Finds, checks and runs plugins. A [`Registry`] turns a plugin's name into a checked file, an [`Invocation`]
//! turns plain data into the exact argv, environment and standard input of a run, a [`Launcher`] is the small
//! process that starts plugins and owns their process trees, and a [`Runner`] reads their output for one caller.
//! Nothing here knows of the database, of settings files or of macros, so the plugins manager and the command
//! line run a plugin in exactly the same way.

mod bounded;
mod channel;
mod client;
mod command;
pub mod launcher;
mod outcome;
pub mod output;
mod progress;
mod protocol;
pub mod registry;
mod runner;
mod sys;
mod tool;

pub use bounded::{BoundedError, Bounds, run_bounded};
pub use client::{Launcher, LauncherError};
pub use command::{CommandError, Invocation, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_TOTAL_BYTES, RunSpec};
pub use outcome::Outcome;
pub use progress::Progress;
pub use registry::{Digest, Examined, Plugin, Registry, RegistryError, Trust};
pub use runner::{Event, Examination, Remote, Runner, RunnerError, RunnerOptions, Stream};
pub use tool::{Tool, ToolError, run_tool};
