//! What a file or directory looked like, to tell cheaply whether it is still the same.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// In seconds.
const SETTLED_AFTER: i64 = 1;

/// A file, as far as the kernel tells without reading it. Its change time moves with every write, and only somebody who
/// sets the machine's clock could put it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    place: Place,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    /// False while the file may change once more without a new change time, which moves with the kernel's ticks.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).is_ok_and(|now| self.changed.0 + SETTLED_AFTER < now)
    }
}

/// Which file or directory it is, and who may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    device: u64,
    inode: u64,
    mode: u32,
    user: u32,
    group: u32,
}

impl From<&Metadata> for Seen {
    fn from(metadata: &Metadata) -> Self {
        Self {
            place: metadata.into(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<&Metadata> for Place {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            user: metadata.uid(),
            group: metadata.gid(),
        }
    }
}

/// One fact that decided about a plugin.
#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    fact: Fact,
}

#[derive(Debug)]
enum Fact {
    /// Nothing has this name.
    Absent,
    /// This file, or this link itself, unchanged.
    Entry(Seen),
    /// This directory, whatever was added to it or removed from it.
    Directory(Place),
}

impl Witness {
    pub fn absent(path: PathBuf) -> Self {
        Self { path, fact: Fact::Absent }
    }

    pub fn entry(path: PathBuf, metadata: &Metadata) -> Self {
        Self { path, fact: Fact::Entry(metadata.into()) }
    }

    pub fn directory(path: PathBuf, metadata: &Metadata) -> Self {
        Self { path, fact: Fact::Directory(metadata.into()) }
    }

    /// False while the fact may change without a trace.
    pub fn is_settled(&self) -> bool {
        match &self.fact {
            Fact::Entry(seen) => seen.is_settled(),
            Fact::Absent | Fact::Directory(_) => true,
        }
    }

    /// True while it is as it was.
    pub fn holds(&self) -> bool {
        match &self.fact {
            Fact::Absent => fs::symlink_metadata(&self.path).is_err(),
            Fact::Entry(seen) => fs::symlink_metadata(&self.path).is_ok_and(|now| Seen::from(&now) == *seen),
            Fact::Directory(place) => fs::metadata(&self.path).is_ok_and(|now| Place::from(&now) == *place),
        }
    }
}
