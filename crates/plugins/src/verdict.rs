//! How a plugin ends: one sentence, and the exit code that decides.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use thiserror::Error;

use crate::arguments::{Arguments, BadArgument};
use crate::cancel;
use crate::output;

/// The four results of a plugin; any other exit code counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Exit code 0.
    Ok,
    /// Exit code 1.
    Warning,
    /// Exit code 2.
    Critical,
    /// Exit code 3.
    Unknown,
}

impl Severity {
    /// The word that begins the summary.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

/// An end before the work was done; the sentence is printed behind the severity's word.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{sentence}")]
pub struct Failure {
    /// What it counts as.
    pub severity: Severity,
    /// What happened, for people.
    pub sentence: String,
}

impl Failure {
    /// The work is known to have failed.
    pub fn critical(sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Critical, sentence: sentence.into() }
    }

    /// Whether the work was done, or could have been, is not known.
    pub fn unknown(sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Unknown, sentence: sentence.into() }
    }

    /// Prints it as the summary and gives its exit code.
    pub fn report(&self) -> u8 {
        output::line(&format!("{} - {}", self.severity.word(), output::one_line(&self.sentence)));
        self.severity.code()
    }
}

/// An end after the work was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it counts as.
    pub severity: Severity,
    /// The rest of the line that tells the result, performance data included; empty: no such line.
    pub summary: String,
    /// What follows it, as it is.
    pub body: Vec<u8>,
}

impl Report {
    /// A report of one line.
    pub fn new(severity: Severity, summary: impl Into<String>) -> Self {
        Self { severity, summary: summary.into(), body: Vec::new() }
    }

    /// The answer to `--help`.
    pub fn help(usage: &str) -> Self {
        Self { severity: Severity::Ok, summary: String::new(), body: usage.as_bytes().to_vec() }
    }

    fn tell(&self) -> u8 {
        if !self.summary.is_empty() {
            output::line(&format!("{} - {}", self.severity.word(), output::one_line(&self.summary)));
        }
        output::bytes(&self.body);
        self.severity.code()
    }
}

/// What the main function of a plugin gives: `Err` for arguments that it can't use.
pub type Ended = Result<Result<Report, Failure>, BadArgument>;

/// Runs a plugin. The first argument is the path under which the plugin was called, which the script of that name
/// passes on; the rest is the plugin's command line.
pub fn run(plugin: fn(Arguments) -> Ended) -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(path) = words.next().map(PathBuf::from) else {
        output::line(
            "UNKNOWN - this program is started by the plugin of its name, which passes its own path first",
        );
        return ExitCode::from(Severity::Unknown.code());
    };
    let name = path.file_name().map(OsString::from).unwrap_or_default();
    let ended = plugin(Arguments::new(path, words.collect()));
    // From here on a signal comes too late: the result is known and about to be told.
    let _last_word = cancel::last_word();
    ExitCode::from(match ended {
        Ok(Ok(report)) => report.tell(),
        Ok(Err(failure)) => failure.report(),
        Err(BadArgument(sentence)) => {
            let name = Path::new(&name).display();
            Failure::unknown(format!("{name}: {} (see --help)", output::shortened(&sentence))).report()
        }
    })
}
