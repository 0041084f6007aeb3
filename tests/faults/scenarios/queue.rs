//! How tasks get from the queue to a manager (G2, G19, G22).

use crate::desk::Desk;
use crate::model;
use crate::witness::Handler;
use crate::world::{Setup, World};
use nix::sys::signal::Signal;
use test_support::eventually;
use uuid::Uuid;

/// With these a manager looks by itself only after the patience of `eventually`.
fn only_notified() -> Vec<(&'static str, String)> {
    ["heartbeat_seconds = 60", "lease_seconds = 120", "poll_seconds = 60"]
        .map(|line| ("manager", line.to_owned()))
        .to_vec()
}

fn runs(world: &World, task: Uuid) {
    eventually("the task runs", || world.witness.sworn().contains_key(&task).then_some(()));
}

pub fn a_notification_wakes_at_once_also_after_the_listener_was_killed() {
    let world = World::new(&Setup { managers: 1, settings: only_notified(), ..Setup::default() });
    let desk = Desk::new(&world);
    runs(&world, desk.ask(Handler::Quick));
    for _ in 0..3 {
        world.server.end_connections();
        // A new connection listens again, and looks for what came in between.
        runs(&world, desk.ask(Handler::Quick));
        runs(&world, desk.ask(Handler::Quick));
    }
    model::check(&world, &desk).assert_kept();
}

pub fn tasks_start_without_any_notification() {
    let world = World::new(&Setup::default());
    world.server.sql("ALTER TABLE tasks DISABLE TRIGGER tasks_notify_queued");
    let desk = Desk::new(&world);
    (0..5).for_each(|_| runs(&world, desk.ask(Handler::Quick)));
    model::check(&world, &desk).assert_kept();
}

/// The server writes the plan of every statement into its log.
pub fn ten_thousand_queued_tasks_are_never_searched_through() {
    let server = vec![
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
    ];
    let world = World::new(&Setup { server, ..Setup::default() });
    let desk = Desk::new(&world);
    world.daemons("manager").iter().for_each(|manager| manager.signal(Signal::SIGSTOP));
    let first = desk.ask(Handler::Quick);
    // Copies of one task, for targets that do not exist: they are claimed, and rejected before their start.
    world.server.sql(&format!(
        "INSERT INTO tasks SELECT (jsonb_populate_record(t, jsonb_build_object( \
             'id', gen_random_uuid(), 'request_key', gen_random_uuid(), 'hosts_id', NULL))).* \
         FROM tasks t, generate_series(1, 10000) WHERE t.id = '{first}'; ANALYZE tasks"
    ));
    let before = world.server_log().len();
    world.wake();
    let finished =
        "SELECT count(*) FROM (SELECT FROM fault_history WHERE new_state = 'finished' LIMIT 300) f";
    eventually("many were claimed", || (world.server.sql(finished) == "300").then_some(()));
    let log = world.server_log();
    let plans: Vec<&str> = log[before..].split("LOG:  duration: ").collect();
    let claims = plans.iter().filter(|plan| plan.contains("SKIP LOCKED")).count();
    assert!(claims > 10, "only {claims} plans of claims are in the log");
    let searched = plans.iter().find(|plan| plan.contains("Seq Scan on tasks"));
    assert!(searched.is_none(), "the whole table is read:\n{}", searched.unwrap_or(&""));
}

pub fn fifty_requests_with_one_key_make_one_task() {
    let world = World::new(&Setup { managers: 1, web: true, ..Setup::default() });
    let desk = Desk::new(&world);
    let (host, key) = (desk.next_host(), Uuid::new_v4());
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| desk.ask_with(Handler::Sleeps, host, key));
        }
    });
    assert_eq!(desk.acknowledged().len(), 1, "everybody was told the same task");
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.results.values().sum::<usize>(), 1);
}

/// How long a task may wait is the database's time: the GUI's own clock does not matter.
pub fn a_wrong_clock_of_the_gui_neither_expires_tasks_nor_keeps_them() {
    let world = World::new(&Setup { managers: 1, web: true, clocks: true, ..Setup::default() });
    let desk = Desk::new(&world);
    let day = 24 * 3600;
    for wrong in [-day, day] {
        world.clock("web_gui").set(wrong);
        let task = desk.ask(Handler::Quick);
        let right = format!(
            "SELECT created_at BETWEEN now() - interval '5 min' AND now() \
             AND expires_at BETWEEN now() + interval '55 min' AND now() + interval '1 h' FROM tasks WHERE id = '{task}'"
        );
        assert_eq!(world.server.sql(&right), "t", "{wrong} s");
    }
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.count("ok"), 2, "{findings}");
}
