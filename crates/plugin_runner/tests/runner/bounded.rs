//! G7: however a plugin resists, its run ends soon after its time is over. G8: its own process's exit is its result, and
//! comes at once, whoever holds its output.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::common::{Nest, Ran, invocation, processes_with, run_of};
use plugin_runner::{Invocation, Outcome, Runner, RunnerOptions};
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(500);
/// Plugins here would stay for minutes. This is far less, and far more than a busy machine needs.
const SOON: Duration = Duration::from_secs(90);

const RESISTING: &[(&str, &str)] = &[
    ("deaf", "trap '' TERM INT HUP; while :; do sleep 300; done"),
    ("stopped", "kill -STOP $$; sleep 300"),
    ("deaf and stopped", "trap '' TERM; kill -STOP $$; sleep 300"),
    ("busy", "trap '' TERM; while :; do :; done"),
    ("printing", "trap '' TERM; while :; do yes; done"),
    ("forking", "trap '' TERM; while :; do /bin/true & done"),
    (
        "wandering",
        "trap '' TERM; wander() { sleep 0.01; (wander &); }; (wander &); while :; do sleep 300; done",
    ),
    ("fleeing", "flee start; while :; do sleep 300; done"),
];
/// Every 20 ms another process in another session.
const FLEE: &str = "trap '' TERM; sleep 0.02; setsid \"$0\" on & exit 0";

/// How the runs are to end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    ByItself,
    TimedOut,
    Cancelled,
}

/// Starts scripts at once and waits for the end of all of them.
fn run_all(scripts: &[(&str, &str)], nest: &Nest, end: End) -> Vec<Ran> {
    nest.script("flee", FLEE);
    // What prints for ever waits at its pipe.
    let options = RunnerOptions { window: Some(256 * 1024), ..RunnerOptions::default() };
    let mut runner = Runner::new(nest.launcher(), options).unwrap();
    let ids: Vec<Uuid> = scripts
        .iter()
        .map(|(_, script)| {
            let script = format!("echo ready; {script}");
            let invocation = Invocation {
                timeout: if end == End::TimedOut { TIMEOUT } else { 60 * TIMEOUT },
                grace: GRACE,
                path: format!("{}:/usr/bin:/bin", nest.plugins().display()),
                ..invocation("sh", &["-c", &script])
            };
            let run = invocation.run;
            runner.start(invocation.into_spec().unwrap());
            run
        })
        .collect();
    let mut runs: BTreeMap<Uuid, Ran> = ids.iter().map(|run| (*run, Ran::default())).collect();
    let (begin, mut cancelled) = (Instant::now(), end != End::Cancelled);
    while runs.values().any(|ran| ran.outcome.is_none()) {
        assert!(begin.elapsed() < SOON, "they do not end: {runs:?}");
        let mut sink = |event| runs.entry(run_of(&event)).or_default().take(event);
        runner.turn(Duration::from_millis(50), &mut sink).unwrap();
        if !cancelled && runs.values().all(|ran| ran.stdout.starts_with(b"ready\n")) {
            cancelled = true;
            ids.iter().for_each(|run| runner.cancel(*run));
        }
    }
    let ended = ids.iter().zip(scripts).map(|(run, (name, _))| {
        assert_eq!(processes_with(&run.to_string()), [0; 0], "{name}");
        let ran = runs.remove(run).unwrap();
        assert_eq!(ran.left, 0, "{name}");
        ran
    });
    ended.collect()
}

#[test]
fn whatever_resists_ends_when_its_time_is_over() {
    for (ran, (name, _)) in run_all(RESISTING, &Nest::new(), End::TimedOut).iter().zip(RESISTING) {
        assert_eq!(ran.outcome, Some(Outcome::TimedOut { after: TIMEOUT }), "{name}");
    }
}

#[test]
fn whatever_resists_ends_when_it_is_cancelled() {
    for (ran, (name, _)) in run_all(RESISTING, &Nest::new(), End::Cancelled).iter().zip(RESISTING) {
        assert_eq!(ran.outcome, Some(Outcome::Cancelled), "{name}");
    }
}

#[test]
fn the_exit_of_the_plugins_own_process_is_its_result_at_once() {
    let table: &[(&str, &str, Outcome)] = &[
        ("it closes its output early", "exec >&- 2>&-; sleep 0.2; exit 3", Outcome::Exit(3)),
        ("a child keeps the output", "sleep 300 & exit 0", Outcome::Exit(0)),
        (
            "a deaf daemon keeps the output",
            "setsid sh -c 'trap \"\" TERM; sleep 300; sleep 300' & exit 1",
            Outcome::Exit(1),
        ),
        ("a stopped child keeps the output", "sh -c 'kill -STOP $$; sleep 300' & exit 2", Outcome::Exit(2)),
        ("a daemon prints on and on", "setsid yes & exit 4", Outcome::Exit(4)),
        ("a daemon without output stays", "setsid sleep 300 >&- 2>&- <&- & exit 5", Outcome::Exit(5)),
        ("a signal, while a child keeps the output", "sleep 300 & kill -KILL $$", Outcome::Signal(9)),
        ("its pipe is full when it exits", "head -c 60000 /dev/zero; exit 6", Outcome::Exit(6)),
        ("its output says otherwise", "echo 'exit code 0'; echo OK >&2; exit 7", Outcome::Exit(7)),
        ("its child fails", "sh -c 'exit 2'; exit 0", Outcome::Exit(0)),
        ("its daemon prints after its end", "(sleep 0.1; echo OK) & exit 8", Outcome::Exit(8)),
    ];
    let scripts: Vec<_> = table.iter().map(|(name, script, _)| (*name, *script)).collect();
    let nest = Nest::new();
    for (ran, (name, _, outcome)) in run_all(&scripts, &nest, End::ByItself).iter().zip(table) {
        assert_eq!(ran.outcome.as_ref(), Some(outcome), "{name}");
        assert!(ran.stdout.starts_with(b"ready\n"), "{name}");
    }
}
