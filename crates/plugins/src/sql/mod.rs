//! `sql.sh`: one statement on a database server.
//!
//! Each engine has the client that its makers or its community keep best and that binds parameters on the server: libpq
//! (what psql is made of, without psql's commands), the mysql crate (MariaDB's and MySQL's protocol), python-oracledb in
//! thin mode (Oracle's own, needs no Instant Client) and Couchbase's query service over HTTP.

mod couchbase;
mod mysql;
mod options;
mod oracle;
mod postgresql;
mod rows;
mod running;
mod statement;
mod threshold;

use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::cancel;
use crate::progress::Progress;
use crate::verdict::{Ended, Failure, Report, Severity};
use options::{Engine, Judged, Mode, Options};
use rows::Rows;
use running::Running;

const USAGE: &str = include_str!("usage.txt");

/// How much longer than the server we wait before we end the statement ourselves.
const LATER: Duration = Duration::from_secs(1);

/// The plugin.
pub fn main(arguments: Arguments) -> Ended {
    let Some(options) = options::parse(arguments)? else {
        return Ok(Ok(Report::help(USAGE)));
    };
    Ok(run(&options))
}

fn run(options: &Options) -> Result<Report, Failure> {
    refuse_dangerous(options)?;
    let running = Running::new();
    let (grace, limit) = (options.grace, options.timeout);
    let on_signal = running.clone();
    cancel::on_signal(move || on_signal.stop("stopped", grace))?;
    let late = running.clone();
    let why = format!("the statement took longer than {} s", limit.as_secs());
    cancel::after(options.target.connect_timeout + limit + LATER, move || late.stop(&why, grace))?;

    let mut progress = Progress::new(&["Connect", "Run"]);
    progress.step("Connect", &options.target.host);
    let begun = Instant::now();
    let result = match options.engine {
        Engine::Postgresql => postgresql::run(options, &running, &mut progress),
        Engine::Mysql => mysql::run(options, &running, &mut progress),
        Engine::Oracle => oracle::run(options, &running, &mut progress),
        Engine::Couchbase => couchbase::run(options, &running, &mut progress),
    }?;
    Ok(match result {
        Some(rows) => report(options, &rows, begun.elapsed()),
        None => {
            let sentence =
                format!("signed in to {}, the statement is valid; nothing was run", options.target.host);
            Report::new(Severity::Ok, sentence)
        }
    })
}

/// What the server's own read-only mode lets through: statements that end the transaction by themselves, and files and
/// programs of the server's machine.
fn refuse_dangerous(options: &Options) -> Result<(), Failure> {
    let statement = &options.statement;
    let verb = statement.verb();
    let reads = match options.engine {
        // PostgreSQL and Couchbase hold to it themselves; what a procedure does beside that, nobody knows.
        Engine::Postgresql => verb != "CALL",
        Engine::Couchbase => true,
        Engine::Mysql => {
            matches!(
                verb,
                "SELECT"
                    | "WITH"
                    | "SHOW"
                    | "EXPLAIN"
                    | "DESCRIBE"
                    | "DESC"
                    | "VALUES"
                    | "TABLE"
                    | "CHECKSUM"
            )
        }
        Engine::Oracle => matches!(verb, "SELECT" | "WITH"),
    };
    if options.mode == Mode::ReadOnly && !reads {
        return Err(Failure::unknown(format!("{verb} needs --write or --autocommit")));
    }
    let into_file = |pair: &[String]| matches!(pair, [into, file] if into == "INTO" && matches!(file.as_str(), "OUTFILE" | "DUMPFILE"));
    let refused = match options.engine {
        Engine::Postgresql if verb == "COPY" => "COPY",
        // A block's own text may hold a COPY, which the server runs in a read-only transaction too.
        Engine::Postgresql if verb == "DO" => "DO",
        Engine::Mysql if verb == "LOAD" => "LOAD",
        Engine::Mysql if statement.words.windows(2).any(into_file) => "INTO OUTFILE",
        _ => return Ok(()),
    };
    Err(Failure::unknown(format!("{refused} can read or write files of the server and is refused here")))
}

fn report(options: &Options, rows: &Rows, took: Duration) -> Report {
    let count = rows.rows.len();
    let (severity, reason) = judge(options, rows);
    let text =
        |range: &Option<threshold::Range>| range.as_ref().map_or("", threshold::Range::text).to_owned();
    let (warning, critical) = (text(&options.warning), text(&options.critical));
    let ranges = |judged: Judged| {
        if options.judged == judged { format!(";{warning};{critical}") } else { ";;".to_owned() }
    };
    let value = rows.value().and_then(|value| value.trim().parse::<f64>().ok());
    let value = value.map(|value| format!(" 'value'={value}{}", ranges(Judged::Value))).unwrap_or_default();
    let summary = format!(
        "{}{reason} in {:.3} s | 'rows'={count}{};0;{value} 'time'={:.6}s;;;0;{}",
        rows.describe(),
        took.as_secs_f64(),
        ranges(Judged::Rows),
        took.as_secs_f64(),
        options.timeout.as_secs()
    );
    let mut report = Report::new(severity, summary);
    report.body = rows.print(options.form).into_bytes();
    report
}

/// The severity and the part of the sentence that explains it.
fn judge(options: &Options, rows: &Rows) -> (Severity, String) {
    if options.warning.is_none() && options.critical.is_none() {
        return (Severity::Ok, String::new());
    }
    let (what, value) = match options.judged {
        Judged::Rows => ("the number of rows", Some(rows.rows.len().to_string())),
        Judged::Value => ("the value", rows.value().map(|value| value.trim().to_owned())),
    };
    let Some(number) = value.as_deref().and_then(|value| value.parse::<f64>().ok()) else {
        let found =
            value.map_or_else(|| "there is none".to_owned(), |value| format!("'{value}' is no number"));
        return (Severity::Unknown, format!(", {what} can't be judged: {found}"));
    };
    // More rows than were read may be on either side of a range.
    if options.judged == Judged::Rows && rows.truncated {
        return (Severity::Unknown, ", their number can't be judged: raise --rows".to_owned());
    }
    for (range, severity) in [(&options.critical, Severity::Critical), (&options.warning, Severity::Warning)]
    {
        if let Some(range) = range
            && range.alerts(number)
        {
            let side = if range.text().starts_with('@') { "inside" } else { "outside" };
            return (
                severity,
                format!(", {what} {number} is {side} {}", range.text().trim_start_matches('@')),
            );
        }
    }
    (Severity::Ok, format!(", {what} is {number}"))
}

/// `true` where a statement may change something.
fn may_write(mode: Mode) -> bool {
    mode != Mode::ReadOnly
}
