//! Runs of cron lines. The primary key (name, slot) makes exactly one scheduler run a slot, however many there are.

use crate::db::schema::schedule_runs;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

/// A row of `schedule_runs`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = schedule_runs, check_for_backend(Pg))]
pub struct ScheduleRun {
    /// The cron line's name.
    pub name: String,
    /// The time for which it was due.
    pub slot: DateTime<Utc>,
    /// When a scheduler took it.
    pub started_at: DateTime<Utc>,
    /// When the program ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it exited, where it did.
    pub exit_code: Option<i32>,
    /// How it ended, in words.
    pub outcome: Option<String>,
}

impl ScheduleRun {
    /// Takes a slot. False: another scheduler has it, or had it.
    pub fn claim(connection: &mut PgConnection, name: &str, slot: DateTime<Utc>) -> QueryResult<bool> {
        diesel::insert_into(schedule_runs::table)
            .values((schedule_runs::name.eq(name), schedule_runs::slot.eq(slot)))
            .on_conflict_do_nothing()
            .execute(connection)
            .map(|rows| rows == 1)
    }

    /// Writes down how a taken slot ended.
    pub fn finish(
        connection: &mut PgConnection,
        name: &str,
        slot: DateTime<Utc>,
        exit_code: Option<i32>,
        outcome: &str,
    ) -> QueryResult<()> {
        diesel::update(schedule_runs::table.find((name, slot)))
            .set((
                schedule_runs::finished_at.eq(diesel::dsl::now),
                schedule_runs::exit_code.eq(exit_code),
                schedule_runs::outcome.eq(outcome),
            ))
            .execute(connection)
            .map(|_| ())
    }

    /// The last runs of one line, newest first.
    pub fn recent(connection: &mut PgConnection, name: &str, limit: i64) -> QueryResult<Vec<Self>> {
        schedule_runs::table
            .filter(schedule_runs::name.eq(name))
            .order(schedule_runs::slot.desc())
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }
}

/// The database's time: programs on several machines agree on it, whatever their own clocks say.
pub fn database_time(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(diesel::dsl::sql::<Timestamptz>("clock_timestamp()")).get_result(connection)
}
