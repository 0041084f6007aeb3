//! How much of a table a query reads, by PostgreSQL's own counts.

use crate::TestDatabase;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use selfservice_core::db::{DbError, PgConnection};

/// What was read of one table.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Reads {
    /// Sequential scans.
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    /// Rows that were fetched by an index.
    #[diesel(sql_type = BigInt)]
    pub fetched: i64,
}

impl Reads {
    fn so_far(connection: &mut PgConnection, table: &str) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT coalesce(sum(seq_scan), 0)::bigint AS scans, coalesce(sum(idx_tup_fetch), 0)::bigint AS fetched \
             FROM pg_stat_xact_user_tables WHERE relname = $1",
        )
        .bind::<Text, _>(table)
        .get_result(connection)
    }
}

impl TestDatabase {
    /// What `work` gives, and what it read of `table`.
    pub fn reading<T>(
        &self,
        table: &str,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
    ) -> (T, Reads) {
        let read = self.pool().transaction(|connection| {
            // The counts begin with what the connection's earlier transactions have not handed in yet.
            let before = Reads::so_far(connection, table)?;
            let result = work(connection)?;
            let after = Reads::so_far(connection, table)?;
            let reads = Reads { scans: after.scans - before.scans, fetched: after.fetched - before.fetched };
            Ok::<_, DbError>((result, reads))
        });
        read.unwrap_or_else(|error| panic!("the test's query failed: {error}"))
    }
}
