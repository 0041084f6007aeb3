//! What a plugin may use: one that wants more ends alone.

use std::time::Duration;

use crate::common::{Nest, Ran, await_processes, finish, invocation, turn_until};
use plugin_runner::{Invocation, Outcome, Runner, RunnerOptions};

fn limited(nest: &Nest, options: &[&str]) -> Runner {
    Runner::new(nest.launcher_with(options), RunnerOptions::default()).unwrap()
}

fn run(runner: &mut Runner, invocation: Invocation) -> Ran {
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    finish(runner, run)
}

/// Doubles itself; at most 1,023 processes, should nothing end it.
const BOMB: &str = r#"
bomb() {
    [ "$1" -eq 0 ] || { bomb $(($1 - 1)) & bomb $(($1 - 1)) & }
    sleep 300
}
bomb 9"#;

#[test]
fn a_fork_bomb_ends_alone() {
    let nest = Nest::new();
    nest.script("bomb", BOMB);
    nest.script("sessions", "while :; do setsid sleep 300 & done");
    nest.script("busy", "i=0; while [ $i -lt 100 ]; do /bin/true || exit 2; i=$((i+1)); done; echo done");
    let mut runner = limited(&nest, &["--max-processes", "256"]);
    let neighbour = invocation("sh", &["-c", "echo ready; read -r line; busy"]);
    let neighbour = Invocation { path: format!("{}:/usr/bin", nest.plugins().display()), ..neighbour };
    let id = neighbour.run;
    runner.start(neighbour.into_spec().unwrap());
    let mut other = Ran::default();
    turn_until(&mut runner, &mut other, id, |ran| ran.stdout.starts_with(b"ready\n"));
    for plugin in ["bomb", "sessions"] {
        let (bomb, later) = (invocation(plugin, &[]), invocation("busy", &[]));
        let (id, later_id) = (bomb.run, later.run);
        runner.start(bomb.into_spec().unwrap());
        runner.start(later.into_spec().unwrap());
        let mut ran = [Ran::default(), Ran::default()];
        while ran.iter().any(|ran| ran.outcome.is_none()) {
            let mut sink = |event| match crate::common::run_of(&event) {
                run if run == id => ran[0].take(event),
                run if run == later_id => ran[1].take(event),
                _ => other.take(event),
            };
            runner.turn(Duration::from_secs(1), &mut sink).unwrap();
        }
        assert_eq!(ran[0].outcome, Some(Outcome::OverLimit("more than 256 processes".to_owned())));
        // The result does not wait for ever: on a busy machine thousands may still be on their way out, which it says.
        await_processes(&id.to_string(), |count| count == 0);
        assert_eq!((ran[1].text(), &ran[1].outcome), ("done\n", &Some(Outcome::Exit(0))));
    }
    if other.outcome.is_none() {
        turn_until(&mut runner, &mut other, id, |ran| ran.outcome.is_some());
    }
    assert_eq!((other.text(), &other.outcome), ("ready\ndone\n", &Some(Outcome::Exit(0))));
}

#[test]
fn threads_count_as_processes() {
    let nest = Nest::new();
    let script = "import threading, time\n\
                  for _ in range(100): threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n\
                  time.sleep(300)";
    let mut runner = limited(&nest, &["--max-processes", "64"]);
    let ran = run(&mut runner, invocation("python3", &["-I", "-S", "-c", script]));
    assert_eq!(ran.outcome, Some(Outcome::OverLimit("more than 64 processes".to_owned())));
}

#[test]
fn a_large_family_within_the_limit_is_left_alone() {
    let nest = Nest::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1.2 & done; wait; echo done";
    let ran = run(&mut limited(&nest, &["--max-processes", "12"]), invocation("sh", &["-c", script]));
    assert_eq!((ran.text(), &ran.outcome), ("done\n", &Some(Outcome::Exit(0))));
}

#[test]
fn memory_is_refused_beyond_the_limit() {
    let nest = Nest::new();
    let mut runner = limited(&nest, &["--max-memory-mib", "64"]);
    // tail keeps the last line, which is eight gigabytes long.
    let ran = run(&mut runner, invocation("sh", &["-c", "head -c 8G /dev/zero | tail -n 1"]));
    assert_eq!(ran.outcome, Some(Outcome::Exit(1)));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("memory exhausted"), "{ran:?}");
}

#[test]
fn a_file_that_grows_too_long_ends_its_writer() {
    let nest = Nest::new();
    let mut runner = limited(&nest, &["--max-file-size-mib", "1"]);
    let arguments = ["if=/dev/zero", "of=big", "bs=64k", "count=100"];
    assert_eq!(run(&mut runner, invocation("dd", &arguments)).outcome, Some(Outcome::Signal(25)));
    // The launcher itself goes on, also with an input beyond the limit, which is refused with a sentence.
    assert_eq!(run(&mut runner, invocation("true", &[])).outcome, Some(Outcome::Exit(0)));
}

#[test]
fn processor_time_is_limited() {
    let nest = Nest::new();
    let mut runner = limited(&nest, &["--max-cpu-seconds", "1"]);
    let ran = run(&mut runner, invocation("sh", &["-c", "while :; do :; done"]));
    assert_eq!(ran.outcome, Some(Outcome::Signal(24)));
}

#[test]
fn limits_are_hard_and_core_dumps_are_off() {
    let nest = Nest::new();
    let options = ["--max-open-files", "100", "--max-memory-mib", "100", "--max-file-size-mib", "7"];
    let mut runner = limited(&nest, &options);
    let script =
        "for which in n d f c; do ulimit -S$which; ulimit -H$which; done; ulimit -n 200 && echo raised";
    let ran = run(&mut runner, invocation("sh", &["-c", script]));
    // In descriptors, kilobytes, and blocks of 512 bytes.
    assert_eq!(ran.text(), "100\n100\n102400\n102400\n14336\n14336\n0\n0\n");
    assert_ne!(ran.outcome, Some(Outcome::Exit(0)));
}

#[test]
fn new_privileges_are_given_up_unless_they_are_allowed() {
    let nest = Nest::new();
    let script = ["-c", "sed -n 's/^NoNewPrivs:.//p' /proc/self/status"];
    assert_eq!(run(&mut limited(&nest, &[]), invocation("sh", &script)).text(), "1\n");
    assert_eq!(run(&mut limited(&nest, &["--allow-setuid"]), invocation("sh", &script)).text(), "0\n");
}

#[test]
fn plugins_are_the_first_to_go_where_memory_is_short() {
    let nest = Nest::new();
    let ran = run(&mut limited(&nest, &[]), invocation("cat", &["/proc/self/oom_score_adj"]));
    let own: i32 = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap();
    assert!(ran.text().trim().parse::<i32>().unwrap() >= own.max(500), "{}", ran.text());
}
