//! Schedules: those that people make, which queue tasks, and the lines of `settings.ini` as the schedulers tell of them.

use super::TextArray;
use crate::db::schema::schedules;
use crate::text_enum::text_enum;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};

text_enum! {
    /// Where a schedule stands.
    Source {
        /// A line of `settings.ini`.
        Settings = "settings",
        /// Made by a person.
        Gui = "gui",
    }
}

text_enum! {
    /// What becomes of slots at which no scheduler ran.
    Missed {
        /// Nothing.
        Skip = "skip",
        /// The newest one runs, late.
        Once = "once",
        /// The newest ones run, up to a number.
        All = "all",
    }
}

text_enum! {
    /// What becomes of a slot while tasks of the run before wait or run.
    Overlap {
        /// It is passed over.
        Skip = "skip",
        /// It runs; where the very same is active on a host, nothing is added there.
        Allow = "allow",
    }
}

/// A row of `schedules`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = schedules, check_for_backend(Pg))]
pub struct Schedule {
    /// Primary key.
    pub id: i64,
    /// Where it stands.
    pub source: Source,
    /// Unique among those of its source.
    pub name: String,
    /// Five fields of crontab(5), or a word such as `@daily`.
    pub expression: String,
    /// Of the IANA database.
    pub time_zone: String,
    /// Whether its times count.
    pub enabled: bool,
    /// Of a line: the program and its arguments.
    #[diesel(deserialize_as = TextArray)]
    pub command: Vec<String>,
    /// The one host on which tasks are queued ...
    pub hosts_id: Option<i64>,
    /// ... or the host group.
    pub hostgroups_id: Option<i64>,
    /// The service.
    pub services_id: Option<i64>,
    /// The handler.
    pub event_handlers_id: Option<i64>,
    /// Values for the handler's parameters.
    pub parameters: serde_json::Value,
    /// Why, for handlers that want to know.
    pub reason: Option<String>,
    /// With whose rights.
    pub users_id: Option<i64>,
    /// What becomes of missed slots.
    pub missed: Missed,
    /// For [`Missed::All`].
    pub most_missed: i32,
    /// Each slot is late by up to so much, always the same for one slot.
    pub jitter_seconds: i32,
    /// What becomes of a slot while the run before is active.
    pub overlap: Overlap,
    /// Slots up to here have run or were passed over.
    pub considered_until: DateTime<Utc>,
    /// When to look at it again.
    pub next_at: Option<DateTime<Utc>>,
    /// Somebody wants it to run now.
    pub run_requested_at: Option<DateTime<Utc>>,
    /// Who.
    pub run_requested_by: Option<String>,
    /// Grows with every change by a person.
    pub revision: i32,
    /// In place of a handler: a name under `[programs]` of `settings.ini`.
    pub program: Option<String>,
}

/// A schedule as a person makes it, or changes it.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = schedules, treat_none_as_null = true)]
pub struct NewSchedule {
    /// Always [`Source::Gui`].
    pub source: Source,
    /// As it is shown.
    pub name: String,
    /// Of the name.
    pub name_key: String,
    /// Whether its times count.
    pub enabled: bool,
    /// See [`Schedule::expression`].
    pub expression: String,
    /// See [`Schedule::time_zone`].
    pub time_zone: String,
    /// In place of all that follows: see [`Schedule::program`].
    pub program: Option<String>,
    /// Exactly one of the two.
    pub hosts_id: Option<i64>,
    /// Exactly one of the two.
    pub hostgroups_id: Option<i64>,
    /// The service.
    pub services_id: Option<i64>,
    /// The handler.
    pub event_handlers_id: Option<i64>,
    /// Values for the handler's parameters.
    pub parameters: serde_json::Value,
    /// Why.
    pub reason: Option<String>,
    /// With whose rights.
    pub users_id: i64,
    /// See [`Missed`].
    pub missed: Missed,
    /// For [`Missed::All`].
    pub most_missed: i32,
    /// See [`Schedule::jitter_seconds`].
    pub jitter_seconds: i32,
    /// See [`Overlap`].
    pub overlap: Overlap,
    /// Its first slot comes after this.
    pub considered_until: DateTime<Utc>,
    /// Its first slot.
    pub next_at: Option<DateTime<Utc>>,
}

impl NewSchedule {
    /// Adds it; `None`: there is one of that name.
    pub fn insert(&self, connection: &mut PgConnection) -> QueryResult<Option<i64>> {
        diesel::insert_into(schedules::table)
            .values(self)
            .on_conflict_do_nothing()
            .returning(schedules::id)
            .get_result(connection)
            .optional()
    }

    /// Puts it in the place of the one with this id and revision that a person made.
    pub fn replace(&self, connection: &mut PgConnection, id: i64, revision: i32) -> QueryResult<Replaced> {
        let same_name = schedules::table
            .filter(schedules::source.eq(Source::Gui).and(schedules::name_key.eq(&self.name_key)))
            .filter(schedules::id.ne(id));
        if diesel::select(diesel::dsl::exists(same_name)).get_result(connection)? {
            return Ok(Replaced::NameTaken);
        }
        let present = schedules::table
            .find(id)
            .filter(schedules::source.eq(Source::Gui).and(schedules::revision.eq(revision)));
        let rows = diesel::update(present)
            .set((self, schedules::revision.eq(schedules::revision + 1)))
            .execute(connection)?;
        Ok(if rows == 1 { Replaced::Done } else { Replaced::Stale })
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It was made.
    Done,
    /// Another one has the name.
    NameTaken,
    /// Somebody else was quicker, or it is gone.
    Stale,
}

/// A line of `settings.ini`, for people to read.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its key.
    pub name: &'a str,
    /// See [`Schedule::expression`].
    pub expression: &'a str,
    /// The program and its arguments.
    pub command: &'a [String],
}

/// What a schedule is about, by name.
#[derive(Debug, Clone, QueryableByName)]
pub struct Target {
    /// The host, where it is one.
    #[diesel(sql_type = Nullable<Text>)]
    pub host: Option<String>,
    /// The host group, where it is one.
    #[diesel(sql_type = Nullable<Text>)]
    pub hostgroup: Option<String>,
    /// The service.
    #[diesel(sql_type = Nullable<Text>)]
    pub service: Option<String>,
    /// The handler.
    #[diesel(sql_type = Nullable<Text>)]
    pub handler: Option<String>,
    /// With whose rights.
    #[diesel(sql_type = Nullable<Text>)]
    pub user: Option<String>,
}

/// What names mean; `None`: nothing of that name.
#[derive(Debug, Clone, QueryableByName)]
pub struct TargetIds {
    /// The host.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub hosts_id: Option<i64>,
    /// The host group.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub hostgroups_id: Option<i64>,
    /// The service.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub services_id: Option<i64>,
    /// The handler.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub event_handlers_id: Option<i64>,
}

impl TargetIds {
    /// Looks the names up, exactly as they are written.
    pub fn find(
        connection: &mut PgConnection,
        host: Option<&str>,
        hostgroup: Option<&str>,
        service: &str,
        handler: &str,
    ) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT (SELECT id FROM hosts WHERE name = $1) AS hosts_id, \
             (SELECT id FROM hostgroups WHERE name = $2) AS hostgroups_id, \
             (SELECT id FROM services WHERE name = $3) AS services_id, \
             (SELECT id FROM event_handlers WHERE name = $4) AS event_handlers_id",
        )
        .bind::<Nullable<Text>, _>(host)
        .bind::<Nullable<Text>, _>(hostgroup)
        .bind::<Text, _>(service)
        .bind::<Text, _>(handler)
        .get_result(connection)
    }
}

/// A run that somebody asked for.
#[derive(Debug, Clone, QueryableByName)]
pub struct Requested {
    /// The line's name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// When it was asked for, which is its slot.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// By whom.
    #[diesel(sql_type = Text)]
    pub by: String,
}

#[derive(QueryableByName)]
struct Is {
    #[diesel(sql_type = Bool)]
    is: bool,
}

#[derive(QueryableByName)]
struct HostId {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Schedule {
    /// The schedule with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        schedules::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// By name after `after` with `like` in it: what people made, and lines that a scheduler told of within a day. A name may stand twice,
    /// as a line and as a schedule.
    pub fn page(
        connection: &mut PgConnection,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        let yesterday = diesel::dsl::sql::<Bool>("(source = 'gui' OR seen_at > now() - interval '1 day')");
        schedules::table
            .filter(schedules::name.gt(after))
            .filter(yesterday)
            .filter(schedules::name.ilike(super::contains(like)))
            .order((schedules::name, schedules::source))
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }

    /// Under which name its runs are kept.
    pub fn run_name(&self) -> String {
        match self.source {
            Source::Settings => self.name.clone(),
            Source::Gui => format!("#{}", self.id),
        }
    }

    /// What it is about.
    pub fn target(&self, connection: &mut PgConnection) -> QueryResult<Target> {
        diesel::sql_query(
            "SELECT (SELECT name FROM hosts WHERE id = $1) AS host, (SELECT name FROM hostgroups WHERE id = $2) AS hostgroup, \
             (SELECT name FROM services WHERE id = $3) AS service, \
             (SELECT name FROM event_handlers WHERE id = $4) AS handler, (SELECT name FROM users WHERE id = $5) AS \"user\"",
        )
        .bind::<Nullable<BigInt>, _>(self.hosts_id)
        .bind::<Nullable<BigInt>, _>(self.hostgroups_id)
        .bind::<Nullable<BigInt>, _>(self.services_id)
        .bind::<Nullable<BigInt>, _>(self.event_handlers_id)
        .bind::<Nullable<BigInt>, _>(self.users_id)
        .get_result(connection)
    }

    /// The hosts on which it queues tasks: the one, or those of the group that have the service with the handler.
    pub fn hosts(&self, connection: &mut PgConnection, limit: i64) -> QueryResult<Vec<i64>> {
        if let Some(id) = self.hosts_id {
            return Ok(vec![id]);
        }
        diesel::sql_query(
            "SELECT g.hosts_id AS id FROM hostgroups_members g \
             JOIN services_members m ON m.hosts_id = g.hosts_id AND m.services_id = $2 AND NOT m.dropped \
             JOIN events_handlers_members e ON e.services_members_id = m.id AND e.event_handlers_id = $3 AND NOT e.dropped \
             WHERE g.hostgroups_id = $1 ORDER BY g.hosts_id LIMIT $4",
        )
        .bind::<Nullable<BigInt>, _>(self.hostgroups_id)
        .bind::<Nullable<BigInt>, _>(self.services_id)
        .bind::<Nullable<BigInt>, _>(self.event_handlers_id)
        .bind::<BigInt, _>(limit)
        .load(connection)
        .map(|rows: Vec<HostId>| rows.into_iter().map(|row| row.id).collect())
    }

    /// Whether one that a person made has to be looked at.
    pub fn any_due(connection: &mut PgConnection) -> QueryResult<bool> {
        diesel::sql_query(
            "SELECT EXISTS (SELECT 1 FROM schedules WHERE source = 'gui' AND enabled AND next_at <= clock_timestamp()) \
             OR EXISTS (SELECT 1 FROM schedules WHERE source = 'gui' AND run_requested_at IS NOT NULL) AS is",
        )
        .get_result::<Is>(connection)
        .map(|row| row.is)
    }

    /// One that has to be looked at, locked for this transaction; others pass it over.
    pub fn lock_due(connection: &mut PgConnection) -> QueryResult<Option<Self>> {
        let due = diesel::dsl::sql::<Bool>(
            "(source = 'gui' AND (run_requested_at IS NOT NULL OR (enabled AND next_at <= clock_timestamp())))",
        );
        schedules::table
            .filter(due)
            .order((schedules::next_at.asc(), schedules::id))
            .select(Self::as_select())
            .for_update()
            .skip_locked()
            .first(connection)
            .optional()
    }

    /// Writes down how far its slots were looked at; what was asked for is done.
    pub fn considered(
        &self,
        connection: &mut PgConnection,
        until: DateTime<Utc>,
        next_at: Option<DateTime<Utc>>,
    ) -> QueryResult<()> {
        diesel::update(schedules::table.find(self.id))
            .set((
                schedules::considered_until.eq(until),
                schedules::next_at.eq(next_at),
                schedules::run_requested_at.eq(None::<DateTime<Utc>>),
                schedules::run_requested_by.eq(None::<String>),
            ))
            .execute(connection)
            .map(drop)
    }

    /// Switches one that a person made on or off. Switched on, it begins with the slots after `now`. False: it is none, or
    /// gone.
    pub fn enable(
        connection: &mut PgConnection,
        id: i64,
        enabled: bool,
        now: DateTime<Utc>,
        next_at: Option<DateTime<Utc>>,
    ) -> QueryResult<bool> {
        diesel::update(schedules::table.find(id).filter(schedules::source.eq(Source::Gui)))
            .set((
                schedules::enabled.eq(enabled),
                schedules::revision.eq(schedules::revision + 1),
                schedules::considered_until.eq(now),
                schedules::next_at.eq(next_at),
            ))
            .execute(connection)
            .map(|rows| rows == 1)
    }

    /// Removes one that a person made. False: it is none, or gone.
    pub fn delete(connection: &mut PgConnection, id: i64) -> QueryResult<bool> {
        diesel::delete(schedules::table.find(id).filter(schedules::source.eq(Source::Gui)))
            .execute(connection)
            .map(|rows| rows == 1)
    }

    /// Asks for a run; asking again before it begins changes nothing. False: it is gone.
    pub fn request_run(connection: &mut PgConnection, id: i64, by: &str) -> QueryResult<bool> {
        diesel::sql_query(
            "UPDATE schedules SET run_requested_at = coalesce(run_requested_at, clock_timestamp()), \
             run_requested_by = coalesce(run_requested_by, $2) WHERE id = $1",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(by)
        .execute(connection)
        .map(|rows| rows == 1)
    }

    /// Tells of the lines that a scheduler has.
    pub fn tell_lines(connection: &mut PgConnection, time_zone: &str, lines: &[Line<'_>]) -> QueryResult<()> {
        for line in lines {
            diesel::sql_query(
                "INSERT INTO schedules (source, name, name_key, expression, time_zone, command, seen_at) \
                 VALUES ('settings', $1, $1, $2, $3, $4, now()) \
                 ON CONFLICT (source, name_key) DO UPDATE SET expression = excluded.expression, \
                     time_zone = excluded.time_zone, command = excluded.command, seen_at = excluded.seen_at",
            )
            .bind::<Text, _>(line.name)
            .bind::<Text, _>(line.expression)
            .bind::<Text, _>(time_zone)
            .bind::<Array<Text>, _>(line.command)
            .execute(connection)?;
        }
        Ok(())
    }

    /// Takes a run that somebody asked for of one of these lines; whichever scheduler takes it has it alone.
    pub fn take_requested_line(
        connection: &mut PgConnection,
        names: &[String],
    ) -> QueryResult<Option<Requested>> {
        diesel::sql_query(
            "WITH asked AS (SELECT id, name, run_requested_at AS at, run_requested_by AS by FROM schedules \
                 WHERE source = 'settings' AND run_requested_at IS NOT NULL AND name = ANY($1) \
                 ORDER BY run_requested_at LIMIT 1 FOR UPDATE SKIP LOCKED) \
             UPDATE schedules s SET run_requested_at = NULL, run_requested_by = NULL FROM asked WHERE s.id = asked.id \
             RETURNING asked.name, asked.at, asked.by",
        )
        .bind::<Array<Text>, _>(names)
        .get_result(connection)
        .optional()
    }
}
