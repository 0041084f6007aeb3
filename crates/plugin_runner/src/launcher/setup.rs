//! What the launcher does once at its start: user, limits, signals, socket.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen as listen_on, socket,
};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{User, geteuid, initgroups, setresgid, setresuid};

use super::keeper::KEEPER_GONE;
use crate::sys;

const BACKLOG: i32 = 16;

/// A listening socket; the file is removed with it.
pub(super) struct Listener {
    pub socket: OwnedFd,
    pub allowed: Vec<u32>,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A leftover is recognised and replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Becomes `name`. Plugins must never run as root because somebody forgot an option, so root needs a name.
pub(super) fn become_user(name: Option<&str>) -> anyhow::Result<()> {
    let Some(name) = name else {
        if geteuid().is_root() {
            bail!("plugins are not run as root: give the user to become with --user");
        }
        return Ok(());
    };
    let user = user_named(name)?;
    if user.uid.is_root() {
        bail!("plugins are not run as root: --user must name another user");
    }
    if user.uid == geteuid() {
        return Ok(());
    }
    let doing = || format!("while becoming the user {name}");
    initgroups(&CString::new(name)?, user.gid).with_context(doing)?;
    setresgid(user.gid, user.gid, user.gid).with_context(doing)?;
    setresuid(user.uid, user.uid, user.uid).with_context(doing)
}

pub(super) fn user_named(name: &str) -> anyhow::Result<User> {
    let found = User::from_name(name).with_context(|| format!("while looking up the user {name}"))?;
    found.with_context(|| format!("there is no user named '{name}'"))
}

/// Prepares keeper and launcher for plugins that are not trusted.
pub(super) fn harden(allow_setuid: bool) -> anyhow::Result<()> {
    sys::close_inherited_on_exec().context("while closing inherited descriptors")?;
    prctl::set_child_subreaper(true).context("while becoming a subreaper")?;
    // Plugins run as the same user: they must not read other tasks' secrets out of this process.
    prctl::set_dumpable(false).context("while closing this process to its user")?;
    if !allow_setuid {
        prctl::set_no_new_privs().context("while giving up new privileges")?;
    }
    umask(Mode::from_bits_truncate(0o077));
    std::env::set_current_dir("/").context("while leaving the present directory")
}

/// Becomes the subreaper of all plugins and gives the signals to watch. A launcher with an inherited socket ends when that
/// closes: signals meant for its whole group must not end plugins before their manager had its say.
pub(super) fn watch_signals(inherited: bool) -> anyhow::Result<SignalFd> {
    prctl::set_child_subreaper(true).context("while becoming a subreaper")?;
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGCHLD);
    watched.add(KEEPER_GONE);
    for number in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        if inherited {
            // Plugins get the default back when they are started.
            sys::ignore(number)?;
        } else {
            watched.add(number);
        }
    }
    watched.thread_block().context("while blocking signals")?;
    SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("while watching signals")
}

/// Listens on `path`. Who may connect is decided by the peer's user id: root and the named users, or root and the
/// launcher's own user where none is named (and the file's mode keeps others off). Plugins have the launcher's own user,
/// so where another one is named they are not let in.
pub(super) fn listen(path: &Path, allow_users: &[String]) -> anyhow::Result<Listener> {
    let doing = || format!("while listening on {}", path.display());
    let mut allowed = vec![0];
    if allow_users.is_empty() {
        allowed.push(geteuid().as_raw());
    }
    for name in allow_users {
        allowed.push(user_named(name)?.uid.as_raw());
    }
    remove_stale(path).with_context(doing)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).with_context(doing)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path).with_context(doing)?).with_context(doing)?;
    let mode = if allow_users.is_empty() { 0o600 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).with_context(doing)?;
    listen_on(&socket, Backlog::new(BACKLOG)?).with_context(doing)?;
    Ok(Listener { socket, allowed, path: path.to_owned() })
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let probe = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => Ok(fs::remove_file(path)?),
        Ok(()) => bail!("another launcher listens there"),
        Err(error) => bail!("something else is there: {error}"),
    }
}

/// Takes over the socket that the parent left open at this number.
pub(super) fn inherit(number: Option<i32>) -> anyhow::Result<OwnedFd> {
    let number = number.context("neither --socket nor --inherit-fd was given")?;
    sys::duplicate(number).with_context(|| format!("descriptor {number} of --inherit-fd is not open"))
}
