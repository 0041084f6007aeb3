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
            .connection_timeout(wait)
            .error_handler(Box::new(QuietErrors))
            .build_unchecked(manager);
        Self { connections, bounds, wait, timeout: settings.operation_timeout }
    }

    /// Takes a connection for uses without a bound, waiting for at most the settings' `connect_timeout_seconds`: for
    /// migrations, and for tests.
    pub fn get(&self) -> Result<Unbounded, DbError> {
        self.connections.get().map(Unbounded).map_err(DbError::Unreachable)
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
        let wait = deadline.saturating_duration_since(Instant::now()).min(self.wait);
        let mut guarded = self.connections.get_timeout(wait).map_err(DbError::Unreachable)?;
        guarded.bounded(&self.bounds, deadline, work)
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
