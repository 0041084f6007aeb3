//! The few system calls that nix does not wrap, or wraps with a loss: every `unsafe` block of the crate is here.

use std::ffi::CStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::spawn::{PosixSpawnFileActions, PosixSpawnFlags};
use nix::sys::resource::Resource;
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::protocol::ExitStatus;

/// What one look for ended children gave.
pub(crate) enum Reaped {
    /// This child ended and its process entry is gone now.
    Child { pid: i32, status: ExitStatus },
    /// There are children, none of them ended.
    NoneEnded,
    /// There is no child at all.
    NoChildren,
}

/// Collects one ended child without waiting. nix's `waitid` fails for real-time signals after the child has
/// been collected, so its exit status would be lost; this one keeps the number.
pub(crate) fn reap() -> io::Result<Reaped> {
    // SAFETY: siginfo_t is plain data, all zeroes is a valid value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` outlives the call and is writable.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ECHILD) { Ok(Reaped::NoChildren) } else { Err(error) };
    }
    // SAFETY: after a successful waitid the fields of SIGCHLD are set, or the pid is zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(Reaped::NoneEnded);
    }
    let status =
        if info.si_code == libc::CLD_EXITED { ExitStatus::Code(status) } else { ExitStatus::Signal(status) };
    Ok(Reaped::Child { pid, status })
}

/// Takes over a descriptor that a system call has just handed to this process.
pub(crate) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: callers pass descriptors fresh from recvmsg, accept4 or dup, owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// `POSIX_SPAWN_SETSID` with default signal dispositions and an empty mask; nix has no name for the first.
pub(crate) fn spawn_flags() -> PosixSpawnFlags {
    PosixSpawnFlags::from_bits_retain(libc::c_int::from(libc::POSIX_SPAWN_SETSID))
        | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
        | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
}

/// Makes the child start in `directory`.
pub(crate) fn add_working_directory(actions: &mut PosixSpawnFileActions, directory: &CStr) -> io::Result<()> {
    let raw = std::ptr::from_mut(actions).cast::<libc::posix_spawn_file_actions_t>();
    // SAFETY: PosixSpawnFileActions is #[repr(transparent)] over posix_spawn_file_actions_t and initialised.
    match unsafe { libc::posix_spawn_file_actions_addchdir_np(raw, directory.as_ptr()) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Marks every descriptor from 3 on as close-on-exec, whatever the parent of this process forgot to close.
pub(crate) fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC only sets a flag on descriptors.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A close-on-exec copy of a descriptor that is known by its number only.
pub(crate) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl checks the number; nothing else is touched.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 { Err(io::Error::last_os_error()) } else { Ok(own(copy)) }
}

/// Ignores a signal from now on.
pub(crate) fn ignore(number: Signal) -> nix::Result<()> {
    // SAFETY: SIG_IGN installs no code that could run at a bad moment.
    unsafe { signal(number, SigHandler::SigIgn) }.map(drop)
}

/// Sets a limit of another process of the same user. One that has just ended needs none.
pub(crate) fn limit_process(id: i32, resource: Resource, soft: u64, hard: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` outlives the call, and the old limit is not asked for.
    unsafe { libc::prlimit(id, resource as _, &raw const limit, std::ptr::null_mut()) };
}
