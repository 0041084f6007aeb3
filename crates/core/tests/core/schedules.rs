//! Schedules that people make: each slot queues its tasks once, with the rights of its maker.

use selfservice_core::config::MacroFile;
use selfservice_core::db::DbError;
use selfservice_core::schedule::{Ran, run_due};
use std::time::Duration;
use test_support::TestDatabase;
use test_support::fixture::World;

const LIFE: Duration = Duration::from_secs(600);

struct Place {
    database: TestDatabase,
    world: World,
    macros: MacroFile,
}

impl Place {
    fn new() -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        let macros = MacroFile::default();
        Self { database, world, macros }
    }

    /// A schedule of this handler on `web-1` with some columns set otherwise, which is due: its slot of this year is the
    /// minute that has begun.
    fn schedule(&self, handler: i64, other: &str) -> i64 {
        let id = self.database.sql(&format!(
            "INSERT INTO schedules (source, name, name_key, expression, time_zone, hosts_id, services_id, event_handlers_id, \
                 users_id, missed, considered_until, next_at) \
             VALUES ('gui', 'x' || random(), random()::text, \
                 to_char(now() AT TIME ZONE 'UTC', 'FMMI FMHH24 FMDD FMMM \"*\"'), 'UTC', {}, {}, {handler}, {}, 'once', \
                 date_trunc('minute', now()) - interval '1 s', now()) RETURNING id",
            self.world.web_1, self.world.os, self.world.alice
        ));
        let id = id.lines().next().unwrap().to_owned();
        if !other.is_empty() {
            self.database.sql(&format!("UPDATE schedules SET {other} WHERE id = {id}"));
        }
        id.parse().unwrap()
    }

    fn look(&self) -> Option<Ran> {
        self.database
            .pool()
            .transaction(|connection| Ok::<_, DbError>(run_due(connection, &self.macros, LIFE)?))
            .unwrap()
    }

    /// What came of the newest slot.
    fn outcome(&self, id: i64) -> String {
        self.database.sql(&format!(
            "SELECT outcome FROM schedule_runs WHERE name = '#{id}' ORDER BY slot DESC LIMIT 1"
        ))
    }
}

#[test]
fn a_due_schedule_queues_a_task_with_the_rights_of_its_maker() {
    let place = Place::new();
    let id = place.schedule(place.world.ok, "reason = 'every minute'");
    let ran = place.look().unwrap();
    assert_eq!(ran.slots.len(), 1, "{ran:?}");
    assert_eq!(
        place
            .database
            .sql("SELECT host_name, handler_name, requester, identity, origin, reason, state FROM tasks"),
        "web-1|ok|alice|system|schedule|every minute|queued"
    );
    assert_eq!(place.outcome(id), "queued 1 task");
    let rows = place.database.sql(
        "SELECT count(*) FROM schedule_runs r JOIN tasks t ON t.id = ANY(r.task_ids) JOIN audit a ON a.task_id = t.id \
         WHERE r.exit_code = 0 AND a.action = 'task.create' AND a.detail ->> 'origin' = 'schedule'",
    );
    assert_eq!(rows, "1");
    assert!(place.look().is_none(), "the next slot comes in a year");
    assert_eq!(
        place.database.sql("SELECT next_at > now() AND considered_until <= now() FROM schedules"),
        "t"
    );
}

#[test]
fn each_slot_is_queued_once_however_many_schedulers_look() {
    let place = Place::new();
    let may_all = format!("overlap = 'allow', users_id = {}", place.world.root);
    for _ in 0..5 {
        place.schedule(place.world.ok, &may_all);
    }
    let hosts = [place.world.web_1, place.world.both];
    place.database.sql(&format!("UPDATE schedules SET hosts_id = {} WHERE id % 2 = 0", hosts[1]));
    let barrier = std::sync::Barrier::new(4);
    let looked: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    std::iter::from_fn(|| place.look()).map(|ran| ran.slots.len()).sum::<usize>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(looked, 5);
    assert_eq!(place.database.sql("SELECT count(*) FROM schedule_runs"), "5");
    assert_eq!(place.database.sql("SELECT count(*) FROM tasks"), "2", "one for each target");
}

#[test]
fn after_a_pause_of_any_length_the_rule_for_missed_slots_counts() {
    let place = Place::new();
    // A slot an hour, the newest of them more than five minutes ago.
    let hourly = "to_char(now() AT TIME ZONE 'UTC' - interval '5 min', 'FMMI \"* * * *\"')";
    for (missed, ran) in [("skip", [0, 0, 0]), ("once", [1, 1, 1]), ("all", [1, 2, 10])] {
        for (pause, ran) in ["10 min", "2 h", "3 days"].into_iter().zip(ran) {
            let id = place.schedule(
                place.world.ok,
                &format!(
                    "expression = {hourly}, missed = '{missed}', most_missed = 10, overlap = 'allow', \
                     considered_until = now() - interval '{pause}'"
                ),
            );
            let looked = place.look().unwrap();
            assert_eq!(looked.slots.len(), ran, "{missed} after {pause}: {looked:?}");
            assert!(place.look().is_none(), "{missed} after {pause}: nothing is left");
            let slots = format!("SELECT count(*) FROM schedule_runs WHERE name = '#{id}'");
            assert_eq!(place.database.sql(&slots), ran.to_string());
        }
    }
}

#[test]
fn a_host_group_means_its_hosts_that_have_the_handler() {
    let place = Place::new();
    // root may run everywhere; web-2 does without the service.
    let id = place.schedule(
        place.world.ok,
        &format!(
            "hosts_id = NULL, users_id = {}, hostgroups_id = (SELECT id FROM hostgroups)",
            place.world.root
        ),
    );
    place
        .database
        .sql(&format!("UPDATE services_members SET dropped = true WHERE hosts_id = {}", place.world.web_2));
    place.look().unwrap();
    assert_eq!(place.database.sql("SELECT host_name FROM tasks"), "web-1");
    assert_eq!(place.outcome(id), "queued 1 task");
}

#[test]
fn what_a_person_would_be_refused_a_schedule_is_refused() {
    let place = Place::new();
    let [bob, dave] = [place.world.bob, place.world.dave];
    let cases = [
        (
            place.world.ok,
            format!("users_id = {bob}"),
            "queued 0 tasks; refused on 1 host: web-1: You may see this action",
        ),
        (
            place.world.ok,
            format!("users_id = {dave}"),
            "queued 0 tasks; refused on 1 host: web-1: There is no such action",
        ),
        (
            place.world.danger,
            String::new(),
            "queued 0 tasks; refused on 1 host: web-1: a dangerous action is confirmed",
        ),
        (
            place.world.echo,
            "parameters = '{\"count\": \"77\"}'".to_owned(),
            "queued 0 tasks; refused on 1 host: web-1: Some values",
        ),
    ];
    for (handler, other, wanted) in cases {
        let id = place.schedule(handler, &other);
        place.look().unwrap();
        assert!(place.outcome(id).starts_with(wanted), "{}", place.outcome(id));
    }
    place.database.sql("UPDATE users SET disabled = true WHERE name = 'alice'");
    let id = place.schedule(place.world.ok, "");
    place.look().unwrap();
    assert_eq!(place.outcome(id), "skipped: the user with whose rights it runs is disabled");
    place.database.sql("UPDATE users SET disabled = false; UPDATE event_handlers SET paused_at = now(), paused_by = 'x', paused_reason = 'y'");
    let id = place.schedule(place.world.ok, "");
    place.look().unwrap();
    assert!(place.outcome(id).contains("paused"), "{}", place.outcome(id));
    assert_eq!(place.database.sql("SELECT count(*) FROM tasks"), "0");
    assert_eq!(place.database.sql("SELECT DISTINCT exit_code FROM schedule_runs"), "2");
}

#[test]
fn a_slot_is_passed_over_while_the_run_before_is_active() {
    let place = Place::new();
    let id = place.schedule(place.world.ok, "");
    place.look().unwrap();
    let again = || {
        place.database.sql(&format!("UPDATE schedules SET run_requested_at = clock_timestamp(), run_requested_by = 'dana' WHERE id = {id}"));
        place.look().unwrap();
        place.outcome(id)
    };
    assert_eq!(again(), "skipped: tasks of the run before have not ended");
    assert_eq!(
        again(),
        "skipped: tasks of the run before have not ended",
        "also after one that was passed over"
    );
    place.database.sql(&format!("UPDATE schedules SET overlap = 'allow' WHERE id = {id}"));
    assert_eq!(again(), "queued 0 tasks; on 1 host it is active already");
    place.database.sql("UPDATE tasks SET state = 'finished', result = 'ok', finished_at = now()");
    assert_eq!(again(), "queued 1 task");
    assert_eq!(place.database.sql("SELECT count(*) FROM schedule_runs WHERE requested_by = 'dana'"), "4");
}

#[test]
fn one_that_is_switched_off_runs_only_when_somebody_asks() {
    let place = Place::new();
    let id = place.schedule(place.world.ok, "enabled = false");
    assert!(place.look().is_none());
    place.database.sql(&format!(
        "UPDATE schedules SET run_requested_at = now(), run_requested_by = 'dana' WHERE id = {id}"
    ));
    assert_eq!(place.look().unwrap().slots.len(), 1);
    assert!(place.look().is_none());
}

#[test]
fn a_transaction_that_is_given_up_leaves_the_slot_to_the_next() {
    let place = Place::new();
    place.schedule(place.world.ok, "");
    let given_up = place.database.pool().transaction(|connection| {
        run_due(connection, &place.macros, LIFE).unwrap().unwrap();
        Err::<(), _>(DbError::from(selfservice_core::db::QueryError::RollbackTransaction))
    });
    assert!(given_up.is_err());
    assert_eq!(place.database.sql("SELECT count(*) FROM tasks"), "0");
    assert_eq!(place.look().unwrap().slots.len(), 1);
    assert_eq!(place.database.sql("SELECT count(*) FROM tasks"), "1");
}
