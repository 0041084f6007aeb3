//! A migrated database for each test, on a server that belongs to the test process.

use crate::sql::sql;
use selfservice_core::config::DatabaseSettings;
use selfservice_core::db::{Pool, migrations};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use supervisor::PrivatePostgres;

const TEMPLATE: &str = "selfservice_template";

/// One server a test process; it ends with the process, however that ends.
static SERVER: OnceLock<PrivatePostgres> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// An empty, migrated database of its own; dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    pool: Pool,
}

impl TestDatabase {
    /// Makes one. Panics where PostgreSQL cannot be had: `make test` installs it.
    pub fn new() -> Self {
        let server = server();
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        administer(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy"));
        let url = server.url(&name);
        let pool = Pool::new(&DatabaseSettings::for_url(&url), "test");
        Self { name, url, pool }
    }

    /// Connection string for programs under test.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The unix socket of the server.
    pub fn socket(&self) -> PathBuf {
        server().socket()
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Connections for the test itself.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lets the members of a group connect over the socket; only root may do that.
    pub fn open_to(&self, group: u32) -> std::io::Result<()> {
        let socket = self.socket();
        for (directory, mode) in socket.ancestors().skip(1).zip([0o750, 0o711]) {
            std::os::unix::fs::chown(directory, None, Some(group))?;
            std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        Ok(())
    }

    /// Runs SQL and gives what it says, as [`sql`] does.
    pub fn sql(&self, sql: &str) -> String {
        run(&self.url, sql)
    }

    /// The tables that hold this text anywhere, also as bytes; one in a line.
    pub fn rows_with(&self, text: &str) -> String {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let tables = self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        let found = tables.lines().map(|table| {
            format!("SELECT '{table}' AS name FROM {table} t WHERE t::text LIKE '%{text}%' OR t::text LIKE '%{hex}%'")
        });
        self.sql(&format!(
            "SELECT DISTINCT name FROM ({}) all_tables",
            found.collect::<Vec<_>>().join(" UNION ALL ")
        ))
    }

    /// Ends every connection to the database and refuses new ones until [`TestDatabase::let_in`]: for a program it is
    /// as if the server were away.
    pub fn shut_out(&self) {
        administer(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name));
        administer(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ));
    }

    /// Takes connections again.
    pub fn let_in(&self) {
        administer(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name));
    }
}

impl Default for TestDatabase {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Failure leaves the database to the end of the server, which is the end of this process.
        let _ = sql(&server().url("postgres"), &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn server() -> &'static PrivatePostgres {
    SERVER.get_or_init(|| {
        let server =
            PrivatePostgres::temporary(None).unwrap_or_else(|error| panic!("no PostgreSQL: {error}"));
        server.create_database(TEMPLATE).unwrap_or_else(|error| panic!("no database: {error}"));
        let pool = Pool::new(&DatabaseSettings::for_url(&server.url(TEMPLATE)), "test");
        let mut connection = pool.get().unwrap_or_else(|error| panic!("no connection: {error}"));
        migrations::apply(&mut connection).unwrap_or_else(|error| panic!("{error}"));
        server
    })
}

/// Runs a statement about databases.
fn administer(statement: &str) {
    run(&server().url("postgres"), statement);
}

fn run(url: &str, statements: &str) -> String {
    sql(url, statements).unwrap_or_else(|error| panic!("the test's statement failed: {error}\n{statements}"))
}
