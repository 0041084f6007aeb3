//! Removes what a plugin left, whatever it is: directories that even their owner can't enter, trees deeper than a path
//! is long, names of any bytes, links to elsewhere (a link is removed, and never followed), a hundred thousand files. It
//! goes on a little at a time, so that its launcher serves everybody else meanwhile, and holds few descriptors and
//! little memory: a directory that is too deep is moved up before it is emptied.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::dir::{Dir, OwningIter, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// So many directories of a tree are open at once, two descriptors each: plugins may be allowed few, and the launcher
/// with them.
const DEEPEST: usize = 8;
/// So many trees are open at once.
const OPEN_TREES: usize = 2;
/// Entries that are removed at a time.
const PORTION: usize = 500;
/// What can't be removed within this, because somebody goes on to fill it, is left to the next launcher.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same where somebody waits for it.
const SHORT_PATIENCE: Duration = Duration::from_secs(30);
const OWNER_MAY_ALL: u32 = 0o700;
const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The directories of ended runs. Most are gone at once; of those that are not, few are open at once, taking turns, and
/// the others wait as names, so that any number of runs with large directories costs no descriptors.
#[derive(Default)]
pub(super) struct Removals {
    open: VecDeque<Removal>,
    waiting: VecDeque<PathBuf>,
}

impl Removals {
    /// Whether everything is gone.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// Removes the directory, as far as that goes at once.
    pub fn add(&mut self, directory: &Path) {
        let begun = Removal::begin(directory, PATIENCE);
        let Some(removal) = begun.and_then(Removal::portion).unwrap_or_else(cannot_be_removed) else {
            return;
        };
        if self.open.len() < OPEN_TREES {
            self.open.push_back(removal);
        } else {
            self.waiting.push_back(directory.to_owned());
        }
    }

    /// Removes a little of what is left.
    pub fn go_on(&mut self) {
        let waiting = if self.open.len() < OPEN_TREES { self.waiting.pop_front() } else { None };
        let next = match waiting {
            Some(directory) => Removal::begin(&directory, PATIENCE),
            None => match self.open.pop_front() {
                Some(removal) => Ok(removal),
                None => return,
            },
        };
        self.open.extend(next.and_then(Removal::portion).unwrap_or_else(cannot_be_removed));
    }
}

fn cannot_be_removed(error: io::Error) -> Option<Removal> {
    tracing::warn!("the directory of an ended run can't be removed: {error}");
    None
}

/// A tree that is being removed. What is left of it when the value is dropped stays.
struct Removal {
    /// The way to the directory that is being emptied; the first is the whole tree. Empty: it is gone.
    levels: Vec<Level>,
    device: u64,
    /// Directories that were moved up so far.
    moved: u64,
    until: Instant,
}

struct Level {
    /// As its parent knows it; the path of the whole tree for the first.
    name: CString,
    directory: OwnedFd,
    entries: OwningIter,
}

impl Removal {
    /// Begins with a directory.
    fn begin(path: &Path, patience: Duration) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        let (directory, device) = enter(AT_FDCWD, &name)?;
        Ok(Self {
            levels: vec![Level::new(name, directory)?],
            device,
            moved: 0,
            until: Instant::now() + patience,
        })
    }

    /// Removes the next few entries; gives nothing when everything is gone.
    fn portion(mut self) -> io::Result<Option<Self>> {
        Ok(if self.go_on()? { None } else { Some(self) })
    }

    /// Removes the next few entries; true when everything is gone. An error is final: what is left stays.
    fn go_on(&mut self) -> io::Result<bool> {
        if Instant::now() > self.until {
            return Err(io::Error::other("it is being filled again and again"));
        }
        for _ in 0..PORTION {
            let Some(level) = self.levels.last_mut() else {
                return Ok(true);
            };
            match level.entries.next() {
                Some(entry) => {
                    let entry = entry?;
                    if let Some(name) = level.remove(entry.file_name(), entry.file_type())? {
                        self.descend(name)?;
                    }
                }
                None => self.leave()?,
            }
        }
        Ok(self.levels.is_empty())
    }

    fn descend(&mut self, name: CString) -> io::Result<()> {
        let (Some(top), Some(parent)) = (self.levels.first(), self.levels.last()) else {
            return Ok(());
        };
        let (directory, device) = enter(parent.directory.as_fd(), &name)?;
        if device != self.device {
            return Err(io::Error::other("something is mounted in it"));
        }
        if self.levels.len() < DEEPEST {
            self.levels.push(Level::new(name, directory)?);
            return Ok(());
        }
        loop {
            let free = CString::new(format!("moved-{}", self.moved))?;
            self.moved += 1;
            match renameat(&parent.directory, name.as_c_str(), &top.directory, free.as_c_str()) {
                Ok(()) => break,
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Removes the directory whose entries were all read; one that is not empty yet is read again.
    fn leave(&mut self) -> io::Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        let place = self.levels.last().map_or(AT_FDCWD, |parent| parent.directory.as_fd());
        match unlinkat(place, level.name.as_c_str(), UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {
                self.levels.push(Level::new(level.name, level.directory)?);
                Ok(())
            }
            Err(Errno::ENOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Level {
    fn new(name: CString, directory: OwnedFd) -> io::Result<Self> {
        let entries = Dir::openat(&directory, c".", OFlag::O_RDONLY | DIRECTORY, Mode::empty())?.into_iter();
        Ok(Self { name, directory, entries })
    }

    /// Removes an entry; gives the name of one that is a directory.
    fn remove(&self, name: &CStr, kind: Option<Type>) -> io::Result<Option<CString>> {
        if name == c"." || name == c".." {
            return Ok(None);
        }
        if kind == Some(Type::Directory) {
            return Ok(Some(name.to_owned()));
        }
        match unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(None),
            Err(Errno::EISDIR) => Ok(Some(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes a directory and everything in it at once. What can't be removed is written to the log.
pub(super) fn remove_tree(path: &Path) {
    let removed = Removal::begin(path, SHORT_PATIENCE).and_then(|mut removal| {
        while !removal.go_on()? {}
        Ok(())
    });
    if let Err(error) = removed {
        tracing::warn!("the directory {} can't be removed: {error}", path.display());
    }
}

/// Opens a directory without following a link, and lets its owner do everything in it; gives its device, too.
fn enter(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<(OwnedFd, u64)> {
    let found = openat(parent, name, OFlag::O_PATH | DIRECTORY, Mode::empty())?;
    let status = fstat(&found)?;
    if status.st_mode & OWNER_MAY_ALL != OWNER_MAY_ALL {
        // There is no other way to the mode of what was opened like this.
        let opened = format!("/proc/self/fd/{}", found.as_raw_fd());
        fs::set_permissions(opened, Permissions::from_mode(OWNER_MAY_ALL))?;
    }
    Ok((found, status.st_dev))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mkdirat;
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    /// A directory to remove and one beside it, which must stay.
    struct Ground(tempfile::TempDir);

    impl Ground {
        fn new() -> Self {
            let ground = Self(tempfile::tempdir().unwrap());
            fs::create_dir(ground.tree()).unwrap();
            fs::create_dir(ground.0.path().join("outside")).unwrap();
            fs::write(ground.kept(), "kept").unwrap();
            ground
        }

        fn tree(&self) -> std::path::PathBuf {
            self.0.path().join("tree")
        }

        fn kept(&self) -> std::path::PathBuf {
            self.0.path().join("outside/kept")
        }

        fn check(&self) {
            assert!(!self.tree().exists(), "the directory is still there");
            assert_eq!(fs::read_to_string(self.kept()).unwrap(), "kept");
        }
    }

    #[test]
    fn links_are_removed_and_never_followed() {
        let ground = Ground::new();
        symlink(ground.0.path().join("outside"), ground.tree().join("link")).unwrap();
        symlink("../outside/kept", ground.tree().join("to_file")).unwrap();
        fs::hard_link(ground.kept(), ground.tree().join("hard")).unwrap();
        fs::create_dir(ground.tree().join("closed")).unwrap();
        symlink("../../outside", ground.tree().join("closed/link")).unwrap();
        fs::set_permissions(ground.tree().join("closed"), Permissions::from_mode(0o0)).unwrap();
        let mode = fs::metadata(ground.kept()).unwrap().permissions().mode();
        remove_tree(&ground.tree());
        ground.check();
        assert_eq!(fs::metadata(ground.kept()).unwrap().permissions().mode(), mode);
        assert!(Removal::begin(&ground.0.path().join("nothing"), PATIENCE).is_err());
        symlink("outside", ground.tree()).unwrap();
        assert!(Removal::begin(&ground.tree(), PATIENCE).is_err(), "the directory itself must not be a link");
    }

    #[test]
    fn names_of_any_bytes_and_length_go() {
        let ground = Ground::new();
        let long = [b'n'; 255];
        for name in [&b"\xff\xfe\x01"[..], b"a\nb", b"-rf", b"...", b"moved-0", b"moved-1", &long] {
            fs::write(ground.tree().join(OsStr::from_bytes(name)), "").unwrap();
        }
        fs::create_dir_all(ground.tree().join("1/2/3/4/5/6/7/8/9/10")).unwrap();
        fs::create_dir_all(ground.tree().join("moved-2/x")).unwrap();
        remove_tree(&ground.tree());
        ground.check();
    }

    #[test]
    fn a_tree_deeper_than_there_are_descriptors_goes_with_few_of_them() {
        let ground = Ground::new();
        let mut present = fs::File::open(ground.tree()).map(OwnedFd::from).unwrap();
        for _ in 0..3000 {
            for name in ["deep", "beside"] {
                mkdirat(&present, name, Mode::S_IRWXU).unwrap();
            }
            present = openat(&present, "deep", DIRECTORY, Mode::empty()).unwrap();
        }
        let mut removal = Removal::begin(&ground.tree(), PATIENCE).unwrap();
        while !removal.go_on().unwrap() {
            assert!(removal.levels.len() <= DEEPEST);
        }
        ground.check();
    }

    #[test]
    fn many_files_go_a_portion_at_a_time() {
        let ground = Ground::new();
        for number in 0..3 * PORTION {
            fs::write(ground.tree().join(number.to_string()), "").unwrap();
        }
        let mut removal = Removal::begin(&ground.tree(), PATIENCE).unwrap();
        assert!(!removal.go_on().unwrap());
        let left = fs::read_dir(ground.tree()).unwrap().count();
        assert!(left >= 2 * PORTION, "{left} are left after the first portion");
        while !removal.go_on().unwrap() {}
        ground.check();
    }

    #[test]
    fn any_number_of_large_trees_goes_with_few_descriptors() {
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let base = tempfile::tempdir().unwrap();
        let mut removals = Removals::default();
        let paths: Vec<_> = (0..100).map(|number| base.path().join(number.to_string())).collect();
        for path in &paths {
            fs::create_dir(path).unwrap();
            for number in 0..=PORTION {
                fs::write(path.join(number.to_string()), "").unwrap();
            }
            removals.add(path);
            assert!(removals.open.len() <= OPEN_TREES);
        }
        assert!(paths.iter().all(|path| path.exists()) && removals.waiting.len() == 100 - OPEN_TREES);
        // Other tests of this process open files, too, but not hundreds.
        assert!(descriptors() < 150, "{} descriptors are open", descriptors());
        while !removals.is_empty() {
            removals.go_on();
            assert!(removals.open.len() <= OPEN_TREES);
        }
        assert!(!paths.iter().any(|path| path.exists()));
    }

    #[test]
    fn what_is_made_meanwhile_goes_too() {
        let ground = Ground::new();
        let tree = ground.tree();
        let maker = std::thread::spawn(move || {
            for number in 0.. {
                let made = fs::create_dir_all(tree.join(format!("{number}/in")));
                if made.is_err()
                    || fs::write(tree.join(format!("file-{number}")), "").is_err()
                    || number > 2000
                {
                    return;
                }
            }
        });
        while fs::read_dir(ground.tree()).unwrap().count() < 50 {}
        remove_tree(&ground.tree());
        maker.join().unwrap();
        // It may have made the directory itself again after it was gone.
        if ground.tree().exists() {
            remove_tree(&ground.tree());
        }
        ground.check();
    }

    /// The second half of the next test: it runs where the mount is.
    #[test]
    fn in_its_own_mounts() {
        let Some(tree) = std::env::var_os("PLUGIN_RUNNER_TEST_MOUNTED") else {
            return;
        };
        let mut removal = Removal::begin(Path::new(&tree), PATIENCE).unwrap();
        let error = std::iter::repeat_with(|| removal.go_on()).find_map(Result::err).unwrap();
        assert!(error.to_string().contains("mounted"), "{error}");
        assert!(Path::new(&tree).join("mounted/kept").exists());
    }

    #[test]
    fn what_is_mounted_stays() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: only root can mount something");
            return;
        }
        let ground = Ground::new();
        fs::create_dir(ground.tree().join("mounted")).unwrap();
        let script = "mount -t tmpfs none \"$1/mounted\" && touch \"$1/mounted/kept\" && \
                      PLUGIN_RUNNER_TEST_MOUNTED=$1 \"$0\" --exact launcher::removal::tests::in_its_own_mounts";
        #[expect(clippy::disallowed_methods, reason = "the mount must not be seen by anybody else")]
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .arg(ground.tree())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
