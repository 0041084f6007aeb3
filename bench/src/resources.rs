//! What a manager needs: memory and processor time when it has nothing to do, memory when it has much; and what a
//! scheduler needs that only waits.

use crate::report::{Reading, Report};
use crate::world::{Handler, World, until};
use anyhow::Context as _;
use std::fs;
use std::time::{Duration, Instant};

const IDLE_FOR: Duration = Duration::from_secs(10);
const LINES: usize = 1000;
const SLEEPERS: i64 = 1000;

/// `idle_rss` and `idle_cpu` of a manager (and, for the processor, its launcher) that waits for tasks.
pub fn idle(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let manager = world.manager(16)?;
    let processes = with_launcher(manager.id())?;
    report.rounds(rounds, || {
        let used = idle_processor(&processes)?;
        Ok(vec![
            Reading::new("idle_rss", "MiB", memory(&[manager.id()])?, None),
            Reading::new("idle_cpu", "%", used, None),
        ])
    })
}

/// `scheduler_rss` and `scheduler_cpu` of a scheduler with 1,000 cron lines that are not due.
pub fn scheduler(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let scheduler = world.scheduler(LINES)?;
    report.rounds(rounds, || {
        let used = idle_processor(&[scheduler.id()])?;
        Ok(vec![
            Reading::new("scheduler_rss", "MiB", memory(&[scheduler.id()])?, None),
            Reading::new("scheduler_cpu", "%", used, None),
        ])
    })
}

/// Percent of a core that these processes use while nothing happens.
fn idle_processor(processes: &[i32]) -> anyhow::Result<f64> {
    let (before, started) = (processor_seconds(processes)?, Instant::now());
    std::thread::sleep(IDLE_FOR);
    Ok((processor_seconds(processes)? - before) * 100.0 / started.elapsed().as_secs_f64())
}

/// `running_1000`: memory of a manager and its launcher while 1,000 plugins sleep.
pub fn running(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let manager = world.manager(usize::try_from(SLEEPERS)?)?;
    report.rounds(1, || {
        let started = Instant::now();
        world.queue(Handler::Sleep, 1..SLEEPERS + 1)?;
        until("all of them run", || {
            let query = "SELECT count(*) AS count FROM tasks WHERE state = 'running' AND output_bytes > 0";
            Ok(world.count(query)? == SLEEPERS)
        })?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(vec![
            Reading::new("running_1000", "MiB", memory(&with_launcher(manager.id())?)?, None),
            Reading::new("running_1000_started", "s", seconds, None),
        ])
    })?;
    drop(manager);
    world.drained()
}

/// The manager, its launcher's keeper, and the launcher; plugins are the launcher's children and do not count.
fn with_launcher(id: i32) -> anyhow::Result<Vec<i32>> {
    let keepers = children(id)?;
    let mut found = vec![id];
    for keeper in keepers {
        found.push(keeper);
        found.extend(children(keeper)?);
    }
    Ok(found)
}

fn children(id: i32) -> anyhow::Result<Vec<i32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let text = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(text.split_ascii_whitespace().filter_map(|id| id.parse::<i32>().ok()));
    }
    Ok(found)
}

/// Resident memory in MiB.
pub fn memory(ids: &[i32]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for id in ids {
        let text = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
        sum += kib.with_context(|| format!("process {id} has no VmRSS"))? / 1024.0;
    }
    Ok(sum)
}

/// Seconds that these processes have run so far, from the scheduler's nanoseconds.
fn processor_seconds(ids: &[i32]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for id in ids {
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanos = text.split_ascii_whitespace().next().unwrap_or("0");
            sum += nanos.parse::<f64>()? / 1e9;
        }
    }
    Ok(sum)
}
