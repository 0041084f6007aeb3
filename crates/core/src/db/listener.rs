//! LISTEN on a connection of its own, through libpq, so that connection strings, TLS and password files mean the same
//! as for every other connection.
//!
//! A notification is a hint to look: it can be lost while the connection is away, so whoever waits here also looks at
//! the rows after every time-out and after every reconnect.

use pq_sys::{ConnStatusType, ExecStatusType, PGconn};
use std::ffi::{CStr, CString};
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
    /// Nothing came in time, or the server is away.
    TimedOut,
}

/// Listens to some channels, and connects again when the connection breaks.
#[derive(Debug)]
pub struct Listener {
    url: String,
    channels: Vec<&'static str>,
    connection: Option<Connection>,
    retry_at: Instant,
    backoff: Duration,
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(2);

impl Listener {
    /// A listener for `channels` on the server that the connection string names. Connects at the first
    /// [`Listener::wait`].
    pub fn new(connection_string: &str, channels: &[&'static str]) -> Self {
        Self {
            url: connection_string.to_owned(),
            channels: channels.to_vec(),
            connection: None,
            retry_at: Instant::now(),
            backoff: FIRST_BACKOFF,
        }
    }

    /// Waits for a notification, for at most `timeout`. Comes back early with [`Wake::TimedOut`] never more often than
    /// the back-off allows.
    pub fn wait(&mut self, timeout: Duration) -> Wake {
        let deadline = Instant::now() + timeout;
        loop {
            if self.connection.is_none() {
                let now = Instant::now();
                if now < self.retry_at {
                    std::thread::sleep(self.retry_at.min(deadline).saturating_duration_since(now));
                }
                if Instant::now() >= deadline && timeout > Duration::ZERO && Instant::now() < self.retry_at {
                    return Wake::TimedOut;
                }
                if self.connect() {
                    return Wake::Connected;
                }
                if Instant::now() >= deadline {
                    return Wake::TimedOut;
                }
                continue;
            }
            match self
                .connection
                .as_mut()
                .map(|connection| connection.next(deadline))
            {
                Some(Ok(Some(wake))) => return wake,
                Some(Ok(None)) => return Wake::TimedOut,
                Some(Err(Broken)) | None => {
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
}

/// The server ended the connection.
struct Broken;

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
        if status == ExecStatusType::PGRES_COMMAND_OK {
            Ok(())
        } else {
            Err(self.message())
        }
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Wake>, Broken> {
        loop {
            if let Some(wake) = self.notification() {
                return Ok(Some(wake));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.wait_readable(left)? {
                return Ok(None);
            }
            // SAFETY: the connection is open.
            if unsafe { pq_sys::PQconsumeInput(self.0.as_ptr()) } == 0 {
                return Err(Broken);
            }
        }
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

    /// Whether bytes came before `timeout`.
    fn wait_readable(&self, timeout: Duration) -> Result<bool, Broken> {
        // SAFETY: the connection is open.
        let socket = unsafe { pq_sys::PQsocket(self.0.as_ptr()) };
        if socket < 0 {
            return Err(Broken);
        }
        // SAFETY: libpq keeps the descriptor open as long as `self` lives, and `borrowed` does not outlive this call.
        let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
        let mut descriptors = [nix::poll::PollFd::new(borrowed, nix::poll::PollFlags::POLLIN)];
        let timeout = nix::poll::PollTimeout::try_from(timeout).unwrap_or(nix::poll::PollTimeout::MAX);
        match nix::poll::poll(&mut descriptors, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(true),
            Err(_) => Err(Broken),
        }
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
