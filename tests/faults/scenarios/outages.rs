//! The database cannot be reached, only reads, or is slow, and the disk is full as well (G10, G11, G18).

use crate::daemon::Daemon;
use crate::desk::Desk;
use crate::disk::Disk;
use crate::model;
use crate::server;
use crate::witness::Handler;
use crate::world::{Setup, World};
use failpoint::Action;
use selfservice_core::config::DatabaseSettings;
use selfservice_core::db::{DbError, Pool, migrations};
use selfservice_core::models::workers::Worker;
use std::time::{Duration, Instant};
use supervisor::{PostgresOptions, PrivatePostgres, TemporaryDirectory};
use test_support::{Fault, eventually};

/// Nothing may hang longer, whatever the network does.
const NO_HANG: Duration = Duration::from_secs(15);
/// So soon after its end everything works again.
const WELL_AGAIN: Duration = Duration::from_secs(10);
/// So much longer it may take on a machine that does other things.
const SLACK: Duration = Duration::from_secs(60);

/// Every program can be stopped and started in the midst of it, what runs goes on, and tasks start again after it.
pub fn nothing_hangs(fault: Fault) {
    let world = World::new(&Setup { proxied: true, web: true, scheduler: true, ..Setup::default() });
    let desk = Desk::beside_the_gui(&world);
    let network = world.network.as_ref().unwrap();
    let before: Vec<_> = [Handler::Prints, Handler::Sleeps].map(|handler| desk.ask(handler)).into();
    eventually("they run", || {
        before.iter().all(|task| world.witness.sworn().contains_key(task)).then_some(())
    });
    network.set(fault);
    std::thread::sleep(Duration::from_secs(1));
    let daemons = ["manager-1", "schedulerd", "web_gui"].map(|name| world.daemons(name)[0]);
    std::thread::scope(|scope| {
        for daemon in daemons {
            scope.spawn(move || stops_in_time(daemon, fault));
        }
    });
    network.set(Fault::Pass);
    let healed = Instant::now();
    let next = desk.ask(Handler::Quick);
    eventually("the next task has ended", || {
        let ended = format!("SELECT count(*) FROM tasks WHERE id = '{next}' AND state = 'finished'");
        (world.server.sql(&ended) == "1").then_some(())
    });
    println!("{fault:?}: a task has run {:?} after its end", healed.elapsed());
    assert!(healed.elapsed() < WELL_AGAIN + SLACK, "{fault:?}: {:?}", healed.elapsed());
    model::check(&world, &desk).assert_kept();
}

fn stops_in_time(daemon: &Daemon, fault: Fault) {
    let from = Instant::now();
    daemon.restart();
    println!("{fault:?}: {} has stopped and started after {:?}", daemon.name, from.elapsed());
    assert!(from.elapsed() < NO_HANG + SLACK, "{fault:?}: {} took {:?}", daemon.name, from.elapsed());
}

pub fn what_runs_while_the_server_only_reads_is_stored_afterwards() {
    let world = World::new(&Setup { managers: 1, ..Setup::default() });
    let desk = Desk::new(&world);
    let tasks: Vec<_> = (0..4).map(|_| desk.ask(Handler::Prints)).collect();
    eventually("they run", || {
        tasks.iter().all(|task| world.witness.sworn().contains_key(task)).then_some(())
    });
    world.server.set_read_only(true);
    eventually("they have ended", || {
        let sworn = world.witness.sworn();
        tasks.iter().all(|task| sworn[task].ended == 1).then_some(())
    });
    eventually("the spool is used", || (world.spooled() > 0).then_some(()));
    world.server.set_read_only(false);
    desk.ask(Handler::Quick);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.count("ok"), tasks.len() + 1, "{findings}");
}

pub fn a_spool_that_cannot_be_written_once_loses_nothing() {
    let world = World::new(&Setup { managers: 1, proxied: true, ..Setup::default() });
    let (desk, network) = (Desk::new(&world), world.network.as_ref().unwrap());
    let task = desk.ask(Handler::Prints);
    eventually("it runs", || world.witness.sworn().contains_key(&task).then_some(()));
    world.arm("in_spool_write", Action::Error, 1);
    network.set(Fault::Refuse);
    world.await_act("in_spool_write");
    eventually("the spool is used", || (world.spooled() > 0).then_some(()));
    network.set(Fault::Pass);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.count("ok"), 1, "{findings}");
}

/// The database is away and the disk is full: plugins wait, nobody crashes, and all is well when there is room again.
pub fn a_full_disk_makes_plugins_wait_and_nobody_crash() {
    let scenario = || {
        if let Err(why) = Disk::prepare() {
            println!("nothing can be mounted here ({why}): a point stands in for the full disk");
            return a_spool_that_cannot_be_written_once_loses_nothing();
        }
        for room_comes_first in [false, true] {
            on_a_full_disk(room_comes_first);
        }
    };
    // The view of the file systems is the thread's, and other scenarios keep theirs.
    if let Err(panic) = std::thread::spawn(scenario).join() {
        std::panic::resume_unwind(panic);
    }
}

fn on_a_full_disk(room_comes_first: bool) {
    let world = World::new(&Setup { managers: 1, proxied: true, spool_mib: Some(16), ..Setup::default() });
    let (desk, network) = (Desk::new(&world), world.network.as_ref().unwrap());
    let tasks: Vec<_> = (0..4).map(|_| desk.ask(Handler::Prints)).collect();
    eventually("they run", || {
        tasks.iter().all(|task| world.witness.sworn().contains_key(task)).then_some(())
    });
    world.disk().fill();
    network.set(Fault::Refuse);
    eventually("the disk is full", || {
        let log = world.log("manager-1");
        (log.contains("No space left on device") && log.contains("no tasks are taken")).then_some(())
    });
    if room_comes_first {
        world.disk().empty();
        eventually("the rest is spooled", || {
            world.log("manager-1").contains("what had to wait has been written").then_some(())
        });
        network.set(Fault::Pass);
    } else {
        network.set(Fault::Pass);
        eventually("the spool is empty", || (world.spooled() == 0).then_some(()));
        world.disk().empty();
    }
    let next = desk.ask(Handler::Quick);
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert_eq!(findings.count("ok"), tasks.len() + 1, "{next}: {findings}");
    assert_eq!(world.daemons("manager")[0].starts(), 1);
}

/// Every session asks for English messages, as far as its role may.
pub fn an_outage_is_known_on_a_server_that_speaks_another_language() {
    const DATABASE: &str = "german";
    let directory = TemporaryDirectory::create(server::owner().as_ref()).unwrap();
    let mut options = PostgresOptions::new(directory.path().join("data"), directory.path().join("s"));
    options.durable = false;
    options.language = Some("de".to_owned());
    let server = PrivatePostgres::start(options).unwrap();
    server.create_database(DATABASE).unwrap();
    let refused = server.psql(DATABASE, "SELECT 1 / 0").unwrap_err().to_string();
    if !refused.contains("FEHLER") {
        println!("PostgreSQL's German messages are not installed here: {refused}");
        return;
    }
    let url = server.url(DATABASE);
    let settings = |url: &str| DatabaseSettings::for_url(url).answering_within(Duration::from_secs(1));
    migrations::apply(&mut Pool::new(&DatabaseSettings::for_url(&url), "faults").get().unwrap()).unwrap();
    let told = "CREATE ROLE plain LOGIN; GRANT SELECT ON workers TO plain; GRANT SET ON PARAMETER lc_messages TO plain";
    server.psql(DATABASE, told).unwrap();
    let plain = url.replacen(&format!("//{}@", supervisor::SUPERUSER), "//plain@", 1);
    assert_ne!(plain, url);
    std::thread::scope(|scope| {
        let holding =
            scope.spawn(|| server.psql(DATABASE, "BEGIN; LOCK TABLE workers; SELECT pg_sleep(4)").unwrap());
        eventually("the table is locked", || {
            let held = "SELECT count(*) FROM pg_locks WHERE relation = 'workers'::regclass AND granted";
            (server.psql(DATABASE, held).unwrap().trim() == "1").then_some(())
        });
        for url in [&url, &plain] {
            let waited = Pool::new(&settings(url), "faults")
                .run::<_, DbError>(|connection| Ok(Worker::alive_count(connection)?))
                .unwrap_err();
            assert!(matches!(waited, DbError::Query(_)), "the server gives up first: {waited:?}");
            assert!(waited.is_outage(), "{waited:?}");
        }
        holding.join().unwrap();
    });
}
