//! What nobody needs any more goes: the daily routine's part that is not about tasks.

use super::audit;
use diesel::pg::PgConnection;
use diesel::prelude::*;

const STATEMENTS: &[&str] = &[
    "DELETE FROM sessions WHERE expires_at < now()",
    "DELETE FROM signin_links WHERE expires_at < now()",
    "DELETE FROM confirmations WHERE expires_at < now()",
    "DELETE FROM signin_failures WHERE last_failed_at < now() - interval '1 day'",
    "DELETE FROM schedule_runs WHERE slot < now() - interval '90 days'",
];

/// Removes sessions, links and confirmations that have run out, failures of signing in that are a day old, and runs of
/// cron lines that are 90 days old; tells of refusals that were only counted. Gives the number of rows that went.
pub fn purge(connection: &mut PgConnection) -> QueryResult<usize> {
    audit::tell_refusals(connection)?;
    STATEMENTS.iter().try_fold(0, |rows, sql| Ok(rows + diesel::sql_query(*sql).execute(connection)?))
}
