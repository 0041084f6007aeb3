//! How many tasks a second a manager gets through.

use crate::raw;
use crate::report::{Reading, Report};
use crate::world::{HOSTS, Handler, World, program};
use anyhow::ensure;
use plugin_runner::{Event, Invocation, Launcher, Outcome, Runner, RunnerOptions};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What a manager needs that has much to do: a claim, and its commit, serve several short runs.
const SLOTS: usize = 64;

/// `drain_true` and `drain_launcher`: queued tasks that run `/bin/true`, against the same number of runs without any
/// of our programs, and through the launcher alone.
pub fn drain(world: &World, report: &mut Report, rounds: usize, tasks: i64) -> anyhow::Result<()> {
    let tasks = tasks.clamp(1, HOSTS);
    let count = usize::try_from(tasks)?;
    let _manager = world.manager(SLOTS)?;
    report.rounds(rounds, || {
        let raw = raw::spawn_rate(Path::new("/bin/true"), count)?;
        let launcher = launcher_rate(world, count)?;
        let ours = task_rate(world, tasks)?;
        Ok(vec![
            Reading::new("drain_true", "1/s", ours, Some(raw)),
            Reading::new("drain_launcher", "1/s", ours, Some(launcher)),
        ])
    })
}

/// Tasks a second, from the commit of all of them until every result is stored.
#[expect(clippy::cast_precision_loss, reason = "thousands of tasks")]
fn task_rate(world: &World, tasks: i64) -> anyhow::Result<f64> {
    let ok = "SELECT count(*) AS count FROM tasks WHERE result = 'ok' AND handler_name = 'true'";
    let rows = "SELECT count(*) AS count FROM logs";
    let before = (world.count(ok)?, world.count(rows)?);
    world.queue(Handler::True, 1..tasks + 1)?;
    let started = Instant::now();
    world.drained()?;
    let rate = tasks as f64 / started.elapsed().as_secs_f64();
    let after = (world.count(ok)?, world.count(rows)?);
    ensure!(
        after.0 - before.0 == tasks && after.1 - before.1 >= tasks,
        "of {tasks} tasks {} ended well, with {} rows of output",
        after.0 - before.0,
        after.1 - before.1
    );
    Ok(rate)
}

/// Runs a second through a launcher of the measurement's own, as many at a time as the manager has slots.
#[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
fn launcher_rate(world: &World, count: usize) -> anyhow::Result<f64> {
    let mut arguments: Vec<OsString> = vec!["--plugin-dir".into(), world.plugins().into()];
    if nix::unistd::geteuid().is_root() {
        arguments.extend(["--user".into(), "nobody".into()]);
    }
    let launcher = Launcher::spawn(&program("plugin_launcher")?, arguments)?;
    let mut runner = Runner::new(launcher, RunnerOptions::default())?;
    let started = Instant::now();
    let (mut sent, mut ended, mut well) = (0, 0, 0);
    while ended < count {
        while sent < count && runner.active() < SLOTS {
            runner.start(invocation().into_spec()?);
            sent += 1;
        }
        runner.turn(Duration::from_secs(10), &mut |event| {
            if let Event::Finished { outcome, .. } = event {
                ended += 1;
                well += usize::from(outcome == Outcome::Exit(0));
            }
        })?;
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    ensure!(well == count, "of {count} runs {well} ended well");
    Ok(rate)
}

fn invocation() -> Invocation {
    Invocation {
        run: Uuid::now_v7(),
        plugin: "true".to_owned(),
        timeout: Duration::from_secs(60),
        grace: Duration::from_secs(1),
        path: "/usr/bin:/bin".to_owned(),
        ..Invocation::default()
    }
}
