//! The few system calls that nix does not wrap, or wraps with a loss: every `unsafe` block of the crate is here.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

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

/// Whether somebody gave a file extended attributes or an access list. Labels of the system itself do not count.
pub(crate) fn has_attributes(file: BorrowedFd<'_>) -> bool {
    let mut names = [0_u8; 256];
    // SAFETY: the kernel writes at most as many bytes as it is told there are.
    let length = unsafe { libc::flistxattr(file.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    match usize::try_from(length).ok().and_then(|length| names.get(..length)) {
        Some(names) => {
            let mut names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            names.any(|name| !name.starts_with(b"security."))
        }
        // Longer than the system's own.
        None => Errno::last() != Errno::ENOTSUP,
    }
}

/// Splits this process, which must have one thread; gives the child's id in the parent, and nothing in the child.
pub(crate) fn fork() -> nix::Result<Option<i32>> {
    // SAFETY: with one thread no lock can be held by another one, so the child may do anything.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// Puts a copy of another descriptor in the place of one that is known by its number only.
pub(crate) fn replace(number: RawFd, by: RawFd) -> nix::Result<()> {
    // SAFETY: dup2 checks both numbers; nobody in this process owns the one that is replaced.
    Errno::result(unsafe { libc::dup2(by, number) }).map(drop)
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

/// What a new process becomes.
pub(crate) struct Child<'a> {
    pub file: &'a CStr,
    pub arguments: &'a [CString],
    pub environment: &'a [CString],
    pub directory: &'a CStr,
    /// Its descriptors 0, 1 and 2; all three must have higher numbers here.
    pub standard: [BorrowedFd<'a>; 3],
    /// A Landlock ruleset to which it is confined.
    pub confinement: Option<BorrowedFd<'a>>,
}

/// Starts a process in a session and group of its own, with default signal dispositions, and gives its id. It is
/// `posix_spawn` (the memory is shared until the program is loaded, so the size of this process costs nothing) with one
/// step more, the confinement, which must be taken on in the child.
pub(crate) fn spawn(child: &Child<'_>) -> nix::Result<i32> {
    let mut stack: Vec<u8> = Vec::with_capacity(CHILD_STACK);
    // SAFETY: one past the end of the allocation is a valid address to compute; the stack grows down from it.
    let top = unsafe { stack.as_mut_ptr().add(CHILD_STACK) };
    let top = top.wrapping_sub(top.addr() % STACK_ALIGNMENT);
    let (arguments, environment) = (pointers(child.arguments), pointers(child.environment));
    let plan = Plan {
        child,
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        failure: AtomicI32::new(0),
    };
    let mut before = SigSet::empty();
    // The child shares this memory, so no handler of ours may run in it.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: `plan`, what it points to, and the stack outlive the child's use of them: CLONE_VFORK lets this thread go
    // on only when the child has loaded its program or ended.
    let started = Errno::result(unsafe {
        libc::clone(
            begin,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw const plan).cast_mut().cast(),
        )
    });
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    let id = started?;
    match plan.failure.load(Ordering::Relaxed) {
        0 => Ok(id),
        failure => {
            waitpid(Pid::from_raw(id), None)?;
            Err(Errno::from_raw(failure))
        }
    }
}

const CHILD_STACK: usize = 64 * 1024;
const STACK_ALIGNMENT: usize = 16;

struct Plan<'a> {
    child: &'a Child<'a>,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    /// Why no program was loaded.
    failure: AtomicI32,
}

/// Pointers to the texts and a null pointer behind them.
fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

extern "C" fn begin(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `spawn` passes a pointer to its plan, which lives until this process has a program or has ended.
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    let Err(failure) = plan.carry_out();
    plan.failure.store(failure as i32, Ordering::Relaxed);
    // SAFETY: ends the process at once, without anything that belongs to its parent.
    unsafe { libc::_exit(127) }
}

impl Plan<'_> {
    /// Runs in the child, whose memory is its parent's: it makes system calls and neither allocates nor locks.
    fn carry_out(&self) -> nix::Result<std::convert::Infallible> {
        for number in 1..=libc::SIGRTMAX() {
            // SAFETY: SIG_DFL installs no code. Where the system refuses a number, that one can't be changed.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
        nix::unistd::setsid()?;
        for (target, source) in (0..).zip(&self.child.standard) {
            // SAFETY: dup2 checks both numbers; 0 to 2 belong to this process alone.
            Errno::result(unsafe { libc::dup2(source.as_raw_fd(), target) })?;
        }
        // SAFETY: a C string that outlives the call.
        Errno::result(unsafe { libc::chdir(self.child.directory.as_ptr()) })?;
        if let Some(ruleset) = &self.child.confinement {
            // SAFETY: the kernel checks the descriptor.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0)
            })?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
        unsafe { libc::execve(self.child.file.as_ptr(), self.arguments, self.environment) };
        Err(Errno::last())
    }
}

/// Which version of Landlock the kernel speaks, by which runs are kept apart; 0: none.
pub fn landlock_version() -> i64 {
    // SAFETY: without attributes, and with this flag, the call only tells the version.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, LANDLOCK_VERSION) };
    version.max(0)
}

/// A ruleset that denies moves between directories unless a rule allows them, and nothing else: version 2 has no ruleset
/// without a right of files, and this one can be given back whole.
pub(crate) fn landlock_of_files() -> nix::Result<OwnedFd> {
    let ruleset =
        landlock_ruleset(&Handled { files: LANDLOCK_REFER, network: 0, scoped: 0 }, size_of::<u64>())?;
    let root = std::fs::File::open("/").map_err(|_| Errno::last())?;
    let rule = Beneath { allowed: LANDLOCK_REFER, parent: root.as_raw_fd() };
    // SAFETY: the attributes outlive the call, and the kernel checks both descriptors.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            LANDLOCK_PATH_BENEATH,
            &raw const rule,
            0,
        )
    })?;
    Ok(ruleset)
}

/// A ruleset that keeps signals within whoever is confined to it, and denies nothing else; from version 6 on.
pub(crate) fn landlock_of_signals() -> nix::Result<OwnedFd> {
    let handled = Handled { files: 0, network: 0, scoped: LANDLOCK_SCOPE_SIGNAL };
    landlock_ruleset(&handled, size_of::<Handled>())
}

fn landlock_ruleset(handled: &Handled, size: usize) -> nix::Result<OwnedFd> {
    // SAFETY: `handled` outlives the call and has at least `size` bytes.
    let made =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(handled), size, 0) };
    let number = Errno::result(made)?;
    Ok(own(RawFd::try_from(number).map_err(|_| Errno::EBADF)?))
}

// From <linux/landlock.h>, which the libc crate does not have.
const LANDLOCK_VERSION: libc::c_uint = 1;
const LANDLOCK_PATH_BENEATH: libc::c_int = 1;
const LANDLOCK_REFER: u64 = 1 << 13;
const LANDLOCK_SCOPE_SIGNAL: u64 = 1 << 1;

/// `struct landlock_ruleset_attr`
#[repr(C)]
struct Handled {
    files: u64,
    network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}
