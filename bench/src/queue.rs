//! How long a claim takes beside millions of finished tasks.

use crate::report::{Reading, Report};
use crate::stats::{median, percentile};
use crate::world::{Handler, World};
use anyhow::{Context as _, ensure};
use diesel::prelude::*;
use selfservice_core::db::DbError;
use selfservice_core::models::workers::{Presence, Worker};
use selfservice_core::queue;
use std::fs;
use std::time::{Duration, Instant};
use uuid::Uuid;

const CLAIMS: usize = 200;
/// Tasks that one claim takes: the slots of a manager.
const AT_ONCE: usize = 16;
const LEASE: Duration = Duration::from_secs(3600);
const FILL: &str = include_str!("queue_filled.sql");

/// How many tasks are there.
pub struct Size {
    pub queued: i64,
    pub finished: i64,
}

/// `queue_100k`: 200 claims of 16 tasks a round. It leaves no task.
pub fn claims(world: &World, report: &mut Report, rounds: usize, size: &Size) -> anyhow::Result<()> {
    let template = *world.queue(Handler::True, 1..2)?.first().context("nothing was queued")?;
    let mut connection = world.pool.get()?;
    let started = Instant::now();
    fill(world, template, size)?;
    println!(
        "  {} queued and {} finished tasks in {:.0} s",
        size.queued,
        size.finished,
        started.elapsed().as_secs_f64()
    );
    let presence = Presence { slots: 16, tags: &[], running: 0, stopping: false, lease: LEASE };
    let worker = Worker::register(&mut connection, Uuid::now_v7(), "bench-claims", "0", &presence)?;
    no_plan_reads_everything(world, &worker)?;
    report.rounds(rounds, || {
        let mut times = Vec::new();
        for _ in 0..CLAIMS {
            let begin = Instant::now();
            let claims = queue::claim(&mut connection, &worker, LEASE, AT_ONCE, None)?;
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
            ensure!(claims.len() == AT_ONCE, "{} tasks were claimed", claims.len());
        }
        Ok(vec![
            Reading::new("queue_100k", "ms", percentile(&times, 0.95), None),
            Reading::new("queue_100k_median", "ms", median(&times), None),
        ])
    })?;
    Worker::sign_off(&mut connection, worker.id)?;
    diesel::sql_query("TRUNCATE tasks CASCADE").execute(&mut *connection)?;
    Ok(())
}

fn fill(world: &World, template: Uuid, size: &Size) -> anyhow::Result<()> {
    let text = FILL
        .replace(":template", &format!("'{template}'"))
        .replace(":queued", &size.queued.to_string())
        .replace(":finished", &size.finished.to_string());
    world.psql(&text)?;
    world.psql("VACUUM ANALYZE tasks")
}

/// Has the server log the plans of one claim, and looks into them.
fn no_plan_reads_everything(world: &World, worker: &Worker) -> anyhow::Result<()> {
    let before = fs::read_to_string(world.server_log())?.len();
    world.pool.run::<_, DbError>(|connection| {
        for statement in [
            "LOAD 'auto_explain'",
            "SET auto_explain.log_min_duration = 0",
            "SET auto_explain.log_nested_statements = on",
        ] {
            diesel::sql_query(statement).execute(connection)?;
        }
        queue::claim(connection, worker, LEASE, AT_ONCE, None)?;
        diesel::sql_query("SET auto_explain.log_min_duration = -1").execute(connection)?;
        Ok(())
    })?;
    let log = fs::read_to_string(world.server_log())?;
    let plans = log.get(before..).unwrap_or_default();
    ensure!(plans.contains("SKIP LOCKED"), "the plan of the claim is not in the server's log");
    ensure!(!plans.contains("Seq Scan on tasks"), "a claim reads the whole table:\n{plans}");
    println!("  no sequential scan of tasks in the plans of a claim");
    Ok(())
}
