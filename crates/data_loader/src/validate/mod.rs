//! Checks what is read object by object, and at the end as a whole and against what the database has, before anything is
//! written to the tables that count. Complaints are gathered, so that a person mends them at once.

mod fields;
mod names;
mod references;

use crate::document::{Found, Object};
use crate::problem::Problem;
use names::Names;
use references::References;
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

/// What is known of the objects that were looked at: their names, and the names that they use.
pub(crate) struct Checks<'a> {
    macros: &'a MacroFile,
    names: Names,
    references: References,
    /// So far.
    pub findings: Findings,
}

impl<'a> Checks<'a> {
    /// Handlers may use these macros.
    pub fn new(macros: &'a MacroFile) -> Self {
        Self {
            macros,
            names: Names::default(),
            references: References::default(),
            findings: Findings::default(),
        }
    }

    /// Checks what can be said about an object by itself and those before it.
    pub fn look(&mut self, found: &Found<Object>) {
        fields::check(found, self.macros, &mut self.findings.problems);
        self.names.add(found, &mut self.findings.problems);
        self.references.add(found);
    }

    /// Checks the whole, whose objects stand in the temporary tables.
    pub fn end(mut self, connection: &mut PgConnection) -> Result<Findings, QueryError> {
        self.names.compare(connection, &mut self.findings.problems)?;
        self.references.check(connection, &self.names, &mut self.findings)?;
        self.findings.problems.sort_by(|left, right| left.place.cmp(&right.place));
        Ok(self.findings)
    }
}
