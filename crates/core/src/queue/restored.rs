//! What a database that comes out of a backup must forget.

/// Statements for the transaction that restores a backup, before anybody else can see it. What waited in the queue then
/// must not run now, and what ran is over: nobody knows how. Sessions, links and confirmations of then are worth nothing,
/// and no manager of then lives.
pub const AFTER_RESTORE: &str = include_str!("restored.sql");
