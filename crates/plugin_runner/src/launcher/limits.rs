//! What a plugin may use. The launcher takes most of these limits on itself, so that plugins inherit them and a start
//! costs nothing more; it needs far less than any of them. The kernel counts them per process, but for the number of
//! processes, which it counts per user: that one is watched per run (see [`super::trees`]), and the kernel's limit is
//! only a ceiling above it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::Context;
use clap::Args;
use nix::libc::rlim_t;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::sys;

const MEBIBYTE: u64 = 1024 * 1024;
/// A plugin that is told of its limit of processor time by a signal has this long to say so, in seconds.
const CPU_GRACE: rlim_t = 2;
/// A run may start so many times its allowed number before the kernel refuses: until then it has been seen and ended,
/// also on a busy machine. The kernel counts all runs of the user together and refuses all of them, so that a ceiling
/// which one run can reach in time would fail its neighbours.
const CEILING: u64 = 16;
/// Where memory is short, the kernel ends plugins first, and neither a manager nor a database. From 0 to 1000.
const FIRST_TO_GO: &str = "500";

/// Limits of every plugin; 0 means none where it says so.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Memory for data that one process of a plugin may have, in MiB; 0: no limit
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    pub max_memory_mib: u64,
    /// Processes and threads that one run may have together; it is ended when it has more
    #[arg(long, value_name = "NUMBER", default_value_t = 512)]
    pub max_processes: u32,
    /// Descriptors that one process of a plugin may have open
    #[arg(long, value_name = "NUMBER", default_value_t = 1024)]
    pub max_open_files: u64,
    /// How long a file may become that a plugin writes, in MiB; 0: no limit
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub max_file_size_mib: u64,
    /// Processor time that one process of a plugin may use, in seconds; 0: no limit but the time-out
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub max_cpu_seconds: u64,
}

impl Limits {
    /// Takes the limits that plugins inherit on this process, hard, so that a plugin can't raise them again.
    pub(super) fn take_on(&self) -> anyhow::Result<()> {
        let mebibytes = |number: u64| if number == 0 { RLIM_INFINITY } else { number * MEBIBYTE };
        // A write beyond it is an error here, and the signal to plugins, which get the default back.
        sys::ignore(Signal::SIGXFSZ).context("while ignoring the signal of the limit of file sizes")?;
        for (resource, limit) in [
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_DATA, mebibytes(self.max_memory_mib)),
            (Resource::RLIMIT_FSIZE, mebibytes(self.max_file_size_mib)),
            (Resource::RLIMIT_NOFILE, self.max_open_files),
        ] {
            let (_, hard) = getrlimit(resource)?;
            let limit = limit.min(hard);
            setrlimit(resource, limit, limit).with_context(|| format!("while limiting {resource:?}"))?;
        }
        let (_, hard) = getrlimit(Resource::RLIMIT_NPROC)?;
        setrlimit(Resource::RLIMIT_NPROC, hard, hard).context("while raising the number of processes")
    }

    /// Sets the limits that this process can't take on itself, for a plugin that was just started: it would run out of
    /// processor time one day, and must be able to start plugins while one of them has too many processes. `tasks` is
    /// how many the whole machine has.
    pub(super) fn limit_child(&self, child: i32, tasks: Option<u64>) {
        if let Some(tasks) = tasks {
            let ceiling = tasks + CEILING * u64::from(self.max_processes);
            sys::limit_process(child, Resource::RLIMIT_NPROC, ceiling, ceiling);
        }
        if self.max_cpu_seconds > 0 {
            let (soft, hard) = (self.max_cpu_seconds, self.max_cpu_seconds + CPU_GRACE);
            sys::limit_process(child, Resource::RLIMIT_CPU, soft, hard);
        }
    }
}

/// Counts the processes and threads of the whole machine, which costs one system call: the number of one run can't have
/// grown by more than theirs.
pub(super) struct Census(Option<File>);

impl Census {
    pub fn new() -> Self {
        Self(File::open("/proc/loadavg").ok())
    }

    /// `None` where the kernel does not say.
    pub fn count(&self) -> Option<u64> {
        let mut text = [0; 64];
        let length = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
        // "0.20 0.18 0.12 1/80 11206": the fourth field ends with the number.
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        text.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
    }
}

/// Makes plugins the first that the kernel ends where memory is short; they inherit it. The launcher itself is much too
/// small to be chosen. It must come before this process closes itself to its user.
pub(super) fn offer_to_the_kernel() {
    // Some containers do not allow it, and it is no more than a preference.
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
}
