//! Runs of cron lines and schedules. The primary key (name, slot) makes exactly one scheduler run a slot, however many there are.

use super::UuidArray;
use crate::db::part;
use crate::db::schema::{schedule_runs, tasks};
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text, Timestamptz};
use uuid::Uuid;

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
    /// Who asked for it; `None`: its time had come.
    pub requested_by: Option<String>,
    /// What it queued.
    #[diesel(deserialize_as = UuidArray)]
    pub task_ids: Vec<Uuid>,
}

impl ScheduleRun {
    /// Takes a slot. False: another scheduler has it, or had it.
    pub fn claim(
        connection: &mut PgConnection,
        name: &str,
        slot: DateTime<Utc>,
        requested_by: Option<&str>,
    ) -> QueryResult<bool> {
        diesel::insert_into(schedule_runs::table)
            .values((
                schedule_runs::name.eq(name),
                schedule_runs::slot.eq(slot),
                schedule_runs::requested_by.eq(requested_by),
            ))
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

    /// Writes down what a taken slot queued.
    pub fn queued(
        connection: &mut PgConnection,
        name: &str,
        slot: DateTime<Utc>,
        tasks: &[Uuid],
    ) -> QueryResult<()> {
        diesel::update(schedule_runs::table.find((name, slot)))
            .set(schedule_runs::task_ids.eq(tasks))
            .execute(connection)
            .map(drop)
    }

    /// Whether tasks of the newest run that queued any wait or run.
    pub fn is_active(connection: &mut PgConnection, name: &str) -> QueryResult<bool> {
        let newest = schedule_runs::table
            .filter(schedule_runs::name.eq(name))
            .filter(diesel::dsl::sql::<Bool>("task_ids <> '{}'"))
            .order(schedule_runs::slot.desc())
            .select(Self::as_select())
            .first(connection)
            .optional()?;
        let ids = newest.map(|run| run.task_ids).unwrap_or_default();
        diesel::select(diesel::dsl::exists(
            tasks::table.filter(tasks::id.eq_any(ids)).filter(tasks::state.ne("finished")),
        ))
        .get_result(connection)
    }

    /// The newest slot of each of these that has run, in no order.
    pub fn newest_slots(
        connection: &mut PgConnection,
        names: &[String],
    ) -> QueryResult<Vec<(String, DateTime<Utc>)>> {
        diesel::sql_query(
            "SELECT n.name, r.slot FROM unnest($1::text[]) AS n(name) CROSS JOIN LATERAL ( \
                 SELECT slot FROM schedule_runs r WHERE r.name = n.name AND r.requested_by IS NULL \
                 ORDER BY slot DESC LIMIT 1) r",
        )
        .bind::<Array<Text>, _>(names)
        .load(connection)
        .map(|rows: Vec<NewestSlot>| rows.into_iter().map(|row| (row.name, row.slot)).collect())
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

#[derive(QueryableByName)]
struct NewestSlot {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Timestamptz)]
    slot: DateTime<Utc>,
}

/// The database's time: programs on several machines agree on it, whatever their own clocks say.
pub fn database_time(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(part::<Timestamptz>("clock_timestamp()")).get_result(connection)
}
