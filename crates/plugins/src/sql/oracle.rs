//! Oracle over python-oracledb in thin mode. It is Oracle's own driver, speaks the network protocol without an Instant
//! Client, and binds values; there is none like it for Rust. `sql_oracle.py` beside the plugin talks to it and to us in
//! lines of JSON. sqlplus is no choice: it has no bound parameters without pasting, and commands of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::options::{Mode, Options};
use super::rows::Rows;
use super::running::Running;
use crate::progress::Progress;
use crate::verdict::Failure;

/// One line from the client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Signed in, and the statement is valid.
    Prepared,
    Columns(Vec<String>),
    Row(Vec<Option<String>>),
    /// Rows that were changed, for a statement that gives none.
    Changed(u64),
    /// There were more rows than were asked for.
    More,
    Done,
    /// No connection, so nothing was run.
    NoConnection(String),
    /// Oracle's word.
    Refused(String),
    /// The connection ended while the statement ran.
    Lost(String),
}

/// What the client hears after the request: `go`, `cancel`, and by its end that we are gone.
type Orders = Arc<Mutex<ChildStdin>>;

fn order(orders: &Orders, line: &str) -> Result<(), String> {
    let mut stdin = orders.lock().unwrap_or_else(PoisonError::into_inner);
    stdin.write_all(format!("{line}\n").as_bytes()).map_err(|error| error.to_string())
}

/// Runs the statement; `None` after a check.
#[expect(clippy::disallowed_methods, reason = "Oracle's driver is a Python library")]
pub fn run(options: &Options, running: &Running, progress: &mut Progress) -> Result<Option<Rows>, Failure> {
    let mut child = Command::new("python3")
        // Isolated: neither the environment nor the present directory adds modules.
        .arg("-I")
        .arg(&options.oracle_client)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::unknown(format!("python3, which oracle needs, can't be started: {error}"))
        })?;
    let answer = match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => {
            let orders = Arc::new(Mutex::new(stdin));
            match order(&orders, &request(options).to_string()) {
                Ok(()) => read(options, BufReader::new(stdout), orders, running, progress),
                Err(_) => Err(Failure::unknown("the client for Oracle did not take the statement")),
            }
        }
        _ => Err(Failure::unknown("the client for Oracle can't be talked to")),
    };
    // It has nothing left to do once its answer is read.
    let _collected = child.wait();
    answer
}

/// Oracle runs definitions when they are parsed, so these are not looked at by a check.
fn can_be_parsed(options: &Options) -> bool {
    let verbs = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "BEGIN", "DECLARE", "CALL"];
    verbs.contains(&options.statement.verb())
}

fn request(options: &Options) -> Value {
    let target = &options.target;
    let values =
        options.statement.values.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
    json!({
        "host": target.host,
        "port": target.port,
        "service": target.database,
        "user": target.user,
        "password": target.password,
        "tls": target.tls,
        "ca_file": target.ca_file,
        "identity": target.identity,
        "connect_timeout": target.connect_timeout.as_secs(),
        "statement": options.statement.text,
        "values": Map::from_iter(values),
        "timeout": options.timeout.as_secs(),
        "rows": options.rows,
        "read_only": options.mode == Mode::ReadOnly,
        "check": options.check,
        "parse": can_be_parsed(options),
    })
}

fn read(
    options: &Options,
    lines: BufReader<ChildStdout>,
    orders: Orders,
    running: &Running,
    progress: &mut Progress,
) -> Result<Option<Rows>, Failure> {
    let mut rows = Rows::new(options.rows);
    let ended = |failure: Failure| {
        running.ended(&failure.sentence);
        Err(failure)
    };
    for line in lines.lines() {
        let Ok(line) = line.map_err(|_| ()).and_then(|line| serde_json::from_str(&line).map_err(|_| ()))
        else {
            return ended(Failure::unknown("the client for Oracle said something that is not understood"));
        };
        match line {
            Line::Prepared if options.check => {}
            Line::Prepared => {
                progress.step("Run", "");
                let cancelling = Arc::clone(&orders);
                running.begin(Box::new(move || order(&cancelling, "cancel")))?;
                // Where it has gone meanwhile, what it said last follows.
                let _heard = order(&orders, "go");
            }
            Line::Columns(columns) => rows.columns = columns,
            Line::Row(row) => {
                rows.push(row);
            }
            Line::Changed(changed) => rows.changed = Some(changed),
            Line::More => rows.truncated = true,
            Line::Done if options.check && !can_be_parsed(options) => {
                return Err(Failure::unknown(format!(
                    "the sign-in went well, but Oracle would run {} while it checks it, so the statement was not \
                     looked at",
                    options.statement.verb()
                )));
            }
            Line::Done => {
                running.ended("it was completed");
                return Ok((!options.check).then_some(rows));
            }
            Line::NoConnection(problem) => return Err(Failure::unknown(format!("no connection: {problem}"))),
            Line::Refused(problem) => return ended(Failure::critical(problem)),
            Line::Lost(problem) => {
                return ended(Failure::unknown(format!("the connection was lost: {problem}")));
            }
        }
    }
    ended(Failure::unknown(
        "the client for Oracle ended without a word; what became of the statement is not known",
    ))
}
