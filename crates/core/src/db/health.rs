//! What the server says of itself, for whoever looks whether the database can be trusted.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text, Timestamptz};

/// The server and the database, at one moment.
#[derive(Debug, Clone, QueryableByName)]
pub struct ServerHealth {
    /// The database's name.
    #[diesel(sql_type = Text)]
    pub database: String,
    /// Such as 150007.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    /// Its time.
    #[diesel(sql_type = Timestamptz)]
    pub time: DateTime<Utc>,
    /// A standby, or told to take no writes.
    #[diesel(sql_type = Bool)]
    pub read_only: bool,
    /// Whether what was committed survives a crash of the machine.
    #[diesel(sql_type = Bool)]
    pub fsync: bool,
    /// Whether a page that was half written at a crash can be repaired.
    #[diesel(sql_type = Bool)]
    pub full_page_writes: bool,
    /// Such as `UTF8`.
    #[diesel(sql_type = Text)]
    pub encoding: String,
    /// Of the database, on disk.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
    /// Connections that the server has, of all databases.
    #[diesel(sql_type = Integer)]
    pub connections: i32,
    /// ... and that it takes at most.
    #[diesel(sql_type = Integer)]
    pub most_connections: i32,
    /// How many transactions ago the oldest row of the database was made safe from wrap-around; above 2,000,000,000 the
    /// server stops taking writes.
    #[diesel(sql_type = Integer)]
    pub transaction_age: i32,
    /// Tables of ours that are there: none in a database that was never migrated.
    #[diesel(sql_type = Integer)]
    pub tables: i32,
}

impl ServerHealth {
    /// Asks the server.
    pub fn look(connection: &mut PgConnection) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT current_database()::text AS database, \
                 current_setting('server_version_num')::integer AS version, clock_timestamp() AS time, \
                 pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only, \
                 current_setting('fsync')::boolean AS fsync, \
                 current_setting('full_page_writes')::boolean AS full_page_writes, \
                 current_setting('server_encoding') AS encoding, pg_database_size(current_database()) AS bytes, \
                 (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections, \
                 current_setting('max_connections')::integer AS most_connections, \
                 (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS transaction_age, \
                 (SELECT count(*)::integer FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')) AS tables",
        )
        .get_result(connection)
    }
}
