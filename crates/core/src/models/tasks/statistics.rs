//! What runs did in the last days: how many, how they ended, by handler and time.

use super::filter::first_id;
use crate::access::task_is_visible;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Text, Timestamptz};

/// Seconds of one stretch.
const STRETCH_SECONDS: f64 = 6.0 * 3600.0;
/// Tasks that are looked at, of everybody: more would take longer than a page should.
const MOST: i64 = 200_000;
/// Stretches of one day.
pub const STRETCHES_OF_A_DAY: usize = 4;
/// Days that are counted, today being the last; the days are those of UTC.
pub const DAYS: usize = 7;
/// Stretches that are counted.
pub const STRETCHES: usize = DAYS * STRETCHES_OF_A_DAY;

/// How runs ended. Cancelled ones and those that never started are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// OK.
    pub ok: i64,
    /// WARNING.
    pub warning: i64,
    /// CRITICAL or UNKNOWN.
    pub failed: i64,
}

/// Outcomes over time, oldest first.
pub type Course = [Outcomes; STRETCHES];

/// One handler's runs.
#[derive(Debug, Clone)]
pub struct HandlerStatistics {
    /// The handler, unless it was deleted.
    pub id: Option<i64>,
    /// Its name, likewise.
    pub name: Option<String>,
    /// How its runs ended.
    pub course: Course,
    /// Seconds that the runs took that ended with OK or WARNING.
    pub seconds: f64,
}

/// All runs of the last days on hosts that somebody sees.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Midnight, UTC, at which the first day began.
    pub since: DateTime<Utc>,
    /// Of every handler that ran, the busiest first.
    pub handlers: Vec<HandlerStatistics>,
    /// Only tasks that were asked for after this moment were counted, because there were so many.
    pub counted_from: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<BigInt>)]
    event_handlers_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    handler_name: Option<String>,
    #[diesel(sql_type = Integer)]
    stretch: i32,
    #[diesel(sql_type = BigInt)]
    ok: i64,
    #[diesel(sql_type = BigInt)]
    warning: i64,
    #[diesel(sql_type = BigInt)]
    failed: i64,
    #[diesel(sql_type = Double)]
    seconds: f64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    counted_from: Option<DateTime<Utc>>,
}

impl Outcomes {
    /// All of them.
    pub fn runs(self) -> i64 {
        self.ok + self.warning + self.failed
    }
}

impl std::iter::Sum for Outcomes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            ok: sum.ok + one.ok,
            warning: sum.warning + one.warning,
            failed: sum.failed + one.failed,
        })
    }
}

impl HandlerStatistics {
    /// All its runs.
    pub fn outcomes(&self) -> Outcomes {
        self.course.iter().copied().sum()
    }
}

impl Statistics {
    /// Counts them. Ids carry the time, so the primary key finds the rows.
    pub fn of_last_days(connection: &mut PgConnection, users_id: i64) -> QueryResult<Self> {
        let today = Utc::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let since = today - TimeDelta::days(i64::try_from(DAYS - 1).unwrap_or(0));
        let sql = include_str!("statistics.sql").replace("{visible}", &task_is_visible(users_id));
        // A clock that differs a little must not hide the first tasks of the first day.
        let first = first_id(since - TimeDelta::hours(1));
        let rows: Vec<Row> = diesel::sql_query(sql)
            .bind::<Timestamptz, _>(since)
            .bind::<Double, _>(STRETCH_SECONDS)
            .bind::<diesel::sql_types::Uuid, _>(first)
            .bind::<BigInt, _>(MOST)
            .load(connection)?;
        let counted_from = rows.iter().find_map(|row| row.counted_from);
        Ok(Self { since, handlers: by_handler(rows), counted_from })
    }

    /// Of all handlers together.
    pub fn course(&self) -> Course {
        std::array::from_fn(|at| {
            self.handlers.iter().filter_map(|handler| handler.course.get(at)).copied().sum()
        })
    }
}

fn by_handler(rows: Vec<Row>) -> Vec<HandlerStatistics> {
    let mut handlers = std::collections::BTreeMap::new();
    for row in rows {
        let handler = handlers.entry(row.event_handlers_id).or_insert_with(|| HandlerStatistics {
            id: row.event_handlers_id,
            name: row.handler_name.clone(),
            course: Course::default(),
            seconds: 0.0,
        });
        handler.seconds += row.seconds;
        // What a clock that is ahead dates into tomorrow counts for today.
        let at = usize::try_from(row.stretch).unwrap_or(0).min(STRETCHES - 1);
        if let Some(sum) = handler.course.get_mut(at) {
            let more = Outcomes { ok: row.ok, warning: row.warning, failed: row.failed };
            *sum = [*sum, more].into_iter().sum();
        }
    }
    let mut handlers: Vec<HandlerStatistics> = handlers.into_values().collect();
    handlers.sort_by_key(|handler| std::cmp::Reverse(handler.outcomes().runs()));
    handlers
}
