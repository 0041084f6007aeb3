//! The caller's end of a launcher: a connection to one that runs as a service, or one of the caller's own.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket, socketpair};
use thiserror::Error;

/// A launcher of our own ends its trees within its grace period; after this it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A launcher that can't be reached or started.
#[derive(Debug, Error)]
pub enum LauncherError {
    /// Nobody listens on the socket, or it may not be used.
    #[error("the launcher's socket {path} can't be reached: {source}")]
    Connect {
        /// The socket's path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program can't be started.
    #[error("the launcher {program} can't be started: {source}")]
    Spawn {
        /// The program's path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A connected launcher, to be given to a [`crate::Runner`]. When it is dropped, the launcher ends every tree of
/// this connection; a launcher of our own has ended then.
#[derive(Debug)]
pub struct Launcher {
    socket: Option<OwnedFd>,
    child: Option<Child>,
}

impl Launcher {
    /// Connects to a launcher that listens on `path`.
    ///
    /// # Errors
    /// The socket can't be reached.
    pub fn connect(path: &Path) -> Result<Self, LauncherError> {
        let connected = (|| -> nix::Result<OwnedFd> {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
            connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
            Ok(socket)
        })();
        let wrap = |error: nix::Error| LauncherError::Connect {
            path: path.display().to_string(),
            source: error.into(),
        };
        Ok(Self { socket: Some(connected.map_err(wrap)?), child: None })
    }

    /// Starts `program` (a `plugin_launcher`) with these arguments and one end of a socket pair as its standard
    /// input. It runs in a process group of its own, so a terminal's interrupt does not reach it: it ends when
    /// this end of the socket closes, and not before.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn spawn(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, LauncherError> {
        let wrap =
            |source: io::Error| LauncherError::Spawn { program: program.display().to_string(), source };
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(|error| wrap(error.into()))?;
        #[expect(clippy::disallowed_methods, reason = "starting the launcher is this crate's duty")]
        let child = Command::new(program)
            .args(["--inherit-fd", "0"])
            .args(arguments)
            .stdin(theirs)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(wrap)?;
        Ok(Self { socket: Some(ours), child: Some(child) })
    }

    /// The process id of a launcher of our own.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        self.socket.take()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.socket = None;
        let Some(child) = &mut self.child else { return };
        let deadline = Instant::now() + STOP_WITHIN;
        while let Ok(None) = child.try_wait() {
            if Instant::now() > deadline {
                tracing::warn!("the launcher did not end within {STOP_WITHIN:?} and is killed");
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
