//! `kill -9` at every step that a crash could split (G1, G3 to G6).

use crate::daemon::Daemon;
use crate::desk::Desk;
use crate::model;
use crate::points;
use crate::scenarios::Size;
use crate::witness::Handler;
use crate::world::{Setup, World};
use failpoint::Action;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use test_support::{Fault as NetworkFault, eventually};

/// Arms one point after the other, asks for tasks until it has acted, and waits until they have ended.
fn die_at_each(world: &World, desk: &Desk<'_>, points: &[&str]) {
    for point in points {
        world.arm(point, Action::Kill, 1);
        for handler in [Handler::Prints, Handler::Quick, Handler::Stubborn] {
            desk.ask(handler);
        }
        world.await_act(point);
        world.resume_handlers();
    }
    world.heal();
}

pub fn a_manager_dies_at_each_of_its_points() {
    let world = World::new(&Setup::default());
    let desk = Desk::new(&world);
    die_at_each(&world, &desk, points::MANAGER);
    desk.ask(Handler::Quick);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    // What was claimed or ran at the time of the death; an idle manager may have died at some of them.
    assert!(findings.count("lost") >= 3, "{findings}");
    assert!(findings.count("ok") >= 1, "{findings}");
}

pub fn a_launcher_dies_at_each_of_its_points() {
    let world = World::new(&Setup::default());
    let desk = Desk::new(&world);
    die_at_each(&world, &desk, points::LAUNCHER);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert!(findings.count("lost") >= points::LAUNCHER.len(), "{findings}");
}

pub fn a_stopping_manager_dies_at_each_of_its_points() {
    let world = World::new(&Setup::default());
    let desk = Desk::new(&world);
    for point in points::STOPPING {
        world.arm(point, Action::Kill, 1);
        desk.ask(Handler::Sleeps);
        // A manager that is stopping already, or not there yet, does not pass it: the next one is asked.
        eventually(&format!("{point} has acted"), || {
            world.await_managers();
            world.daemons("manager").iter().for_each(|manager| manager.restart());
            world.has_acted(point).then_some(())
        });
    }
    model::check(&world, &desk).assert_kept();
}

pub fn a_scheduler_dies_at_each_of_its_points() {
    let world = World::new(&Setup { scheduler: true, ..Setup::default() });
    let desk = Desk::new(&world);
    desk.ask(Handler::Quick);
    world.arm("in_rescue", Action::Kill, 1);
    world.await_act("in_rescue");
    eventually("it was started again", || (world.daemons("schedulerd")[0].starts() > 1).then_some(()));
    model::check(&world, &desk).assert_kept();
}

pub fn the_gui_dies_at_each_of_its_points() {
    let world = World::new(&Setup { web: true, ..Setup::default() });
    let desk = Desk::new(&world);
    for point in points::WEB {
        world.arm(point, Action::Kill, 1);
        // Asks again with the same key until the next GUI answers.
        desk.ask(Handler::Quick);
        assert!(world.has_acted(point), "{point}");
    }
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    // Each click has made one task, whether it was committed before the death or after it.
    assert_eq!(findings.count("ok"), points::WEB.len(), "{findings}");
}

/// Killed at random times; the number that is printed chooses which, and after which pauses.
pub fn what_was_acknowledged_survives_the_gui_and_the_server(size: &Size) {
    // Such a server would lose what it has just acknowledged, if it were not asked for more.
    let server = vec![("synchronous_commit", "off"), ("wal_writer_delay", "10s")];
    let world = World::new(&Setup { web: true, server, ..Setup::default() });
    let desk = Desk::new(&world);
    let mut rng = fastrand::Rng::new();
    println!("random numbers begin with {}", rng.get_seed());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| desk.ask_many(Handler::Quick, size.posts / 4));
        }
        while desk.acknowledged().len() < size.posts {
            std::thread::sleep(Duration::from_millis(rng.u64(50..400)));
            if rng.bool() {
                world.daemons("web_gui")[0].signal(Signal::SIGKILL);
            }
            if rng.bool() {
                world.server.crash();
                std::thread::sleep(Duration::from_millis(rng.u64(0..300)));
                world.server.start_again();
            }
            // Where everything starts slowly, nobody would ever be answered between two deaths.
            if rng.u8(0..3) == 0 {
                let before = desk.acknowledged().len();
                eventually("somebody is answered", || {
                    let acknowledged = desk.acknowledged().len();
                    (acknowledged > before || acknowledged == size.posts).then_some(())
                });
            }
        }
    });
    model::check(&world, &desk).assert_kept();
}

pub fn a_manager_dies_at_each_of_its_spool_points() {
    let world = World::new(&Setup { proxied: true, managers: 1, ..Setup::default() });
    let desk = Desk::new(&world);
    let network = world.network.as_ref().unwrap();
    for point in points::SPOOL {
        let task = desk.ask(Handler::Prints);
        eventually("it runs", || {
            // The losses before may pause it while it waits.
            world.resume_handlers();
            world.witness.sworn().contains_key(&task).then_some(())
        });
        world.arm(point, Action::Kill, 1);
        network.set(NetworkFault::Refuse);
        eventually("the spool is used", || (world.spooled() > 0 || world.has_acted(point)).then_some(()));
        network.set(NetworkFault::Pass);
        world.await_act(point);
    }
    world.heal();
    let next = desk.ask(Handler::Quick);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.results.values().sum::<usize>(), points::SPOOL.len() + 1 + findings.count("late"));
    assert_eq!(world.server.sql(&format!("SELECT result FROM tasks WHERE id = '{next}'")), "ok");
    eventually("everything that was spooled is stored", || (world.spooled() == 0).then_some(()));
}

/// Between taking a slot and running its line: the slot is not run any more, the next one is.
pub fn a_scheduler_dies_with_a_slot_that_it_has_taken() {
    let world = World::new(&Setup { scheduler: true, clocks: true, ..Setup::default() });
    let desk = Desk::new(&world);
    let mut minutes = 0;
    // The scheduler corrects its clock by the database's, every ten seconds. What it sees before that is the next slot.
    let mut until = |what: &str, done: &dyn Fn() -> bool| {
        for _ in 0..60 {
            minutes += 1;
            world.clock("schedulerd").set(61 * minutes);
            let deadline = Instant::now() + Duration::from_secs(4);
            while Instant::now() < deadline {
                if done() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("the clock was set sixty times, but never: {what}");
    };
    eventually("the scheduler runs", || world.log("schedulerd").contains("the scheduler runs").then_some(()));
    world.arm("in_schedule_slot", Action::Kill, 1);
    until("the scheduler died", &|| world.has_acted("in_schedule_slot"));
    let rows =
        |condition: &str| world.server.sql(&format!("SELECT count(*) FROM schedule_runs WHERE {condition}"));
    assert_eq!(rows("finished_at IS NULL"), "1");
    eventually("it was started again", || (world.daemons("schedulerd")[0].starts() > 1).then_some(()));
    until("the next slot is run", &|| rows("outcome = 'done'") != "0");
    assert_eq!(rows("finished_at IS NULL"), "1", "the slot that was taken is not run by anybody else");
    model::check(&world, &desk).assert_kept();
}

pub fn nothing_survives_manager_and_launcher(size: &Size) {
    let world = World::new(&Setup { managers: 1, ..Setup::default() });
    let desk = Desk::new(&world);
    let victims: [&[fn(&Daemon)]; 4] = [
        &[|manager| manager.signal(Signal::SIGKILL)],
        &[|manager| manager.signal_launcher(Signal::SIGKILL)],
        &[|manager| manager.signal_keeper(Signal::SIGKILL)],
        &[|manager| manager.signal_launcher(Signal::SIGKILL), |manager| manager.signal(Signal::SIGKILL)],
    ];
    for killed in victims.repeat(size.kills) {
        let task = desk.ask(Handler::Stubborn);
        eventually("it runs", || {
            // The losses before may pause it while it waits.
            world.resume_handlers();
            world.witness.sworn().contains_key(&task).then_some(())
        });
        killed.iter().for_each(|kill| kill(world.daemons("manager")[0]));
        // The model looks for what is left of ended tasks.
        let findings = model::check(&world, &desk);
        findings.assert_kept();
    }
}
