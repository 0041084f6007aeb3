//! One round: a world, tasks, and faults, all chosen by a seed. The times at which things happen are the machine's, so a
//! seed gives the same round, not the same run.

use crate::desk::Desk;
use crate::fault::Fault;
use crate::model::{self, Findings};
use crate::witness::Handler;
use crate::world::{LEASE, Setup, World};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// What a seed means.
#[derive(Debug)]
pub struct Round {
    seed: u64,
    setup: Setup,
    /// Tasks and the pauses before them.
    tasks: Vec<(Handler, Duration)>,
    /// Faults and when they begin.
    faults: Vec<(Fault, Duration)>,
}

/// What became of a round.
pub struct Outcome {
    pub findings: Findings,
    /// Points that acted.
    pub acted: BTreeSet<String>,
    pub starts: usize,
    pub tasks: usize,
}

impl Round {
    /// The round of a seed. Consecutive seeds begin with consecutive kinds of faults.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let setup = Setup {
            managers: if rng.u8(0..4) == 0 { 4 } else { 2 },
            slots: rng.u32(1..=4),
            scheduler: rng.bool(),
            web: rng.u8(0..3) == 0,
            proxied: matches!(seed % Fault::KINDS, 13..=15) || rng.u8(0..3) == 0,
            clocks: seed % Fault::KINDS == 12 || rng.u8(0..8) == 0,
            ..Setup::default()
        };
        let tasks = (0..rng.usize(8..=30)).map(|_| {
            let handler = match rng.u8(0..10) {
                0 => Handler::Stubborn,
                1..=2 => Handler::Sleeps,
                3..=5 => Handler::Prints,
                _ => Handler::Quick,
            };
            (handler, Duration::from_millis(rng.u64(0..200)))
        });
        let tasks: Vec<_> = tasks.collect();
        let faults = (0..rng.u64(1..=4)).map(|number| {
            let kind = if number == 0 { seed } else { rng.u64(0..Fault::KINDS) };
            (Fault::random(kind, &setup, &mut rng), Duration::from_millis(rng.u64(0..2500)))
        });
        let faults = faults.collect();
        Self { seed, setup, tasks, faults }
    }

    /// Plays it, and says what was found. Logs of a round that broke a promise are kept below `logs`.
    pub fn play(&self, logs: &Path) -> Outcome {
        let mut world = World::new(&self.setup);
        let desk = Desk::new(&world);
        std::thread::scope(|scope| {
            for (fault, start) in &self.faults {
                let world = &world;
                scope.spawn(move || {
                    sleep(*start);
                    fault.happen(world);
                });
            }
            scope.spawn(|| {
                for (handler, pause) in &self.tasks {
                    sleep(*pause);
                    desk.ask(*handler);
                }
            });
        });
        // A point that waits for its hit gets a little of the life after the last task.
        sleep(LEASE / 2);
        world.heal();
        world.await_managers();
        // Everything is well again when the next task just works.
        let next = desk.ask(Handler::Quick);
        let mut findings = model::check(&world, &desk);
        let state = world.server.sql(&format!("SELECT result FROM tasks WHERE id = '{next}'"));
        if state != "ok" {
            findings.broken.push(format!("after everything works again, the next task is {state}"));
        }
        let all = desk.acknowledged();
        let outcome = |findings| Outcome {
            findings,
            acted: world.acted(),
            starts: world.all_daemons().iter().map(|daemon| daemon.starts()).sum(),
            tasks: all.len(),
        };
        let mut outcome = outcome(findings);
        world.end_programs();
        outcome.findings.broken.extend(model::survivors(&all));
        if !outcome.findings.broken.is_empty() {
            let kept = self.keep_logs(&world, logs, &outcome);
            outcome.findings.broken.push(format!("the logs are in {}", kept.display()));
        }
        outcome
    }

    fn keep_logs(&self, world: &World, logs: &Path, outcome: &Outcome) -> PathBuf {
        let directory = logs.join(format!("seed-{}", self.seed));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("round"), format!("{self:#?}\n\n{}\n", outcome.findings)).unwrap();
        for (name, text) in world.logs() {
            fs::write(directory.join(name), text).unwrap();
        }
        let rows = "SELECT row_to_json(t) FROM (SELECT * FROM tasks ORDER BY id) t";
        let history = "SELECT row_to_json(h) FROM (SELECT * FROM fault_history ORDER BY n) h";
        fs::write(directory.join("tasks"), world.server.sql(rows)).unwrap();
        fs::write(directory.join("history"), world.server.sql(history)).unwrap();
        directory
    }
}
