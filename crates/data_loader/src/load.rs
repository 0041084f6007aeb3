//! A load from its files to the database, in one transaction.

use crate::document::Document;
use crate::problem::Problem;
use crate::report::Report;
use crate::{source, validate};
use selfservice_core::config::MacroFile;
use selfservice_core::db::{DbError, PgConnection, Pool, QueryError};
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::inventory;
use std::path::PathBuf;

/// Author of the revisions that a load writes, and actor in the audit log.
const AUTHOR: &str = "data_loader";

/// What to do with the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Tell it.
    Plan,
    /// Make it so.
    Apply,
}

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files must be mended first.
    #[error("{} in the files", if .0.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", .0.len()) })]
    Refused(Vec<Problem>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// How the transaction ends early.
enum Stop {
    /// The plan is made, or mistakes were found: nothing is kept.
    Done(Result<Report, LoadError>),
    Failed(DbError),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Failed(error)
    }
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Failed(DbError::Query(error))
    }
}

/// Loads `files` as one inventory: all of it or, where anything is wrong, nothing.
pub fn load(pool: &Pool, macros: &MacroFile, files: &[PathBuf], mode: Mode) -> Result<Report, LoadError> {
    let document = read(files)?;
    let done = pool.transaction(|connection| {
        let findings = validate::check(connection, &document, macros)?;
        if !findings.problems.is_empty() {
            return Err(Stop::Done(Err(LoadError::Refused(findings.problems))));
        }
        let changes = inventory::load(connection, &document.into_inventory(), AUTHOR)?;
        let report = Report { changes, warnings: findings.warnings };
        if mode == Mode::Plan {
            return Err(Stop::Done(Ok(report)));
        }
        if !report.is_unchanged() {
            audit(connection, files, &report)?;
        }
        Ok(report)
    });
    match done {
        Ok(report) => Ok(report),
        Err(Stop::Done(result)) => result,
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

/// Reads all files; the complaints of all of them are gathered.
fn read(files: &[PathBuf]) -> Result<Document, LoadError> {
    let mut document = Document::default();
    let mut problems = Vec::new();
    for file in files {
        match source::read(file) {
            Ok(more) => document.append(more),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(document) } else { Err(LoadError::Refused(problems)) }
}

fn audit(connection: &mut PgConnection, files: &[PathBuf], report: &Report) -> Result<(), QueryError> {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    NewAudit {
        users_id: None,
        actor: AUTHOR,
        identity: "system",
        address: "",
        action: "inventory.load",
        object: &names.join(", "),
        task_id: None,
        detail: report.counts(),
    }
    .insert(connection)
}
