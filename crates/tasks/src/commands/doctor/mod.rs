//! `tasks doctor`: looks at everything that this system stands on, and says how to mend what is wrong.

mod database;
mod machine;
mod work;

use crate::context::Context;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work, or data are in danger.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What.
    about: &'static str,
    state: State,
    /// What was found.
    text: String,
    /// What to do; absent where nothing is wrong.
    mend: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, state: State::Ok, text: text.into(), mend: None }
    }

    fn warning(about: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, state: State::Warning, text: text.into(), mend: Some(mend.into()) }
    }

    fn failed(about: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, state: State::Failed, text: text.into(), mend: Some(mend.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Failed => "FAILED",
        };
        write!(f, "{word:8} {:12} {}", self.about, self.text)?;
        match &self.mend {
            Some(mend) => write!(f, "\n{:22}{mend}", ""),
            None => Ok(()),
        }
    }
}

/// Exit code 0: all is well; 1: warnings; 2: something does not work.
pub fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let mut findings = machine::look(&context.settings);
    // One look at the database more than its time-out would be a wait for nothing.
    match context.quick_pool().run(|connection| -> anyhow::Result<_> {
        let mut found = database::look(connection)?;
        if found.iter().any(|finding| finding.about == "tables" && finding.state != State::Failed) {
            found.extend(work::look(connection, &context.settings)?);
        }
        Ok(found)
    }) {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::failed(
            "database",
            format!("{error:#}"),
            "Start PostgreSQL, or put its right address into [database] url; the user of this command must be let in \
             (pg_hba.conf).",
        )),
    }
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    context.list(&findings, "nothing was looked at", Finding::to_string)?;
    Ok(ExitCode::from(worst as u8))
}
