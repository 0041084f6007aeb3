//! The migrations, embedded in every program.

use diesel::pg::PgConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

/// Everything under `migrations/`.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// A failed migration; the database keeps what it had.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be migrated: {0}")]
pub struct MigrationError(String);

/// Applies what is missing and gives the names of what was applied. Two programs that migrate at once do not collide:
/// an advisory lock lets one wait for the other.
pub fn apply(connection: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    locked(connection, |connection| {
        connection
            .run_pending_migrations(MIGRATIONS)
            .map(|versions| versions.iter().map(ToString::to_string).collect())
            .map_err(|error| MigrationError(error.to_string()))
    })
}

/// Takes every migration back; used by tests to prove that each can be.
pub fn revert_all(connection: &mut PgConnection) -> Result<(), MigrationError> {
    locked(connection, |connection| {
        connection
            .revert_all_migrations(MIGRATIONS)
            .map(|_| ())
            .map_err(|error| MigrationError(error.to_string()))
    })
}

/// Whether migrations are missing.
pub fn pending(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    connection.has_pending_migration(MIGRATIONS).map_err(|error| MigrationError(error.to_string()))
}

fn locked<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    use diesel::RunQueryDsl as _;
    // The number is arbitrary; it only has to be the same in every program.
    let lock = |sql: &str, connection: &mut PgConnection| {
        diesel::sql_query(sql).execute(connection).map_err(|error| MigrationError(error.to_string()))
    };
    lock("SELECT pg_advisory_lock(7305803399051)", connection)?;
    let result = work(connection);
    lock("SELECT pg_advisory_unlock(7305803399051)", connection)?;
    result
}
