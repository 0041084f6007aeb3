//! Starts one plugin: a new session, a clean environment, three descriptors, a private directory.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::channel::memory_file;
use crate::command::{LAUNCHER_VARIABLE, PROGRESS_VARIABLE, RunSpec};
use crate::registry::Plugin;
use crate::sys;

const FIFO: &str = "progress";

/// Where a plugin's outputs go.
pub(super) struct Outputs {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Makes the progress FIFO and opens it for reading. It is opened for writing too, so that it never reports an
/// end while the run lives, however often the plugin opens and closes it.
pub(super) fn make_fifo(directory: &Path) -> anyhow::Result<OwnedFd> {
    let path = directory.join(FIFO);
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).context("the progress FIFO can't be made")?;
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = File::options().read(true).write(true).custom_flags(flags).open(&path);
    Ok(file.context("the progress FIFO can't be opened")?.into())
}

/// A plugin that is ready to be started.
pub(super) struct Start {
    file: CString,
    actions: PosixSpawnFileActions,
    attributes: PosixSpawnAttr,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    // The actions refer to them by their numbers.
    _input: File,
    _outputs: Outputs,
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
        let mut actions = PosixSpawnFileActions::init()?;
        let sources = [input.as_fd(), outputs.stdout.as_fd(), outputs.stderr.as_fd()];
        for (target, source) in sources.iter().enumerate() {
            actions.add_dup2(source.as_raw_fd(), i32::try_from(target)?)?;
        }
        sys::add_working_directory(&mut actions, &c_path(directory)?)?;
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(sys::spawn_flags())?;
        attributes.set_sigdefault(&SigSet::all())?;
        attributes.set_sigmask(&SigSet::empty())?;
        let mut arguments = vec![c_path(&plugin.path)?];
        for argument in &spec.arguments {
            arguments.push(CString::new(argument.as_str()).context("an argument contains a NUL character")?);
        }
        Ok(Self {
            file: c_path(&plugin.file)?,
            actions,
            attributes,
            arguments,
            environment: environment(spec, directory, launcher)?,
            _input: input,
            _outputs: outputs,
        })
    }

    /// Starts it and gives its process id, which is its session's and group's too.
    pub fn spawn(&self) -> nix::Result<i32> {
        posix_spawn(&*self.file, &self.actions, &self.attributes, &self.arguments, &self.environment)
            .map(nix::unistd::Pid::as_raw)
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
