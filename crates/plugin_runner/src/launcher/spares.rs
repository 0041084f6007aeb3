//! Directories of ended runs that are as they were made: they serve later runs. For a new entry ext4 looks for an inode
//! that was not freed within the last seconds, and while many short runs end that takes longer than starting a process.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::geteuid;

use super::removal::remove_tree;
use super::start::FIFO;
use crate::sys;

/// More are not kept.
const MOST: usize = 256;
const FORMAT: u32 = libc::S_IFMT | 0o7777;
const DIRECTORY: u32 = libc::S_IFDIR | 0o700;
const PRIVATE_FIFO: u32 = libc::S_IFIFO | 0o600;

/// See the module's text.
pub(super) struct Spares {
    /// Where they are kept, by numbers that start here.
    base: PathBuf,
    next: u64,
    directories: VecDeque<PathBuf>,
}

impl Spares {
    /// None yet; `base` is the launcher's own directory.
    pub fn new(base: &Path) -> Self {
        Self { base: base.to_owned(), next: 0, directories: VecDeque::new() }
    }

    /// Takes the directory of a run that has no process any more. False: it is not as it was made, or not needed.
    pub fn keep(&mut self, directory: &Path) -> bool {
        if self.directories.len() >= MOST || !is_as_made(directory).unwrap_or(false) {
            return false;
        }
        let path = self.base.join(format!("spare-{}", self.next));
        self.next += 1;
        let kept = fs::rename(directory, &path).is_ok();
        if kept {
            self.directories.push_back(path);
        }
        kept
    }

    /// Moves one of them to `path`. False: there is none.
    pub fn take(&mut self, path: &Path) -> bool {
        let Some(spare) = self.directories.pop_front() else { return false };
        if is_read(&spare) {
            self.directories.push_back(spare);
            return false;
        }
        if fs::rename(spare, path).is_err() {
            return false;
        }
        // A run of the same user may have put something there since: the next one would find it in its home.
        let unchanged = is_as_made(path).unwrap_or(false);
        if !unchanged {
            remove_tree(path);
        }
        unchanged
    }
}

/// Whether somebody still reads the FIFO: whoever listened to the run before. What a later run reports must not get there.
fn is_read(directory: &Path) -> bool {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let opened = File::options().write(true).custom_flags(flags).open(directory.join(FIFO));
    !opened.is_err_and(|error| error.raw_os_error() == Some(Errno::ENXIO as i32))
}

/// Whether nothing but the FIFO is in the directory, and nobody has changed what belongs to either.
fn is_as_made(path: &Path) -> io::Result<bool> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = open(path, flags, Mode::empty())?;
    let fifo = fstatat(&directory, FIFO, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if !is(&fstat(&directory)?, DIRECTORY)
        || !is(&fifo, PRIVATE_FIFO)
        || fifo.st_nlink != 1
        || sys::has_attributes(directory.as_fd())
    {
        return Ok(false);
    }
    let mut directory = Dir::from_fd(directory)?;
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." && name.to_bytes() != FIFO.as_bytes() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is(status: &FileStat, mode: u32) -> bool {
    status.st_mode & FORMAT == mode && status.st_uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::super::home::make_private;
    use super::super::start::{make_fifo, open_fifo};
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn made(base: &Path, name: &str) -> PathBuf {
        let path = base.join(name);
        make_private(&path).unwrap();
        make_fifo(&path).unwrap();
        path
    }

    #[test]
    fn an_untouched_directory_serves_the_next_run_under_its_name() {
        let base = tempfile::tempdir().unwrap();
        let mut spares = Spares::new(base.path());
        assert!(!spares.take(&base.path().join("none")));
        let first = made(base.path(), "first");
        let inode = fs::metadata(&first).unwrap().ino();
        assert!(spares.keep(&first));
        assert!(!first.exists());
        let second = base.path().join("second");
        assert!(spares.take(&second));
        assert_eq!(fs::metadata(&second).unwrap().ino(), inode);
        assert!(open_fifo(&second).is_ok());
        assert!(!spares.take(&base.path().join("third")));
    }

    #[test]
    fn what_somebody_still_reads_waits() {
        let base = tempfile::tempdir().unwrap();
        let mut spares = Spares::new(base.path());
        let first = made(base.path(), "first");
        let reader = open_fifo(&first).unwrap();
        assert!(spares.keep(&first));
        assert!(!spares.take(&base.path().join("second")));
        drop(reader);
        assert!(spares.take(&base.path().join("second")));
    }

    #[test]
    fn what_another_run_put_there_meanwhile_serves_nobody() {
        let base = tempfile::tempdir().unwrap();
        let mut spares = Spares::new(base.path());
        assert!(spares.keep(&made(base.path(), "first")));
        fs::write(base.path().join("spare-0/.netrc"), "planted").unwrap();
        let second = base.path().join("second");
        assert!(!spares.take(&second));
        assert!(!second.exists());
    }

    #[test]
    fn nothing_that_a_plugin_changed_is_kept() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 10] = [
            ("a file", |path| fs::write(path.join("left"), "").unwrap()),
            ("a hidden file", |path| fs::write(path.join(".left"), "").unwrap()),
            ("a directory", |path| fs::create_dir(path.join("left")).unwrap()),
            ("a link to elsewhere", |path| symlink("/etc", path.join("left")).unwrap()),
            ("no FIFO", |path| fs::remove_file(path.join(FIFO)).unwrap()),
            ("a file in its place", |path| {
                fs::remove_file(path.join(FIFO)).unwrap();
                fs::write(path.join(FIFO), "").unwrap();
            }),
            ("a FIFO with a second name", |path| {
                fs::hard_link(path.join(FIFO), path.with_file_name("elsewhere")).unwrap();
            }),
            ("a FIFO that all may write", |path| {
                fs::set_permissions(path.join(FIFO), fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("a directory that all may enter", |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            }),
            ("a link", |path| {
                let elsewhere = path.with_file_name("moved");
                fs::rename(path, &elsewhere).unwrap();
                symlink(elsewhere, path).unwrap();
            }),
        ];
        for (what, change) in changes {
            let base = tempfile::tempdir().unwrap();
            let path = made(base.path(), "run");
            change(&path);
            assert!(!Spares::new(base.path()).keep(&path), "{what}");
        }
    }

    #[test]
    fn not_more_than_a_few_are_kept() {
        let base = tempfile::tempdir().unwrap();
        let mut spares = Spares::new(base.path());
        for number in 0..MOST {
            assert!(spares.keep(&made(base.path(), &number.to_string())));
        }
        assert!(!spares.keep(&made(base.path(), "last")));
    }
}
