//! What can go wrong with a private server, each as a sentence that says what to do.

use std::io;
use std::path::PathBuf;

use super::binaries::MINIMUM_VERSION;

/// Why a private PostgreSQL could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs were found.
    #[error(
        "no PostgreSQL server programs (initdb, postgres, createdb, psql) were found{}; install the package \
         \"postgresql\" or name their directory in PG_BIN",
        .place.as_ref().map(|place| format!(" in {}", place.display())).unwrap_or_default()
    )]
    NoServer {
        /// The only directory that was looked at, where the caller named one.
        place: Option<PathBuf>,
    },
    /// Only server programs that are too old were found.
    #[error("PostgreSQL {MINIMUM_VERSION} or newer is needed, found: {found}")]
    TooOld {
        /// The versions that are there.
        found: String,
    },
    /// The data were written by a version that is not installed.
    #[error("the data directory was made by PostgreSQL {wanted}, which is not installed (found: {found})")]
    OtherVersion {
        /// The version that made the data directory.
        wanted: u32,
        /// The versions that are there.
        found: String,
    },
    /// We are root, and the user who has to run PostgreSQL is missing.
    #[error(
        "PostgreSQL does not run as root and there is no user \"{0}\"; the package \"postgresql\" creates it"
    )]
    NoAccount(&'static str),
    /// We are root, and the user who has to run PostgreSQL can't get to its directory.
    #[error("user \"{user}\", who runs PostgreSQL, can't reach {path}: {closed} is closed to others")]
    Unreachable {
        /// Who runs the server.
        user: String,
        /// The directory that must be reached.
        path: PathBuf,
        /// The directory above it that stops them.
        closed: PathBuf,
    },
    /// The path of the socket does not fit into a socket address.
    #[error(
        "the socket {path} has a path of {length} bytes; at most 107 are possible, choose a shorter directory"
    )]
    SocketPathTooLong {
        /// Full path of the socket.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Another process uses the data directory.
    #[error("the PostgreSQL of {0} is running already")]
    Running(PathBuf),
    /// The server ended, or did not become ready in time.
    #[error("PostgreSQL did not start ({reason}); the end of {log} says:\n{tail}", log = .log.display())]
    NotStarted {
        /// In what way it failed.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// One of the server's tools failed.
    #[error("{program} failed: {message}")]
    Tool {
        /// Name of the program.
        program: &'static str,
        /// What it wrote to standard error.
        message: String,
    },
    /// A name that is not a plain lower-case identifier.
    #[error("\"{0}\" is no database name; allowed are a-z, 0-9 and _, at most 63, not starting with a digit")]
    DatabaseName(String),
    /// A file or directory could not be used.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried, for example "can't create".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Turns an I/O error into a [`PostgresError`] that names the file.
pub(super) fn io_error(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> PostgresError {
    let path = path.into();
    move |source| PostgresError::Io { what, path, source }
}
