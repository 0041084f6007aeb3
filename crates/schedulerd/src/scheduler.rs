//! The loop: the routine every ten seconds, each cron line at its time, and the schedules that people have made.

use crate::command::{Ended, Programs};
use crate::routine;
use crate::stop::Stop;
use crate::timetable::Timetable;
use chrono::{DateTime, TimeDelta, Utc};
use failpoint::failpoint;
use selfservice_core::config::{MissedLines, Settings};
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::schedule_runs::{ScheduleRun, database_time};
use selfservice_core::models::schedules::{Line, Schedule};
use selfservice_core::schedule::{self, ProgramRun, Ran};
use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
const ROUTINE: Duration = Duration::from_secs(10);
/// How often schedules of people are looked at, and runs that somebody asked for.
const ASKED: Duration = Duration::from_secs(2);
/// How often the lines are told of, so that pages show those that somebody still has, and old inventory in the log.
const TELL: Duration = Duration::from_secs(3600);
/// How long a result waits for the database before it is given up.
const KEEP_RESULT: Duration = Duration::from_secs(600);

/// Everything that the loop needs.
pub struct Scheduler {
    settings: Settings,
    pool: Pool,
    programs: Programs,
    stop: Stop,
    /// What the database's clock is ahead of ours.
    ahead: TimeDelta,
    away: bool,
    running: HashMap<String, JoinHandle<()>>,
    /// What is still to be done once the database answers: telling of the lines, catching up.
    told: Option<Instant>,
    caught_up: bool,
    /// The macro file could not be read; said once.
    macros_failed: bool,
}

impl Scheduler {
    /// Prepares everything; the database may be away.
    pub fn build(settings: &Settings, stop: Stop) -> std::io::Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            pool: Pool::new(&settings.database, "schedulerd"),
            programs: Programs::beside_us(&settings.path)?,
            stop,
            ahead: TimeDelta::zero(),
            away: false,
            running: HashMap::new(),
            told: None,
            caught_up: settings.scheduler.missed == MissedLines::Skip,
            macros_failed: false,
        })
    }

    /// Runs until a stop is asked for and every command has ended.
    pub fn run(mut self) {
        self.maintain();
        let mut timetable = Timetable::new(&self.settings.scheduler, self.now());
        let mut maintained = Instant::now();
        let mut asked = Instant::now();
        tracing::info!(lines = self.settings.scheduler.lines.len(), "the scheduler runs");
        while !self.stop.sleep(TICK) {
            if maintained.elapsed() >= ROUTINE {
                maintained = Instant::now();
                self.maintain();
            }
            self.begin(&mut timetable);
            self.start_due(&mut timetable);
            if asked.elapsed() >= ASKED {
                asked = Instant::now();
                self.queue_due();
                self.start_requested();
            }
        }
        tracing::info!(commands = self.running.len(), "stopping; running commands are awaited");
        for (_, thread) in self.running.drain() {
            let _ = thread.join();
        }
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead
    }

    /// The routine, and the database's clock. An outage is logged once, and its end.
    fn maintain(&mut self) {
        let done = routine::run(&self.pool).and_then(|()| {
            self.pool.run(|connection| -> Result<_, DbError> { Ok(database_time(connection)?) })
        });
        match done {
            Ok(time) => {
                self.ahead = time - Utc::now();
                if std::mem::take(&mut self.away) {
                    tracing::info!("the database is back");
                }
            }
            Err(error) => self.note_outage(&error),
        }
    }

    fn note_outage(&mut self, error: &DbError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!("{error}; trying again every {} s", ROUTINE.as_secs());
        }
    }

    /// Tells of the lines and of old inventory, and catches up on what was missed: when the database answers first, and
    /// all but the last every hour.
    fn begin(&mut self, timetable: &mut Timetable) {
        let due = self.told.is_none_or(|told| told.elapsed() >= TELL);
        if self.away || !due {
            return;
        }
        let settings = &self.settings.scheduler;
        let lines: Vec<Line<'_>> = settings
            .lines
            .iter()
            .map(|line| Line { name: &line.name, expression: &line.expression, command: &line.command })
            .collect();
        let names = self.names();
        let done = self.pool.transaction(|connection| -> Result<_, DbError> {
            Schedule::tell_lines(connection, settings.time_zone.name(), &lines)?;
            Ok(ScheduleRun::newest_slots(connection, &names)?)
        });
        let told = done.and_then(|newest| {
            routine::tell_overdue(&self.pool, &self.settings.loads.intervals).map(|()| newest)
        });
        match told {
            Ok(newest) => {
                self.told = Some(Instant::now());
                if !std::mem::replace(&mut self.caught_up, true) {
                    for (name, slot) in newest {
                        timetable.catch_up(&name, slot, self.now());
                    }
                }
            }
            Err(error) => self.note_outage(&error),
        }
    }

    fn names(&self) -> Vec<String> {
        self.settings.scheduler.lines.iter().map(|line| line.name.clone()).collect()
    }

    /// Schedules of people queue tasks; whoever looks at one has it alone meanwhile.
    fn queue_due(&mut self) {
        if self.away {
            return;
        }
        match self.pool.run(|connection| -> Result<_, DbError> { Ok(Schedule::any_due(connection)?) }) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.note_outage(&error),
        }
        // Read anew each time, so that it is the one with which the managers decide.
        let macros = match self.settings.macro_file() {
            Ok(macros) => macros,
            Err(error) => {
                if !std::mem::replace(&mut self.macros_failed, true) {
                    tracing::error!("schedules wait: {error}");
                }
                return;
            }
        };
        self.macros_failed = false;
        let life = self.settings.manager.queue_life;
        loop {
            let looked = self.pool.transaction(|connection| -> Result<_, DbError> {
                Ok(schedule::run_due(connection, &macros, life)?)
            });
            match looked {
                Ok(Some(ran)) => {
                    tell(&ran);
                    failpoint!("in_schedule_slot");
                    ran.programs.into_iter().for_each(|run| self.start_program(run));
                }
                Ok(None) => return,
                Err(error) => return self.note_outage(&error),
            }
        }
    }

    /// What is started stands in our settings: the schedule only names it.
    fn start_program(&mut self, run: ProgramRun) {
        match self.settings.scheduler.programs.get(&run.program).cloned() {
            Some(command) => self.start(&run.run_name, command, run.slot),
            None => self.slot(&run.run_name, run.slot).record(&Ended {
                exit_code: Some(2),
                outcome: format!(
                    "not started: the scheduler's settings.ini has no '{}' under [programs]",
                    run.program
                ),
            }),
        }
    }

    /// Lines that somebody wants to run now.
    fn start_requested(&mut self) {
        let names = self.names();
        while !self.away && !names.is_empty() {
            let taken = self.pool.transaction(|connection| -> Result<_, DbError> {
                let Some(asked) = Schedule::take_requested_line(connection, &names)? else { return Ok(None) };
                let ours = ScheduleRun::claim(connection, &asked.name, asked.at, Some(&asked.by))?;
                Ok(Some((asked, ours)))
            });
            match taken {
                Ok(Some((asked, true))) => {
                    let lines = &self.settings.scheduler.lines;
                    if let Some(line) = lines.iter().find(|line| line.name == asked.name).cloned() {
                        self.start(&line.name, line.command, asked.at);
                    }
                }
                Ok(Some((_, false))) => {}
                Ok(None) => return,
                Err(error) => return self.note_outage(&error),
            }
        }
    }

    fn start_due(&mut self, timetable: &mut Timetable) {
        self.running.retain(|_, thread| !thread.is_finished());
        if self.away {
            return;
        }
        for (line, slot) in timetable.due(self.now()) {
            let claimed = self.pool.run(|connection| -> Result<_, DbError> {
                Ok(ScheduleRun::claim(connection, &line.name, slot, None)?)
            });
            match claimed {
                Ok(ours) => {
                    failpoint!("in_schedule_slot");
                    timetable.done(&line.name, slot);
                    if ours {
                        self.start(&line.name, line.command, slot);
                    }
                }
                // The slot stays due.
                Err(error) => return self.note_outage(&error),
            }
        }
    }

    fn slot(&self, name: &str, slot: DateTime<Utc>) -> Run {
        Run {
            pool: self.pool.clone(),
            programs: self.programs.clone(),
            stop: self.stop.clone(),
            name: name.to_owned(),
            slot,
        }
    }

    fn start(&mut self, name: &str, command: Vec<String>, slot: DateTime<Utc>) {
        let run = self.slot(name, slot);
        if self.running.get(name).is_some_and(|thread| !thread.is_finished()) {
            run.record(&Ended {
                exit_code: None,
                outcome: "skipped: the run before it had not ended".to_owned(),
            });
            return;
        }
        let spawned =
            std::thread::Builder::new().name("command".to_owned()).spawn(move || run.execute(&command));
        match spawned {
            Ok(thread) => drop(self.running.insert(name.to_owned(), thread)),
            Err(error) => tracing::error!("a command could not be started: {error}"),
        }
    }
}

fn tell(ran: &Ran) {
    for (slot, outcome) in &ran.slots {
        tracing::info!(schedule = ran.name, schedule.slot = %slot, "{outcome}");
    }
    if ran.skipped {
        tracing::warn!(schedule = ran.name, "times were missed and are passed over");
    }
}

/// One slot of one line or of a schedule's program, which this scheduler has.
struct Run {
    pool: Pool,
    programs: Programs,
    stop: Stop,
    name: String,
    slot: DateTime<Utc>,
}

impl Run {
    fn execute(self, command: &[String]) {
        tracing::info!(cron.line = self.name, cron.slot = %self.slot, "starting {}", command.join(" "));
        let ended = self.programs.run(command, &self.stop);
        match ended.exit_code {
            Some(0) => tracing::info!(cron.line = self.name, "done"),
            _ => tracing::warn!(cron.line = self.name, "{}", ended.outcome),
        }
        self.record(&ended);
    }

    /// Writes the result down; while the database is away it is tried again.
    fn record(&self, ended: &Ended) {
        let since = Instant::now();
        loop {
            let done = self.pool.run(|connection| -> Result<_, DbError> {
                Ok(ScheduleRun::finish(connection, &self.name, self.slot, ended.exit_code, &ended.outcome)?)
            });
            let Err(error) = done else { return };
            if !error.is_outage() || since.elapsed() > KEEP_RESULT || self.stop.sleep(TICK) {
                tracing::error!(cron.line = self.name, "the result could not be recorded: {error}");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use test_support::TestDatabase;

    /// A scheduler of its own pool, whose program `tasks` is a script that adds a line to `ran`.
    fn scheduler(database: &TestDatabase, directory: &Path, lines: &str) -> Scheduler {
        let program = directory.join("tasks");
        std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}/ran\nexit 3\n", directory.display()))
            .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let file = directory.join("settings.ini");
        std::fs::write(&file, format!("[cron]\n{lines}\n")).unwrap();
        let settings = Settings::read(&file, Some(database.url().to_owned())).unwrap();
        let mut scheduler = Scheduler::build(&settings, Stop::default()).unwrap();
        scheduler.programs = Programs::in_directory(directory, &file);
        scheduler.maintain();
        scheduler
    }

    fn finish(scheduler: &mut Scheduler) {
        for (_, thread) in scheduler.running.drain() {
            thread.join().unwrap();
        }
    }

    #[test]
    fn each_slot_runs_once_however_many_schedulers_there_are() {
        let database = TestDatabase::new();
        let directory = tempfile::tempdir().unwrap();
        let mut first = scheduler(&database, directory.path(), "x = * * * * *  tasks rescue now");
        let mut second = scheduler(&database, directory.path(), "x = * * * * *  tasks rescue now");
        let before = Utc::now() - TimeDelta::minutes(5);
        let mut tables = [
            Timetable::new(&first.settings.scheduler, before),
            Timetable::new(&second.settings.scheduler, before),
        ];
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for (scheduler, table) in [&mut first, &mut second].into_iter().zip(&mut tables) {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    scheduler.start_due(table);
                });
            }
        });
        finish(&mut first);
        finish(&mut second);
        // The minute may turn between the two looks: then there are two slots, each with its one run.
        let rows = database
            .sql("SELECT count(*) FROM schedule_runs WHERE exit_code = 3 AND outcome = 'exit code 3'");
        let ran = std::fs::read_to_string(directory.path().join("ran")).unwrap();
        assert_eq!(ran.lines().count().to_string(), rows);
        assert!(ran.lines().all(|line| line.ends_with("settings.ini rescue now")), "{ran}");
        assert!(rows == "1" || rows == "2", "{rows}");
    }

    #[test]
    fn a_schedule_of_the_browser_runs_a_program_of_the_settings() {
        let database = TestDatabase::new();
        test_support::fixture::World::new(&database);
        let directory = tempfile::tempdir().unwrap();
        let macros = directory.path().join("macros.ini");
        std::fs::write(&macros, "[macros]\n").unwrap();
        let lines =
            format!("[programs]\nnightly = tasks purge --days 30\n[files]\nmacros = {}", macros.display());
        let mut scheduler = scheduler(&database, directory.path(), &lines);
        let due = |name: &str, program: &str, user: &str| {
            database.sql(&format!(
                "INSERT INTO schedules (source, name, name_key, expression, time_zone, program, users_id, run_requested_at, \
                     run_requested_by) \
                 SELECT 'gui', '{name}', '{name}', '@yearly', 'UTC', '{program}', id, now(), 'root' FROM users WHERE name = '{user}'"
            ));
        };
        due("a", "nightly", "root");
        due("b", "gone", "root");
        due("c", "nightly", "alice");
        scheduler.queue_due();
        finish(&mut scheduler);
        let outcomes = "SELECT s.name, r.exit_code, r.outcome FROM schedule_runs r JOIN schedules s ON r.name = '#' || s.id ORDER BY 1";
        assert_eq!(
            database.sql(outcomes),
            "a|3|exit code 3\n\
             b|2|not started: the scheduler's settings.ini has no 'gone' under [programs]\n\
             c|2|skipped: the user with whose rights it runs does not administer everything any more"
        );
        let ran = std::fs::read_to_string(directory.path().join("ran")).unwrap();
        assert!(ran.ends_with("settings.ini purge --days 30\n") && ran.lines().count() == 1, "{ran}");
        scheduler.queue_due();
        finish(&mut scheduler);
        assert_eq!(database.sql("SELECT count(*) FROM schedule_runs"), "3", "each slot once");
    }

    #[test]
    fn a_program_that_is_missing_is_written_down() {
        let database = TestDatabase::new();
        let directory = tempfile::tempdir().unwrap();
        let mut scheduler = scheduler(&database, directory.path(), "x = * * * * *  data_loader apply x");
        let mut table = Timetable::new(&scheduler.settings.scheduler, Utc::now() - TimeDelta::minutes(5));
        scheduler.start_due(&mut table);
        finish(&mut scheduler);
        let outcome = database.sql("SELECT outcome FROM schedule_runs");
        assert!(outcome.starts_with("could not be started: the program data_loader"), "{outcome}");
    }

    #[test]
    fn a_stop_waits_for_a_command_that_ends_soon() {
        let database = TestDatabase::new();
        let directory = tempfile::tempdir().unwrap();
        let mut scheduler = scheduler(&database, directory.path(), "x = * * * * *  tasks rescue");
        // It ends by itself within the patience, and its result is still recorded.
        std::fs::write(directory.path().join("tasks"), "#!/bin/sh\nsleep 1\nexit 0\n").unwrap();
        let mut table = Timetable::new(&scheduler.settings.scheduler, Utc::now() - TimeDelta::minutes(5));
        scheduler.start_due(&mut table);
        scheduler.stop.ask();
        finish(&mut scheduler);
        assert_eq!(database.sql("SELECT outcome FROM schedule_runs LIMIT 1"), "done");
    }

    #[test]
    fn a_line_runs_when_somebody_asks_for_it_and_once() {
        let database = TestDatabase::new();
        let directory = tempfile::tempdir().unwrap();
        let yearly = "x = @yearly  tasks rescue";
        let mut schedulers = [(); 2].map(|()| scheduler(&database, directory.path(), yearly));
        for scheduler in &mut schedulers {
            let mut table = Timetable::new(&scheduler.settings.scheduler, Utc::now());
            scheduler.begin(&mut table);
        }
        assert_eq!(
            database.sql("SELECT name, source, expression, time_zone, command FROM schedules"),
            "x|settings|@yearly|UTC|{tasks,rescue}"
        );
        database.pool().run(|c| Schedule::request_run(c, 1, "dana").map_err(DbError::from)).unwrap();
        for scheduler in &mut schedulers {
            scheduler.start_requested();
        }
        for scheduler in &mut schedulers {
            finish(scheduler);
        }
        assert_eq!(
            database.sql("SELECT name, requested_by, outcome FROM schedule_runs"),
            "x|dana|exit code 3",
            "one of the two ran it"
        );
    }

    #[test]
    fn a_missed_slot_of_a_line_runs_late_where_the_settings_say_so() {
        let database = TestDatabase::new();
        let directory = tempfile::tempdir().unwrap();
        // Its one slot of this year was two hours ago, and the one that ran last before that.
        database.sql("INSERT INTO schedule_runs (name, slot) VALUES ('x', now() - interval '3 hours')");
        let when = database.sql(
            "SELECT to_char((now() - interval '2 hours') AT TIME ZONE 'UTC', 'FMMI FMHH24 FMDD FMMM \"*\"')",
        );
        let ran = |settings: &str| {
            let mut scheduler = scheduler(&database, directory.path(), settings);
            let mut table = Timetable::new(&scheduler.settings.scheduler, Utc::now());
            scheduler.begin(&mut table);
            scheduler.start_due(&mut table);
            finish(&mut scheduler);
            database.sql("SELECT count(*) FROM schedule_runs WHERE exit_code IS NOT NULL")
        };
        let line = format!("x = {when}  tasks rescue");
        assert_eq!(ran(&line), "0");
        assert_eq!(ran(&format!("{line}\n[scheduler]\nmissed = once")), "1");
        assert_eq!(ran(&format!("{line}\n[scheduler]\nmissed = once")), "1", "never twice");
    }
}
