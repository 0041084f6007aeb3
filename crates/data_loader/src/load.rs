//! A load from what was read to the database, in one transaction.

use crate::audit;
use crate::document::{Item, Take};
use crate::intake::{Intake, Taken};
use crate::problem::Problem;
use crate::report::Report;
use selfservice_core::config::{LoadSettings, MacroFile};
use selfservice_core::db::{DbError, PgConnection, Pool, QueryError};
use selfservice_core::models::inventory::{self, Changes, Load, Source};
use selfservice_core::models::loads;
use selfservice_core::models::teams::Team;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

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

/// So many items go from the thread that reads to the one that writes at once.
const BATCH: usize = 1000;
/// So many batches may wait there.
const WAITING: usize = 4;

/// Loads what `read` gives away: all of it or, where anything is wrong, nothing. It is read in a thread of its own, while
/// what came before is checked and written; neither holds more than a few thousand objects at once.
pub fn load<R>(
    pool: &Pool,
    settings: &LoadSettings,
    macros: &MacroFile,
    read: R,
    options: &Options<'_>,
) -> Result<Report, LoadError>
where
    R: FnOnce(&mut Take<'_>) -> Result<(), Vec<Problem>> + Send,
{
    let done = thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        let reading = Reading { thread: scope.spawn(move || read_to(&sender, read)), receiver };
        // No connection is kept waiting for a server or a program that is asked.
        match reading.receiver.recv() {
            Ok(first) => pool.transaction(|connection| {
                let report = write(connection, settings, macros, options, reading, first)?;
                if options.mode == Mode::Plan { Err(Stop::done(Ok(report))) } else { Ok(report) }
            }),
            Err(_) => Err(Stop::done(Err(LoadError::Refused(reading.end().err().unwrap_or_default())))),
        }
    });
    match done {
        Ok(report) => Ok(report),
        Err(Stop::Done(result)) => *result,
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

/// Lets `read` give its items to another thread, and the last of them only where all went well.
fn read_to<R>(sender: &SyncSender<Vec<Item>>, read: R) -> Result<(), Vec<Problem>>
where
    R: FnOnce(&mut Take<'_>) -> Result<(), Vec<Problem>>,
{
    let mut batch = Vec::new();
    read(&mut |item| {
        batch.push(item);
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        sender.send(std::mem::take(&mut batch)).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    })?;
    // Who listens no more knows why.
    let _ = sender.send(batch);
    Ok(())
}

/// The thread that reads.
struct Reading<'scope> {
    receiver: Receiver<Vec<Item>>,
    thread: ScopedJoinHandle<'scope, Result<(), Vec<Problem>>>,
}

impl Reading<'_> {
    /// Wants no more, and tells how the reading went.
    fn end(self) -> Result<(), Vec<Problem>> {
        drop(self.receiver);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn write(
    connection: &mut PgConnection,
    settings: &LoadSettings,
    macros: &MacroFile,
    options: &Options<'_>,
    reading: Reading<'_>,
    first: Vec<Item>,
) -> Result<Report, Stop> {
    let refused = |problems| Stop::done(Err(LoadError::Refused(problems)));
    let named = options.source.unwrap_or(&settings.source);
    let mut intake = Intake::begin(connection, macros, named, options.source.is_some())?;
    let mut more = intake.take(connection, first)?;
    while more.is_continue() {
        let Ok(items) = reading.receiver.recv() else { break };
        more = intake.take(connection, items)?;
    }
    let read = reading.end();
    if more.is_continue() {
        read.map_err(refused)?;
    }
    let Taken { source, findings } = intake.end(connection)?;
    if !findings.problems.is_empty() {
        return Err(refused(findings.problems));
    }
    let load = Load {
        source: Source::ranked(&source, &settings.ranking, options.take_over),
        author: options.program,
        prune: options.prune,
    };
    let teams = inventory::staged_teams(connection)?;
    let members = Team::members_of(connection, &teams)?;
    let changes = inventory::load(connection, &load)?;
    let shrinks = shrinks(&changes, settings.max_shrink_percent, options.prune);
    let report = Report { source, changes, warnings: findings.warnings, prune: options.prune };
    if !options.allow_shrink && !shrinks.is_empty() {
        return Err(Stop::done(Err(LoadError::Shrinks { shrinks, report: Box::new(report) })));
    }
    if options.mode == Mode::Apply {
        loads::remember(connection, &report.source, options.program, options.object)?;
        if !report.is_unchanged() {
            audit::write(connection, options, &report, &members)?;
        }
    }
    Ok(report)
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
