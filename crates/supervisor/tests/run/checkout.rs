//! A checkout of stand-ins in a directory of its own, and what runs out of it.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use supervisor::account::{Account, is_root};
use tempfile::TempDir;
use test_support::FreePort;

const DAEMON: &str = include_str!("stand_ins/daemon.sh");
const TOOL: &str = include_str!("stand_ins/tool.sh");
const WEB: &str = include_str!("stand_ins/web.pl");
const PROGRAMS: [(&str, &str); 7] = [
    ("plugin_launcher", DAEMON),
    ("plugins_manager", DAEMON),
    ("schedulerd", DAEMON),
    ("web_gui", WEB),
    ("tasks", TOOL),
    ("data_loader", TOOL),
    ("influxdata", TOOL),
];

pub fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The user who runs everything: ourselves, or for root the one who runs PostgreSQL.
fn account() -> Option<Account> {
    is_root().then(|| Account::find("postgres").unwrap().unwrap())
}

pub struct Checkout {
    directory: TempDir,
    account: Option<Account>,
    /// Each checkout has one of its own, because the tests run side by side.
    pub port: FreePort,
}

impl Checkout {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ssm-test").tempdir_in("/var/tmp").unwrap();
        let checkout = Self { directory, account: account(), port: FreePort::claim() };
        for name in ["etc/example", "plugins", "programs"] {
            fs::create_dir_all(checkout.path(name)).unwrap();
        }
        for (name, text) in PROGRAMS {
            let path = checkout.path("programs").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        // Another user may be unable to enter the directory of the built program.
        fs::copy(env!("CARGO_BIN_EXE_selfservice_run"), checkout.path("programs/selfservice_run")).unwrap();
        let sample =
            format!("[database]\n;url = postgres:///x\n[web]\nlisten = {}\n", checkout.port.address());
        fs::write(checkout.path("etc/settings.ini"), sample).unwrap();
        fs::write(checkout.path("etc/macros.ini"), "[macros]\n").unwrap();
        fs::write(checkout.path("etc/example/a.yaml"), "hosts: []\n").unwrap();
        checkout.own(checkout.directory.path());
        checkout
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Gives the directory another name.
    pub fn move_elsewhere(&mut self) {
        let other = tempfile::Builder::new().prefix("ssm-test-moved").tempdir_in("/var/tmp").unwrap();
        fs::rename(self.directory.path(), other.path()).unwrap();
        // What is dropped here has no directory any more.
        self.directory = other;
    }

    /// The text of a file; empty where it is not there yet.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Settings that are there before the first run.
    pub fn write_settings(&self, text: &str) {
        fs::create_dir_all(self.path("var/etc")).unwrap();
        fs::write(self.path("var/etc/settings.ini"), text).unwrap();
        for name in ["var", "var/etc", "var/etc/settings.ini"] {
            self.own(&self.path(name));
        }
    }

    pub fn run(&self) -> Run {
        let output = tempfile::NamedTempFile::new().unwrap();
        let log = output.as_file();
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(self.path("programs/selfservice_run"));
        command.arg("--checkout").arg(self.directory.path()).current_dir("/").env_clear();
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        loop {
            match command.spawn() {
                // A child of another test, between fork and exec, may still hold the file that was written just now.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    thread::sleep(Duration::from_millis(5));
                }
                child => return Run { child: child.unwrap(), output },
            }
        }
    }

    /// How many processes have this directory in their command line.
    pub fn processes(&self) -> usize {
        let directory = self.directory.path().to_string_lossy().into_owned();
        processes().into_iter().filter(|process| process.command.contains(&directory)).count()
    }

    fn own(&self, path: &Path) {
        if let Some(account) = &self.account {
            account.own(path).unwrap();
        }
    }
}

/// A running `selfservice_run`, stopped when the value is dropped.
pub struct Run {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Run {
    /// Waits until it has said `text`; returns everything it said.
    pub fn wait_for(&mut self, text: &str) -> String {
        let said = || fs::read_to_string(self.output.path()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !said().contains(text) {
            assert!(Instant::now() < deadline, "\"{text}\" was not said, but: {}", said());
            thread::sleep(Duration::from_millis(10));
        }
        said()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end; whether that was without error.
    pub fn ended_well(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < deadline, "it does not end, but says: {}", self.wait_for(""));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many child processes it has.
    pub fn children(&self) -> usize {
        let own = self.child.id();
        processes().into_iter().filter(|process| process.parent == own).count()
    }

    /// Kills the child whose command line names `program`.
    pub fn kill_child(&self, program: &str) {
        let own = self.child.id();
        let found = processes()
            .into_iter()
            .find(|process| process.parent == own && process.command.contains(program));
        kill(Pid::from_raw(found.unwrap().id), Signal::SIGKILL).unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended; one that hangs is killed, and the kernel ends the rest.
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::SIGTERM);
            let deadline = Instant::now() + Duration::from_secs(20);
            while self.child.try_wait().unwrap().is_none() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

struct Process {
    id: i32,
    parent: u32,
    command: String,
}

/// All processes that have not ended, as `/proc` knows them.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    ids.filter_map(process).collect()
}

fn process(id: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = status.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    (state != "Z").then_some(Process { id, parent, command })
}
