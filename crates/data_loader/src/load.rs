//! A load from what was read to the database, in one transaction.

use crate::document::{Document, Place};
use crate::problem::Problem;
use crate::report::Report;
use crate::validate;
use selfservice_core::config::{LoadSettings, MacroFile, SOURCE_NAME, is_source_name};
use selfservice_core::db::{DbError, PgConnection, Pool, QueryError};
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::inventory::{self, Changes, Load, Source};

/// What to do with the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Tell it.
    Plan,
    /// Make it so.
    Apply,
}

/// How something is loaded.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Plan or apply.
    pub mode: Mode,
    /// The program that loads: author of the revisions, and actor in the audit log.
    pub program: &'a str,
    /// What was loaded, in words for the audit log.
    pub object: &'a str,
    /// The source's name, before the one that the files give.
    pub source: Option<&'a str>,
    /// Whether what the source brought and names no more is removed.
    pub prune: bool,
    /// Whether so much may be removed as it is.
    pub allow_shrink: bool,
    /// Whether what was made by hand, or belongs to a higher source, becomes this source's.
    pub take_over: bool,
}

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The source must be mended first.
    #[error("{} in the source", if .0.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", .0.len()) })]
    Refused(Vec<Problem>),
    /// Too much would go.
    #[error("{}; --allow-shrink lets it happen", .shrinks.join("; "))]
    Shrinks {
        /// Sentences.
        shrinks: Vec<String>,
        /// What the load would have done.
        report: Box<Report>,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// How the transaction ends early.
enum Stop {
    /// The plan is made, or the load is refused: nothing is kept.
    Done(Box<Result<Report, LoadError>>),
    Failed(DbError),
}

impl Stop {
    fn done(result: Result<Report, LoadError>) -> Self {
        Self::Done(Box::new(result))
    }
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

/// Loads `document`: all of it or, where anything is wrong, nothing.
pub fn load(
    pool: &Pool,
    settings: &LoadSettings,
    macros: &MacroFile,
    mut document: Document,
    options: &Options<'_>,
) -> Result<Report, LoadError> {
    let source = source(settings, &document, options)?;
    let done = pool.transaction(|connection| {
        let findings = validate::check(connection, &document, macros)?;
        if !findings.problems.is_empty() {
            return Err(Stop::done(Err(LoadError::Refused(findings.problems))));
        }
        let load = Load {
            source: Source::ranked(&source, &settings.ranking, options.take_over),
            author: options.program,
            prune: options.prune,
        };
        let warnings = [std::mem::take(&mut document.warnings), findings.warnings].concat();
        let changes = inventory::load(connection, &document.into_inventory(), &load)?;
        let shrinks = shrinks(&changes, settings.max_shrink_percent, options.prune);
        let report = Report { source, changes, warnings, prune: options.prune };
        if !options.allow_shrink && !shrinks.is_empty() {
            return Err(Stop::done(Err(LoadError::Shrinks { shrinks, report: Box::new(report) })));
        }
        if options.mode == Mode::Plan {
            return Err(Stop::done(Ok(report)));
        }
        if !report.is_unchanged() {
            audit(connection, options, &report)?;
        }
        Ok(report)
    });
    match done {
        Ok(report) => Ok(report),
        Err(Stop::Done(result)) => *result,
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

/// The name on the command line counts before the files', and that before the settings'.
fn source(settings: &LoadSettings, document: &Document, options: &Options<'_>) -> Result<String, LoadError> {
    let (name, place) = match (options.source, &document.source) {
        (Some(name), _) => {
            (name, Place { file: std::path::Path::new("--source").into(), line: 0, entry: None })
        }
        (None, Some(found)) => (found.row.as_str(), found.place.clone()),
        (None, None) => return Ok(settings.source.clone()),
    };
    if is_source_name(name) {
        return Ok(name.to_owned());
    }
    let message = format!("the source '{}' is wrong: must be {SOURCE_NAME}", name.escape_debug());
    Err(LoadError::Refused(vec![Problem::new(&place, message)]))
}

/// So many services may go from hosts whatever share that is: a template of a small inventory is changed by hand.
const FEW_SERVICES: i64 = 10;

/// Where more than `most` percent would go, as sentences.
fn shrinks(changes: &Changes, most: u32, prune: bool) -> Vec<String> {
    let too_many = |gone: i64, of: i64| i128::from(gone) * 100 > i128::from(of) * i128::from(most);
    let objects =
        changes.missing.iter().filter(|(_, missing)| prune && too_many(missing.missing, missing.of)).map(
            |(noun, missing)| (missing.missing, missing.of, format!("{noun}s that this source brought")),
        );
    let removed = i64::try_from(changes.copies.services_removed).unwrap_or(i64::MAX);
    let services = (removed > FEW_SERVICES && too_many(removed, changes.services_before))
        .then(|| (removed, changes.services_before, "services of this source's hosts".to_owned()));
    objects
        .chain(services)
        .map(|(gone, of, what)| {
            format!("{gone} of {of} {what} would go, and at most {most} % may at once ([loads] max_shrink_percent)")
        })
        .collect()
}

fn audit(connection: &mut PgConnection, options: &Options<'_>, report: &Report) -> Result<(), QueryError> {
    NewAudit {
        users_id: None,
        actor: options.program,
        identity: "system",
        address: "",
        action: "inventory.load",
        object: options.object,
        task_id: None,
        detail: report.counts(),
    }
    .insert(connection)
}
