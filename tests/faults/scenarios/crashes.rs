//! `kill -9` at every step that a crash could split (G1, G3 to G6).

use crate::daemon::Daemon;
use crate::desk::Desk;
use crate::model;
use crate::points;
use crate::witness::Handler;
use crate::world::{Setup, World};
use failpoint::Action;
use nix::sys::signal::Signal;
use test_support::eventually;

/// Arms one point after the other, asks for tasks until it has acted, and waits until they have ended.
fn die_at_each(world: &World, desk: &Desk<'_>, points: &[&str]) {
    for point in points {
        world.arm(point, Action::Kill, 1);
        for handler in [Handler::Prints, Handler::Quick, Handler::Stubborn] {
            desk.ask(handler);
        }
        eventually(&format!("{point} has acted"), || world.has_acted(point).then_some(()));
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
        world.daemons("manager").iter().for_each(|manager| manager.signal(Signal::SIGTERM));
        eventually(&format!("{point} has acted"), || world.has_acted(point).then_some(()));
    }
    model::check(&world, &desk).assert_kept();
}

pub fn a_scheduler_dies_at_each_of_its_points() {
    let world = World::new(&Setup { scheduler: true, ..Setup::default() });
    let desk = Desk::new(&world);
    desk.ask(Handler::Quick);
    world.arm("in_rescue", Action::Kill, 1);
    eventually("the scheduler died in its routine", || world.has_acted("in_rescue").then_some(()));
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

pub fn what_was_acknowledged_survives_the_gui_and_the_server() {
    let world = World::new(&Setup { web: true, ..Setup::default() });
    let desk = Desk::new(&world);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| desk.ask_many(Handler::Quick, 15));
        }
        for part in 1..=3 {
            eventually("some were acknowledged", || (desk.acknowledged().len() >= 10 * part).then_some(()));
            world.server.crash();
            world.daemons("web_gui")[0].signal(Signal::SIGKILL);
            world.server.start_again();
        }
    });
    assert_eq!(desk.acknowledged().len(), 60);
    model::check(&world, &desk).assert_kept();
}

pub fn nothing_survives_manager_and_launcher() {
    let world = World::new(&Setup { managers: 1, ..Setup::default() });
    let desk = Desk::new(&world);
    let victims: [&[fn(&Daemon)]; 4] = [
        &[|manager| manager.signal(Signal::SIGKILL)],
        &[|manager| manager.signal_launcher(Signal::SIGKILL)],
        &[|manager| manager.signal_keeper(Signal::SIGKILL)],
        &[|manager| manager.signal_launcher(Signal::SIGKILL), |manager| manager.signal(Signal::SIGKILL)],
    ];
    for killed in victims {
        let task = desk.ask(Handler::Stubborn);
        eventually("it runs", || world.witness.sworn().contains_key(&task).then_some(()));
        killed.iter().for_each(|kill| kill(world.daemons("manager")[0]));
        // The model looks for what is left of ended tasks.
        let findings = model::check(&world, &desk);
        findings.assert_kept();
        // It is paused after the third loss.
        world.resume_handlers();
    }
}
