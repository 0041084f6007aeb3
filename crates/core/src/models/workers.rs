//! Managers: every start of a `plugins_manager` is one row, alive while its time has not run out.

use super::TextArray;
use crate::db::prepared;
use crate::db::schema::workers;
use crate::text_enum::text_enum;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Text};
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
    /// It serves the hosts whose tags are all among these.
    #[diesel(deserialize_as = TextArray)]
    pub tags: Vec<String>,
    /// Whether a person asked it to take no new tasks.
    pub draining: bool,
}

/// What a manager says of itself at its start and with every heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct Presence<'a> {
    /// Tasks that it runs at once.
    pub slots: u32,
    /// It serves the hosts whose tags are all among these.
    pub tags: &'a [String],
    /// Tasks that it has now.
    pub running: usize,
    /// Whether it takes no new tasks, because it ends.
    pub stopping: bool,
    /// How long it counts as alive without a heartbeat.
    pub lease: Duration,
}

/// How many of the managers that live could run tasks of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Available {
    /// Managers that are alive and do not stop.
    #[diesel(sql_type = BigInt)]
    pub alive: i64,
    /// Those of them that have all tags of the host.
    #[diesel(sql_type = BigInt)]
    pub serving: i64,
    /// Those of them that are not being drained: they take tasks now.
    #[diesel(sql_type = BigInt)]
    pub taking: i64,
    /// Tasks that these could start at once.
    #[diesel(sql_type = BigInt)]
    pub free_slots: i64,
}

text_enum! {
    /// What a manager does, as lists show it.
    WorkerState {
        /// It takes tasks.
        Alive = "alive",
        /// It was told to take none, and stays.
        Draining = "draining",
        /// It takes none, and ends.
        Stopping = "stopping",
        /// It has ended, or was not heard of any more.
        Gone = "gone",
    }
}

impl Worker {
    /// The names of all managers of which something is known, in no order.
    pub fn names(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
        workers::table.select(workers::name).distinct().load(connection)
    }

    /// Registers a start; the database gives the epoch.
    pub fn register(
        connection: &mut PgConnection,
        id: Uuid,
        name: &str,
        version: &str,
        presence: &Presence<'_>,
    ) -> QueryResult<Self> {
        diesel::sql_query(
            "INSERT INTO workers (id, name, version, slots, tags, alive_until) \
             VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6)) \
             ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), alive_until = excluded.alive_until \
             RETURNING *",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Text, _>(name)
        .bind::<Text, _>(version)
        .bind::<Integer, _>(i32::try_from(presence.slots).unwrap_or(i32::MAX))
        .bind::<Array<Text>, _>(presence.tags)
        .bind::<Double, _>(presence.lease.as_secs_f64())
        .get_result(connection)
    }

    /// Tells with which key secrets are sealed for this start of the manager.
    pub fn tell_sealing_key(connection: &mut PgConnection, id: Uuid, key: &[u8]) -> QueryResult<()> {
        diesel::update(workers::table.find(id))
            .set(workers::sealing_key.eq(key))
            .execute(connection)
            .map(drop)
    }

    /// Says that the manager lives. `None`: it is not registered (any more).
    pub fn heartbeat(
        connection: &mut PgConnection,
        id: Uuid,
        presence: &Presence<'_>,
    ) -> QueryResult<Option<Self>> {
        diesel::sql_query(
            "UPDATE workers SET heartbeat_at = clock_timestamp(), running = $2, stopping = $3, slots = $4, tags = $5, \
             alive_until = clock_timestamp() + make_interval(secs => $6) WHERE id = $1 RETURNING *",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Integer, _>(i32::try_from(presence.running).unwrap_or(i32::MAX))
        .bind::<Bool, _>(presence.stopping)
        .bind::<Integer, _>(i32::try_from(presence.slots).unwrap_or(i32::MAX))
        .bind::<Array<Text>, _>(presence.tags)
        .bind::<Double, _>(presence.lease.as_secs_f64())
        .get_result(connection)
        .optional()
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

    /// Tells a manager that lives to take no new tasks, or to take tasks again, and wakes it. False: there is no such
    /// manager, or it is told so already. Run it in a transaction with the audit row.
    pub fn set_draining(connection: &mut PgConnection, id: Uuid, draining: bool) -> QueryResult<bool> {
        let rows = diesel::sql_query(
            "WITH told AS (UPDATE workers SET draining = $2 \
                           WHERE id = $1 AND draining <> $2 AND alive_until > clock_timestamp() RETURNING id) \
             SELECT pg_notify($3, id::text) FROM told",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Bool, _>(draining)
        .bind::<Text, _>(crate::db::WORKER_TOLD)
        .execute(connection)?;
        Ok(rows == 1)
    }

    /// The manager with this id.
    pub fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Self>> {
        workers::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The managers of this name that live, newest first.
    pub fn alive_named(connection: &mut PgConnection, name: &str) -> QueryResult<Vec<Self>> {
        diesel::sql_query(
            "SELECT * FROM workers WHERE name = $1 AND alive_until > clock_timestamp() ORDER BY epoch DESC",
        )
        .bind::<Text, _>(name)
        .load(connection)
    }

    /// Which managers could run tasks of a host with these tags.
    pub fn available(connection: &mut PgConnection, tags: &[String]) -> QueryResult<Available> {
        prepared(
            "SELECT count(*) AS alive, count(*) FILTER (WHERE served) AS serving, \
             count(*) FILTER (WHERE served AND NOT draining) AS taking, \
             coalesce(sum(greatest(slots - running, 0)) FILTER (WHERE served AND NOT draining), 0)::bigint \
                 AS free_slots \
             FROM (SELECT *, $1 <@ tags AS served FROM workers \
                   WHERE alive_until > clock_timestamp() AND NOT stopping) w",
        )
        .bind::<Array<Text>, _>(tags)
        .get_result(connection)
    }

    /// How many managers take tasks now.
    pub fn alive_count(connection: &mut PgConnection) -> QueryResult<i64> {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        prepared(
            "SELECT count(*) AS count FROM workers \
             WHERE alive_until > clock_timestamp() AND NOT stopping AND NOT draining",
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

    /// Whether it could run tasks of a host with these tags.
    pub fn serves(&self, tags: &[String]) -> bool {
        tags.iter().all(|tag| self.tags.contains(tag))
    }

    /// Whether it was heard of in time; by this program's clock, so for display only.
    pub fn is_alive(&self) -> bool {
        self.alive_until > Utc::now()
    }

    /// What it does; by this program's clock, so for display only.
    pub fn state(&self) -> WorkerState {
        match (self.is_alive(), self.stopping, self.draining) {
            (false, ..) => WorkerState::Gone,
            (true, true, _) => WorkerState::Stopping,
            (true, false, true) => WorkerState::Draining,
            (true, false, false) => WorkerState::Alive,
        }
    }
}
