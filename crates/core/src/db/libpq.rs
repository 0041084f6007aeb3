//! A libpq connection that never waits: for [`super::listener`].

use nix::errno::Errno;
use nix::poll::PollFlags;
use pq_sys::{ConnStatusType, ExecStatusType, PGconn, PostgresPollingStatusType};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// A connection, being made or open; closed when dropped. Empty only after [`Connection::take`].
#[derive(Debug)]
pub(super) struct Connection(Option<NonNull<PGconn>>);

// SAFETY: libpq allows a connection to be used from any thread, one at a time; the type is neither Clone nor Sync.
unsafe impl Send for Connection {}

/// What making the connection needs next.
pub(super) enum Progress {
    /// Something to read.
    Reads,
    /// Room to write.
    Writes,
    /// It is open.
    Done,
    /// It could not be made.
    Failed,
}

impl Connection {
    /// Begins to connect. The first thing to wait for is room to write.
    pub fn start(url: &str) -> Result<Self, String> {
        let url = CString::new(url).map_err(|_| "the connection string has a NUL character".to_owned())?;
        // SAFETY: `url` is a NUL-terminated string that lives until the call returns.
        let raw = unsafe { pq_sys::PQconnectStart(url.as_ptr()) };
        let connection = Self(Some(NonNull::new(raw).ok_or("libpq is out of memory")?));
        // SAFETY: the pointer came from PQconnectStart and is closed only in Drop.
        let status = unsafe { pq_sys::PQstatus(connection.raw()) };
        if status == ConnStatusType::CONNECTION_BAD { Err(connection.message()) } else { Ok(connection) }
    }

    /// Goes on connecting; to be called when the descriptor is ready for what was wanted.
    pub fn go_on(&mut self) -> Progress {
        // SAFETY: the connection was begun and is not closed.
        match unsafe { pq_sys::PQconnectPoll(self.raw()) } {
            PostgresPollingStatusType::PGRES_POLLING_READING => Progress::Reads,
            PostgresPollingStatusType::PGRES_POLLING_WRITING => Progress::Writes,
            PostgresPollingStatusType::PGRES_POLLING_OK => Progress::Done,
            _ => Progress::Failed,
        }
    }

    /// Moves the connection out, for the next stage of its life.
    pub fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// Sends statements whose answers hold nothing of interest.
    pub fn send(&mut self, statements: &str) -> Result<(), String> {
        let statements = CString::new(statements).map_err(|error| error.to_string())?;
        // SAFETY: the connection is open and the statements are NUL-terminated.
        let sent = unsafe {
            pq_sys::PQsetnonblocking(self.raw(), 1) == 0
                && pq_sys::PQsendQuery(self.raw(), statements.as_ptr()) == 1
        };
        if sent { Ok(()) } else { Err(self.message()) }
    }

    /// What to wait for: always something to read; room to write where not everything was sent.
    pub fn wants(&self) -> PollFlags {
        // SAFETY: the connection is open. An error of the connection shows when it is read.
        let all_sent = unsafe { pq_sys::PQflush(self.raw()) } != 1;
        if all_sent { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    }

    /// Takes in what the server sent.
    pub fn consume(&mut self) -> Result<(), String> {
        // SAFETY: the connection is open.
        if unsafe { pq_sys::PQconsumeInput(self.raw()) } == 1 { Ok(()) } else { Err(self.message()) }
    }

    /// Whether everything that was sent is answered; an error where the server refused it.
    pub fn answered(&mut self) -> Result<bool, String> {
        // SAFETY: the connection is open; PQgetResult does not wait where PQisBusy says 0; each result is freed once.
        unsafe {
            while pq_sys::PQisBusy(self.raw()) == 0 {
                let Some(result) = NonNull::new(pq_sys::PQgetResult(self.raw())) else { return Ok(true) };
                let status = pq_sys::PQresultStatus(result.as_ptr());
                pq_sys::PQclear(result.as_ptr());
                if !matches!(status, ExecStatusType::PGRES_COMMAND_OK | ExecStatusType::PGRES_TUPLES_OK) {
                    return Err(self.message());
                }
            }
        }
        Ok(false)
    }

    /// The next notification that was taken in: channel and payload.
    pub fn notification(&mut self) -> Option<(String, String)> {
        // SAFETY: PQnotifies gives NULL or a struct whose strings live until PQfreemem; they are copied before that.
        unsafe {
            let notify = NonNull::new(pq_sys::PQnotifies(self.raw()))?;
            let text = |pointer| CStr::from_ptr(pointer).to_string_lossy().into_owned();
            let (channel, payload) = (text(notify.as_ref().relname), text(notify.as_ref().extra));
            pq_sys::PQfreemem(notify.as_ptr().cast());
            Some((channel, payload))
        }
    }

    /// The socket, which may be another one after each step of connecting.
    pub fn descriptor(&self) -> nix::Result<BorrowedFd<'_>> {
        // SAFETY: the connection was begun and is not closed.
        let socket = unsafe { pq_sys::PQsocket(self.raw()) };
        if socket < 0 {
            return Err(Errno::EBADF);
        }
        // SAFETY: libpq keeps the descriptor open as long as `self` lives unchanged, to which the answer is bound.
        Ok(unsafe { BorrowedFd::borrow_raw(socket) })
    }

    /// libpq's words for what went wrong last.
    pub fn message(&self) -> String {
        // SAFETY: libpq has a text for every connection, and for none; it is copied at once.
        let text = unsafe { CStr::from_ptr(pq_sys::PQerrorMessage(self.raw())) };
        text.to_string_lossy().trim().to_owned()
    }

    /// libpq's functions take NULL for what is not there.
    fn raw(&self) -> *mut PGconn {
        self.0.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid, or NULL, and nobody uses it afterwards.
        unsafe { pq_sys::PQfinish(self.raw()) }
    }
}

/// One part of a connection string that stands in it.
pub(super) struct Part {
    /// Such as `host`.
    pub keyword: String,
    /// The environment variable that means the same, where there is one.
    pub variable: Option<String>,
    pub value: String,
}

/// Takes a connection string apart, as libpq would. The error is libpq's.
pub(super) fn parse(connection_string: &str) -> Result<Vec<Part>, String> {
    let text = CString::new(connection_string)
        .map_err(|_| "the connection string has a NUL character".to_owned())?;
    let mut message = std::ptr::null_mut();
    // SAFETY: `text` is NUL-terminated, and `message` may be written to.
    let options = unsafe { pq_sys::PQconninfoParse(text.as_ptr(), &raw mut message) };
    if options.is_null() {
        if message.is_null() {
            return Err("libpq is out of memory".to_owned());
        }
        // SAFETY: libpq has written a NUL-terminated text, which is freed here and not used again.
        let why = unsafe { CStr::from_ptr(message) }.to_string_lossy().trim_end().to_owned();
        // SAFETY: as above.
        unsafe { pq_sys::PQfreemem(message.cast()) };
        return Err(why);
    }
    let mut parts = Vec::new();
    let mut option = options;
    // SAFETY: libpq gives an array that ends with an option without a keyword; its texts live until it is freed.
    unsafe {
        while !(*option).keyword.is_null() {
            if let Some(value) = owned((*option).val) {
                let keyword = owned((*option).keyword).unwrap_or_default();
                parts.push(Part { keyword, variable: owned((*option).envvar), value });
            }
            option = option.add(1);
        }
        pq_sys::PQconninfoFree(options);
    }
    Ok(parts)
}

/// A copy of a text of libpq's, where there is one.
///
/// # Safety
/// `text` is null or points to a NUL-terminated text.
unsafe fn owned(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: the caller promises it.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
