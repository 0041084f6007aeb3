//! Starts one plugin: a new session, a clean environment, three descriptors, a private directory.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::separation::Separation;
use crate::channel::memory_file;
use crate::command::{LAUNCHER_VARIABLE, PROGRESS_VARIABLE, RunSpec};
use crate::registry::Plugin;
use crate::sys;

/// Name of the progress FIFO.
pub(super) const FIFO: &str = "progress";

/// Where a plugin's outputs go.
pub(super) struct Outputs {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Makes the progress FIFO.
pub(super) fn make_fifo(directory: &Path) -> anyhow::Result<()> {
    mkfifo(&directory.join(FIFO), Mode::S_IRUSR | Mode::S_IWUSR).context("the progress FIFO can't be made")
}

/// Opens the progress FIFO for reading, and for writing too, so that it never reports an end while the run lives, however
/// often the plugin opens and closes it.
pub(super) fn open_fifo(directory: &Path) -> anyhow::Result<OwnedFd> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = File::options().read(true).write(true).custom_flags(flags).open(directory.join(FIFO));
    Ok(file.context("the progress FIFO can't be opened")?.into())
}

/// A plugin that is ready to be started.
pub(super) struct Start {
    file: CString,
    directory: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    input: File,
    outputs: Outputs,
}

impl Start {
    pub fn prepare(
        plugin: &Plugin,
        spec: &RunSpec,
        outputs: Outputs,
        directory: &Path,
        launcher: &Path,
    ) -> anyhow::Result<Self> {
        let input = memory_file(spec.input.as_bytes()).context("the standard input can't be made")?;
        let mut arguments = vec![c_path(&plugin.path)?];
        for argument in &spec.arguments {
            arguments.push(CString::new(argument.as_str()).context("an argument contains a NUL character")?);
        }
        Ok(Self {
            file: c_path(&plugin.file)?,
            directory: c_path(directory)?,
            arguments,
            environment: environment(spec, directory, launcher)?,
            input,
            outputs,
        })
    }

    /// Starts it and gives its process id, which is its session's and group's too.
    pub fn spawn(&self, separation: &Separation) -> nix::Result<i32> {
        sys::spawn(&sys::Child {
            file: &self.file,
            arguments: &self.arguments,
            environment: &self.environment,
            directory: &self.directory,
            standard: [self.input.as_fd(), self.outputs.stdout.as_fd(), self.outputs.stderr.as_fd()],
            confinement: separation.ruleset(),
        })
    }
}

/// What the spec says, and what only the launcher knows.
fn environment(spec: &RunSpec, directory: &Path, launcher: &Path) -> anyhow::Result<Vec<CString>> {
    let fifo = directory.join(FIFO);
    let own = [("HOME", directory), (LAUNCHER_VARIABLE, launcher), (PROGRESS_VARIABLE, fifo.as_path())];
    let mut environment = Vec::with_capacity(spec.environment.len() + own.len());
    for (name, value) in &spec.environment {
        if own.iter().all(|(reserved, _)| reserved != name) {
            environment.push(
                CString::new(format!("{name}={value}")).context("a variable contains a NUL character")?,
            );
        }
    }
    for (name, value) in own {
        let entry = [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
        environment.push(CString::new(entry)?);
    }
    Ok(environment)
}

fn c_path(path: &Path) -> anyhow::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The end of a sentence that says why the system did not start it.
pub(super) fn refusal(error: Errno) -> String {
    match error {
        Errno::EACCES => "may not be run by the launcher's user".to_owned(),
        Errno::ENOENT => "or the interpreter it names is not there".to_owned(),
        Errno::ENOEXEC => "is no program and has no '#!' line".to_owned(),
        Errno::E2BIG => "was given more arguments and environment than the system can pass".to_owned(),
        Errno::ETXTBSY => "is being written just now".to_owned(),
        Errno::EAGAIN | Errno::ENOMEM => {
            format!("was not started, since the machine is out of resources: {error}")
        }
        _ => format!("was not started: {error}"),
    }
}
