//! The launcher's own directory, with a private directory for every run. Several launchers may share one base
//! directory; each has an entry of its own there and holds a lock in it, so that a later launcher recognises
//! what a killed one left: files, and processes by their environment or their working directory. (One that shed its
//! environment, its session, its parent and its directory is found only while its launcher or the keeper lives.)

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use uuid::Uuid;

use super::processes::{marked, send};
use super::removal::remove_tree;
use super::spares::Spares;
use super::start::make_fifo;
use crate::command::LAUNCHER_VARIABLE;

const LOCK: &str = "lock";
/// Killed processes are gone within milliseconds; one that is not can't be helped.
const SWEEP_WITHIN: Duration = Duration::from_secs(5);
const OTHERS_MAY_WRITE: u32 = 0o022;

pub(super) struct Home {
    path: PathBuf,
    spares: Spares,
    _lock: File,
}

impl Home {
    /// Ends and removes what dead launchers left in `base`, and makes an entry for this one.
    pub fn prepare(base: Option<&Path>) -> anyhow::Result<Self> {
        let base = match base {
            Some(base) => base.to_owned(),
            None => PathBuf::from(format!("/tmp/selfservice-plugins-{}", geteuid())),
        };
        make_base(&base)?;
        let base = base.canonicalize()?;
        // Held to the end of this function: an entry must not be seen between its making and its locking.
        let guard = lock_file(&base.join(LOCK))?;
        guard.lock().with_context(|| format!("while locking {}", base.display()))?;
        sweep(&base)?;
        let path = base.join(format!("launcher-{}", Uuid::new_v4().simple()));
        make_private(&path)?;
        let lock = lock_file(&path.join(LOCK))?;
        lock.lock().with_context(|| format!("while locking {}", path.display()))?;
        Ok(Self { spares: Spares::new(&path), path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the private directory of a run, with its progress FIFO.
    pub fn make_run(&mut self, run: Uuid) -> anyhow::Result<PathBuf> {
        let path = self.path.join(run.to_string());
        if !self.spares.take(&path) {
            make_private(&path)?;
            make_fifo(&path).inspect_err(|_| remove_tree(&path))?;
        }
        Ok(path)
    }

    /// Takes the directory of a run without processes for a later one. False: it must be removed.
    pub fn keep(&mut self, directory: &Path) -> bool {
        self.spares.keep(directory)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        remove_tree(&self.path);
    }
}

/// The base may be in a directory where everybody can make entries, so it is used only when it is ours alone.
fn make_base(base: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(base).is_err() {
        DirBuilder::new()
            .mode(0o700)
            .create(base)
            .with_context(|| format!("while making the directory {}", base.display()))?;
    }
    let metadata = base.symlink_metadata().with_context(|| format!("while looking at {}", base.display()))?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.mode() & OTHERS_MAY_WRITE != 0 {
        bail!("{} must be a directory of the launcher's user that nobody else can write", base.display());
    }
    Ok(())
}

pub(super) fn make_private(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.with_context(|| format!("while making the directory {}", path.display()))
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.with_context(|| format!("while opening {}", path.display()))
}

fn sweep(base: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(base).with_context(|| format!("while reading {}", base.display()))? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let lock = lock_file(&path.join(LOCK))?;
        if lock.try_lock().is_ok() {
            end_leftovers(&path);
            remove_tree(&path);
        }
    }
    Ok(())
}

/// Kills every process that a dead launcher with this directory left.
fn end_leftovers(path: &Path) {
    let deadline = Instant::now() + SWEEP_WITHIN;
    loop {
        let left = marked(LAUNCHER_VARIABLE, path);
        if left.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            tracing::warn!("{} processes of a former launcher can't be ended", left.len());
            return;
        }
        tracing::info!("ending {} processes of a former launcher", left.len());
        left.into_iter().for_each(|id| send(id, Signal::SIGKILL));
        std::thread::sleep(Duration::from_millis(10));
    }
}
