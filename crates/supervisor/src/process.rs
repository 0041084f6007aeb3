//! Child processes that never outlive us. This is the only place of the crate that starts processes.
//!
//! The kernel signals a child when the *thread* that started it ends, so every child gets a thread of its own
//! that waits for it. However this process ends, SIGKILL included, that thread ends too and the child is told.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpid, getppid};

use crate::account::Account;

/// What to start, and as whom. The environment of the child holds only what is named here.
pub struct ProcessSpec {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    account: Option<Account>,
    inherited: Option<OwnedFd>,
    death_signal: Signal,
}

impl ProcessSpec {
    /// A call of `program` without arguments, in `/`, as the present user, ended by SIGTERM when we die.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            account: None,
            inherited: None,
            death_signal: Signal::SIGTERM,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    pub fn args<I: IntoIterator<Item: Into<String>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the child's environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the child in `directory`.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = directory.to_path_buf();
        self
    }

    /// Starts the child as `account`, without supplementary groups. Only root may do that.
    pub fn account(mut self, account: Option<&Account>) -> Self {
        self.account = account.cloned();
        self
    }

    /// Leaves `descriptor` open in the child and everything that it starts, for example a held file lock.
    pub fn inherit(mut self, descriptor: OwnedFd) -> Self {
        self.inherited = Some(descriptor);
        self
    }

    /// The signal that the child gets when this process ends without having stopped it.
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = signal;
        self
    }

    /// Runs the program to its end and returns its status and what it wrote.
    pub fn output(self) -> io::Result<Output> {
        let mut command = self.command();
        command.stdin(Stdio::null());
        // `self` stays alive until the child has its descriptor.
        let output = command.output();
        drop(self);
        output
    }

    /// Starts the program in a process group of its own (Ctrl-C reaches only us), with both outputs appended
    /// to `log`.
    pub fn spawn(self, log: &File) -> io::Result<GuardedChild> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0);
        GuardedChild::start(command, self)
    }

    fn command(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the supervisor's one place that starts processes")]
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().current_dir(&self.directory);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let (parent, death_signal) = (getpid(), self.death_signal);
        let inherited = self.inherited.as_ref().map(|descriptor| descriptor.as_raw_fd());
        // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor locks.
        // The descriptor stays open because `self` outlives the start of the child.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(death_signal)?;
                if getppid() != parent {
                    return Err(io::Error::from(io::ErrorKind::BrokenPipe));
                }
                if let Some(raw) = inherited {
                    let descriptor = BorrowedFd::borrow_raw(raw);
                    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
                }
                Ok(())
            });
        }
        command
    }
}

/// A running child. Dropping the value leaves the child running; it ends with this process at the latest.
pub struct GuardedChild {
    pid: Pid,
    end: Arc<End>,
}

#[derive(Default)]
struct End {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl End {
    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuardedChild {
    fn start(mut command: Command, spec: ProcessSpec) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let end = Arc::new(End::default());
        let shared = Arc::clone(&end);
        thread::Builder::new().name("child".to_owned()).spawn(move || {
            let child = command.spawn();
            drop(command);
            drop(spec);
            match child {
                Ok(child) => {
                    let pid = Pid::from_raw(child.id().cast_signed());
                    // Nobody to tell means that our process ends; the child then learns it from the kernel.
                    let _ = sender.send(Ok(pid));
                    keep(child, pid, &shared);
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        })?;
        let pid =
            receiver.recv().map_err(|_| io::Error::other("the thread that starts the child ended"))??;
        Ok(Self { pid, end })
    }

    /// Process id, which is also the id of the child's process group.
    pub fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How the child ended, or `None` while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.end.lock()
    }

    /// Sends `signal` to the child; does nothing where it has ended.
    pub fn signal(&self, signal: Signal) {
        // The status is set before the child is reaped, so under this lock the id can't be a stranger's.
        let status = self.end.lock();
        if status.is_none() {
            // It can only fail for a child that ended just now.
            let _ = signal::kill(self.pid, signal);
        }
    }

    /// Waits up to `limit` for the end of the child; `None` when it runs on.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut status = self.end.lock();
        while status.is_none() {
            let left = deadline.checked_duration_since(Instant::now())?;
            status = self.end.changed.wait_timeout(status, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *status
    }
}

/// Waits for the child's end. Its id is released (reaped) only while the lock is held.
fn keep(mut child: Child, pid: Pid, end: &End) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
    let mut status = end.lock();
    *status = child.wait().ok();
    end.changed.notify_all();
}
