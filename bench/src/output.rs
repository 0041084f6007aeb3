//! How long a printed line takes to whoever wants to read it, while 100 tasks print 100 lines a second each.

use crate::http::Http;
use crate::report::{Reading, Report};
use crate::stats::{median, milliseconds, now_nanos, percentile};
use crate::world::{Handler, World, until};
use anyhow::Context as _;
use selfservice_core::db::DbError;
use selfservice_core::models::logs::Chunk;
use serde_json::Value;
use std::time::{Duration, Instant};
use uuid::Uuid;

const TASKS: i64 = 100;
const WATCHED_FOR: Duration = Duration::from_millis(2500);
/// What was printed before somebody watched comes at once, and late.
const SETTLE: Duration = Duration::from_millis(500);

/// `line_to_row` and, where there is a GUI, `line_to_popup`.
pub fn lines(world: &World, report: &mut Report, rounds: usize, with_web: bool) -> anyhow::Result<()> {
    let _manager = world.manager(120)?;
    let web = with_web.then(|| world.web()).transpose()?;
    let http = web.as_ref().map(|(_, address)| Http::new(address.clone(), &world.token()?)).transpose()?;
    report.rounds(rounds, || {
        let tasks = world.queue(Handler::Lines, 1..TASKS + 1)?;
        let watched = *tasks.first().context("nothing was queued")?;
        until("all of them print", || {
            let query = "SELECT count(*) AS count FROM tasks WHERE state = 'running' AND output_bytes > 0";
            Ok(world.count(query)? == TASKS)
        })?;
        let mut readings = readings("line_to_row", "line_to_row_p90", &rows(world, watched)?);
        if let Some(http) = &http {
            readings.extend(self::readings("line_to_popup", "line_to_popup_p90", &events(http, watched)?));
        }
        world.drained()?;
        Ok(readings)
    })
}

/// Median and 90th percentile.
pub fn readings(name: &'static str, name_p90: &'static str, delays: &[f64]) -> Vec<Reading> {
    vec![
        Reading::new(name, "ms", median(delays), None),
        Reading::new(name_p90, "ms", percentile(delays, 0.9), None),
    ]
}

/// Looks for new rows of one task every 2 ms.
fn rows(world: &World, task: Uuid) -> anyhow::Result<Vec<f64>> {
    let (started, mut offset, mut delays) = (Instant::now(), 0, Vec::new());
    while started.elapsed() < WATCHED_FOR {
        let chunks =
            world.pool.run::<_, DbError>(|connection| Ok(Chunk::after(connection, task, offset, 1000)?))?;
        offset = chunks.last().map_or(offset, Chunk::end);
        if started.elapsed() > SETTLE {
            let text: Vec<_> = chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect();
            delays.extend(text.iter().flat_map(|text| delays_of(text)));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(delays)
}

/// Reads one task's output as the popup does.
pub fn events(http: &Http, task: Uuid) -> anyhow::Result<Vec<f64>> {
    let (started, mut delays) = (Instant::now(), Vec::new());
    let path = format!("/api/v1/tasks/{task}/events?offset=0");
    http.events(&path, WATCHED_FOR, |data| {
        if let (Some(text), true) = (data.get("text").and_then(Value::as_str), started.elapsed() > SETTLE) {
            delays.extend(delays_of(text));
        }
    })?;
    Ok(delays)
}

/// Each line is the time when it was printed.
fn delays_of(text: &str) -> Vec<f64> {
    let now = now_nanos();
    text.lines().filter_map(|line| Some(milliseconds(line.trim().parse().ok()?, now))).collect()
}
