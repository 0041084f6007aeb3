//! LISTEN on a connection of its own, through libpq, so that connection strings, TLS and password files mean the same
//! as for every other connection.
//!
//! A notification is a hint to look: it can be lost while the connection is away, so whoever waits here also looks at
//! the rows after every time-out and after every reconnect.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pq_sys::{ConnStatusType, ExecStatusType, PGconn};
use std::ffi::{CStr, CString};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Why [`Listener::wait`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// A notification: channel and payload.
    Notified {
        /// The channel's name.
        channel: String,
        /// What the sender put in; may be empty.
        payload: String,
    },
    /// The connection is new: notifications may have been missed before.
    Connected,
    /// A [`Waker`] was used, or a signal came for which one was registered.
    Woken,
    /// Nothing came in time, or the server is away.
    TimedOut,
}

/// Ends a wait of the listener from another thread.
#[derive(Debug)]
pub struct Waker(UnixStream);

impl Waker {
    /// Lets the present wait, or the next one, come back at once.
    pub fn wake(&self) {
        // A full pipe means that a wake is on its way already.
        let _ = (&self.0).write(&[1]);
    }

    /// Another handle.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// The stream to which one byte must be written, for signal handlers.
    pub fn into_stream(self) -> UnixStream {
        self.0
    }
}

/// Listens to some channels, and connects again when the connection breaks.
#[derive(Debug)]
pub struct Listener {
    url: String,
    channels: Vec<&'static str>,
    connection: Option<Connection>,
    retry_at: Instant,
    backoff: Duration,
    woken: UnixStream,
    waker: Waker,
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(2);

impl Listener {
    /// A listener for `channels` on the server that the connection string names. Connects at the first
    /// [`Listener::wait`].
    pub fn new(connection_string: &str, channels: &[&'static str]) -> std::io::Result<Self> {
        let (woken, waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        Ok(Self {
            url: connection_string.to_owned(),
            channels: channels.to_vec(),
            connection: None,
            retry_at: Instant::now(),
            backoff: FIRST_BACKOFF,
            woken,
            waker: Waker(waker),
        })
    }

    /// A handle that ends waits.
    pub fn waker(&self) -> std::io::Result<Waker> {
        self.waker.try_clone()
    }

    /// Waits for a notification or a wake, for at most `timeout`. While the server is away it tries again with growing
    /// pauses, and gives [`Wake::Connected`] once it is back.
    pub fn wait(&mut self, timeout: Duration) -> Wake {
        let deadline = Instant::now() + timeout;
        loop {
            if self.connection.is_none() && Instant::now() >= self.retry_at && self.connect() {
                return Wake::Connected;
            }
            if let Some(wake) = self.connection.as_mut().and_then(Connection::notification) {
                return wake;
            }
            let until = if self.connection.is_none() { deadline.min(self.retry_at) } else { deadline };
            match self.wait_readable(until) {
                Ok(Ready::Woken) => return Wake::Woken,
                Ok(Ready::Nothing) if Instant::now() >= deadline => return Wake::TimedOut,
                Ok(Ready::Nothing) => {}
                Ok(Ready::Server) if self.connection.as_mut().is_some_and(Connection::consume) => {}
                Ok(Ready::Server) | Err(_) => {
                    tracing::warn!("the connection for notifications broke; connecting again");
                    self.connection = None;
                }
            }
        }
    }

    fn connect(&mut self) -> bool {
        match Connection::open(&self.url, &self.channels) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.backoff = FIRST_BACKOFF;
                true
            }
            Err(message) => {
                tracing::debug!(message, "the connection for notifications could not be opened");
                self.retry_at = Instant::now() + self.backoff;
                self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
                false
            }
        }
    }

    fn wait_readable(&mut self, until: Instant) -> nix::Result<Ready> {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that the time is over when the wait is.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let server = self.connection.as_ref().map(Connection::descriptor).transpose()?;
        let mut descriptors = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        descriptors.extend(server.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)));
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Ready::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let is_ready = |index: usize| {
            descriptors.get(index).and_then(PollFd::revents).is_some_and(|events| !events.is_empty())
        };
        if is_ready(1) {
            return Ok(Ready::Server);
        }
        if is_ready(0) {
            let mut buffer = [0; 64];
            while matches!(self.woken.read(&mut buffer), Ok(count) if count > 0) {}
            return Ok(Ready::Woken);
        }
        Ok(Ready::Nothing)
    }
}

/// Which descriptor has something.
enum Ready {
    Server,
    Woken,
    Nothing,
}

/// An open libpq connection; closed when dropped.
#[derive(Debug)]
struct Connection(NonNull<PGconn>);

// SAFETY: libpq allows a connection to be used from any thread, one at a time; the type is neither Clone nor Sync.
unsafe impl Send for Connection {}

impl Connection {
    fn open(url: &str, channels: &[&'static str]) -> Result<Self, String> {
        let url = CString::new(url).map_err(|_| "the connection string has a NUL character".to_owned())?;
        // SAFETY: `url` is a NUL-terminated string that lives until the call returns.
        let raw = unsafe { pq_sys::PQconnectdb(url.as_ptr()) };
        let connection = Self(NonNull::new(raw).ok_or("libpq is out of memory")?);
        // SAFETY: the pointer came from PQconnectdb and is closed only in Drop.
        if unsafe { pq_sys::PQstatus(connection.0.as_ptr()) } != ConnStatusType::CONNECTION_OK {
            return Err(connection.message());
        }
        for channel in channels {
            connection.execute(&format!("LISTEN {channel}"))?;
        }
        Ok(connection)
    }

    fn execute(&self, statement: &str) -> Result<(), String> {
        let statement = CString::new(statement).map_err(|error| error.to_string())?;
        // SAFETY: the connection is open and the statement is NUL-terminated; the result is freed once, below.
        let status = unsafe {
            let result = pq_sys::PQexec(self.0.as_ptr(), statement.as_ptr());
            let status = pq_sys::PQresultStatus(result);
            pq_sys::PQclear(result);
            status
        };
        if status == ExecStatusType::PGRES_COMMAND_OK { Ok(()) } else { Err(self.message()) }
    }

    /// Takes in what the server sent. False: the connection is gone.
    fn consume(&mut self) -> bool {
        // SAFETY: the connection is open.
        unsafe { pq_sys::PQconsumeInput(self.0.as_ptr()) != 0 }
    }

    fn notification(&mut self) -> Option<Wake> {
        // SAFETY: PQnotifies gives NULL or a struct whose strings live until PQfreemem; they are copied before that.
        unsafe {
            let notify = NonNull::new(pq_sys::PQnotifies(self.0.as_ptr()))?;
            let text = |pointer| CStr::from_ptr(pointer).to_string_lossy().into_owned();
            let wake = Wake::Notified {
                channel: text(notify.as_ref().relname),
                payload: text(notify.as_ref().extra),
            };
            pq_sys::PQfreemem(notify.as_ptr().cast());
            Some(wake)
        }
    }

    fn descriptor(&self) -> nix::Result<BorrowedFd<'_>> {
        // SAFETY: the connection is open.
        let socket = unsafe { pq_sys::PQsocket(self.0.as_ptr()) };
        if socket < 0 {
            return Err(Errno::EBADF);
        }
        // SAFETY: libpq keeps the descriptor open as long as `self` lives, to which the answer is bound.
        Ok(unsafe { BorrowedFd::borrow_raw(socket) })
    }

    fn message(&self) -> String {
        // SAFETY: the string belongs to the open connection and is copied at once.
        let text = unsafe { CStr::from_ptr(pq_sys::PQerrorMessage(self.0.as_ptr())) };
        text.to_string_lossy().trim().to_owned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid and nobody uses it afterwards.
        unsafe { pq_sys::PQfinish(self.0.as_ptr()) }
    }
}
