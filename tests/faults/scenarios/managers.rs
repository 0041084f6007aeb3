//! Several managers on one database (G13).

use crate::desk::Desk;
use crate::model;
use crate::scenarios::Size;
use crate::witness::Handler;
use crate::world::{LEASE, Setup, World};
use failpoint::Action;
use nix::sys::signal::Signal;
use test_support::eventually;

/// One is frozen while it runs tasks, until they count as lost; then it goes on and writes.
pub fn four_managers_and_a_zombie_share_many_tasks(size: &Size) {
    let world = World::new(&Setup { managers: 4, ..Setup::default() });
    let desk = Desk::new(&world);
    let managers = world.daemons("manager");
    let running = "SELECT count(*) FROM tasks t JOIN workers w ON w.id = t.workers_id \
                   WHERE w.name = 'manager-1' AND t.state = 'running' AND t.handler_name = 'prints'";
    // Only the one that will be frozen takes tasks, so that it surely has some.
    managers[1..].iter().for_each(|manager| manager.signal(Signal::SIGSTOP));
    desk.ask_many(Handler::Prints, 4);
    eventually("the first manager runs tasks", || (world.server.sql(running) != "0").then_some(()));
    managers[0].signal(Signal::SIGSTOP);
    managers[1..].iter().for_each(|manager| manager.signal(Signal::SIGCONT));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| desk.ask_many(Handler::Quick, size.tasks / 2));
        }
    });
    eventually("the others have declared its tasks lost", || {
        (world.server.sql("SELECT count(*) FROM tasks WHERE result = 'lost'") != "0").then_some(())
    });
    managers[0].signal(Signal::SIGCONT);
    std::thread::sleep(LEASE / 2);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    // Their plugins ended while it was frozen: those results are real, and come late.
    assert!(findings.count("late") > 0, "{findings}");
    let takers = "SELECT count(DISTINCT workers_id) FROM tasks";
    assert!(world.server.sql(takers).parse::<usize>().unwrap() >= 2);
}

/// Frozen between the commit of its claim and the start, for longer than the lease: the task is lost by then, and may
/// have been asked for again (G11).
pub fn who_was_frozen_after_a_claim_starts_nothing_that_is_lost() {
    let world = World::new(&Setup { managers: 1, scheduler: true, ..Setup::default() });
    let desk = Desk::new(&world);
    world.arm("after_claim_commit", Action::Stop, 1);
    let task = desk.ask(Handler::Quick);
    world.await_act("after_claim_commit");
    eventually("it is lost", || {
        let result = world.server.sql(&format!("SELECT result FROM tasks WHERE id = '{task}'"));
        (result == "lost").then_some(())
    });
    world.wake();
    // The manager looks at what it has claimed before it takes the next one.
    desk.ask(Handler::Quick);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(
        (findings.count("lost"), findings.count("ok"), findings.count("late")),
        (1, 1, 0),
        "{findings}"
    );
    assert!(!world.witness.sworn().contains_key(&task), "it has run though it was lost");
}
