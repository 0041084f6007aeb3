//! G6: `kill -9` of the client, of the launcher, of its keeper, and of several of them at once: nothing stays.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{Nest, Ran, eventually, finish, invocation, processes_with};
use crate::endings::{ESCAPER, Escape, MINUTE, WITH_ID};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plugin_runner::{Launcher, Outcome, Runner, RunnerError, RunnerOptions};
use uuid::Uuid;

/// So often is each of them killed, at another moment each time; the fault harness does it with managers around them.
const ROUNDS: usize = 4;
/// Leaves a daemon that has shed everything by which it could be found: parent, session, group, environment, directory
/// and descriptors. It is deaf to polite signals.
const SHEDDER: &str = r#"
(cd / && exec setsid env -i sh -c 'trap "" TERM HUP INT; (setsid env -i sleep "$0" <&- >&- 2>&- &)' "302.$1") &
"#;
const CLIENT: &str = "PLUGIN_RUNNER_TEST_CLIENT";

/// A launcher's two processes.
pub struct Processes {
    pub keeper: i32,
    pub launcher: i32,
}

impl Processes {
    pub fn of(keeper: u32) -> Self {
        eventually("the launcher is split from its keeper", || child_of(keeper).is_some());
        Self { keeper: i32::try_from(keeper).unwrap(), launcher: child_of(keeper).unwrap() }
    }
}

fn child_of(process: u32) -> Option<i32> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    list.split_whitespace().next()?.parse().ok()
}

fn kill_hard(process: i32) {
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
}

/// Starts the escaper, kills what `victims` names, and gives what became of the run.
fn after_killing(nest: &Nest, shedder: &str, victims: impl Fn(&Processes)) -> (Escape, Ran) {
    let launcher = nest.launcher();
    let processes = Processes::of(launcher.process().unwrap());
    let mut runner = Runner::new(launcher, RunnerOptions::default()).unwrap();
    let then = format!("{shedder}sleep 300");
    let (escape, mut ran) = Escape::start(nest, &mut runner, &then, (MINUTE, MINUTE));
    escape.await_all();
    if !shedder.is_empty() {
        eventually("the daemon that has shed everything", || escape.marked() >= 3);
    }
    victims(&processes);
    let ended = loop {
        if let Err(error) = runner.turn(MINUTE, &mut |event| ran.take(event)) {
            break error;
        }
    };
    assert!(matches!(ended, RunnerError::LauncherGone));
    assert!(matches!(ran.outcome, Some(Outcome::Lost(_))), "{:?}", ran.outcome);
    assert_eq!(runner.active(), 0);
    (escape, ran)
}

#[test]
fn killing_the_launcher_ends_everything_whatever_it_shed() {
    let nest = Nest::new();
    for _ in 0..ROUNDS {
        let (escape, _) = after_killing(&nest, SHEDDER, |processes| kill_hard(processes.launcher));
        eventually("the end of the tree", || escape.left() == 0);
    }
    // What is left of the directories goes with the next launcher's start.
    assert_eq!(nest.run(invocation("true", &[])).outcome, Some(Outcome::Exit(0)));
    assert_eq!(std::fs::read_dir(nest.work()).unwrap().count(), 1, "only the lock may stay");
}

#[test]
fn killing_the_keeper_stops_the_launcher_with_everything() {
    let nest = Nest::new();
    for _ in 0..ROUNDS {
        let (escape, ran) = after_killing(&nest, SHEDDER, |processes| kill_hard(processes.keeper));
        assert_eq!((escape.left(), ran.left), (0, 0), "nothing is left when it is said");
    }
}

/// Who sheds no mark is found by the next launcher then.
#[test]
fn after_killing_launcher_and_keeper_the_next_launcher_sweeps() {
    let nest = Nest::new();
    for _ in 0..ROUNDS {
        let (escape, _) = after_killing(&nest, "", |processes| {
            kill_hard(processes.keeper);
            kill_hard(processes.launcher);
        });
        assert!(processes_with(&escape.run.to_string()).len() >= WITH_ID, "there must be something to sweep");
        // The new launcher answers when it has swept.
        assert_eq!(nest.run(invocation("true", &[])).outcome, Some(Outcome::Exit(0)));
        assert_eq!(escape.left(), 0);
    }
}

/// Runs as a process of its own for the next tests, and does nothing otherwise.
#[test]
fn client_that_is_killed() {
    let Some(text) = std::env::var_os(CLIENT) else {
        return;
    };
    let arguments: Vec<String> = serde_json::from_str(text.to_str().unwrap()).unwrap();
    let (run, arguments) = arguments.split_first().unwrap();
    let launcher = Launcher::spawn(Path::new(env!("CARGO_BIN_EXE_plugin_launcher")), arguments).unwrap();
    let mut runner = Runner::new(launcher, RunnerOptions::default()).unwrap();
    let escape = Escape::of(Uuid::parse_str(run).unwrap());
    let invocation = plugin_runner::Invocation { timeout: MINUTE, grace: MINUTE, ..escape.invocation() };
    runner.start(invocation.into_spec().unwrap());
    finish(&mut runner, escape.run);
}

fn start_client(nest: &Nest, run: Uuid) -> Child {
    let mut arguments = vec![run.to_string()];
    arguments.extend(nest.arguments());
    #[expect(clippy::disallowed_methods, reason = "the client must be a process that can be killed")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killings::client_that_is_killed"])
        .env(CLIENT, serde_json::to_string(&arguments).unwrap())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

#[test]
fn killing_the_client_and_the_launcher_too_ends_everything() {
    let nest = Nest::new();
    nest.script("escaper", &format!("{ESCAPER}{SHEDDER}sleep 300"));
    for with_launcher in [false, true].repeat(ROUNDS / 2) {
        let escape = Escape::of(Uuid::new_v4());
        let mut client = start_client(&nest, escape.run);
        escape.await_all();
        eventually("the daemon that has shed everything", || escape.marked() >= 3);
        let threads = std::fs::read_dir(format!("/proc/{}/task", client.id())).unwrap().flatten();
        let keeper = threads.filter_map(|thread| {
            let children = std::fs::read_to_string(thread.path().join("children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        });
        let processes = Processes::of(keeper.last().unwrap());
        client.kill().unwrap();
        if with_launcher {
            kill_hard(processes.launcher);
        }
        client.wait().unwrap();
        eventually("the end of the tree", || escape.left() == 0);
        let work = nest.work();
        eventually("the end of the launcher", || processes_with(work.to_str().unwrap()).is_empty());
    }
}
