//! One manager's part of the spool: files that are written once, read in order, and removed.
//!
//! A lock on the directory says that its manager lives. It goes with the process, however that ends.

use super::segment;
use crate::batch::Batch;
use failpoint::failpoint;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

const ENDING: &str = "segment";

/// A directory whose lock this process holds.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The directory itself: holds the lock, and is synchronised after a change.
    handle: File,
    segments: VecDeque<Segment>,
    next: u64,
}

/// A file that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The tasks whose result it holds, as far as this process has written it.
    pub ends: Vec<Uuid>,
}

impl Segment {
    /// What it holds; the error is a sentence.
    pub fn read(&self) -> Result<Batch, String> {
        let bytes = fs::read(&self.path).map_err(|error| error.to_string())?;
        segment::read(&bytes)
    }
}

impl Directory {
    /// Makes the directory of the manager `id`.
    pub fn create(root: &Path, id: Uuid) -> io::Result<Self> {
        let path = root.join(id.to_string());
        loop {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // Another manager may have taken the empty directory for one of a dead manager, just now.
            if let Some(handle) = lock(&path)? {
                File::open(root)?.sync_all()?;
                return Ok(Self { path, handle, segments: VecDeque::new(), next: 1 });
            }
        }
    }

    /// Takes over the directory of a manager that is gone; `None`: it lives, or somebody else has taken it over.
    pub fn adopt(path: &Path) -> io::Result<Option<Self>> {
        let Some(handle) = lock(path)? else { return Ok(None) };
        let mut segments = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|ending| ending == ENDING) {
                let bytes = entry.metadata()?.len();
                segments.push(Segment { path: entry.path(), bytes, ends: Vec::new() });
            }
        }
        segments.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Some(Self { path: path.to_owned(), handle, segments: segments.into(), next: 1 }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a batch behind all others. When this returns it is on the disk.
    pub fn put(&mut self, batch: &Batch) -> io::Result<()> {
        let number = self.next;
        self.next += 1;
        let part = self.path.join(format!("{number:016}.part"));
        let path = part.with_extension(ENDING);
        let written = Self::write(&part, batch).and_then(|bytes| {
            failpoint!("before_spool_rename");
            fs::rename(&part, &path)?;
            failpoint!("after_spool_rename");
            self.handle.sync_all()?;
            Ok(bytes)
        });
        if written.is_err() {
            // The second where only the directory could not be synchronised: the caller keeps the batch.
            let _ = (fs::remove_file(&part), fs::remove_file(&path));
        }
        let ends = batch.ends.iter().map(|end| end.id).collect();
        self.segments.push_back(Segment { path, bytes: written?, ends });
        Ok(())
    }

    fn write(part: &Path, batch: &Batch) -> io::Result<u64> {
        failpoint!("in_spool_write", return Err(io::ErrorKind::StorageFull.into()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
        let mut to = BufWriter::new(file);
        let bytes = segment::write(batch, &mut to)?;
        to.flush()?;
        failpoint!("before_spool_fsync");
        to.get_ref().sync_all()?;
        Ok(bytes)
    }

    /// The oldest file.
    pub fn first(&self) -> Option<&Segment> {
        self.segments.front()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// How many files wait.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// Removes the oldest file, which is in the database. Should it come back after a crash, it is stored once more,
    /// which changes nothing.
    pub fn remove_first(&mut self) -> io::Result<()> {
        self.segments.pop_front().map_or(Ok(()), |segment| fs::remove_file(segment.path))
    }

    /// Gives the oldest file another name, under which nobody reads it again.
    pub fn set_first_aside(&mut self) -> io::Result<()> {
        let Some(segment) = self.segments.pop_front() else { return Ok(()) };
        fs::rename(&segment.path, segment.path.with_extension("unreadable"))
    }

    /// Removes the directory, unless something was set aside there.
    pub fn remove(self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "part") {
                let _ = fs::remove_file(entry.path());
            }
        }
        // What is left has something that a person should look at.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Opens and locks a directory; `None`: somebody else has the lock, or has removed it meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let handle = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match handle.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let same =
        fs::metadata(path).is_ok_and(|now| handle.metadata().is_ok_and(|then| then.ino() == now.ino()));
    Ok(same.then_some(handle))
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::sample;
    use super::*;

    fn root() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn batches_come_back_in_order_and_are_gone_when_removed() {
        let root = root();
        let mut directory = Directory::create(root.path(), Uuid::now_v7()).unwrap();
        let tasks: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
        for task in &tasks {
            directory.put(&sample(*task, b"line\n")).unwrap();
        }
        assert_eq!(directory.count(), 12);
        for task in &tasks {
            let segment = directory.first().unwrap().clone();
            assert_eq!(segment.ends, [*task]);
            assert_eq!(segment.read().unwrap().ends[0].id, *task);
            directory.remove_first().unwrap();
            assert!(!segment.path.exists());
        }
        assert_eq!((directory.first(), directory.bytes()), (None, 0));
        let path = directory.path().to_owned();
        directory.remove();
        assert!(!path.exists());
    }

    #[test]
    fn only_what_a_dead_manager_left_is_taken_over_and_torn_files_are_recognised() {
        let root = root();
        let (dead, task) = (Uuid::now_v7(), Uuid::now_v7());
        let mut directory = Directory::create(root.path(), dead).unwrap();
        let path = directory.path().to_owned();
        directory.put(&sample(task, b"line\n")).unwrap();
        directory.put(&sample(task, b"torn\n")).unwrap();
        assert!(Directory::adopt(&path).unwrap().is_none(), "its manager lives");
        drop(directory);
        fs::write(path.join("0000000000000003.part"), "never finished").unwrap();
        let torn = path.join("0000000000000002.segment");
        let length = fs::metadata(&torn).unwrap().len();
        OpenOptions::new().write(true).open(&torn).unwrap().set_len(length - 1).unwrap();
        let mut adopted = Directory::adopt(&path).unwrap().unwrap();
        assert!(Directory::adopt(&path).unwrap().is_none(), "it is taken over once");
        assert_eq!(adopted.count(), 2);
        assert_eq!(adopted.first().unwrap().read().unwrap().chunks[0].bytes, b"line\n");
        adopted.remove_first().unwrap();
        assert!(adopted.first().unwrap().read().is_err());
        adopted.set_first_aside().unwrap();
        assert_eq!(adopted.count(), 0);
        adopted.remove();
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["0000000000000002.unreadable"]);
    }
}
