//! A launcher of the test's own, with plugins and a work directory that it may use. Started by root, the launcher
//! becomes the user nobody, as it refuses to run plugins as root.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{User, geteuid};
use plugin_runner::{Event, Invocation, Launcher, Outcome, Progress, Runner, RunnerOptions, Stream};
use uuid::Uuid;

pub const LONG: Duration = Duration::from_secs(120);
const NOBODY: &str = "nobody";
/// A script that is open for writing in a process that is just being started can't be run.
static WRITING_AND_STARTING: Mutex<()> = Mutex::new(());

pub struct Nest {
    directory: tempfile::TempDir,
}

/// Everything that one run gave.
#[derive(Debug, Default)]
pub struct Ran {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub progress: Vec<Progress>,
    pub started: Option<SystemTime>,
    pub outcome: Option<Outcome>,
    pub left: usize,
}

impl Nest {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("plugin_runner").tempdir_in("/tmp").unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let nest = Self { directory };
        fs::create_dir(nest.plugins()).unwrap();
        fs::set_permissions(nest.plugins(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(nest.work()).unwrap();
        fs::set_permissions(nest.work(), Permissions::from_mode(0o700)).unwrap();
        if geteuid().is_root() {
            let nobody = User::from_name(NOBODY).unwrap().unwrap();
            chown(nest.work(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
        }
        nest
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Makes a plugin out of a shell script.
    pub fn script(&self, name: &str, body: &str) {
        self.executable(name, &format!("#!/bin/sh\n{body}\n"));
    }

    /// Makes a plugin with this content.
    pub fn executable(&self, name: &str, content: &str) {
        let _guard = exclusive();
        let path = self.plugins().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// The arguments of a launcher for these plugins and the system's own programs.
    pub fn arguments(&self) -> Vec<String> {
        let work = self.work();
        let plugins = self.plugins();
        let mut arguments: Vec<String> =
            ["--work-dir", work.to_str().unwrap(), "--plugin-dir", plugins.to_str().unwrap()]
                .map(str::to_owned)
                .into();
        arguments.extend(["--plugin-dir", "/usr/bin"].map(str::to_owned));
        if geteuid().is_root() {
            arguments.extend(["--user", NOBODY].map(str::to_owned));
        }
        arguments
    }

    pub fn launcher(&self) -> Launcher {
        self.launcher_with(&[])
    }

    /// A launcher with more options.
    pub fn launcher_with(&self, options: &[&str]) -> Launcher {
        let _guard = exclusive();
        let mut arguments = self.arguments();
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        Launcher::spawn(Path::new(env!("CARGO_BIN_EXE_plugin_launcher")), arguments).unwrap()
    }

    /// Starts a launcher that listens on `socket`.
    pub fn service(&self, socket: &Path) -> Child {
        let _guard = exclusive();
        #[expect(clippy::disallowed_methods, reason = "the launcher is what is tested")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_plugin_launcher"));
        command.arg("--socket").arg(socket).args(self.arguments()).spawn().unwrap()
    }

    pub fn runner(&self) -> Runner {
        Runner::new(self.launcher(), RunnerOptions::default()).unwrap()
    }

    /// Runs one plugin to its end.
    pub fn run(&self, invocation: Invocation) -> Ran {
        let mut runner = self.runner();
        let run = invocation.run;
        runner.start(invocation.into_spec().unwrap());
        finish(&mut runner, run)
    }
}

fn exclusive() -> MutexGuard<'static, ()> {
    WRITING_AND_STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A run of `plugin` with plenty of time.
pub fn invocation(plugin: &str, arguments: &[&str]) -> Invocation {
    Invocation {
        run: Uuid::new_v4(),
        plugin: plugin.to_owned(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        timeout: LONG,
        grace: Duration::from_secs(2),
        path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
        ..Invocation::default()
    }
}

impl Ran {
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Started { at, .. } => self.started = Some(at),
            Event::Output { stream, bytes, .. } => {
                assert!(self.started.is_some() && self.outcome.is_none(), "output outside of the run");
                assert!(!bytes.is_empty() && bytes.len() <= 64 * 1024);
                match stream {
                    Stream::Stdout => self.stdout.extend(bytes),
                    Stream::Stderr => self.stderr.extend(bytes),
                }
            }
            Event::Progress { progress, .. } => self.progress.push(progress),
            Event::Finished { outcome, left, .. } => {
                assert!(self.outcome.replace(outcome).is_none(), "finished twice");
                self.left = left;
            }
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub fn sentence(&self) -> &str {
        match &self.outcome {
            Some(Outcome::NotStarted(sentence)) => sentence,
            other => panic!("expected a run that was not started, got {other:?}"),
        }
    }
}

/// Turns until this run is finished.
pub fn finish(runner: &mut Runner, run: Uuid) -> Ran {
    let mut ran = Ran::default();
    turn_until(runner, &mut ran, run, |ran| ran.outcome.is_some());
    ran
}

/// Turns until no run is left; gives what came of each.
pub fn finish_all(runner: &mut Runner) -> BTreeMap<Uuid, Ran> {
    let mut all: BTreeMap<_, Ran> = BTreeMap::new();
    while runner.active() > 0 {
        let mut sink = |event: Event| all.entry(run_of(&event)).or_default().take(event);
        runner.turn(Duration::from_secs(1), &mut sink).unwrap();
    }
    all
}

/// Turns until `done`, taking the events of this run.
pub fn turn_until(runner: &mut Runner, ran: &mut Ran, run: Uuid, done: impl Fn(&Ran) -> bool) {
    let deadline = Instant::now() + LONG;
    while !done(ran) {
        assert!(Instant::now() < deadline, "too late: {ran:?}");
        let mut sink = |event: Event| {
            if run_of(&event) == run {
                ran.take(event);
            }
        };
        runner.turn(Duration::from_millis(100), &mut sink).unwrap();
    }
}

pub fn run_of(event: &Event) -> Uuid {
    match event {
        Event::Started { run, .. }
        | Event::Output { run, .. }
        | Event::Progress { run, .. }
        | Event::Finished { run, .. } => *run,
    }
}

/// The living processes whose environment or arguments contain `mark`.
pub fn processes_with(mark: &str) -> Vec<u32> {
    let living = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
    };
    let marked = |id: &u32| {
        ["environ", "cmdline"].iter().any(|file| {
            let content = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            content.windows(mark.len()).any(|part| part == mark.as_bytes())
        })
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| *id != std::process::id()).filter(living).filter(marked).collect()
}

/// Waits until so many processes carry the mark.
pub fn await_processes(mark: &str, enough: impl Fn(usize) -> bool) {
    eventually(&format!("the number of processes with {mark}"), || enough(processes_with(mark).len()));
}

pub fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "too late: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
