//! Runs a helper program of the system, such as `ssh-keygen`, to its end. Not for plugins: they go through a launcher.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use thiserror::Error;

/// Where such programs are.
const PATH: &str = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin";

/// A helper that could not be run, or failed.
#[derive(Debug, Error)]
pub enum ToolError {
    /// It can't be started.
    #[error("{program} can't be started: {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// Its standard error.
        said: String,
    },
}

/// Runs `program` with these arguments, no standard input and an environment of `PATH` alone; gives its standard output.
///
/// # Errors
/// It can't be started, or it ended with another exit code than 0.
pub fn run_tool(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Vec<u8>, ToolError> {
    #[expect(clippy::disallowed_methods, reason = "starting programs is this crate's duty")]
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ToolError::Start { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ToolError::Failed { program: program.to_owned(), said })
}
