//! What a plugin tries against its launcher and against the runs beside it, which have the same user.

use plugin_runner::{Outcome, Runner, RunnerOptions};

use crate::common::{Nest, Ran, finish, invocation, run_of, skipped, turn_until};
use crate::killings::Processes;

const ATTACK: &str = include_str!("../../../test_support/src/attack.py");
/// What looks into another process.
const LOOKS: &[&str] = &["environ", "memory", "standard_input", "directory", "ptrace"];
const SIGNALS: &[&str] = &["harmless_signal", "pidfd"];
/// Versions of Landlock from which the kernel keeps looks and signals apart.
const LOOKS_FROM: i64 = 2;
const SIGNALS_FROM: i64 = 6;

/// Runs the attacks, which are made out of the ids of the launcher, its keeper and a neighbour, beside this neighbour.
fn attacked(options: &[&str], attacks: impl Fn(&Processes, i32) -> Vec<String>) -> Ran {
    let nest = Nest::new();
    nest.executable("attack", ATTACK);
    let launcher = nest.launcher_with(options);
    let processes = Processes::of(launcher.process().unwrap());
    let mut runner = Runner::new(launcher, RunnerOptions::default()).unwrap();
    let neighbour = invocation("sh", &["-c", "echo $$; read -r line; exec sleep 300"]);
    let id = neighbour.run;
    runner.start(neighbour.into_spec().unwrap());
    let mut beside = Ran::default();
    turn_until(&mut runner, &mut beside, id, |ran| ran.stdout.ends_with(b"\n"));
    let attacks = attacks(&processes, beside.text().trim().parse().unwrap());
    let attacker = invocation("attack", &attacks.iter().map(String::as_str).collect::<Vec<_>>());
    let run = attacker.run;
    runner.start(attacker.into_spec().unwrap());
    let mut ran = Ran::default();
    while ran.outcome.is_none() {
        let mut sink = |event| if run_of(&event) == run { ran.take(event) } else { beside.take(event) };
        runner.turn(std::time::Duration::from_secs(1), &mut sink).unwrap();
    }
    assert_eq!(ran.outcome, Some(Outcome::Exit(0)), "{ran:?}");
    assert_eq!(beside.outcome, None, "the neighbour was ended");
    runner.cancel(id);
    assert_eq!(finish(&mut runner, id).outcome, Some(Outcome::Cancelled), "the launcher lives");
    ran
}

fn against(kinds: &[&[&str]], process: impl std::fmt::Display) -> Vec<String> {
    kinds.concat().iter().map(|kind| format!("{kind}:{process}")).collect()
}

fn succeeded(ran: &Ran) -> Vec<&str> {
    ran.text().lines().filter_map(|line| line.strip_suffix(" done")).collect()
}

fn kernel_separates(from: i64) -> bool {
    let version = plugin_runner::launcher::landlock_version();
    if version < from {
        skipped(&format!("the kernel has version {version} of Landlock, and this needs {from}"));
    }
    version >= from
}

#[test]
fn a_plugin_reaches_neither_its_launcher_nor_the_runs_beside_it() {
    if !kernel_separates(LOOKS_FROM) {
        return;
    }
    let signals = kernel_separates(SIGNALS_FROM);
    let ran = attacked(&[], |processes, neighbour| {
        let targets = [neighbour, processes.launcher, processes.keeper];
        let mut attacks: Vec<_> = targets.iter().flat_map(|target| against(&[LOOKS], target)).collect();
        if signals {
            attacks.extend(targets.iter().flat_map(|target| against(&[SIGNALS, &["kill"]], target)));
        }
        attacks.extend(
            ["privileges:all", "become:0", "descriptors:all", "type_into_terminal:it"].map(str::to_owned),
        );
        attacks
    });
    assert_eq!(succeeded(&ran), [""; 0], "{}", ran.text());
    assert!(ran.text().lines().count() >= 3 * LOOKS.len() + 4, "{}", ran.text());
}

/// What the test above tries does work where nothing forbids it.
#[test]
fn without_separation_a_plugin_reaches_the_runs_beside_it_but_never_into_its_launcher() {
    let ran = attacked(&["--no-separation"], |processes, neighbour| {
        let mut attacks = against(&[&["environ", "memory", "directory"], SIGNALS], neighbour);
        attacks.extend(against(&[LOOKS], processes.launcher));
        attacks.extend(against(&[LOOKS], processes.keeper));
        attacks
    });
    let done = succeeded(&ran);
    assert_eq!(done.len(), 5, "{}", ran.text());
    let kinds = done.iter().filter_map(|attack| attack.split(':').next());
    assert_eq!(kinds.collect::<Vec<_>>(), ["environ", "memory", "directory", "harmless_signal", "pidfd"]);
}

/// A domain forbids what comes from inside, and nothing else: moves, links, signals within the run.
#[test]
fn a_separated_plugin_may_do_everything_within_its_run() {
    let nest = Nest::new();
    let script = "set -e; mkdir a b; echo x > a/file; mv a/file b/file; ln b/file a/link; ln -s b c; cat c/file
        sleep 300 & kill -TERM $!; wait $! || [ $? = 143 ]
        setsid sleep 300 & until [ $(cat /proc/$!/comm) = sleep ]; do :; done; tr '\\0' '\\n' < /proc/$!/environ | grep -c SELFSERVICE_TASK
        python3 -IS -c 'import os; os.rename(\"b/file\", \"a/moved\")'; kill -0 $$; echo done";
    let ran = nest.run(invocation("sh", &["-c", script]));
    assert_eq!((ran.text(), &ran.outcome), ("x\n1\ndone\n", &Some(Outcome::Exit(0))), "{ran:?}");
}
