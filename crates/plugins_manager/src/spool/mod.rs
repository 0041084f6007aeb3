//! The spool: output, progress and results on disk while the database is away.
//!
//! Below `[manager] spool_directory` every start of a manager has a directory of its own. What a manager leaves behind
//! when it dies is taken over by a later one of the same machine and stored with the dead one's epoch: results of tasks
//! that were declared lost meanwhile count as late.
//!
//! Secrets were masked before; what a plugin prints may still be confidential, so only the manager's user may read it.

mod directory;
mod segment;

pub use directory::Segment;

use crate::batch::Batch;
use anyhow::Context as _;
use directory::Directory;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It would hold more than it may.
    #[error("the spool holds [manager] spool_limit_mib = {0} MiB already")]
    Full(u64),
    /// The disk.
    #[error("the spool {0} cannot be written: {1}")]
    Disk(PathBuf, #[source] io::Error),
}

/// See the module's text.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    limit: u64,
    id: Uuid,
    /// Made when it is needed first.
    own: Option<Directory>,
    inherited: Vec<Directory>,
}

/// A file that waits, and where.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The file.
    pub segment: Segment,
    /// Whether this manager has written it.
    pub own: bool,
}

impl Spool {
    /// Checks that the directory can be used, and makes it where it is missing. A disk that is full now may have room
    /// when the spool is needed, so that is no error.
    pub fn open(root: &Path, limit: u64, id: Uuid) -> anyhow::Result<Self> {
        let setting = || format!("[manager] spool_directory = {}", root.display());
        match DirBuilder::new().recursive(true).mode(0o700).create(root) {
            Err(error) if is_full(&error) => tracing::error!("{}: {error}", setting()),
            made => made.with_context(setting)?,
        }
        if let Ok(metadata) = fs::metadata(root) {
            let mode = metadata.permissions().mode() & 0o7777;
            anyhow::ensure!(
                mode & 0o077 == 0,
                "{}: others may use it (mode {mode:04o}), but it holds what plugins print; run: chmod 0700 {}",
                setting(),
                root.display()
            );
            fs::read_dir(root).with_context(setting)?;
            let writable = nix::unistd::access(root, nix::unistd::AccessFlags::W_OK);
            match writable.map_err(io::Error::from) {
                Err(error) if error.kind() != io::ErrorKind::ReadOnlyFilesystem => {
                    return Err(error).with_context(setting);
                }
                Err(error) => tracing::error!("{}: {error}", setting()),
                Ok(()) => {}
            }
        }
        Ok(Self { root: root.to_owned(), limit, id, own: None, inherited: Vec::new() })
    }

    /// Whether nothing of this manager waits.
    pub fn is_empty(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.first().is_none())
    }

    /// Writes a batch behind all others of this manager. When this returns it is on the disk.
    pub fn put(&mut self, batch: &Batch) -> Result<(), SpoolError> {
        let held: u64 = self.own.iter().chain(&self.inherited).map(Directory::bytes).sum();
        if held + batch.bytes() as u64 > self.limit {
            return Err(SpoolError::Full(self.limit / 1024 / 1024));
        }
        self.own_directory()
            .and_then(|own| own.put(batch))
            .map_err(|error| SpoolError::Disk(self.root.clone(), error))
    }

    fn own_directory(&mut self) -> io::Result<&mut Directory> {
        let own = match self.own.take() {
            Some(own) => own,
            None => Directory::create(&self.root, self.id)?,
        };
        Ok(self.own.insert(own))
    }

    /// Looks for directories of managers that are gone, and takes them over.
    pub fn inherit(&mut self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_manager = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.parse::<Uuid>().is_ok_and(|id| id != self.id));
            if !is_manager || self.inherited.iter().any(|directory| directory.path() == path) {
                continue;
            }
            match Directory::adopt(&path) {
                Ok(Some(directory)) if directory.count() == 0 => directory.remove(),
                Ok(Some(directory)) => {
                    let (path, files) = (path.display(), directory.count());
                    tracing::info!("{path} has {files} files of a manager that is gone; they are stored now");
                    self.inherited.push(directory);
                }
                Ok(None) => {}
                Err(error) => tracing::error!("{} cannot be taken over: {error}", path.display()),
            }
        }
    }

    /// What is to be stored next: first what this manager has written, since it takes no tasks before.
    pub fn first(&self) -> Option<Waiting> {
        let own = self.own.as_ref().and_then(Directory::first).map(|segment| (segment, true));
        let others = || self.inherited.iter().find_map(Directory::first).map(|segment| (segment, false));
        own.or_else(others).map(|(segment, own)| Waiting { segment: segment.clone(), own })
    }

    /// Removes the first one, which is in the database.
    pub fn remove_first(&mut self, waiting: &Waiting) {
        self.take_first(waiting, "removed", Directory::remove_first);
    }

    /// Keeps the first one out of the way of the others: it cannot be read.
    pub fn set_first_aside(&mut self, waiting: &Waiting) {
        self.take_first(waiting, "renamed", Directory::set_first_aside);
    }

    fn take_first(&mut self, waiting: &Waiting, what: &str, take: fn(&mut Directory) -> io::Result<()>) {
        let mut all = self.own.iter_mut().chain(&mut self.inherited);
        let owner = all.find(|directory| directory.first() == Some(&waiting.segment));
        if let Some(Err(error)) = owner.map(take) {
            // It is stored again after a restart, which changes nothing.
            tracing::warn!("{} cannot be {what}: {error}", waiting.segment.path.display());
        }
        for index in (0..self.inherited.len()).rev() {
            if self.inherited.get(index).is_some_and(|directory| directory.count() == 0) {
                self.inherited.swap_remove(index).remove();
            }
        }
    }

    /// Leaves nothing behind where nothing waits.
    pub fn close(self) {
        if let Some(own) = self.own.filter(|own| own.count() == 0) {
            own.remove();
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    )
}

#[cfg(test)]
mod tests {
    use super::segment::tests::sample;
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        root
    }

    #[test]
    fn the_limit_holds_and_room_that_is_made_is_used() {
        let root = root();
        let mut spool = Spool::open(root.path(), 64 * 1024, Uuid::now_v7()).unwrap();
        let batch = sample(Uuid::now_v7(), &[b'x'; 30 * 1024]);
        assert!(spool.put(&batch).is_ok() && spool.put(&batch).is_ok());
        assert!(matches!(spool.put(&batch), Err(SpoolError::Full(_))));
        let waiting = spool.first().unwrap();
        assert!(waiting.own);
        spool.remove_first(&waiting);
        assert!(spool.put(&batch).is_ok());
    }

    #[test]
    fn a_later_manager_stores_what_a_dead_one_left_and_then_removes_its_directory() {
        let root = root();
        let task = Uuid::now_v7();
        let mut dead = Spool::open(root.path(), 1 << 20, Uuid::now_v7()).unwrap();
        dead.put(&sample(task, b"line\n")).unwrap();
        drop(dead);
        let mut later = Spool::open(root.path(), 1 << 20, Uuid::now_v7()).unwrap();
        later.inherit();
        assert!(later.is_empty(), "it is not its own");
        let waiting = later.first().unwrap();
        assert!(!waiting.own);
        assert_eq!(waiting.segment.read().unwrap().ends[0].id, task);
        later.remove_first(&waiting);
        assert!(later.first().is_none());
        later.close();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_others_may_use_is_refused_with_the_remedy() {
        let root = root();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = Spool::open(root.path(), 1, Uuid::now_v7()).unwrap_err().to_string();
        assert!(error.contains("[manager] spool_directory") && error.contains("chmod 0700"), "{error}");
    }
}
