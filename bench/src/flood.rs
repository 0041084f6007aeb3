//! What a plugin that prints a gigabyte costs everybody else: memory of the manager, and time until other tasks start.

use crate::report::{Reading, Report};
use crate::resources::memory;
use crate::stats::{median, milliseconds, now_nanos, percentile};
use crate::world::{Handler, World};
use anyhow::{Context as _, bail, ensure};
use selfservice_core::db::DbError;
use selfservice_core::models::tasks::Task;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Starts without a flood, for comparison.
const SAMPLES: usize = 60;
const REST: Duration = Duration::from_millis(15);
const LOOK: Duration = Duration::from_millis(5);
/// The flood itself is on the first host.
const FIRST_HOST: i64 = 2;

/// `flood_rss` and `flood_delay`.
pub fn flood(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let manager = world.manager(16)?;
    delays(world, |delays| Ok(delays.len() < SAMPLES))?;
    // Of a manager that has worked, but has seen no flood yet: what it keeps of the first one counts later, too.
    let before = memory(&[manager.id()])?;
    report.rounds(rounds, || {
        let alone = delays(world, |delays| Ok(delays.len() < SAMPLES))?;
        let flood = *world.queue(Handler::Flood, 1..2)?.first().context("nothing was queued")?;
        let (beside, most) =
            while_watching(manager.id(), || delays(world, |_| Ok(task(world, flood)?.result.is_none())))?;
        let ended = task(world, flood)?;
        ensure!(ended.exit_code == Some(0), "the flood ended badly: {ended:?}");
        ensure!(!beside.is_empty(), "nothing was started beside the flood");
        Ok(vec![
            Reading::new("flood_rss", "MiB", most - before, None),
            Reading::new("flood_delay", "ms", median(&beside), Some(median(&alone))),
            Reading::new("flood_delay_p90", "ms", percentile(&beside, 0.9), Some(percentile(&alone, 0.9))),
        ])
    })
}

/// Starts one task after the other as long as `more` says so; gives the milliseconds from each commit to its plugin.
fn delays(world: &World, more: impl Fn(&[f64]) -> anyhow::Result<bool>) -> anyhow::Result<Vec<f64>> {
    let mut delays = Vec::new();
    let mut host = FIRST_HOST;
    while more(&delays)? {
        let tasks = world.queue(Handler::Stamp, host..host + 1)?;
        let from = now_nanos();
        let id = tasks.first().context("nothing was queued")?;
        delays.push(milliseconds(from, world.stamp(*id)?));
        host += 1;
        std::thread::sleep(REST);
    }
    Ok(delays)
}

/// Does `work`; gives what came of it and the most memory, in MiB, that the process had meanwhile.
fn while_watching<T>(process: i32, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| -> anyhow::Result<f64> {
            let mut most: f64 = 0.0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(memory(&[process])?);
                std::thread::sleep(LOOK);
            }
            Ok(most)
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        match watcher.join() {
            Ok(most) => Ok((result?, most?)),
            Err(_) => bail!("the thread that watches the memory panicked"),
        }
    })
}

fn task(world: &World, id: Uuid) -> anyhow::Result<Task> {
    let task = world.pool.run::<_, DbError>(|connection| Ok(Task::find(connection, id)?))?;
    task.context("the task is gone")
}
