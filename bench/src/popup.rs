//! The response time of the popup's page and of the data behind it.

use crate::http::Http;
use crate::report::{Reading, Report};
use crate::stats::{median, percentile};
use crate::world::World;
use std::time::Instant;

const SAMPLES: i64 = 300;
const QUESTION: &str = "environment=production&host=host-7&service=os";

/// `popup_page` and `popup_api`; the limit is the select of one row by its key, over a connection of the same kind.
pub fn popup(world: &World, report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let _manager = world.manager(16)?;
    let (_web, address) = world.web()?;
    let http = Http::new(address, &world.token()?)?;
    report.rounds(rounds, || {
        let (mut page, mut api, mut select) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=SAMPLES {
            select
                .push(timed(|| world.count(&format!("SELECT id AS count FROM hosts WHERE id = {number}")))?);
            page.push(timed(|| http.get(&format!("/popup?{QUESTION}")))?);
            api.push(timed(|| http.get(&format!("/api/v1/popup?{QUESTION}")))?);
        }
        let reading = |name, values: &[f64], part| {
            let limit = percentile(&select, part);
            Reading::new(name, "ms", percentile(values, part), Some(limit))
        };
        Ok(vec![
            Reading::new("popup_page", "ms", median(&page), Some(median(&select))),
            reading("popup_page_p99", &page, 0.99),
            Reading::new("popup_api", "ms", median(&api), Some(median(&select))),
            reading("popup_api_p99", &api, 0.99),
        ])
    })
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}
