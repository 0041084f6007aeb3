//! History that is old enough goes, in steps that are bounded each: tasks, their output, and managers that are gone.
//!
//! Output lies in one partition of `logs` for each month, which goes as a whole; what came before there were partitions
//! lies in the default one, from which rows are deleted. A task's id carries the time at which it was asked for, and that
//! is what counts.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

/// Chunks of output, of at most 64 KiB each, that one step removes.
const CHUNKS: i64 = 2_000;
/// Tasks that one step removes.
const TASKS: i64 = 1_000;
/// To make a partition the server reads the default one while nobody can write output; so it must be small.
const MOST_DEFAULT_BYTES: i64 = 256 * 1024 * 1024;
/// Months for which there are partitions in advance.
const AHEAD: u32 = 2;

/// The least id of a task that was asked for at `at`.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// The time before which something that is kept for `days` may go.
pub fn cutoff(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now.checked_sub_days(Days::new(days.into())).unwrap_or(DateTime::UNIX_EPOCH)
}

/// One step: removes some output of tasks that were asked for before `cutoff`, and gives the number of chunks. Nothing is
/// left to remove where that is 0.
pub fn remove_logs(connection: &mut PgConnection, cutoff: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM logs WHERE (task_id, byte_offset) IN ( \
             SELECT l.task_id, l.byte_offset FROM logs l WHERE l.task_id < $1 AND NOT EXISTS ( \
                 SELECT 1 FROM tasks t WHERE t.id = l.task_id AND t.state <> 'finished') \
             ORDER BY l.task_id, l.byte_offset LIMIT $2)",
    )
    .bind::<SqlUuid, _>(first_id(cutoff))
    .bind::<BigInt, _>(CHUNKS)
    .execute(connection)
}

/// One step: removes some finished tasks that were asked for before `cutoff`, and gives their number. Their output must be
/// gone before.
pub fn remove_tasks(connection: &mut PgConnection, cutoff: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM tasks WHERE id = ANY (ARRAY( \
             SELECT id FROM tasks WHERE id < $1 AND state = 'finished' AND finished_at < $2 ORDER BY id LIMIT $3))",
    )
    .bind::<SqlUuid, _>(first_id(cutoff))
    .bind::<Timestamptz, _>(cutoff)
    .bind::<BigInt, _>(TASKS)
    .execute(connection)
}

/// Removes managers that have been gone for 30 days and of which no task tells any more; gives their number.
pub fn remove_workers(connection: &mut PgConnection) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM workers w WHERE w.alive_until < now() - interval '30 days' \
         AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.workers_id = w.id)",
    )
    .execute(connection)
}

/// A month's partition of `logs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month(NaiveDate);

impl Month {
    fn of(time: DateTime<Utc>) -> Option<Self> {
        time.date_naive().with_day(1).map(Self)
    }

    fn later(self, months: u32) -> Option<Self> {
        self.0.checked_add_months(Months::new(months)).map(Self)
    }

    fn begin(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    fn table(self) -> String {
        self.0.format("logs_%Y_%m").to_string()
    }

    fn parse(table: &str) -> Option<Self> {
        let (year, month) = table.strip_prefix("logs_")?.split_once('_')?;
        NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1).map(Self)
    }
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

fn partitions(connection: &mut PgConnection) -> QueryResult<Vec<Month>> {
    let tables: Vec<Table> = diesel::sql_query(
        "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'logs'::regclass ORDER BY 1",
    )
    .load(connection)?;
    Ok(tables.iter().filter_map(|table| Month::parse(&table.name)).collect())
}

#[derive(QueryableByName)]
struct Fits {
    #[diesel(sql_type = Bool)]
    fits: bool,
}

/// Makes the partitions of this month and the next ones where they are missing, and gives their names. A month of which the
/// default partition holds output already is passed over. Run it in a transaction.
///
/// # Errors
/// Also where a lock is not had within 2 s: then it is better to try again later than to let everybody wait.
pub fn make_partitions(connection: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<String>> {
    wait_little(connection)?;
    let present = partitions(connection)?;
    let months = (0..=AHEAD).filter_map(|ahead| Month::of(now)?.later(ahead));
    let mut made = Vec::new();
    for month in months.filter(|month| !present.contains(month)) {
        let Some(next) = month.later(1) else { continue };
        let [begin, end] = [month, next].map(|month| first_id(month.begin()));
        let fits: Fits = diesel::sql_query(
            "SELECT pg_relation_size('logs_default') <= $3 AND NOT EXISTS ( \
                 SELECT 1 FROM logs_default WHERE task_id >= $1 AND task_id < $2) AS fits",
        )
        .bind::<SqlUuid, _>(begin)
        .bind::<SqlUuid, _>(end)
        .bind::<BigInt, _>(MOST_DEFAULT_BYTES)
        .get_result(connection)?;
        if fits.fits {
            let table = month.table();
            diesel::sql_query(format!(
                "CREATE TABLE {table} PARTITION OF logs FOR VALUES FROM ('{begin}') TO ('{end}')"
            ))
            .execute(connection)?;
            made.push(table);
        }
    }
    Ok(made)
}

/// Drops the partitions whose tasks were all asked for before `cutoff`, and gives their names. Run it in a transaction.
///
/// # Errors
/// As of [`make_partitions`].
pub fn drop_partitions(connection: &mut PgConnection, cutoff: DateTime<Utc>) -> QueryResult<Vec<String>> {
    wait_little(connection)?;
    let mut dropped = Vec::new();
    for month in partitions(connection)? {
        let Some(end) = month.later(1).map(Month::begin).filter(|end| *end <= cutoff) else { continue };
        let ended: Fits = diesel::sql_query(
            "SELECT NOT EXISTS (SELECT 1 FROM tasks WHERE state <> 'finished' AND id >= $1 AND id < $2) AS fits",
        )
        .bind::<SqlUuid, _>(first_id(month.begin()))
        .bind::<SqlUuid, _>(first_id(end))
        .get_result(connection)?;
        if ended.fits {
            let table = month.table();
            diesel::sql_query(format!("DROP TABLE {table}")).execute(connection)?;
            dropped.push(table);
        }
    }
    Ok(dropped)
}

/// Whoever waits for a table's lock keeps everybody behind them waiting.
fn wait_little(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query("SET LOCAL lock_timeout = '2s'").execute(connection).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_time_is_the_least_of_that_time() {
        let at: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
        let made =
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at.timestamp().unsigned_abs(), 0));
        assert!(first_id(at) <= made);
        assert!(made < first_id(at + chrono::TimeDelta::milliseconds(1)));
    }

    #[test]
    fn a_month_and_its_table_name_each_other() {
        let month = Month::of("2026-12-31T23:59:59Z".parse().unwrap()).unwrap();
        assert_eq!(month.table(), "logs_2026_12");
        assert_eq!(Month::parse("logs_2026_12"), Some(month));
        assert_eq!(month.later(1).unwrap().table(), "logs_2027_01");
        assert_eq!([Month::parse("logs_default"), Month::parse("logs_2026_13")], [None, None]);
    }
}
