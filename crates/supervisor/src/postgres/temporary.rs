//! Directories of servers and programs for tests: made below `/var/tmp`, removed with them, swept after a killed test.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::PostgresError;
use super::error::io_error;
use crate::account::Account;

/// A directory that is removed when the value is dropped. While it is in use, somebody holds a lock on the
/// file `in_use` in it: this process at first, the server's processes through `data.lock` later.
pub struct TemporaryDirectory {
    path: PathBuf,
    _in_use: File,
}

impl TemporaryDirectory {
    /// Makes a new directory that `owner` (or we) can pass, after removing those that nobody uses any more.
    pub fn create(owner: Option<&Account>) -> Result<Self, PostgresError> {
        let parent = parent()?;
        // Held until this directory is marked as used: nobody sweeps it, or makes one while we sweep.
        let gate = File::create(parent.join(GATE)).map_err(io_error("can't create a file in", &parent))?;
        gate.lock().map_err(io_error("can't lock a file in", &parent))?;
        sweep(&parent);
        let made = tempfile::Builder::new()
            .prefix("pg")
            .permissions(Permissions::from_mode(0o700))
            .rand_bytes(6)
            .tempdir_in(&parent);
        let directory = made.map_err(io_error("can't create a directory in", &parent))?;
        let in_use = File::create(directory.path().join(IN_USE));
        let in_use = in_use.map_err(io_error("can't create a file in", directory.path()))?;
        in_use.lock().map_err(io_error("can't lock a file in", directory.path()))?;
        if let Some(owner) = owner {
            owner.own(directory.path()).map_err(io_error("can't give away", directory.path()))?;
        }
        Ok(Self { path: directory.keep(), _in_use: in_use })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What can't be removed now is swept by the next call of `create`.
        let _ = fs::remove_dir_all(&self.path);
    }
}

const IN_USE: &str = "in_use";
const GATE: &str = "lock";

/// `/var/tmp/selfservice-test-<uid>`, which must be ours: anybody may make directories in `/var/tmp`.
fn parent() -> Result<PathBuf, PostgresError> {
    let path = PathBuf::from(format!("/var/tmp/selfservice-test-{}", geteuid()));
    // Root's servers and plugins run as other users.
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(io_error("can't create", path)(error));
        }
        _ => {}
    }
    let about = fs::symlink_metadata(&path).map_err(io_error("can't look at", &path))?;
    if !about.is_dir() || about.uid() != geteuid().as_raw() || about.mode() & 0o022 != 0 {
        let problem = std::io::Error::other("it is not a directory of ours alone; remove it");
        return Err(io_error("can't use", path)(problem));
    }
    Ok(path)
}

/// Removes the directories that no process uses.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let directory = entry.path();
        let locks = [directory.join(IN_USE), directory.join("data.lock")];
        let free =
            |path: &PathBuf| File::open(path).is_ok_and(|file| file.try_lock().is_ok()) || !path.exists();
        if directory.is_dir() && locks.iter().all(free) {
            // What can't be removed now is tried again by the next call.
            let _ = fs::remove_dir_all(&directory);
        }
    }
}
