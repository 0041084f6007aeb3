//! A PostgreSQL server of its own for each world, because it is killed there. Its data are a copy of a template that
//! each test process makes once.

use crate::witness::Handler;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfservice_core::config::DatabaseSettings;
use selfservice_core::db::{Pool, migrations};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use supervisor::{PostgresOptions, PrivatePostgres, TemporaryDirectory, account::Account};

pub const DATABASE: &str = "faults";
/// So many hosts are there, so that as many tasks of one handler can be active at once.
pub const HOSTS: i64 = 3000;

/// Holds the data directory of a migrated and filled database that no server uses.
struct Template(TemporaryDirectory);

static TEMPLATE: OnceLock<Template> = OnceLock::new();

/// The server; it ends with the value.
pub struct Server {
    options: PostgresOptions,
    running: Mutex<Option<PrivatePostgres>>,
}

impl Server {
    /// Starts a server with these settings on a copy of the template below `base`.
    pub fn start(base: &Path, settings: &[(&str, &str)]) -> Self {
        let template = TEMPLATE.get_or_init(Template::make);
        let data = base.join("data");
        // Owner, mode and times stay: the server insists on the first two.
        let copied = Command::new("cp").arg("-a").arg(template.data()).arg(&data).status().unwrap();
        assert!(copied.success(), "the template cannot be copied");
        let mut options = PostgresOptions::new(data, base.join("s"));
        // Programs are killed here, the machine is not: what was written is there afterwards, synced or not. But an
        // acknowledged commit must have been written.
        options.durable = false;
        options.settings = [("synchronous_commit", "on")]
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let server = Self { options, running: Mutex::new(None) };
        server.start_again();
        server
    }

    /// Connection string over the unix socket.
    pub fn url(&self) -> String {
        PrivatePostgres::url_of(&self.options.socket_dir, DATABASE)
    }

    /// The unix socket on which it listens while it runs.
    pub fn socket(&self) -> PathBuf {
        supervisor::postgres::socket_path(&self.options.socket_dir)
    }

    /// SIGKILL for the server's first process; the others end when they notice.
    pub fn crash(&self) {
        if let Some(server) = self.lock().take() {
            let _ = kill(Pid::from_raw(server.id()), Signal::SIGKILL);
        }
    }

    /// Immediate shutdown: connections are cut, nothing is tidied up.
    pub fn stop(&self) {
        drop(self.lock().take());
    }

    /// Starts a server that was crashed or stopped; it recovers first.
    pub fn start_again(&self) {
        let mut running = self.lock();
        if running.is_none() {
            *running = Some(PrivatePostgres::start(self.options.clone()).unwrap());
        }
    }

    /// Runs SQL and gives what `psql -At` prints. The server must run.
    pub fn sql(&self, sql: &str) -> String {
        match self.try_sql(sql) {
            Ok(output) => output,
            Err(why) => panic!("the test's statement failed: {why}\n{sql}"),
        }
    }

    /// As [`Server::sql`], where the server may be away.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        let running = self.lock();
        let server = running.as_ref().ok_or("the server was stopped")?;
        let output = server.psql(DATABASE, sql).map_err(|error| error.to_string())?;
        Ok(output.trim_end().to_owned())
    }

    /// Ends every connection of our programs, if the server runs.
    pub fn end_connections(&self) {
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        // The server may be going down just now, which ends them as well.
        let _ = self.try_sql(others);
    }

    /// Lets new connections only read, or write again, if the server runs. Those that write now end.
    pub fn set_read_only(&self, read_only: bool) {
        let told = if read_only {
            "SET default_transaction_read_only = on"
        } else {
            "RESET default_transaction_read_only"
        };
        // Where the server goes down just now, healing the world does it.
        let _ = self.try_sql(&format!("BEGIN READ WRITE; ALTER DATABASE {DATABASE} {told}; COMMIT"));
        if read_only {
            self.end_connections();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<PrivatePostgres>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who runs servers: for root it is the user of PostgreSQL, else ourselves.
pub fn owner() -> Option<Account> {
    nix::unistd::geteuid().is_root().then(|| Account::find("postgres").unwrap().unwrap())
}

impl Template {
    fn make() -> Self {
        let directory = TemporaryDirectory::create(owner().as_ref()).unwrap();
        let mut options = PostgresOptions::new(directory.path().join("data"), directory.path().join("s"));
        options.durable = false;
        let server = PrivatePostgres::start(options).unwrap();
        server.create_database(DATABASE).unwrap();
        let pool = Pool::new(&DatabaseSettings::for_url(&server.url(DATABASE)), "faults");
        migrations::apply(&mut pool.get().unwrap()).unwrap();
        drop(pool);
        server.psql(DATABASE, &inventory()).unwrap();
        // An immediate stop would leave each copy to recover first.
        server.psql(DATABASE, "CHECKPOINT").unwrap();
        server.stop();
        Self(directory)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

fn inventory() -> String {
    let handlers: Vec<String> = Handler::ALL
        .iter()
        .map(|handler| {
            format!(
                "({}, '{name}', '{name}', 'fault_witness', '{{WITNESS,{}}}', 'read-only', 120)",
                handler.id(),
                handler.arguments(),
                name = handler.name()
            )
        })
        .collect();
    include_str!("inventory.sql")
        .replace("HOSTS", &HOSTS.to_string())
        .replace("HANDLERS", &handlers.join(", "))
}
