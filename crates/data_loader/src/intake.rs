//! What is read on its way into the temporary tables of a load: checked object by object, and written part by part.

use crate::document::{Found, Item, Object, Place};
use crate::problem::Problem;
use crate::validate::{Checks, Findings};
use selfservice_core::config::{MacroFile, SOURCE_NAME, is_source_name};
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::inventory::{self, Inventory};
use std::ops::ControlFlow;
use std::path::Path;

/// So many objects are written at once: few enough that a large inventory does not stand in memory.
const WRITTEN: usize = 5000;
/// So many mistakes are told. Who makes more makes the same one over and over.
const MISTAKES: usize = 1000;

/// A load that is still being read.
pub(crate) struct Intake<'a> {
    checks: Checks<'a>,
    unwritten: Inventory,
    /// The source where the files name none, or whatever they name.
    default: &'a str,
    default_counts: bool,
    named: Option<Found<String>>,
    /// The source in whose name the first objects were written.
    written_as: Option<String>,
}

/// Everything that was read.
pub(crate) struct Taken {
    /// Who brings it.
    pub source: String,
    /// What the checks found.
    pub findings: Findings,
}

impl<'a> Intake<'a> {
    /// Makes the temporary tables. The source is called `default` where the files name none, or where it `counts` more.
    pub fn begin(
        connection: &mut PgConnection,
        macros: &'a MacroFile,
        default: &'a str,
        counts: bool,
    ) -> Result<Self, QueryError> {
        inventory::begin(connection)?;
        Ok(Self {
            checks: Checks::new(macros),
            unwritten: Inventory::default(),
            default,
            default_counts: counts,
            named: None,
            written_as: None,
        })
    }

    /// Takes what was read. [`ControlFlow::Break`]: there are so many mistakes that the rest is of no interest.
    pub fn take(
        &mut self,
        connection: &mut PgConnection,
        items: Vec<Item>,
    ) -> Result<ControlFlow<()>, QueryError> {
        for item in items {
            match item {
                Item::Source(found) => self.take_source(found),
                Item::Warning(problem) => self.checks.findings.warnings.push(problem),
                Item::Object(found) => {
                    self.checks.look(&found);
                    self.keep(found.row);
                }
            }
        }
        if self.unwritten.len() >= WRITTEN {
            self.write(connection)?;
        }
        let too_many = self.checks.findings.problems.len() > MISTAKES;
        Ok(if too_many { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Ends the checks, once all is read.
    pub fn end(mut self, connection: &mut PgConnection) -> Result<Taken, QueryError> {
        self.write(connection)?;
        let source = self.source().to_owned();
        if !is_source_name(&source) {
            let option = Place { file: Path::new("--source").into(), line: 0, entry: None };
            let named = self.named.as_ref().filter(|_| !self.default_counts).map(|found| &found.place);
            let message = format!("the source '{}' is wrong: must be {SOURCE_NAME}", source.escape_debug());
            self.checks.findings.problems.push(Problem::new(named.unwrap_or(&option), message));
        }
        if self.written_as.as_ref().is_some_and(|name| *name != source) {
            inventory::rename_source(connection, &source)?;
        }
        let mut findings = self.checks.end(connection)?;
        if let Some(last) = findings.problems.get(MISTAKES) {
            let last = Problem::new(&last.place, "there are more mistakes than are told here");
            findings.problems.truncate(MISTAKES);
            findings.problems.push(last);
        }
        Ok(Taken { source, findings })
    }

    /// The name on the command line counts before the files', and that before the settings'.
    fn source(&self) -> &str {
        match &self.named {
            Some(found) if !self.default_counts => &found.row,
            _ => self.default,
        }
    }

    fn take_source(&mut self, found: Found<String>) {
        match &self.named {
            None => self.named = Some(found),
            Some(own) if own.row == found.row => {}
            Some(own) => {
                let message = format!(
                    "the source is '{}' here and '{}' at {}; load them one after the other",
                    found.row, own.row, own.place
                );
                self.checks.findings.problems.push(Problem::new(&found.place, message));
            }
        }
    }

    fn keep(&mut self, object: Object) {
        let rows = &mut self.unwritten;
        match object {
            Object::Environment(row) => rows.environments.push(row),
            Object::Hostgroup(row) => rows.hostgroups.push(row),
            Object::Service(row) => rows.services.push(row),
            Object::EventHandler(row) => rows.event_handlers.push(row),
            Object::Host(row) => rows.hosts.push(*row),
            Object::Team(row) => rows.teams.push(row),
            Object::Grant(row) => rows.grants.push(row),
        }
    }

    fn write(&mut self, connection: &mut PgConnection) -> Result<(), QueryError> {
        let mut rows = std::mem::take(&mut self.unwritten);
        // PostgreSQL takes no NUL, and what is refused is not written anyway.
        if !self.checks.findings.problems.is_empty() {
            return Ok(());
        }
        rows.normalise();
        let source = self.source().to_owned();
        inventory::stage(connection, &rows, &source)?;
        self.written_as.get_or_insert(source);
        Ok(())
    }
}
