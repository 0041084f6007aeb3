//! A private server starts, is reached by its URL, survives being killed, and never outlives its owner.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use supervisor::{PostgresError, PostgresOptions, PrivatePostgres};
use tempfile::TempDir;

/// A directory that the server's user can enter, also when we are root.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("ssm-test").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    directory
}

fn options(directory: &Path) -> PostgresOptions {
    let mut options = PostgresOptions::new(directory.join("data"), directory.join("s"));
    options.durable = false;
    options
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_server(postgres: &PrivatePostgres) {
    kill(Pid::from_raw(postgres.id()), Signal::SIGKILL).unwrap();
    eventually("the killed server is noticed", || !postgres.is_running());
}

#[test]
fn starts_answers_and_stops() {
    let postgres = PrivatePostgres::temporary(None).unwrap();
    postgres.create_database("inventory").unwrap();
    postgres.create_database("inventory").unwrap();
    assert_eq!(postgres.psql("inventory", "SELECT current_database()").unwrap(), "inventory");
    assert_eq!(postgres.psql("inventory", "SHOW listen_addresses").unwrap(), "");
    let socket_dir = postgres.socket_dir().to_path_buf();
    let (pid, url) = (postgres.id(), postgres.url("inventory"));
    let asked = psql(&url, "SELECT 1 + 1");
    assert_eq!(asked, "2");
    postgres.stop();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server still runs");
    assert!(!socket_dir.exists(), "its files are still there");
}

/// Asks by URL, as libpq reads it.
fn psql(url: &str, sql: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a client that knows nothing but the URL")]
    let output = Command::new("psql").args(["-XAtc", sql, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn never_runs_as_root() {
    let postgres = PrivatePostgres::temporary(None).unwrap();
    let owner = fs::metadata(format!("/proc/{}", postgres.id())).unwrap().uid();
    assert_ne!(owner, 0);
}

#[test]
fn lives_on_when_the_thread_that_started_it_ends() {
    let postgres = thread::spawn(|| PrivatePostgres::temporary(None).unwrap()).join().unwrap();
    assert_eq!(postgres.psql("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn keeps_its_data_when_the_server_is_killed() {
    let directory = directory();
    let postgres = PrivatePostgres::start(options(directory.path())).unwrap();
    postgres.create_database("kept").unwrap();
    kill_server(&postgres);
    assert!(directory.path().join("data/postmaster.pid").exists(), "nothing stale is left to recover from");
    let again = PrivatePostgres::start(options(directory.path())).unwrap();
    assert_eq!(again.psql("kept", "SELECT current_database()").unwrap(), "kept");
}

#[test]
fn a_stale_file_that_names_a_living_stranger_is_no_obstacle() {
    let directory = directory();
    PrivatePostgres::start(options(directory.path())).unwrap().stop();
    let stranger = std::process::id();
    fs::write(directory.path().join("data/postmaster.pid"), format!("{stranger}\n")).unwrap();
    fs::write(directory.path().join("s/.s.PGSQL.5432.lock"), format!("{stranger}\n")).unwrap();
    let postgres = PrivatePostgres::start(options(directory.path())).unwrap();
    assert_eq!(postgres.psql("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn an_interrupted_initdb_is_done_again() {
    let directory = directory();
    fs::create_dir_all(directory.path().join("data.new/base")).unwrap();
    fs::write(directory.path().join("data.new/PG_VERSION"), "15\n").unwrap();
    let postgres = PrivatePostgres::start(options(directory.path())).unwrap();
    assert_eq!(postgres.psql("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn one_data_directory_has_one_server() {
    let directory = directory();
    let mut options = options(directory.path());
    options.patience = Duration::from_millis(50);
    let _first = PrivatePostgres::start(options.clone()).unwrap();
    let second = PrivatePostgres::start(options).err().unwrap();
    assert!(matches!(second, PostgresError::Running(_)), "{second}");
}

#[test]
fn complaints_are_sentences() {
    let directory = directory();
    let mut long = options(directory.path());
    long.socket_dir = directory.path().join("s".repeat(100));
    let error = PrivatePostgres::start(long).err().unwrap().to_string();
    assert!(error.contains("at most 107 are possible"), "{error}");

    let mut elsewhere = options(directory.path());
    elsewhere.bin_dir = Some(PathBuf::from("/nonexistent"));
    let error = PrivatePostgres::start(elsewhere).err().unwrap().to_string();
    assert!(error.contains("were found in /nonexistent; install the package \"postgresql\""), "{error}");

    let mut wrong = options(directory.path());
    wrong.settings.push(("max_connections".to_owned(), "many".to_owned()));
    let error = PrivatePostgres::start(wrong).err().unwrap().to_string();
    assert!(error.contains("invalid value for parameter \"max_connections\""), "{error}");

    let postgres = PrivatePostgres::temporary(None).unwrap();
    let error = postgres.create_database("x; DROP").unwrap_err().to_string();
    assert!(error.contains("is no database name"), "{error}");
}

#[test]
fn dies_with_its_owner_however_that_ends() {
    let mut owner = Owner::start();
    let data = owner.data_directory();
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    eventually("the server outlives its killed owner", || lock_is_free(&data));
    let _next = PrivatePostgres::temporary(None).unwrap();
    assert!(!data.exists(), "what the killed owner left is not swept");
}

#[test]
fn a_closed_terminal_stops_it() {
    let mut owner = Owner::start();
    let data = owner.data_directory();
    kill(Pid::from_raw(owner.child.id().cast_signed()), Signal::SIGHUP).unwrap();
    assert!(owner.child.wait().unwrap().success());
    assert!(!data.exists(), "its files are still there");
}

/// `selfservice_run database`, a process that owns a temporary server.
struct Owner {
    child: Child,
    url: String,
}

impl Owner {
    fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the owner has to be a process of its own")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_selfservice_run"));
        let mut child = command.arg("database").stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url }
    }

    fn data_directory(&self) -> PathBuf {
        let host = self.url.split("host=").nth(1).unwrap().split('&').next().unwrap();
        PathBuf::from(host.replace("%2F", "/")).with_file_name("data")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // After a failed assertion; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server and all its processes hold the lock beside the data. Another test may have swept it already.
fn lock_is_free(data: &Path) -> bool {
    match File::open(data.with_extension("lock")) {
        Ok(file) => file.try_lock().is_ok(),
        Err(_) => !data.exists(),
    }
}
