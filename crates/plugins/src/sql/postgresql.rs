//! PostgreSQL over libpq: passwords, TLS and addresses mean the same as for psql, and there is no psql whose commands a
//! statement could reach. The statement is prepared, so it can only be one, and its values travel beside it.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};

use pq_sys::{ConnStatusType, ExecStatusType, PGcancel, PGconn, PGresult};

use super::options::{Mode, Options};
use super::rows::Rows;
use super::running::Running;
use crate::environment;
use crate::progress::Progress;
use crate::verdict::Failure;
use crate::web::system_bundle;

/// Runs the statement; `None` after a check.
pub fn run(options: &Options, running: &Running, progress: &mut Progress) -> Result<Option<Rows>, Failure> {
    let connection = Connection::open(options)?;
    match options.mode {
        Mode::ReadOnly => connection.command("BEGIN READ ONLY")?,
        Mode::Write => connection.command("BEGIN")?,
        Mode::Autocommit => {}
    }
    connection.prepare(&options.statement.text)?;
    if options.check {
        return Ok(None);
    }
    progress.step("Run", "");
    let cancel = connection.cancel_handle()?;
    running.begin(Box::new(move || cancel.send()))?;
    let result = connection.execute(options);
    let commit = || connection.command("COMMIT");
    running.conclude(result, (options.mode == Mode::Write).then_some(commit)).map(Some)
}

/// An open connection; closed when dropped, which rolls back what was not committed.
struct Connection(NonNull<PGconn>);

impl Connection {
    fn open(options: &Options) -> Result<Self, Failure> {
        let settings = settings(options)?;
        let text = |text: &str| CString::new(text).map_err(|_| Failure::unknown("a setting holds a NUL"));
        let mut keywords = Vec::new();
        let mut values = Vec::new();
        for (keyword, value) in &settings {
            keywords.push(text(keyword)?);
            values.push(text(value)?);
        }
        let pointers = |list: &[CString]| -> Vec<*const c_char> {
            list.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
        };
        let (keyword_pointers, value_pointers) = (pointers(&keywords), pointers(&values));
        // SAFETY: both lists end with NULL and hold NUL-terminated strings that live until the call returns. No value is
        // expanded as a connection string.
        let raw = unsafe { pq_sys::PQconnectdbParams(keyword_pointers.as_ptr(), value_pointers.as_ptr(), 0) };
        let connection = Self(NonNull::new(raw).ok_or_else(|| Failure::unknown("libpq is out of memory"))?);
        // SAFETY: the pointer came from libpq and is closed only in Drop.
        if unsafe { pq_sys::PQstatus(connection.0.as_ptr()) } != ConnStatusType::CONNECTION_OK {
            return Err(Failure::unknown(format!("no connection: {}", connection.message())));
        }
        Ok(connection)
    }

    fn command(&self, text: &str) -> Result<(), Failure> {
        let text = CString::new(text).map_err(|_| Failure::unknown("a command holds a NUL"))?;
        // SAFETY: the connection is open and the text is NUL-terminated.
        let result = Answer(unsafe { pq_sys::PQexec(self.0.as_ptr(), text.as_ptr()) });
        if result.status() == ExecStatusType::PGRES_COMMAND_OK { Ok(()) } else { Err(self.refused(&result)) }
    }

    fn prepare(&self, text: &str) -> Result<(), Failure> {
        let text = CString::new(text).map_err(|_| Failure::unknown("the statement holds a NUL"))?;
        // SAFETY: the connection is open and both texts are NUL-terminated; the server finds the types.
        let result = Answer(unsafe {
            pq_sys::PQprepare(self.0.as_ptr(), c"".as_ptr(), text.as_ptr(), 0, ptr::null())
        });
        if result.status() == ExecStatusType::PGRES_COMMAND_OK { Ok(()) } else { Err(self.refused(&result)) }
    }

    fn execute(&self, options: &Options) -> Result<Rows, Failure> {
        self.send(&options.statement.values)?;
        let mut rows = Rows::new(options.rows);
        let mut failure = None;
        let mut asked_to_stop = false;
        loop {
            // SAFETY: the connection is open and a statement was sent.
            let answer = Answer(unsafe { pq_sys::PQgetResult(self.0.as_ptr()) });
            if answer.0.is_null() {
                break;
            }
            match answer.status() {
                ExecStatusType::PGRES_SINGLE_TUPLE | ExecStatusType::PGRES_TUPLES_OK => {
                    rows.columns = answer.columns();
                    for row in 0..answer.row_count() {
                        let room = rows.push(answer.row(row, rows.columns.len()));
                        // A statement that may write goes on to its end, whatever is shown of it.
                        if !room && !asked_to_stop && !super::may_write(options.mode) {
                            asked_to_stop = true;
                            let _asked = self.cancel_handle()?.send();
                        }
                    }
                    rows.changed = answer.changed();
                }
                ExecStatusType::PGRES_COMMAND_OK => rows.changed = answer.changed(),
                ExecStatusType::PGRES_COPY_IN
                | ExecStatusType::PGRES_COPY_OUT
                | ExecStatusType::PGRES_COPY_BOTH => {
                    return Err(Failure::unknown("COPY is refused here"));
                }
                _ if asked_to_stop => {}
                _ => failure = Some(self.refused(&answer)),
            }
        }
        failure.map_or(Ok(rows), Err)
    }

    fn send(&self, values: &[(String, String)]) -> Result<(), Failure> {
        let values: Result<Vec<CString>, _> =
            values.iter().map(|(_, value)| CString::new(value.as_str())).collect();
        let values = values.map_err(|_| Failure::unknown("a value holds a NUL"))?;
        let pointers: Vec<*const c_char> = values.iter().map(|value| value.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| Failure::unknown("too many values"))?;
        // SAFETY: the connection is open; `count` pointers to NUL-terminated texts live until the call returns; text
        // format needs neither lengths nor formats.
        let sent = unsafe {
            pq_sys::PQsendQueryPrepared(
                self.0.as_ptr(),
                c"".as_ptr(),
                count,
                pointers.as_ptr(),
                ptr::null(),
                ptr::null(),
                0,
            ) == 1
                && pq_sys::PQsetSingleRowMode(self.0.as_ptr()) == 1
        };
        if sent {
            Ok(())
        } else {
            Err(Failure::unknown(format!("the statement could not be sent: {}", self.message())))
        }
    }

    fn cancel_handle(&self) -> Result<CancelHandle, Failure> {
        // SAFETY: the connection is open; the handle is freed once, in its Drop.
        let raw = unsafe { pq_sys::PQgetCancel(self.0.as_ptr()) };
        NonNull::new(raw)
            .map(CancelHandle)
            .ok_or_else(|| Failure::unknown("nothing was run, because it could not be cancelled"))
    }

    /// A connection that broke leaves open what the server did.
    fn refused(&self, answer: &Answer) -> Failure {
        // SAFETY: the connection pointer is valid.
        if unsafe { pq_sys::PQstatus(self.0.as_ptr()) } != ConnStatusType::CONNECTION_OK {
            return Failure::unknown(format!("the connection was lost: {}", self.message()));
        }
        let message = answer.message();
        Failure::critical(if message.is_empty() { self.message() } else { message })
    }

    fn message(&self) -> String {
        // SAFETY: the string belongs to the connection and is copied at once.
        unsafe { text(pq_sys::PQerrorMessage(self.0.as_ptr())) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid and nobody uses it afterwards.
        unsafe { pq_sys::PQfinish(self.0.as_ptr()) }
    }
}

/// Everything about the connection, as libpq's keywords.
fn settings(options: &Options) -> Result<Vec<(&'static str, String)>, Failure> {
    let target = &options.target;
    let (milliseconds, lock) = (options.timeout.as_millis(), options.lock_timeout.as_millis());
    let mut settings = vec![
        ("host", target.host.clone()),
        ("port", target.port.to_string()),
        ("user", target.user.clone()),
        ("connect_timeout", target.connect_timeout.as_secs().to_string()),
        ("client_encoding", "UTF8".to_owned()),
        ("application_name", format!("selfservice {}", environment::task())),
        (
            "options",
            format!(
                "-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds} \
                 -c lock_timeout={lock}"
            ),
        ),
        ("keepalives_idle", "30".to_owned()),
    ];
    if !target.database.is_empty() {
        settings.push(("dbname", target.database.clone()));
    }
    if !target.password.is_empty() {
        settings.push(("password", target.password.clone()));
    }
    if target.tls {
        let bundle = target.ca_file.clone().or_else(system_bundle);
        let bundle =
            bundle.ok_or_else(|| Failure::unknown("no trusted certificate authorities were found"))?;
        settings.push(("sslmode", "verify-full".to_owned()));
        settings.push(("sslrootcert", bundle.display().to_string()));
        if let Some((certificate, key)) = &target.identity {
            settings.push(("sslcert", certificate.display().to_string()));
            settings.push(("sslkey", key.display().to_string()));
        }
    } else {
        settings.push(("sslmode", "prefer".to_owned()));
    }
    Ok(settings)
}

/// Ends the connection's statement from another thread.
struct CancelHandle(NonNull<PGcancel>);

// SAFETY: libpq documents PQcancel as safe to call from another thread; the handle has one owner.
unsafe impl Send for CancelHandle {}

impl CancelHandle {
    fn send(&self) -> Result<(), String> {
        let mut problem: [c_char; 256] = [0; 256];
        let size = c_int::try_from(problem.len()).map_err(|error| error.to_string())?;
        // SAFETY: the handle is valid and the buffer has the size that is said.
        unsafe {
            if pq_sys::PQcancel(self.0.as_ptr(), problem.as_mut_ptr(), size) == 1 {
                return Ok(());
            }
            Err(text(problem.as_ptr()))
        }
    }
}

impl Drop for CancelHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid and nobody uses it afterwards.
        unsafe { pq_sys::PQfreeCancel(self.0.as_ptr()) }
    }
}

/// A result, or NULL where there is none; freed when dropped.
struct Answer(*mut PGresult);

impl Answer {
    fn status(&self) -> ExecStatusType {
        // SAFETY: libpq takes NULL here.
        unsafe { pq_sys::PQresultStatus(self.0) }
    }

    fn row_count(&self) -> c_int {
        // SAFETY: the result is valid.
        unsafe { pq_sys::PQntuples(self.0) }
    }

    fn columns(&self) -> Vec<String> {
        // SAFETY: the result is valid and the column numbers are within it; the names are copied at once.
        unsafe {
            (0..pq_sys::PQnfields(self.0)).map(|column| text(pq_sys::PQfname(self.0, column))).collect()
        }
    }

    fn row(&self, row: c_int, columns: usize) -> Vec<Option<String>> {
        let columns = c_int::try_from(columns).unwrap_or_default();
        // SAFETY: row and column numbers are within the result; the values are copied at once.
        let value = |column| unsafe {
            let is_null = pq_sys::PQgetisnull(self.0, row, column) == 1;
            (!is_null).then(|| text_as_it_is(pq_sys::PQgetvalue(self.0, row, column)))
        };
        (0..columns).map(value).collect()
    }

    fn changed(&self) -> Option<u64> {
        // SAFETY: the result is valid and the string belongs to it; it is copied at once.
        unsafe { text(pq_sys::PQcmdTuples(self.0)).parse().ok() }
    }

    fn message(&self) -> String {
        // SAFETY: libpq takes NULL here and gives a string, which is copied at once.
        unsafe { text(pq_sys::PQresultErrorMessage(self.0)) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: libpq takes NULL here; nobody uses the pointer afterwards.
        unsafe { pq_sys::PQclear(self.0) }
    }
}

/// # Safety
/// `pointer` is NULL or a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: promised by the caller.
    unsafe { text_as_it_is(pointer) }.trim().to_owned()
}

/// # Safety
/// `pointer` is NULL or a NUL-terminated string.
unsafe fn text_as_it_is(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
