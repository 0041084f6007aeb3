//! Users of the operating system to whom a child process is handed over when we run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

/// A user of the operating system with its primary group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of the primary group.
    pub gid: u32,
}

impl Account {
    /// The user called `name`, or `None` where the system has none.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let user = User::from_name(name)?;
        Ok(user.map(|user| Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// Gives `path` to this user and its primary group.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// The uppermost directory on the way to `path` that this user may not pass, if there is one. Access
    /// lists are not looked at; supplementary groups neither, because we drop them.
    pub fn first_closed_parent(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let path = std::path::absolute(path)?;
        let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
        parents.reverse();
        for parent in parents {
            let about = fs::metadata(parent)?;
            let bit = if about.uid() == self.uid {
                0o100
            } else if about.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if about.mode() & bit == 0 {
                return Ok(Some(parent.to_path_buf()));
            }
        }
        Ok(None)
    }
}

/// Whether this process has the rights of root.
pub fn is_root() -> bool {
    geteuid().is_root()
}
