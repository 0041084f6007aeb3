//! Keeps runs apart that have the same user: no process of a run can look into one outside of it (its environment, its
//! memory, its descriptors, `ptrace`), or send it a signal. The kernel does it by Landlock: every run is a domain of its
//! own, which forbids nothing else. Files are not kept apart.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Context;

use crate::sys;

/// The first version that can let a confined process do everything with files.
const FILES: i64 = 2;
/// The first version that keeps signals within a domain.
const SIGNALS: i64 = 6;

/// See the module's text.
pub(super) struct Separation(Option<OwnedFd>);

impl Separation {
    /// As far as the kernel can, which is written to the log.
    pub fn prepare(wanted: bool, allow_setuid: bool) -> anyhow::Result<Self> {
        if !wanted || allow_setuid {
            tracing::info!("plugins can signal and look into every process of their user");
            return Ok(Self(None));
        }
        Self::of_version(sys::landlock_version()).context("while separating runs from each other")
    }

    fn of_version(version: i64) -> nix::Result<Self> {
        match version {
            SIGNALS.. => Ok(Self(Some(sys::landlock_of_signals()?))),
            FILES..SIGNALS => {
                tracing::warn!("plugins can signal every process of their user: that takes Linux 6.12");
                Ok(Self(Some(sys::landlock_of_files()?)))
            }
            _ => {
                tracing::warn!(
                    "plugins can signal and look into every process of their user: the kernel has no Landlock"
                );
                Ok(Self(None))
            }
        }
    }

    /// To what a new run is confined.
    pub fn ruleset(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::prctl;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;
    use std::ffi::CString;

    /// The exit code of a shell that is confined as on a kernel of this version.
    fn confined(version: i64, script: &str) -> i32 {
        // Of this thread alone.
        prctl::set_no_new_privs().unwrap();
        let separation = Separation::of_version(version).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
        let text = |text: &str| CString::new(text).unwrap();
        let id = sys::spawn(&sys::Child {
            file: c"/bin/sh",
            arguments: &["sh", "-c", script].map(text),
            environment: &[text("PATH=/usr/bin:/bin")],
            directory: &text(directory.path().to_str().unwrap()),
            standard: [null.as_fd(); 3],
            confinement: separation.ruleset(),
        });
        match waitpid(Pid::from_raw(id.unwrap()), None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_version_keeps_others_from_being_looked_into_and_allows_the_rest() {
        let look = format!("readlink /proc/{}/cwd", std::process::id());
        for version in [FILES, SIGNALS] {
            if sys::landlock_version() < version {
                continue;
            }
            assert_ne!(confined(version, &look), 0, "version {version}");
            let script =
                "mkdir a b && touch a/x && mv a/x b && ln b/x a/y && cat /proc/$$/environ && kill -0 $$";
            assert_eq!(confined(version, script), 0, "version {version}");
        }
        assert_eq!(confined(0, &look), 0, "the test shows nothing");
    }

    #[test]
    fn what_can_not_be_started_leaves_no_process() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let child = sys::Child {
            file: c"/no/such/program",
            arguments: &[],
            environment: &[],
            directory: c"/",
            standard: [null.as_fd(); 3],
            confinement: None,
        };
        assert_eq!(sys::spawn(&child), Err(nix::errno::Errno::ENOENT));
        assert_eq!(
            sys::spawn(&sys::Child { directory: c"/no/such", ..child }),
            Err(nix::errno::Errno::ENOENT)
        );
    }
}
