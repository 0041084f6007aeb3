//! Managers are stopped and started again under load (G17).

use crate::desk::Desk;
use crate::model;
use crate::scenarios::Size;
use crate::witness::Handler;
use crate::world::{Setup, World};
use std::sync::atomic::{AtomicBool, Ordering};

pub fn a_rolling_restart_loses_nothing(size: &Size) {
    let world = World::new(&Setup::default());
    let desk = Desk::new(&world);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for handler in [Handler::Quick, Handler::Sleeps, Handler::Prints] {
                    desk.ask(handler);
                }
                // Load, but no queue that would take longer than the restarts.
                let queued = "SELECT count(*) FROM tasks WHERE state = 'queued'";
                while world.server.sql(queued).parse::<usize>().unwrap() > 40 {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        for _ in 0..size.restarts {
            world.daemons("manager").iter().for_each(|manager| manager.restart());
        }
        done.store(true, Ordering::SeqCst);
    });
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.count("ok"), desk.acknowledged().len(), "{findings}");
    let starts: usize = world.daemons("manager").iter().map(|manager| manager.starts()).sum();
    assert_eq!(starts, 2 * (size.restarts + 1));
}
