//! The pool of connections that each program keeps.

use crate::config::DatabaseSettings;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, PooledConnection};
use diesel::{Connection as _, RunQueryDsl as _};
use std::time::Duration;

/// What can go wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection could be had in time: the server is away, or every connection is busy.
    #[error("the database cannot be reached")]
    Unreachable(#[source] r2d2::Error),
    /// A statement failed.
    #[error("the database refused a statement")]
    Query(#[from] diesel::result::Error),
}

impl DbError {
    /// Whether trying again later may help: the server is away, or it ended the connection.
    pub fn is_outage(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Unreachable(_) => true,
            Self::Query(Error::DatabaseError(kind, information)) => {
                let message = information.message();
                matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction)
                    || ["connection", "terminating", "starting up", "shutting down", "recovery mode"]
                        .iter()
                        .any(|word| message.contains(word))
            }
            Self::Query(error) => matches!(error, Error::BrokenTransactionManager),
        }
    }
}

/// Connections to one database. Clones share them.
#[derive(Clone)]
pub struct Pool(r2d2::Pool<ConnectionManager<PgConnection>>);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({:?})", self.0.state())
    }
}

impl Pool {
    /// Makes the pool without connecting: a program starts while the database is away, and says so where it is asked.
    pub fn new(settings: &DatabaseSettings, program: &str) -> Self {
        let manager = ConnectionManager::new(settings.connection_string(program));
        let customizer = StatementTimeout(settings.statement_timeout);
        Self(
            r2d2::Pool::builder()
                .max_size(settings.pool_size)
                .min_idle(Some(0))
                .connection_timeout(settings.connect_timeout)
                .connection_customizer(Box::new(customizer))
                .error_handler(Box::new(QuietErrors))
                .build_unchecked(manager),
        )
    }

    /// Takes a connection, waiting for at most the settings' `connect_timeout_seconds`.
    pub fn get(&self) -> Result<PooledConnection<ConnectionManager<PgConnection>>, DbError> {
        self.0.get().map_err(DbError::Unreachable)
    }

    /// Runs `work` with a connection.
    pub fn run<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.get()?;
        work(&mut connection)
    }

    /// Runs `work` in a transaction: all of it happens, or nothing.
    pub fn transaction<T, E>(&self, work: impl FnOnce(&mut PgConnection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<DbError> + From<diesel::result::Error>,
    {
        let mut connection = self.get()?;
        PgConnection::transaction(&mut connection, work)
    }
}

#[derive(Debug)]
struct StatementTimeout(Duration);

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for StatementTimeout {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        diesel::sql_query(format!("SET statement_timeout = {}", self.0.as_millis()))
            .execute(connection)
            .map(|_| ())
            .map_err(diesel::r2d2::Error::QueryError)
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
