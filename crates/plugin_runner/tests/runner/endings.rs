//! Every run ends, and nothing of it stays: time-outs, cancellations, and the sudden death of either side.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::{Nest, Ran, await_processes, eventually, finish, invocation, processes_with, turn_until};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, socket};
use nix::unistd::Pid;
use plugin_runner::{Event, Invocation, Launcher, LauncherError, Outcome, Runner, RunnerOptions};
use uuid::Uuid;

/// A plugin that leaves processes in every way: in its group, in another session, daemonised twice, without its
/// environment, stopped, and deaf to polite signals. `$1` marks those without environment.
pub const ESCAPER: &str = r#"
trap '' TERM HUP INT
sleep 300 &
setsid sleep 300 &
setsid sh -c 'trap "" TERM; (setsid sh -c "trap \"\" TERM; sleep 300; sleep 300" &) ; exit 0'
env -i setsid sleep "300.$1" &
(env -i setsid sleep "301.$1" >/dev/null 2>&1 &)
sh -c 'kill -STOP $$; sleep 300' &
echo ready
"#;
/// How many processes of [`ESCAPER`] carry the run's id, and how many its mark, at least.
pub const WITH_ID: usize = 5;
const WITH_MARK: usize = 2;

pub struct Escape {
    pub run: Uuid,
    mark: String,
}

impl Escape {
    /// Starts the escaper, which goes on with `then`, and waits until all of it is there.
    pub fn start(nest: &Nest, runner: &mut Runner, then: &str, limits: (Duration, Duration)) -> (Self, Ran) {
        nest.script("escaper", &format!("{ESCAPER}{then}"));
        let escape = Self::of(Uuid::new_v4());
        let (timeout, grace) = limits;
        let invocation = Invocation { timeout, grace, ..escape.invocation() };
        runner.start(invocation.into_spec().unwrap());
        let mut ran = Ran::default();
        turn_until(runner, &mut ran, escape.run, |ran| ran.stdout == b"ready\n");
        (escape, ran)
    }

    /// The escape of a run that somebody else starts.
    pub fn of(run: Uuid) -> Self {
        Self { run, mark: format!("{:09}", run.as_u128() % 1_000_000_000) }
    }

    pub fn invocation(&self) -> Invocation {
        Invocation { run: self.run, ..invocation("escaper", &[&self.mark]) }
    }

    pub fn await_all(&self) {
        await_processes(&self.run.to_string(), |count| count >= WITH_ID);
        await_processes(&format!(".{}", self.mark), |count| count >= WITH_MARK);
    }

    pub fn left(&self) -> usize {
        processes_with(&self.run.to_string()).len() + self.marked()
    }

    /// How many carry the mark.
    pub fn marked(&self) -> usize {
        processes_with(&format!(".{}", self.mark)).len()
    }
}

fn ended_by(outcome: &Outcome, mut end: impl FnMut(&mut Runner, Uuid), limits: (Duration, Duration)) {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let (escape, mut ran) = Escape::start(&nest, &mut runner, "while :; do sleep 300; done", limits);
    escape.await_all();
    end(&mut runner, escape.run);
    turn_until(&mut runner, &mut ran, escape.run, |ran| ran.outcome.is_some());
    assert_eq!((ran.outcome.as_ref(), ran.left), (Some(outcome), 0));
    assert_eq!(escape.left(), 0);
}

pub const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_cancelled_tree_is_gone_when_it_is_said() {
    ended_by(&Outcome::Cancelled, Runner::cancel, (MINUTE, SHORT));
}

#[test]
fn a_tree_that_timed_out_is_gone_when_it_is_said() {
    let timeout = Duration::from_secs(2);
    ended_by(&Outcome::TimedOut { after: timeout }, |_, _| {}, (timeout, SHORT));
}

#[test]
fn what_a_plugin_leaves_is_ended_and_its_result_stays() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let then = "mkfifo gate; read line < gate; exit 1";
    let (escape, mut ran) = Escape::start(&nest, &mut runner, then, (MINUTE, SHORT));
    escape.await_all();
    let gate = || {
        let launcher =
            std::fs::read_dir(nest.work()).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap();
        launcher.path().join(escape.run.to_string()).join("gate")
    };
    eventually("the plugin's gate", || gate().exists());
    std::fs::write(gate(), "go\n").unwrap();
    turn_until(&mut runner, &mut ran, escape.run, |ran| ran.outcome.is_some());
    assert_eq!((ran.outcome, ran.left), (Some(Outcome::Exit(1)), 0));
    assert_eq!(escape.left(), 0);
}

#[test]
fn a_cancelled_plugin_may_say_so_within_its_grace() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let script = "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let invocation = invocation("sh", &["-c", script]);
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    let mut ran = Ran::default();
    turn_until(&mut runner, &mut ran, run, |ran| ran.stdout == b"ready\n");
    runner.cancel(run);
    turn_until(&mut runner, &mut ran, run, |ran| ran.outcome.is_some());
    assert_eq!((ran.text(), ran.outcome.as_ref()), ("ready\nstopping\n", Some(&Outcome::Cancelled)));
}

#[test]
fn a_deaf_child_that_holds_the_output_does_not_delay_the_result() {
    let nest = Nest::new();
    let script = "setsid sh -c 'trap \"\" TERM; sleep 300; sleep 300' & echo done; exit 0";
    let begin = Instant::now();
    let ran = nest.run(invocation("sh", &["-c", script]));
    assert_eq!((ran.text(), ran.outcome.as_ref()), ("done\n", Some(&Outcome::Exit(0))));
    assert!(begin.elapsed() < Duration::from_secs(10), "the child was waited for");
}

#[test]
fn a_run_does_not_end_its_neighbours() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let neighbour = invocation("sh", &["-c", "setsid sleep 300 & (setsid sleep 300 &); echo ready; wait"]);
    let run = neighbour.run;
    runner.start(neighbour.into_spec().unwrap());
    let mut ran = Ran::default();
    turn_until(&mut runner, &mut ran, run, |ran| ran.stdout == b"ready\n");
    await_processes(&run.to_string(), |count| count == 3);
    for _ in 0..20 {
        let short = invocation("sh", &["-c", "setsid sleep 300 & exit 0"]);
        let id = short.run;
        runner.start(short.into_spec().unwrap());
        assert_eq!(finish(&mut runner, id).outcome, Some(Outcome::Exit(0)));
    }
    assert_eq!(processes_with(&run.to_string()).len(), 3);
    runner.cancel(run);
    turn_until(&mut runner, &mut ran, run, |ran| ran.outcome.is_some());
    assert_eq!(processes_with(&run.to_string()).len(), 0);
}

#[test]
fn a_process_that_shed_every_mark_ends_with_the_last_run_it_can_belong_to() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let neighbour = invocation("sleep", &["300"]);
    let run = neighbour.run;
    runner.start(neighbour.into_spec().unwrap());
    let mark = format!("302.{:09}", run.as_u128() % 1_000_000_000);
    let script = format!("cd /; (env -i setsid sleep {mark} >/dev/null 2>&1 &); echo ready; exit 1");
    let shedding = invocation("sh", &["-c", &script]);
    let id = shedding.run;
    runner.start(shedding.into_spec().unwrap());
    let ran = finish(&mut runner, id);
    assert_eq!(ran.outcome, Some(Outcome::Exit(1)));
    runner.cancel(run);
    assert_eq!(finish(&mut runner, run).outcome, Some(Outcome::Cancelled));
    await_processes(&mark, |count| count == 0);
}

#[test]
fn unknown_runs_and_finished_runs_can_be_cancelled() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    runner.cancel(Uuid::new_v4());
    let invocation = invocation("true", &[]);
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    assert_eq!(finish(&mut runner, run).outcome, Some(Outcome::Exit(0)));
    runner.cancel(run);
    runner.turn(Duration::from_millis(20), &mut |event| panic!("{event:?}")).unwrap();
}

#[test]
fn dropping_the_runner_ends_everything() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let (escape, _) = Escape::start(&nest, &mut runner, "sleep 300", (MINUTE, MINUTE));
    escape.await_all();
    drop(runner);
    assert_eq!(escape.left(), 0);
    assert_eq!(std::fs::read_dir(nest.work()).unwrap().count(), 1, "only the lock may stay");
}

#[test]
fn a_launcher_leaves_the_runs_of_another_alone() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let long = invocation("sleep", &["300"]);
    let run = long.run;
    runner.start(long.into_spec().unwrap());
    let mut ran = Ran::default();
    turn_until(&mut runner, &mut ran, run, |ran| ran.started.is_some());
    assert_eq!(nest.run(invocation("true", &[])).outcome, Some(Outcome::Exit(0)));
    assert_eq!(processes_with(&run.to_string()).len(), 1);
}

#[test]
fn a_listening_launcher_serves_several_and_stops_when_told() {
    let nest = Nest::new();
    let socket = nest.work().join("socket");
    let mut service = nest.service(&socket);
    let connect = || -> Result<Runner, LauncherError> {
        Ok(Runner::new(Launcher::connect(&socket)?, RunnerOptions::default()).unwrap())
    };
    eventually("the launcher's socket", || connect().is_ok());
    let (mut one, mut two) = (connect().unwrap(), connect().unwrap());
    let (first, second) = (invocation("sleep", &["300"]), invocation("sleep", &["300"]));
    let (run, other) = (first.run, second.run);
    one.start(first.into_spec().unwrap());
    two.start(second.into_spec().unwrap());
    await_processes(&run.to_string(), |count| count == 1);
    await_processes(&other.to_string(), |count| count == 1);
    drop(one);
    await_processes(&run.to_string(), |count| count == 0);
    assert_eq!(processes_with(&other.to_string()).len(), 1);
    kill(Pid::from_raw(i32::try_from(service.id()).unwrap()), Signal::SIGTERM).unwrap();
    let mut outcome = None;
    while two
        .turn(Duration::from_secs(1), &mut |event| {
            if let Event::Finished { outcome: end, .. } = event {
                outcome = Some(end);
            }
        })
        .is_ok()
    {}
    assert!(matches!(outcome, Some(Outcome::Lost(sentence)) if sentence.contains("stopped")));
    assert!(service.wait().unwrap().success());
    assert!(processes_with(&other.to_string()).is_empty() && !socket.exists());
}

#[test]
fn a_peer_that_talks_nonsense_is_cut_off_alone() {
    let nest = Nest::new();
    let socket = nest.work().join("socket");
    let mut service = nest.service(&socket);
    eventually("the launcher's socket", || Launcher::connect(&socket).is_ok());
    let mut runner = Runner::new(Launcher::connect(&socket).unwrap(), RunnerOptions::default()).unwrap();
    for nonsense in [&b"x"[..], b"f", b"i", b"i{}", b"i{\"Start\":{}}", &[b'i'; 40_000]] {
        let peer = raw_connection(&socket);
        send(peer.as_raw_fd(), nonsense, MsgFlags::MSG_NOSIGNAL).unwrap();
        assert_eq!(recv(peer.as_raw_fd(), &mut [0; 100], MsgFlags::empty()), Ok(0));
    }
    let invocation = invocation("true", &[]);
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    assert_eq!(finish(&mut runner, run).outcome, Some(Outcome::Exit(0)));
    kill(Pid::from_raw(i32::try_from(service.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(service.wait().unwrap().success());
}

fn raw_connection(path: &Path) -> OwnedFd {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    connect(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    socket
}
