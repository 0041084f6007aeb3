//! Managers: every start of a `plugins_manager` is one row, alive while its time has not run out.

use crate::db::schema::workers;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Text};
use std::time::Duration;
use uuid::Uuid;

/// A row of `workers`.
#[derive(Debug, Clone, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = workers, check_for_backend(Pg))]
pub struct Worker {
    /// Primary key, made by the manager.
    pub id: Uuid,
    /// Name from the settings, or the host name.
    pub name: String,
    /// Fencing token: grows with every start of any manager.
    pub epoch: i64,
    /// The program's version.
    pub version: String,
    /// Tasks that it runs at once.
    pub slots: i32,
    /// Tasks that it runs now.
    pub running: i32,
    /// Whether it takes no new tasks.
    pub stopping: bool,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was heard of last.
    pub heartbeat_at: DateTime<Utc>,
    /// It counts as gone afterwards.
    pub alive_until: DateTime<Utc>,
}

impl Worker {
    /// Registers a start; the database gives the epoch. `lease` is how long it counts as alive without a heartbeat.
    pub fn register(
        connection: &mut PgConnection,
        id: Uuid,
        name: &str,
        version: &str,
        slots: u32,
        lease: Duration,
    ) -> QueryResult<Self> {
        diesel::sql_query(
            "INSERT INTO workers (id, name, version, slots, alive_until) \
             VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5)) \
             ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), alive_until = excluded.alive_until \
             RETURNING *",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Text, _>(name)
        .bind::<Text, _>(version)
        .bind::<Integer, _>(i32::try_from(slots).unwrap_or(i32::MAX))
        .bind::<Double, _>(lease.as_secs_f64())
        .get_result(connection)
    }

    /// Says that the manager lives. False: the row is gone, and it must register again.
    pub fn heartbeat(
        connection: &mut PgConnection,
        id: Uuid,
        running: usize,
        stopping: bool,
        lease: Duration,
    ) -> QueryResult<bool> {
        let rows = diesel::sql_query(
            "UPDATE workers SET heartbeat_at = clock_timestamp(), running = $2, stopping = $3, \
             alive_until = clock_timestamp() + make_interval(secs => $4) WHERE id = $1",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Integer, _>(i32::try_from(running).unwrap_or(i32::MAX))
        .bind::<Bool, _>(stopping)
        .bind::<Double, _>(lease.as_secs_f64())
        .execute(connection)?;
        Ok(rows == 1)
    }

    /// Says that the manager has stopped.
    pub fn sign_off(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
        diesel::sql_query(
            "UPDATE workers SET running = 0, stopping = true, alive_until = clock_timestamp() WHERE id = $1",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .execute(connection)
        .map(|_| ())
    }

    /// The manager with this id.
    pub fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Self>> {
        workers::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// How many tasks the managers that take some now could start at once; `None`: there is no such manager.
    pub fn free_slots(connection: &mut PgConnection) -> QueryResult<Option<i64>> {
        #[derive(QueryableByName)]
        struct Free {
            #[diesel(sql_type = diesel::sql_types::Nullable<BigInt>)]
            free: Option<i64>,
        }
        diesel::sql_query(
            "SELECT sum(greatest(slots - running, 0))::bigint AS free FROM workers \
             WHERE alive_until > clock_timestamp() AND NOT stopping",
        )
        .get_result::<Free>(connection)
        .map(|row| row.free)
    }

    /// How many managers take tasks now.
    pub fn alive_count(connection: &mut PgConnection) -> QueryResult<i64> {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        diesel::sql_query(
            "SELECT count(*) AS count FROM workers WHERE alive_until > clock_timestamp() AND NOT stopping",
        )
        .get_result::<Count>(connection)
        .map(|row| row.count)
    }

    /// Managers that live, and those that were heard of within the last day, newest first.
    pub fn recent(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        diesel::sql_query(
            "SELECT * FROM workers WHERE alive_until > clock_timestamp() - interval '1 day' ORDER BY epoch DESC LIMIT 200",
        )
        .load(connection)
    }

    /// Whether it was heard of in time; by this program's clock, so for display only.
    pub fn is_alive(&self) -> bool {
        self.alive_until > Utc::now()
    }
}
