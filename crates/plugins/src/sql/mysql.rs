//! MariaDB and MySQL over the mysql crate: the statement is prepared on the server, which takes exactly one, and its
//! values travel beside it. There is no client program whose commands a statement could reach, and no local file that the
//! server could ask for.

use std::fmt::Write;

use ::mysql::prelude::Queryable;
use ::mysql::{ClientIdentity, Conn, Error, Opts, OptsBuilder, Params, SslOpts, Value};

use super::options::{Mode, Options, Target};
use super::rows::Rows;
use super::running::Running;
use crate::progress::Progress;
use crate::verdict::Failure;
use crate::web::system_bundle;

/// Runs the statement; `None` after a check.
pub fn run(options: &Options, running: &Running, progress: &mut Progress) -> Result<Option<Rows>, Failure> {
    let target = connection_options(&options.target)?;
    let mut connection = Conn::new(target.clone())
        .map_err(|error| Failure::unknown(format!("no connection: {}", said(error))))?;
    limit_time(&mut connection, options)?;
    match options.mode {
        // The session too: a definition such as DROP TABLE ends the transaction before it begins its work.
        Mode::ReadOnly => {
            // One more than is shown, so that it is known whether there are more.
            let rows = options.rows + 1;
            connection.query_drop(format!("SET SESSION sql_select_limit = {rows}")).map_err(refused)?;
            connection.query_drop("SET SESSION TRANSACTION READ ONLY").map_err(refused)?;
            connection.query_drop("START TRANSACTION READ ONLY").map_err(refused)?;
        }
        Mode::Write => connection.query_drop("START TRANSACTION").map_err(refused)?,
        Mode::Autocommit => {}
    }
    let statement = connection.prep(&options.statement.text).map_err(refused)?;
    if options.check {
        return Ok(None);
    }
    progress.step("Run", "");
    let id = connection.connection_id();
    running.begin(Box::new(move || kill(target.clone(), id)))?;
    let result = execute(&mut connection, &statement, options);
    let commit = || connection.query_drop("COMMIT").map_err(refused);
    running.conclude(result, (options.mode == Mode::Write).then_some(commit)).map(Some)
}

fn connection_options(target: &Target) -> Result<Opts, Failure> {
    let mut builder = OptsBuilder::new()
        .user(Some(target.user.clone()))
        .pass(Some(target.password.clone()))
        .db_name(Some(target.database.clone()).filter(|name| !name.is_empty()))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .tcp_connect_timeout(Some(target.connect_timeout));
    builder = if target.host.starts_with('/') {
        builder.socket(Some(target.host.clone())).prefer_socket(true)
    } else {
        builder.ip_or_hostname(Some(target.host.clone())).tcp_port(target.port)
    };
    if target.tls {
        let bundle = target.ca_file.clone().or_else(system_bundle);
        let bundle =
            bundle.ok_or_else(|| Failure::unknown("no trusted certificate authorities were found"))?;
        let identity =
            target.identity.clone().map(|(certificate, key)| ClientIdentity::new(certificate, key));
        let tls = SslOpts::default().with_root_cert_path(Some(bundle)).with_client_identity(identity);
        builder = builder.ssl_opts(tls);
    }
    Ok(builder.into())
}

/// MariaDB ends any statement, MySQL only SELECT; for the rest there is `KILL` after the time is over.
fn limit_time(connection: &mut Conn, options: &Options) -> Result<(), Failure> {
    let version: Option<String> = connection.query_first("SELECT VERSION()").map_err(refused)?;
    let setting = if version.unwrap_or_default().contains("MariaDB") {
        format!("SET SESSION max_statement_time = {}", options.timeout.as_secs())
    } else {
        format!("SET SESSION max_execution_time = {}", options.timeout.as_millis())
    };
    connection.query_drop(setting).map_err(refused)?;
    // Of tables, and of rows.
    let lock = options.lock_timeout.as_secs();
    let settings = format!("SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}");
    connection.query_drop(settings).map_err(refused)
}

fn execute(
    connection: &mut Conn,
    statement: &::mysql::Statement,
    options: &Options,
) -> Result<Rows, Failure> {
    let values = options.statement.values.iter().map(|(_, value)| Value::Bytes(value.clone().into_bytes()));
    let values: Vec<Value> = values.collect();
    let parameters = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
    let mut rows = Rows::new(options.rows);
    let mut result = connection.exec_iter(statement, parameters).map_err(refused)?;
    rows.columns = result.columns().as_ref().iter().map(|column| column.name_str().into_owned()).collect();
    if rows.columns.is_empty() {
        rows.changed = Some(result.affected_rows());
    }
    for row in result.by_ref() {
        let row = row.map_err(refused)?.unwrap().into_iter().map(text).collect();
        // What is too much is dropped without being kept; the connection has no other way to go on.
        rows.push(row);
    }
    Ok(rows)
}

/// A second connection ends the statement of the first one.
fn kill(target: Opts, id: u32) -> Result<(), String> {
    let mut connection = Conn::new(target).map_err(said)?;
    connection.query_drop(format!("KILL QUERY {id}")).map_err(said)
}

/// What the server says is certain; anything else leaves open what it did.
fn refused(error: Error) -> Failure {
    match error {
        Error::MySqlError(_) => Failure::critical(said(error)),
        error => Failure::unknown(format!("the connection was lost: {}", said(error))),
    }
}

/// An error without the names that the crate gives its kinds.
fn said(error: Error) -> String {
    match error {
        Error::MySqlError(error) => format!("{} ({})", error.message, error.code),
        Error::IoError(error) => error.to_string(),
        Error::DriverError(error) => error.to_string(),
        Error::TlsError(error) => format!("TLS failed: {error}"),
        error => error.to_string(),
    }
}

/// Values as the server would write them.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => {
            Some(String::from_utf8(bytes).unwrap_or_else(|error| hexadecimal(error.as_bytes())))
        }
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Double(number) => Some(number.to_string()),
        Value::Date(year, month, day, hour, minute, second, micro) => {
            let mut text = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute, second, micro) != (0, 0, 0, 0) {
                let _written = write!(text, " {hour:02}:{minute:02}:{second:02}");
            }
            Some(text + &fraction(micro))
        }
        Value::Time(negative, days, hours, minutes, seconds, micro) => {
            let sign = if negative { "-" } else { "" };
            let hours = days * 24 + u32::from(hours);
            Some(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(micro)))
        }
    }
}

fn fraction(micro: u32) -> String {
    if micro == 0 { String::new() } else { format!(".{micro:06}") }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}
