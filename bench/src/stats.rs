//! Medians, clocks, and how much of the machine others took meanwhile.

use anyhow::Context as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, as every process on the machine sees them.
pub fn now_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

/// Milliseconds from one time to another; negative where the second came first.
#[expect(
    clippy::cast_precision_loss,
    reason = "a difference of nanoseconds that fits a measurement fits an f64"
)]
pub fn milliseconds(from: u128, to: u128) -> f64 {
    (to as f64 - from as f64) / 1e6
}

/// The value below which `part` (0 to 1) of the values lie; 0 for none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of a short list"
)]
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The value in the middle; 0 for none.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The processor's time so far: (stolen by other machines, all), in ticks.
pub struct Ticks {
    stolen: u64,
    all: u64,
}

impl Ticks {
    /// Reads `/proc/stat`.
    pub fn now() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("while reading /proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        let fields: Vec<u64> =
            first.split_ascii_whitespace().filter_map(|field| field.parse().ok()).take(8).collect();
        Ok(Self { stolen: fields.get(7).copied().unwrap_or(0), all: fields.iter().sum() })
    }

    /// Percent that was stolen since then.
    #[expect(clippy::cast_precision_loss, reason = "ticks of one run")]
    pub fn stolen_since(&self) -> anyhow::Result<f64> {
        let now = Self::now()?;
        let all = now.all.saturating_sub(self.all).max(1);
        Ok(now.stolen.saturating_sub(self.stolen) as f64 * 100.0 / all as f64)
    }
}
