//! The fault harness: programs, database and network are broken in every way that can be thought of while tasks run, and
//! afterwards a model says whether a promise was broken. CONTRIBUTING.md says how to use it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and this one reads which rounds are asked for"
)]

mod clock;
mod daemon;
mod desk;
mod disk;
mod fault;
mod model;
mod points;
mod round;
mod scenarios;
mod server;
mod soak;
mod witness;
mod world;

use crate::round::Round;
use libtest_mimic::{Arguments, Trial};
use std::path::PathBuf;
use std::process::ExitCode;

/// Play the round of this seed alone, or begin a soak with it.
const SEED: &str = "SELFSERVICE_FAULT_SEED";
/// Play so many rounds and no scenarios.
const ROUNDS: &str = "SELFSERVICE_FAULT_ROUNDS";
/// Play the scenarios that have a size, one after the other, as large as the guarantees name them, and nothing else.
const LARGE: &str = "SELFSERVICE_FAULT_LARGE";
/// So many rounds at once.
const AT_ONCE: &str = "SELFSERVICE_FAULT_JOBS";

/// Rounds of every test run: each kind of fault comes first in one of them.
const SEEDS: std::ops::Range<u64> = 0..fault::Fault::KINDS;
/// Worlds mostly wait, so several fit on a core.
const WORLDS: usize = 6;

fn main() -> ExitCode {
    let number = |name: &str| {
        let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
    };
    let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults");
    if let Some(rounds) = number(ROUNDS) {
        let at_once = number(AT_ONCE).map_or(WORLDS, |jobs| usize::try_from(jobs).unwrap_or(WORLDS));
        let kept = soak::run(number(SEED).unwrap_or(0), rounds, at_once, &logs);
        return if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut arguments = Arguments::from_args();
    if number(LARGE).is_some_and(|number| number > 0) {
        arguments.test_threads = Some(1);
        return libtest_mimic::run(&arguments, scenarios::sized(scenarios::Size::LARGE)).exit_code();
    }
    arguments.test_threads.get_or_insert(WORLDS);
    let mut trials = match number(SEED) {
        Some(_) => Vec::new(),
        None => scenarios::all(),
    };
    for seed in number(SEED).map_or(SEEDS, |seed| seed..seed + 1) {
        let logs = logs.clone();
        trials.push(Trial::test(format!("round_of_seed_{seed}"), move || {
            Round::of(seed).play(&logs).findings.assert_kept();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
