//! Rounds, the table to read, and `bench.json`.

use crate::stats::{Ticks, median};
use anyhow::Context as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A round in which other machines took more than this many percent of the processor is repeated.
const STEAL_LIMIT: f64 = 15.0;
const MOST_REPEATS: u32 = 3;

/// One value of one round, with what the machine itself could do in the same round.
pub struct Reading {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    pub limit: Option<f64>,
}

impl Reading {
    pub fn new(name: &'static str, unit: &'static str, value: f64, limit: Option<f64>) -> Self {
        Self { name, unit, value, limit }
    }
}

/// The median of all rounds.
struct Figure {
    name: &'static str,
    unit: &'static str,
    value: f64,
    limit: Option<f64>,
    rounds: usize,
    steal: f64,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.limit.map(|limit| self.value / limit)
    }
}

/// All figures of a run, in the order in which they were measured.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Measures `rounds` times and keeps the medians. A round during which the machine was busy with others is
    /// repeated, a few times at most.
    pub fn rounds(
        &mut self,
        rounds: usize,
        mut round: impl FnMut() -> anyhow::Result<Vec<Reading>>,
    ) -> anyhow::Result<()> {
        let mut readings: BTreeMap<usize, Vec<Reading>> = BTreeMap::new();
        let mut steals = Vec::new();
        let mut repeats = 0;
        while steals.len() < rounds {
            let ticks = Ticks::now()?;
            let values = round()?;
            let steal = ticks.stolen_since()?;
            for reading in &values {
                println!("  {}", line(reading, steal));
            }
            if steal > STEAL_LIMIT && repeats < MOST_REPEATS {
                repeats += 1;
                println!("  repeated: {steal:.0} % of the processor was stolen");
                continue;
            }
            steals.push(steal);
            for (index, reading) in values.into_iter().enumerate() {
                readings.entry(index).or_default().push(reading);
            }
        }
        self.figures.extend(readings.values().filter_map(|readings| figure(readings, &steals)));
        Ok(())
    }

    /// Prints the table.
    pub fn print(&self) {
        println!(
            "\n{:<22} {:>10} {:<6} {:>10} {:>7} {:>7} {:>7}",
            "figure", "median", "unit", "limit", "ratio", "rounds", "steal"
        );
        for figure in &self.figures {
            let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
            println!(
                "{:<22} {:>10} {:<6} {:>10} {:>7} {:>7} {:>6.1}%",
                figure.name,
                short(figure.value),
                figure.unit,
                optional(figure.limit),
                optional(figure.ratio()),
                figure.rounds,
                figure.steal
            );
        }
    }

    /// Writes `{"name": {"value", "unit", "limit", "ratio"}}`. Figures of an earlier run that were not measured now
    /// stay in the file.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let earlier = std::fs::read_to_string(path).unwrap_or_default();
        let mut all: Map<String, Value> = serde_json::from_str(&earlier).unwrap_or_default();
        for figure in &self.figures {
            let value = json!({
                "value": figure.value, "unit": figure.unit, "limit": figure.limit, "ratio": figure.ratio(),
            });
            all.insert(figure.name.to_owned(), value);
        }
        std::fs::write(path, format!("{:#}\n", Value::Object(all)))
            .with_context(|| format!("while writing {}", path.display()))
    }
}

fn figure(readings: &[Reading], steals: &[f64]) -> Option<Figure> {
    let first = readings.first()?;
    let values: Vec<f64> = readings.iter().map(|reading| reading.value).collect();
    let limits: Vec<f64> = readings.iter().filter_map(|reading| reading.limit).collect();
    Some(Figure {
        name: first.name,
        unit: first.unit,
        value: median(&values),
        limit: (!limits.is_empty()).then(|| median(&limits)),
        rounds: readings.len(),
        steal: median(steals),
    })
}

fn line(reading: &Reading, steal: f64) -> String {
    let limit = reading.limit.map_or_else(String::new, |limit| format!(" (limit {})", short(limit)));
    format!("{:<20} {} {}{limit}, steal {steal:.1} %", reading.name, short(reading.value), reading.unit)
}

/// As many digits as a person reads.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
