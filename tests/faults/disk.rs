//! A small file system that can be filled up. It is mounted where only the thread that asked for it and what that has
//! started can see it, so that nothing is left behind, however the test ends.

use nix::errno::Errno;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Gives this thread a view of the file systems of its own. The error says why that cannot be: only root may, and
    /// not everywhere.
    pub fn prepare() -> Result<(), String> {
        // SAFETY: the call takes no pointers, and changes what this thread sees, nothing else.
        let done = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNS) };
        Errno::result(done).map_err(|error| error.to_string())?;
        run(Command::new("mount").args(["--make-rprivate", "/"]))
    }

    /// Mounts it, after [`Disk::prepare`] in this thread.
    pub fn mount(path: PathBuf, mib: u32) -> Self {
        let options = format!("size={mib}m,mode=0700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&path)).unwrap();
        Self(path)
    }

    /// Leaves no room for anything.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        loop {
            match file.write_all(&[0; 4096]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                written => written.unwrap(),
            }
        }
    }

    /// Makes room again.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Killed programs may still be about to end.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.0 as &Path));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
