//! How long 200,000 lines of one task take until all of them can be read.

use crate::http::Http;
use crate::report::{Reading, Report};
use crate::world::{Handler, World};
use anyhow::{Context as _, ensure};
use diesel::prelude::*;
use selfservice_core::db::PgConnection;
use serde_json::Value;
use std::time::{Duration, Instant};
use uuid::Uuid;

const LINES: usize = 200_000;
/// Their ends included.
const LINE_BYTES: usize = 100;
const LINES_PER_COMMIT: usize = 10_000;
const LOOK: Duration = Duration::from_millis(5);

diesel::table! {
    bench_lines (task_id, line) {
        task_id -> Uuid,
        line -> Int8,
        stream -> Text,
        text -> Text,
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS bench_lines (task_id uuid, line bigint, stream text NOT NULL, \
                     text text NOT NULL, PRIMARY KEY (task_id, line))";

/// `output_200k_lines`: from the commit of the task until its last line can be read through the API. The limit is COPY of
/// the same lines.
pub fn output(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let _manager = world.manager(16)?;
    let (_web, address) = world.web()?;
    let http = Http::new(address, &world.token()?)?;
    let mut connection = world.pool.get()?;
    diesel::sql_query(TABLE).execute(&mut *connection)?;
    report.rounds(rounds, || {
        diesel::sql_query("TRUNCATE bench_lines").execute(&mut *connection)?;
        let limit = copy(&mut connection)?;
        let id = *world.queue(Handler::Print, 1..2)?.first().context("nothing was queued")?;
        let started = Instant::now();
        until_readable(&http, id)?;
        let ours = started.elapsed();
        world.drained()?;
        Ok(vec![Reading::new("output_200k_lines", "s", ours.as_secs_f64(), Some(limit.as_secs_f64()))])
    })
}

/// One row for each line, so many a commit.
fn copy(connection: &mut PgConnection) -> anyhow::Result<Duration> {
    let (task, started) = (Uuid::now_v7(), Instant::now());
    for first in (0..LINES).step_by(LINES_PER_COMMIT) {
        let columns = (bench_lines::task_id, bench_lines::line, bench_lines::stream, bench_lines::text);
        let rows = diesel::copy_from(bench_lines::table)
            .from_raw_data(columns, |target| -> QueryResult<()> {
                for line in first..first + LINES_PER_COMMIT {
                    let written =
                        writeln!(target, "{task}\t{line}\tstdout\t{line:0>width$}", width = LINE_BYTES - 1);
                    written.map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
                }
                Ok(())
            })
            .execute(connection)?;
        ensure!(rows == LINES_PER_COMMIT, "{rows} rows were copied");
    }
    Ok(started.elapsed())
}

/// Asks the API how much there is, and reads the last line when it is all there.
fn until_readable(http: &Http, task: Uuid) -> anyhow::Result<()> {
    let all = i64::try_from(LINES * LINE_BYTES)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while http.json(&format!("/api/v1/tasks/{task}"))?.pointer("/output_bytes").and_then(Value::as_i64)
        < Some(all)
    {
        ensure!(Instant::now() < deadline, "the output does not come");
        std::thread::sleep(LOOK);
    }
    let page = http.json(&format!("/api/v1/tasks/{task}/log?line={}", LINES - 1))?;
    let text = page.pointer("/chunks/0/text").and_then(Value::as_str).unwrap_or_default();
    let last: usize =
        text.lines().next().unwrap_or_default().parse().context("the last line is not there")?;
    ensure!(last == LINES - 1, "line {last} is the last");
    Ok(())
}
