//! The command line of `sql.sh`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::statement::{Dialect, Statement};
use super::threshold::Range;
use crate::arguments::{Arguments, BadArgument, refuse_controls, unknown};
use crate::environment;

/// The largest statement that is read from a file.
const MAX_STATEMENT: usize = 1024 * 1024;

/// Which kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgresql,
    Mysql,
    Oracle,
    Couchbase,
}

/// What a statement may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    ReadOnly,
    /// In one transaction.
    Write,
    Autocommit,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Table,
    Csv,
    Json,
}

/// What the ranges judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Value,
    Rows,
}

/// Where the server is and who we are there.
#[derive(Debug, Clone)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: String,
    /// The certificate must prove the host.
    pub tls: bool,
    pub ca_file: Option<PathBuf>,
    /// Certificate and key that we show.
    pub identity: Option<(PathBuf, PathBuf)>,
    pub connect_timeout: Duration,
}

/// Everything that the command line says, checked.
#[derive(Debug, Clone)]
pub struct Options {
    pub engine: Engine,
    pub target: Target,
    pub statement: Statement,
    pub mode: Mode,
    pub timeout: Duration,
    /// How long a statement waits for one lock.
    pub lock_timeout: Duration,
    pub grace: Duration,
    pub rows: usize,
    pub form: Form,
    pub warning: Option<Range>,
    pub critical: Option<Range>,
    pub judged: Judged,
    pub check: bool,
    /// Where `sql_oracle.py` lies.
    pub oracle_client: PathBuf,
}

/// `None`: the usage was asked for.
pub fn parse(mut arguments: Arguments) -> Result<Option<Options>, BadArgument> {
    let mut raw = Raw::default();
    let (files, oracle_client) = (arguments.etc("sql"), arguments.beside("sql_oracle.py"));
    while let Some(option) = arguments.option()? {
        if option == "--help" {
            return Ok(None);
        }
        raw.take(&option, &mut arguments)?;
    }
    raw.finish(&files, oracle_client).map(Some)
}

#[derive(Debug)]
struct Raw {
    engine: Option<Engine>,
    host: String,
    port: Option<u16>,
    database: String,
    user: String,
    password: String,
    tls: Option<bool>,
    ca_file: Option<PathBuf>,
    identity: (Option<PathBuf>, Option<PathBuf>),
    statement: Option<String>,
    file: Option<String>,
    parameters: Vec<(String, String)>,
    mode: Mode,
    timeout: Duration,
    lock_timeout: Duration,
    connect_timeout: Duration,
    grace: Duration,
    rows: usize,
    form: Form,
    warning: Option<Range>,
    critical: Option<Range>,
    judged: Judged,
    check: bool,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            engine: None,
            host: String::new(),
            port: None,
            database: String::new(),
            user: String::new(),
            password: String::new(),
            tls: None,
            ca_file: None,
            identity: (None, None),
            statement: None,
            file: None,
            parameters: Vec::new(),
            mode: Mode::ReadOnly,
            timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            grace: environment::grace(),
            rows: 100,
            form: Form::Table,
            warning: None,
            critical: None,
            judged: Judged::Value,
            check: false,
        }
    }
}

impl Raw {
    fn take(&mut self, option: &str, arguments: &mut Arguments) -> Result<(), BadArgument> {
        match option {
            "--check" => self.check = true,
            "--write" => self.mode = Mode::Write,
            "--autocommit" => self.mode = Mode::Autocommit,
            "--engine" => self.engine = Some(engine(&arguments.value(option)?)?),
            "--host" => self.host = arguments.value(option)?,
            "--port" => self.port = Some(arguments.number(option, 1..=65_535)?),
            "--database" => self.database = arguments.value(option)?,
            "--user" => self.user = arguments.value(option)?,
            "--password-secret" => self.password = environment::secret(&arguments.value(option)?)?,
            "--statement" => self.statement = Some(arguments.value(option)?),
            "--file" => self.file = Some(arguments.value(option)?),
            "--param" => self.parameters.push(arguments.pair(option)?),
            "--param-secret" => {
                let (name, secret) = arguments.pair(option)?;
                self.parameters.push((name, environment::secret(&secret)?));
            }
            "--timeout" => self.timeout = Duration::from_secs(arguments.number(option, 1..=86_400)?),
            "--lock-timeout" => {
                self.lock_timeout = Duration::from_secs(arguments.number(option, 1..=86_400)?);
            }
            "--connect-timeout" => {
                self.connect_timeout = Duration::from_secs(arguments.number(option, 1..=300)?);
            }
            "--grace" => self.grace = Duration::from_secs(arguments.number(option, 1..=600)?),
            "--rows" => self.rows = arguments.number(option, 1..=100_000)?,
            "--output" => self.form = form(&arguments.value(option)?)?,
            "--warning" => self.warning = Some(Range::parse(option, &arguments.value(option)?)?),
            "--critical" => self.critical = Some(Range::parse(option, &arguments.value(option)?)?),
            "--of" => self.judged = judged(&arguments.value(option)?)?,
            "--tls" => self.tls = Some(tls(&arguments.value(option)?)?),
            "--ca-file" => self.ca_file = Some(arguments.value(option)?.into()),
            "--client-cert" => self.identity.0 = Some(arguments.value(option)?.into()),
            "--client-key" => self.identity.1 = Some(arguments.value(option)?.into()),
            _ => return Err(unknown(option)),
        }
        Ok(())
    }

    fn finish(self, files: &Path, oracle_client: PathBuf) -> Result<Options, BadArgument> {
        let engine = self.engine.ok_or_else(|| BadArgument("--engine is missing".to_owned()))?;
        check_name("--host", &self.host)?;
        check_name("--user", &self.user)?;
        refuse_controls("--database", &self.database)?;
        if engine == Engine::Couchbase && self.database.contains('`') {
            return Err(BadArgument("--database must not hold backticks".to_owned()));
        }
        if self.host.starts_with('/') && !matches!(engine, Engine::Postgresql | Engine::Mysql) {
            return Err(BadArgument("--host must be a name or an address for this engine".to_owned()));
        }
        let text = match (self.statement, self.file) {
            (Some(text), None) => text,
            (None, Some(name)) => read(files, &name)?,
            _ => return Err(BadArgument("exactly one of --statement and --file is needed".to_owned())),
        };
        let tls = self.tls.unwrap_or(!is_local(&self.host));
        let identity = match self.identity {
            (None, None) => None,
            (Some(certificate), Some(key)) if tls => Some((certificate, key)),
            (Some(_), Some(_)) => return Err(BadArgument("--client-cert needs --tls verify".to_owned())),
            _ => return Err(BadArgument("--client-cert and --client-key belong together".to_owned())),
        };
        let default_port = match engine {
            Engine::Postgresql => 5432,
            Engine::Mysql => 3306,
            Engine::Oracle => 1521,
            Engine::Couchbase => {
                if tls {
                    18_093
                } else {
                    8093
                }
            }
        };
        let dialect = match engine {
            Engine::Postgresql => Dialect::Postgresql,
            Engine::Mysql => Dialect::Mysql,
            Engine::Oracle => Dialect::Oracle,
            Engine::Couchbase => Dialect::Couchbase,
        };
        Ok(Options {
            engine,
            statement: Statement::new(dialect, &text, self.parameters)?,
            target: Target {
                host: self.host,
                port: self.port.unwrap_or(default_port),
                database: self.database,
                user: self.user,
                password: self.password,
                tls,
                ca_file: self.ca_file,
                identity,
                connect_timeout: self.connect_timeout,
            },
            mode: self.mode,
            timeout: self.timeout,
            lock_timeout: self.lock_timeout,
            grace: self.grace,
            rows: self.rows,
            form: self.form,
            warning: self.warning,
            critical: self.critical,
            judged: self.judged,
            check: self.check,
            oracle_client,
        })
    }
}

/// A value from a request must not be read as an option or as several settings.
fn check_name(option: &str, value: &str) -> Result<(), BadArgument> {
    refuse_controls(option, value)?;
    let outside = [' ', ',', '=', '?', '@', '\'', '"', '\\', '(', ')'];
    if value.is_empty() || value.starts_with('-') || value.contains(outside) {
        return Err(BadArgument(format!("{option} must be a plain name, not '{value}'")));
    }
    Ok(())
}

/// Nobody can listen in on the way.
fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn read(directory: &Path, name: &str) -> Result<String, BadArgument> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
        return Err(BadArgument(format!("--file '{name}' is no name of a file in etc/sql")));
    }
    let path = directory.join(name);
    let text = fs::read_to_string(&path)
        .map_err(|error| BadArgument(format!("--file: {} can't be read: {error}", path.display())))?;
    if text.len() > MAX_STATEMENT {
        return Err(BadArgument(format!("--file: {} has more than {MAX_STATEMENT} bytes", path.display())));
    }
    Ok(text)
}

fn engine(word: &str) -> Result<Engine, BadArgument> {
    match word {
        "postgresql" => Ok(Engine::Postgresql),
        "mysql" | "mariadb" => Ok(Engine::Mysql),
        "oracle" => Ok(Engine::Oracle),
        "couchbase" => Ok(Engine::Couchbase),
        _ => {
            Err(BadArgument(format!("--engine must be postgresql, mysql, oracle or couchbase, not '{word}'")))
        }
    }
}

fn form(word: &str) -> Result<Form, BadArgument> {
    match word {
        "table" => Ok(Form::Table),
        "csv" => Ok(Form::Csv),
        "json" => Ok(Form::Json),
        _ => Err(BadArgument(format!("--output must be table, csv or json, not '{word}'"))),
    }
}

fn judged(word: &str) -> Result<Judged, BadArgument> {
    match word {
        "value" => Ok(Judged::Value),
        "rows" => Ok(Judged::Rows),
        _ => Err(BadArgument(format!("--of must be value or rows, not '{word}'"))),
    }
}

fn tls(word: &str) -> Result<bool, BadArgument> {
    match word {
        "verify" => Ok(true),
        "off" => Ok(false),
        _ => Err(BadArgument(format!("--tls must be verify or off, not '{word}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_on_the_machine_goes_without_tls() {
        for host in ["/run/postgresql", "localhost", "127.0.0.1", "127.8.9.1", "::1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "::2", "0.0.0.0"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
