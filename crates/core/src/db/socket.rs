//! The socket of a connection that libpq has made and diesel does not show.
//!
//! Connections are made one at a time in a process; the socket is the one that the process did not have before and
//! whose other end is the server's. Where that is not exactly one (the port comes from a service file, or the system
//! has no `/proc`), the connection has none, and only the limits of libpq and TCP hold for it.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{MsgFlags, Shutdown, SockaddrStorage, getpeername, recv, shutdown};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Held while a connection is made: descriptors belong to the whole process.
static MAKING: Mutex<()> = Mutex::new(());

/// Waits until nobody else makes a connection.
pub(super) fn make_alone() -> MutexGuard<'static, ()> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a short step of making a connection; `None`: somebody makes another one now.
pub(super) fn step_alone<T>(step: impl FnOnce() -> T) -> Option<T> {
    let _alone = match MAKING.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(error)) => error.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    Some(step())
}

/// A second descriptor of a connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    descriptor: OwnedFd,
    shut_down: AtomicBool,
}

/// What a look at a socket shows without asking the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Open, and nothing has come.
    Quiet,
    /// The server said something without being asked.
    Pending,
    /// The server has closed it, or it is broken.
    Closed,
}

impl Socket {
    /// For a socket that is known.
    pub fn of(socket: &impl AsFd) -> nix::Result<Self> {
        let copy = fcntl(socket.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(0))?;
        // SAFETY: the call above has just made this descriptor, and nobody else knows of it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(copy) };
        Ok(Self { descriptor, shut_down: AtomicBool::new(false) })
    }

    /// Lets every call that waits on the connection come back with an error, now and later.
    pub fn shut_down(&self) {
        self.shut_down.store(true, Ordering::SeqCst);
        // A socket that is closed already needs nothing.
        let _ = shutdown(self.descriptor.as_raw_fd(), Shutdown::Both);
    }

    /// Whether [`Socket::shut_down`] was called.
    pub fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::SeqCst)
    }

    /// Looks without waiting.
    pub fn look(&self) -> Look {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(self.descriptor.as_raw_fd(), &mut [0], flags) {
            Ok(0) => Look::Closed,
            Ok(_) | Err(Errno::EINTR) => Look::Pending,
            Err(Errno::EAGAIN) => Look::Quiet,
            Err(_) => Look::Closed,
        }
    }
}

/// Sockets of this process before a connection is made.
#[derive(Debug)]
pub(super) struct Fresh {
    before: BTreeSet<(RawFd, u64)>,
    ports: Vec<u16>,
}

impl Fresh {
    /// To be called with [`make_alone`] held.
    pub fn before(connection_string: &str) -> Self {
        Self { before: sockets(), ports: ports(connection_string) }
    }

    /// The socket of the connection that was made since.
    pub fn socket(&self) -> Option<Socket> {
        let mut found = self.candidates();
        let socket = found.pop()?;
        found.is_empty().then_some(socket)
    }

    /// Ends the connections that were begun since.
    pub fn shut_down(&self) {
        self.candidates().iter().for_each(Socket::shut_down);
    }

    fn candidates(&self) -> Vec<Socket> {
        let new = sockets().into_iter().filter(|socket| !self.before.contains(socket));
        new.filter_map(|(descriptor, inode)| {
            // SAFETY: a closed descriptor gives an error; one that is another file by now has another inode, below.
            let socket = Socket::of(&unsafe { BorrowedFd::borrow_raw(descriptor) }).ok()?;
            let path = format!("/proc/self/fd/{}", socket.descriptor.as_raw_fd());
            let same = inode_of(&path) == Some(inode);
            (same && self.leads_to_the_server(&socket)).then_some(socket)
        })
        .collect()
    }

    fn leads_to_the_server(&self, socket: &Socket) -> bool {
        let Ok(peer) = getpeername::<SockaddrStorage>(socket.descriptor.as_raw_fd()) else { return false };
        if let Some(address) = peer.as_sockaddr_in() {
            self.ports.contains(&address.port())
        } else if let Some(address) = peer.as_sockaddr_in6() {
            self.ports.contains(&address.port())
        } else if let Some(path) = peer.as_unix_addr().and_then(|address| address.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.ports.iter().any(|port| name == format!(".s.PGSQL.{port}"))
        } else {
            false
        }
    }
}

/// The sockets of this process with their inodes.
fn sockets() -> BTreeSet<(RawFd, u64)> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, inode))
        })
        .collect()
}

fn inode_of(path: &str) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// The ports that libpq would use for a connection string: all of them where it names several hosts.
fn ports(connection_string: &str) -> Vec<u16> {
    let Ok(text) = CString::new(connection_string) else { return Vec::new() };
    // SAFETY: the text is NUL-terminated; an error's text is not asked for; both lists are freed by `port_in`.
    let named = unsafe { port_in(pq_sys::PQconninfoParse(text.as_ptr(), std::ptr::null_mut())) };
    // SAFETY: as above.
    let port = named.or_else(|| unsafe { port_in(pq_sys::PQconndefaults()) }).unwrap_or_default();
    port.split(',').map(|port| if port.is_empty() { "5432" } else { port }).flat_map(str::parse).collect()
}

/// The value of `port` in libpq's list of options, which is freed.
///
/// # Safety
/// The list must come from libpq, or be NULL.
unsafe fn port_in(options: *mut pq_sys::_PQconninfoOption) -> Option<String> {
    let mut found = None;
    let mut option = options;
    // SAFETY: the list ends with an entry without a keyword; its strings live until it is freed.
    unsafe {
        while let Some(entry) = option.as_ref().filter(|entry| !entry.keyword.is_null()) {
            if CStr::from_ptr(entry.keyword) == c"port" && !entry.val.is_null() {
                found = Some(CStr::from_ptr(entry.val).to_string_lossy().into_owned());
            }
            option = option.add(1);
        }
        pq_sys::PQconninfoFree(options);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn ports_are_read_as_libpq_reads_them() {
        assert_eq!(ports("postgresql://u@h:6432/db?sslmode=disable"), [6432]);
        assert_eq!(ports("host=a,b port=1,2 dbname=x"), [1, 2]);
        assert_eq!(ports("postgresql://u@a,b:7/db"), [5432, 7]);
        assert_eq!(ports("nonsense"), ports(""), "what libpq does not understand has its default");
    }

    #[test]
    fn the_one_new_socket_to_the_server_is_found_and_a_second_makes_it_unclear() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let url = format!("host=127.0.0.1 port={port}");
        let _old = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let fresh = Fresh::before(&url);
        assert!(fresh.socket().is_none());
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_other, _end) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = fresh.socket().unwrap();
        assert_eq!(socket.look(), Look::Quiet);
        socket.shut_down();
        assert_eq!(client.peek(&mut [0]).unwrap(), 0);
        assert_eq!(socket.look(), Look::Closed);
        let _second = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(fresh.socket().is_none());
    }
}
