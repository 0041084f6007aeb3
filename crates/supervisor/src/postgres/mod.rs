//! A PostgreSQL server of our own: unix socket only, own data directory, gone when we are gone. It never meets a
//! server that is installed on the machine, because it listens on no port and uses none of its directories.

mod binaries;
mod cluster;
mod error;
mod temporary;

use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

pub use binaries::MINIMUM_VERSION;
pub use cluster::{SOCKET_PATH_LIMIT, socket_path};
pub use error::PostgresError;

use crate::account::Account;
use crate::process::{GuardedChild, ProcessSpec};
use binaries::Binaries;
use error::io_error;
pub use temporary::TemporaryDirectory;

/// The only database user, with all rights; the socket's directory decides who gets in.
pub const SUPERUSER: &str = "selfservice";
/// Only part of the socket's name; nothing listens on the network.
const PORT: u16 = 5432;
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);
const LOG_TAIL_LINES: usize = 15;

/// Where a private server lives and how it runs.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Data directory; made when missing, its parent must exist. `<data_dir>.lock` lies beside it.
    pub data_dir: PathBuf,
    /// Directory of the socket; made when missing, its parent must exist. Its path has at most 93 bytes.
    pub socket_dir: PathBuf,
    /// File to which the server's messages are appended.
    pub log: PathBuf,
    /// `false` gives up safety against power loss for speed; for tests.
    pub durable: bool,
    /// The language of the server's messages, such as `de`, where it is installed; `None`: English.
    pub language: Option<String>,
    /// Settings beside ours, as in `postgresql.conf`: name and value.
    pub settings: Vec<(String, String)>,
    /// The only place to look for the server programs (`PG_BIN`); `None` looks at the usual ones.
    pub bin_dir: Option<PathBuf>,
    /// Numeric id of a group whose members may connect, beside the owner of the server.
    pub socket_group: Option<u32>,
    /// How long to wait for an earlier server on the same data that is just ending.
    pub patience: Duration,
}

impl PostgresOptions {
    /// A durable server for the present user alone; the log is `<data_dir>.log`.
    pub fn new(data_dir: impl Into<PathBuf>, socket_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let mut log = data_dir.clone().into_os_string();
        log.push(".log");
        Self {
            data_dir,
            socket_dir: socket_dir.into(),
            log: PathBuf::from(log),
            durable: true,
            language: None,
            settings: Vec::new(),
            bin_dir: None,
            socket_group: None,
            patience: LEFTOVER_PATIENCE,
        }
    }
}

/// A running private server. It is stopped when the value is dropped, and by the kernel when this process ends
/// without dropping it.
pub struct PrivatePostgres {
    options: PostgresOptions,
    binaries: Binaries,
    owner: Option<Account>,
    server: GuardedChild,
    // Removed after the server has stopped: fields are dropped in this order.
    _temporary: Option<TemporaryDirectory>,
}

impl PrivatePostgres {
    /// Starts the server, after making its data directory where that is missing, and returns when it takes
    /// connections. What a killed server left (lock files, socket) is cleared away first. As root it runs as
    /// user `postgres`.
    pub fn start(options: PostgresOptions) -> Result<Self, PostgresError> {
        let owner = cluster::server_account()?;
        let lock = cluster::lock(&options.data_dir, options.patience)?;
        cluster::make_socket_directory(&options, owner.as_ref())?;
        let version = cluster::data_version(&options.data_dir);
        let binaries = Binaries::find(options.bin_dir.as_deref(), version)?;
        if version.is_none() {
            cluster::initialise(&binaries, &options, owner.as_ref())?;
        }
        cluster::clear_leftovers(&options)?;
        let server = launch(&binaries, &options, owner.as_ref(), lock.into())?;
        let postgres = Self { options, binaries, owner, server, _temporary: None };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    /// Starts an empty server for tests below `/var/tmp`, without safety against power loss, and sweeps what
    /// killed tests left there. Its files go when it is dropped, or are swept by the next call.
    pub fn temporary(bin_dir: Option<PathBuf>) -> Result<Self, PostgresError> {
        let directory = TemporaryDirectory::create(cluster::server_account()?.as_ref())?;
        let mut options = PostgresOptions::new(directory.path().join("data"), directory.path().join("s"));
        options.durable = false;
        options.bin_dir = bin_dir;
        let mut postgres = Self::start(options)?;
        postgres._temporary = Some(directory);
        Ok(postgres)
    }

    /// Connection URL of a database of this server, as libpq and diesel understand it.
    pub fn url(&self, database: &str) -> String {
        Self::url_of(&self.options.socket_dir, database)
    }

    /// As [`PrivatePostgres::url`] for the server whose socket is in `socket_dir`, running or not.
    pub fn url_of(socket_dir: &Path, database: &str) -> String {
        let host = percent_encode(&socket_dir.to_string_lossy());
        format!("postgresql://{SUPERUSER}@/{}?host={host}&port={PORT}", percent_encode(database))
    }

    /// The unix socket on which the server listens.
    pub fn socket(&self) -> PathBuf {
        socket_path(&self.options.socket_dir)
    }

    /// Makes a database; one that exists already is fine. The name is a plain lower-case identifier.
    pub fn create_database(&self, name: &str) -> Result<(), PostgresError> {
        if !is_plain_name(name) {
            return Err(PostgresError::DatabaseName(name.to_owned()));
        }
        let question = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
        let exists = self.psql("postgres", &question)?;
        if exists.is_empty() {
            tool("createdb", self.client("createdb").arg(name))?;
        }
        Ok(())
    }

    /// Runs SQL with `psql` and returns the rows, unaligned and without heads.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        let options = ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-qtA", "-d", database, "-c", sql];
        tool("psql", self.client("psql").args(options))
    }

    /// Whether the server process still runs.
    pub fn is_running(&self) -> bool {
        self.server.ended().is_none()
    }

    /// Process id of the server's first process.
    pub fn id(&self) -> i32 {
        self.server.id()
    }

    /// The socket's directory, which is the `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.options.socket_dir
    }

    /// The server's log.
    pub fn log(&self) -> &Path {
        &self.options.log
    }

    /// Stops the server: open transactions are rolled back, connections closed, data written. After 20 s
    /// it is ended the hard way, which the next start repairs.
    pub fn stop(self) {
        drop(self);
    }

    fn client(&self, name: &str) -> ProcessSpec {
        ProcessSpec::new(self.binaries.program(name))
            .args(["-w", "-U", SUPERUSER, "-p", &PORT.to_string(), "-h"])
            .arg(self.options.socket_dir.to_string_lossy())
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .account(self.owner.as_ref())
    }

    fn wait_until_ready(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + START_LIMIT;
        while !cluster::is_ready(&self.options.data_dir, self.server.id()) {
            if let Some(status) = self.server.ended() {
                return Err(self.not_started(status.to_string()));
            }
            if Instant::now() > deadline {
                return Err(self.not_started(format!("not ready after {} s", START_LIMIT.as_secs())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn not_started(&self, reason: String) -> PostgresError {
        let text = fs::read_to_string(&self.options.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(LOG_TAIL_LINES)).copied();
        let tail = tail.collect::<Vec<_>>().join("\n");
        PostgresError::NotStarted { reason, log: self.options.log.clone(), tail }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // Fast shutdown; without durability there is nothing worth writing, so immediate.
        let polite = if self.options.durable { Signal::SIGINT } else { Signal::SIGQUIT };
        for signal in [polite, Signal::SIGQUIT, Signal::SIGKILL] {
            self.server.signal(signal);
            if self.server.wait(STOP_LIMIT).is_some() {
                return;
            }
        }
    }
}

fn launch(
    binaries: &Binaries,
    options: &PostgresOptions,
    owner: Option<&Account>,
    lock: OwnedFd,
) -> Result<GuardedChild, PostgresError> {
    let log = open_log(&options.log)?;
    let program = binaries.program("postgres");
    let spec = ProcessSpec::new(&program)
        .arg("-D")
        .arg(options.data_dir.to_string_lossy())
        .args(server_settings(options).into_iter().flat_map(|setting| ["-c".to_owned(), setting]))
        .env("PATH", "/usr/bin:/bin")
        .env("LANGUAGE", options.language.as_deref().unwrap_or_default())
        .account(owner)
        .inherit(lock)
        .death_signal(if options.durable { Signal::SIGINT } else { Signal::SIGQUIT });
    spec.spawn(&log).map_err(io_error("can't start", program))
}

fn open_log(path: &Path) -> Result<File, PostgresError> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o640);
    options.open(path).map_err(io_error("can't open", path))
}

fn server_settings(options: &PostgresOptions) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("port={PORT}"),
        format!("unix_socket_directories={}", options.socket_dir.to_string_lossy()),
        "max_connections=200".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if !options.durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    settings.extend(options.settings.iter().map(|(name, value)| format!("{name}={value}")));
    settings
}

/// Runs a tool to its end and returns its standard output without the last line break.
fn tool(name: &'static str, spec: ProcessSpec) -> Result<String, PostgresError> {
    let output = spec.output().map_err(io_error("can't start", name))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(PostgresError::Tool { program: name, message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn is_plain_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    starts_well && name.len() <= 63 && name.chars().all(plain)
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{is_plain_name, percent_encode};

    #[test]
    fn encodes_what_a_url_keeps_for_itself() {
        assert_eq!(percent_encode("/var/tmp/a b?&é"), "%2Fvar%2Ftmp%2Fa%20b%3F%26%C3%A9");
    }

    #[test]
    fn knows_plain_names() {
        assert!(is_plain_name("selfservice_2"));
        for bad in ["", "2a", "A", "a-b", "a'b", &"a".repeat(64)] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }
}
