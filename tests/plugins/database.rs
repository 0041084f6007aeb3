//! The real servers that `sql.sh` is tested against: a database for each test, and what the servers call by other words.

use std::sync::atomic::{AtomicU32, Ordering};

use test_support::{MariaDb, TestDatabase};

use crate::run::Plugin;

/// A database with the table `t (id, name)` and two rows.
pub enum Database {
    Postgresql(TestDatabase),
    Mysql(MysqlDatabase),
}

/// A database on the tests' MariaDB, and a user of the same name who may do everything in it.
pub struct MysqlDatabase {
    name: String,
}

impl Database {
    pub fn postgresql() -> Self {
        Self::Postgresql(TestDatabase::new()).filled()
    }

    pub fn mysql() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // FILE, so that it is not the server alone that refuses to write files.
        MariaDb::shared().sql(&format!(
            "CREATE DATABASE {name}; CREATE USER {name}@'%' IDENTIFIED BY '{}'; \
             GRANT ALL ON {name}.* TO {name}@'%'; GRANT FILE ON *.* TO {name}@'%'",
            MysqlDatabase::PASSWORD
        ));
        Self::Mysql(MysqlDatabase { name }).filled()
    }

    fn filled(self) -> Self {
        self.sql("CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'one'), (2, NULL)");
        self
    }

    /// Runs SQL as an administrator would; one value comes back as it is.
    pub fn sql(&self, sql: &str) -> String {
        match self {
            Self::Postgresql(database) => database.sql(sql),
            Self::Mysql(database) => MariaDb::shared().sql(&format!("USE {}; {sql}", database.name)),
        }
    }

    /// Where `plugin` connects to.
    pub fn host(&self) -> String {
        match self {
            Self::Postgresql(database) => database.sql("SHOW unix_socket_directories"),
            Self::Mysql(_) => "127.0.0.1".to_owned(),
        }
    }

    /// `sql.sh` with everything that signs in.
    pub fn plugin(&self) -> Plugin {
        match self {
            Self::Postgresql(database) => {
                postgresql_plugin(database, &self.host(), database.sql("SHOW port").parse().unwrap())
            }
            Self::Mysql(database) => database.plugin(&self.host(), MariaDb::shared().port),
        }
    }

    /// Gives a value back.
    pub fn echo(&self) -> &'static str {
        self.choose("SELECT :v::text AS v", "SELECT :v AS v")
    }

    /// Takes ten minutes.
    pub fn sleep(&self) -> &'static str {
        self.choose("SELECT pg_sleep(600)", "SELECT SLEEP(600)")
    }

    /// How many statements of this test's user sleep now: what is sent before them does not count.
    pub fn running(&self) -> usize {
        let answer = match self {
            Self::Postgresql(database) => database.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' \
                 AND datname = current_database()",
            ),
            Self::Mysql(database) => MariaDb::shared().sql(&format!(
                "SELECT count(*) FROM information_schema.processlist WHERE user = '{}' AND state = 'User sleep'",
                database.name
            )),
        };
        answer.parse().unwrap()
    }

    /// One of two words.
    pub fn choose<'a>(&self, postgresql: &'a str, mysql: &'a str) -> &'a str {
        match self {
            Self::Postgresql(_) => postgresql,
            Self::Mysql(_) => mysql,
        }
    }
}

/// `sql.sh` for a test's PostgreSQL at this address.
pub fn postgresql_plugin(database: &TestDatabase, host: &str, port: u16) -> Plugin {
    Plugin::new("sql.sh").args(["--engine", "postgresql", "--host", host, "--port", &port.to_string()]).args(
        [
            "--user",
            &database.sql("SELECT current_user"),
            "--database",
            &database.sql("SELECT current_database()"),
        ],
    )
}

impl MysqlDatabase {
    pub const PASSWORD: &str = "looked-for password\"";

    /// `sql.sh` for this database at this address.
    pub fn plugin(&self, host: &str, port: u16) -> Plugin {
        Plugin::new("sql.sh")
            .args(["--engine", "mysql", "--host", host, "--port", &port.to_string()])
            .args(["--user", &self.name, "--database", &self.name, "--password-secret", "PASSWORD"])
            .env("SELFSERVICE_SECRET_PASSWORD", Self::PASSWORD)
    }
}

impl Drop for MysqlDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            MariaDb::shared().sql(&format!("DROP DATABASE {0}; DROP USER {0}@'%'", self.name));
        }
    }
}
