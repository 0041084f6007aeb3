//! Many rounds, several at once: they mostly wait.

use crate::round::Round;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[derive(Default)]
struct Sum {
    rounds: u64,
    failed: Vec<u64>,
    tasks: usize,
    starts: usize,
    results: BTreeMap<String, usize>,
    points: BTreeMap<String, usize>,
}

/// Plays the rounds of `seed`, `seed + 1` and so on, prints each one and a summary. True: every promise was kept.
pub fn run(seed: u64, rounds: u64, at_once: usize, logs: &Path) -> bool {
    let (next, sum, begin) = (AtomicU64::new(0), Mutex::new(Sum::default()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= rounds {
                        return;
                    }
                    let seed = seed.wrapping_add(number);
                    let outcome = catch_unwind(AssertUnwindSafe(|| Round::of(seed).play(logs)));
                    let mut sum = sum.lock().unwrap();
                    sum.rounds += 1;
                    match outcome {
                        Ok(outcome) => {
                            println!("seed {seed}: {}", outcome.findings);
                            sum.tasks += outcome.tasks;
                            sum.starts += outcome.starts;
                            for (result, count) in &outcome.findings.results {
                                *sum.results.entry(result.clone()).or_default() += count;
                            }
                            for point in outcome.acted {
                                *sum.points.entry(point).or_default() += 1;
                            }
                            if !outcome.findings.broken.is_empty() {
                                sum.failed.push(seed);
                            }
                        }
                        Err(_) => {
                            println!("seed {seed}: the round itself failed, see above");
                            sum.failed.push(seed);
                        }
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    let count = |map: &BTreeMap<String, usize>| {
        map.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    println!("points that acted: {}", count(&sum.points));
    println!("failed seeds: {:?}; logs are in {}", sum.failed, logs.display());
    println!(
        "{} rounds from seed {seed} in {} s: {} failed; {} tasks ({}), {} program starts",
        sum.rounds,
        begin.elapsed().as_secs(),
        sum.failed.len(),
        sum.tasks,
        count(&sum.results),
        sum.starts,
    );
    sum.failed.is_empty()
}
