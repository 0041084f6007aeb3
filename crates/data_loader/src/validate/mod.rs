//! Checks a document as a whole, and against what the database has, before anything is written. All complaints are
//! gathered, so that a person mends them at once.

mod fields;
mod names;
mod references;

use crate::document::Document;
use crate::problem::Problem;
use names::Names;
use selfservice_core::config::MacroFile;
use selfservice_core::db::{PgConnection, QueryError};

/// What the checks found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Any of these refuses the load.
    pub problems: Vec<Problem>,
    /// What is passed over.
    pub warnings: Vec<Problem>,
}

/// Checks everything that `document` says.
pub(crate) fn check(
    connection: &mut PgConnection,
    document: &Document,
    macros: &MacroFile,
) -> Result<Findings, QueryError> {
    let mut findings = Findings::default();
    let references = references::of(document);
    let names = Names::gather(document, &mut findings.problems).with_database(
        connection,
        &references,
        &mut findings.problems,
    )?;
    references::check(&references, &names, &mut findings);
    fields::check(document, macros, &mut findings.problems);
    findings.problems.sort_by(|left, right| left.place.cmp(&right.place));
    Ok(findings)
}
