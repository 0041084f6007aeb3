//! A real MariaDB server on a free loopback port and a unix socket, without safety against power loss. As root it runs as
//! the user `mysql`. It ends with its value, and by the kernel when the test's process ends without dropping it.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use supervisor::TemporaryDirectory;
use supervisor::account::{self, Account};
use supervisor::process::{GuardedChild, ProcessSpec};

use crate::FreePort;

const SERVER: &str = "/usr/sbin/mariadbd";
const INSTALLER: &str = "/usr/bin/mariadb-install-db";
const CLIENT: &str = "/usr/bin/mariadb";
const START_LIMIT: Duration = Duration::from_secs(60);

static SHARED: OnceLock<MariaDb> = OnceLock::new();

/// A running server whose user `root` may sign in without a password.
pub struct MariaDb {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    server: GuardedChild,
    directory: TemporaryDirectory,
    _port: FreePort,
}

impl MariaDb {
    /// One server for all tests of a process.
    ///
    /// # Panics
    /// With a sentence where MariaDB is not installed, and with its log where it does not start.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start(&[]).unwrap_or_else(|error| panic!("no MariaDB: {error:#}")))
    }

    /// A server with options of its own, such as `--ssl-cert=PATH`.
    ///
    /// # Errors
    /// As [`MariaDb::shared`].
    pub fn start(options: &[String]) -> Result<Self> {
        ensure!(
            [SERVER, INSTALLER, CLIENT].iter().all(|program| Path::new(program).exists()),
            "{SERVER} is missing: install the package mariadb-server (`make test` does)"
        );
        let owner = owner()?;
        let directory = TemporaryDirectory::create(owner.as_ref())?;
        install(directory.path(), owner.as_ref())?;
        let port = FreePort::claim();
        let server = launch(directory.path(), owner.as_ref(), port.number(), options)?;
        Ok(Self { port: port.number(), server, directory, _port: port })
    }

    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// Runs SQL as `root` and gives what the client prints: fields separated by tabs, rows by line ends.
    ///
    /// # Panics
    /// Where the server refuses it.
    pub fn sql(&self, sql: &str) -> String {
        let client = ProcessSpec::new(CLIENT)
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"])
            .arg(format!("--socket={}", self.socket().display()))
            .args(["--default-character-set=utf8mb4", "--execute", sql]);
        match client.output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
            }
            failed => panic!("the test's statement failed: {failed:?}\n{sql}"),
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.server.signal(Signal::SIGKILL);
        let _ended = self.server.wait(START_LIMIT);
    }
}

/// The server refuses to run as root.
fn owner() -> Result<Option<Account>> {
    if !account::is_root() {
        return Ok(None);
    }
    let found = Account::find("mysql").context("while looking up the user mysql")?;
    Ok(Some(found.context("there is no user mysql; the package mariadb-server creates it")?))
}

fn install(directory: &Path, owner: Option<&Account>) -> Result<()> {
    let output = ProcessSpec::new(INSTALLER)
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .args(["--skip-name-resolve", "--innodb-log-file-size=8M", "--innodb-flush-method=nosync"])
        .arg(format!("--datadir={}/data", directory.display()))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .account(owner)
        .output()
        .context("while starting mariadb-install-db")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "mariadb-install-db failed: {}", String::from_utf8_lossy(&said));
    Ok(())
}

fn launch(directory: &Path, owner: Option<&Account>, port: u16, options: &[String]) -> Result<GuardedChild> {
    let log = directory.join("mariadb.log");
    let server = ProcessSpec::new(SERVER)
        .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve"])
        .args(["--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"])
        .args(["--innodb-flush-method=nosync", "--character-set-server=utf8mb4"])
        .arg(format!("--datadir={}/data", directory.display()))
        .arg(format!("--socket={}", socket(directory).display()))
        .arg(format!("--port={port}"))
        .args(options.iter().cloned())
        .env("PATH", "/usr/bin:/bin")
        .account(owner)
        .death_signal(Signal::SIGKILL)
        .spawn(&File::create(&log)?)
        .context("while starting mariadbd")?;
    let deadline = Instant::now() + START_LIMIT;
    while UnixStream::connect(socket(directory)).is_err() {
        if server.ended().is_some() || Instant::now() > deadline {
            server.signal(Signal::SIGKILL);
            bail!("MariaDB did not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("mariadb.sock")
}
