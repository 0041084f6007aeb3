//! Statements of tests, each by a connection of its own, as `psql` would make it, but without starting a program: tests
//! ask thousands of times.

use pq_sys::{ConnStatusType, ExecStatusType, PGconn, PGresult};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;

/// Runs statements, together one transaction where they say nothing else, and gives what `psql -qAt` prints: fields
/// separated by `|`, rows by line ends. The error is the server's, or libpq's.
pub fn sql(url: &str, statements: &str) -> Result<String, String> {
    let connection = Connection::open(url)?;
    connection.send(statements)?;
    let mut rows: Vec<String> = Vec::new();
    let mut failed = None;
    // The connection is read to its end: the server may still be working on what came before an error.
    while let Some(answer) = connection.answer() {
        match answer.rows() {
            Ok(more) => rows.extend(more),
            Err(why) => failed = failed.or(Some(why)),
        }
    }
    failed.map_or_else(|| Ok(rows.join("\n").trim_end().to_owned()), Err)
}

/// Closed when dropped.
struct Connection(NonNull<PGconn>);

impl Connection {
    fn open(url: &str) -> Result<Self, String> {
        let url = terminated(url)?;
        // SAFETY: `url` is a NUL-terminated string that lives until the call returns.
        let raw = unsafe { pq_sys::PQconnectdb(url.as_ptr()) };
        let connection = Self(NonNull::new(raw).ok_or("libpq is out of memory")?);
        // SAFETY: the connection is not closed before Drop, and the function takes any pointer as its argument.
        let status = unsafe {
            pq_sys::PQsetNoticeProcessor(connection.0.as_ptr(), Some(ignore), std::ptr::null_mut());
            pq_sys::PQstatus(connection.0.as_ptr())
        };
        if status == ConnStatusType::CONNECTION_OK { Ok(connection) } else { Err(connection.message()) }
    }

    fn send(&self, statements: &str) -> Result<(), String> {
        let statements = terminated(statements)?;
        // SAFETY: the connection is open and the statements are NUL-terminated.
        let sent = unsafe { pq_sys::PQsendQuery(self.0.as_ptr(), statements.as_ptr()) } == 1;
        if sent { Ok(()) } else { Err(self.message()) }
    }

    /// The answer to the next statement; nothing after the last one.
    fn answer(&self) -> Option<Answer> {
        // SAFETY: the connection is open; each answer is freed by its own Drop.
        NonNull::new(unsafe { pq_sys::PQgetResult(self.0.as_ptr()) }).map(Answer)
    }

    fn message(&self) -> String {
        // SAFETY: libpq has a text for every connection, which is copied at once.
        unsafe { copied(pq_sys::PQerrorMessage(self.0.as_ptr())) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid, and nobody uses it afterwards.
        unsafe { pq_sys::PQfinish(self.0.as_ptr()) }
    }
}

/// What one statement gave. Freed when dropped.
struct Answer(NonNull<PGresult>);

impl Answer {
    /// Its rows as lines; none for a statement that gives none.
    fn rows(&self) -> Result<Vec<String>, String> {
        let raw = self.0.as_ptr();
        // SAFETY: the answer is not freed before Drop, and rows and fields stay below the numbers that libpq gives. A
        // value ends with NUL, is empty where it is null, and is copied at once.
        unsafe {
            match pq_sys::PQresultStatus(raw) {
                ExecStatusType::PGRES_COMMAND_OK | ExecStatusType::PGRES_EMPTY_QUERY => Ok(Vec::new()),
                ExecStatusType::PGRES_TUPLES_OK => {
                    let fields = pq_sys::PQnfields(raw);
                    let row = |row| {
                        let values = (0..fields).map(|field| copied(pq_sys::PQgetvalue(raw, row, field)));
                        values.collect::<Vec<_>>().join("|")
                    };
                    Ok((0..pq_sys::PQntuples(raw)).map(row).collect())
                }
                _ => Err(copied(pq_sys::PQresultErrorMessage(raw)).trim_end().to_owned()),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the pointer is valid, and nobody uses it afterwards.
        unsafe { pq_sys::PQclear(self.0.as_ptr()) }
    }
}

/// Notices of the server are nothing to a test.
extern "C" fn ignore(_argument: *mut c_void, _message: *const c_char) {}

fn terminated(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "statements and connection strings have no NUL".to_owned())
}

/// # Safety
/// `text` points to a NUL-terminated text.
unsafe fn copied(text: *const c_char) -> String {
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use crate::TestDatabase;

    #[test]
    fn what_is_given_looks_as_psql_prints_it() {
        let database = TestDatabase::new();
        let asked =
            "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, NULL), (2, 'two') RETURNING b IS NULL;
                     TABLE t; SELECT 'über', true";
        assert_eq!(database.sql(asked), "t\nf\n1|\n2|two\nüber|t");
        assert_eq!(database.sql("SELECT WHERE false; DO $$ BEGIN RAISE NOTICE 'x'; END $$"), "");
    }

    #[test]
    fn a_refused_statement_takes_those_before_it_along() {
        let database = TestDatabase::new();
        let refused = super::sql(database.url(), "CREATE TABLE t (); SELECT 1 / 0; SELECT 1").unwrap_err();
        assert!(refused.contains("division by zero"), "{refused}");
        assert_eq!(database.sql("SELECT to_regclass('t') IS NULL"), "t");
        let nowhere = super::sql("postgresql://x@/y?host=/nonexistent", "SELECT 1").unwrap_err();
        assert!(nowhere.contains("/nonexistent"), "{nowhere}");
    }
}
