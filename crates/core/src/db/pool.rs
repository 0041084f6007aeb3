//! The pool of connections that each program keeps.

use super::connection::{Bounds, Guarded, Manager};
use super::error::DbError;
use crate::config::DatabaseSettings;
use diesel::Connection as _;
use diesel::pg::PgConnection;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections to one database. Clones share them.
///
/// Every use is bounded by `[database] operation_timeout_seconds`, which counts the wait for a connection too: whatever
/// the network or the server do, it comes back by then, with an error for which [`DbError::is_outage`] is true.
#[derive(Clone)]
pub struct Pool {
    connections: r2d2::Pool<Manager>,
    bounds: Arc<Bounds>,
    wait: Duration,
    timeout: Duration,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({:?})", self.connections.state())
    }
}

impl Pool {
    /// Makes the pool without connecting: a program starts while the database is away, and says so where it is asked.
    pub fn new(settings: &DatabaseSettings, program: &str) -> Self {
        let bounds = Arc::new(Bounds::new());
        let manager = Manager::new(settings, program, Arc::clone(&bounds));
        let wait = settings.connect_timeout.min(settings.operation_timeout);
        let connections = r2d2::Pool::builder()
            .max_size(settings.pool_size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(wait)
            .error_handler(Box::new(QuietErrors))
            .build_unchecked(manager);
        Self { connections, bounds, wait, timeout: settings.operation_timeout }
    }

    /// Takes a connection for uses without a bound, waiting for at most the settings' `connect_timeout_seconds`: for
    /// migrations, and for tests.
    pub fn get(&self) -> Result<Unbounded, DbError> {
        self.good_connection(Instant::now() + self.wait).map(Unbounded)
    }

    /// Runs `work` with a connection.
    pub fn run<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_until(Instant::now() + self.timeout, work)
    }

    /// Runs `work` in a transaction: all of it happens, or nothing. After an outage nobody knows which: see whether
    /// it did, or do it again in a way that changes nothing where it was done.
    pub fn transaction<T, E>(&self, work: impl FnOnce(&mut PgConnection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<DbError> + From<diesel::result::Error>,
    {
        self.run(|connection| connection.transaction(work))
    }

    /// As [`Pool::run`], where the caller waits no longer than until `deadline`.
    pub fn run_until<T, E: From<DbError>>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let deadline = deadline.min(Instant::now() + self.timeout);
        let mut guarded = self.good_connection(deadline)?;
        guarded.bounded(&self.bounds, deadline, work)
    }

    /// A connection that can be used, until `deadline`, as far as a look can tell.
    fn good_connection(&self, deadline: Instant) -> Result<r2d2::PooledConnection<Manager>, DbError> {
        let patience_ends = Instant::now() + self.wait;
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Err(DbError::TooLate);
            }
            let wait = deadline.min(patience_ends).saturating_duration_since(now);
            let mut guarded = self.connections.get_timeout(wait).map_err(DbError::Unreachable)?;
            if guarded.is_good(&self.bounds, deadline) {
                return Ok(guarded);
            }
        }
    }

    /// As [`Pool::transaction`], where the caller waits no longer than until `deadline`.
    pub fn transaction_until<T, E>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError> + From<diesel::result::Error>,
    {
        self.run_until(deadline, |connection| connection.transaction(work))
    }
}

/// A connection that its user may keep as long as it takes.
pub struct Unbounded(r2d2::PooledConnection<Manager>);

impl Deref for Unbounded {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.deref().shared()
    }
}

impl DerefMut for Unbounded {
    fn deref_mut(&mut self) -> &mut PgConnection {
        Guarded::unbounded(&mut self.0)
    }
}

/// The caller reports an outage once, with what it was about; the pool's own retries would fill the log.
#[derive(Debug)]
struct QuietErrors;

impl<E: std::fmt::Debug> r2d2::HandleError<E> for QuietErrors {
    fn handle_error(&self, error: E) {
        tracing::debug!(?error, "a database connection could not be opened");
    }
}
