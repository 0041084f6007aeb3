//! How long it takes until a plugin runs: from the commit of its task, and from the press of the button.

use crate::http::Http;
use crate::raw;
use crate::report::{Reading, Report};
use crate::stats::{median, milliseconds, now_nanos, percentile};
use crate::world::{Handler, World};
use anyhow::Context as _;
use diesel::prelude::*;
use selfservice_core::db::DbError;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

const SAMPLES: i64 = 60;
/// Between two samples the machine comes to rest.
const REST: Duration = Duration::from_millis(15);

/// `commit_to_process`: an idle manager, from the return of the commit to the plugin's first instruction. The limit is
/// a bare thread that waits for NOTIFY and starts the same plugin.
pub fn commit_to_process(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let _manager = world.manager(16)?;
    let witness: PathBuf = world.plugins().join("bench_witness");
    let raw_stamps = raw::start_on_notify(&world.url(), witness)?;
    report.rounds(rounds, || {
        let (mut values, mut limits) = (Vec::new(), Vec::new());
        for host in 1..=SAMPLES {
            notify(world)?;
            let from = now_nanos();
            limits.push(milliseconds(from, raw_stamps.recv().context("no stamp came")??));
            std::thread::sleep(REST);
            let tasks = world.queue(Handler::Stamp, host..host + 1)?;
            let from = now_nanos();
            let id = tasks.first().context("nothing was queued")?;
            values.push(milliseconds(from, world.stamp(*id)?));
            std::thread::sleep(REST);
        }
        Ok(vec![
            Reading::new("commit_to_process", "ms", median(&values), Some(median(&limits))),
            Reading::new(
                "commit_to_process_p90",
                "ms",
                percentile(&values, 0.9),
                Some(percentile(&limits, 0.9)),
            ),
        ])
    })
}

/// `button_to_process`: from sending the POST to the plugin's first instruction.
pub fn button_to_process(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let _manager = world.manager(16)?;
    let (_web, address) = world.web()?;
    let http = Http::new(address, &world.token()?)?;
    report.rounds(rounds, || {
        let mut values = Vec::new();
        for host in 1..=SAMPLES {
            let body = json!({
                "host_id": host, "service_id": 1, "handler_id": Handler::Stamp as i64, "parameters": {},
                "reason": null, "nonce": null, "typed_host": null, "request_key": Uuid::new_v4(),
            });
            let from = now_nanos();
            let answer = http.post("/api/v1/tasks", &body)?;
            let id =
                answer.pointer("/task/id").and_then(Value::as_str).context("the answer names no task")?;
            values.push(milliseconds(from, world.stamp(id.parse()?)?));
            std::thread::sleep(REST);
        }
        Ok(vec![
            Reading::new("button_to_process", "ms", median(&values), None),
            Reading::new("button_to_process_p90", "ms", percentile(&values, 0.9), None),
        ])
    })
}

fn notify(world: &World) -> anyhow::Result<()> {
    world.pool.run::<_, DbError>(|connection| {
        diesel::sql_query(format!("NOTIFY {}", raw::CHANNEL)).execute(connection)?;
        Ok(())
    })?;
    Ok(())
}
