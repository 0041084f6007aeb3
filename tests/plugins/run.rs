//! Runs a plugin with the environment of the contract, in a process group and a directory of its own.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Seek as _, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What a plugin printed and how it ended.
pub struct Ended {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl fmt::Debug for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exit {}, printed:\n{}\nand beside it:\n{}", self.code, self.text(), self.stderr)
    }
}

impl Ended {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn first_line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A plugin that is about to start.
pub struct Plugin {
    command: Command,
    directory: TempDir,
}

impl Plugin {
    pub fn new(name: &str) -> Self {
        Self::command(repository().join("plugins").join(name))
    }

    /// Any program, in the same surroundings.
    pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", directory.path())
            .env("TMPDIR", directory.path())
            .env("LANG", "C.UTF-8")
            .env("SELFSERVICE_TASK_UUID", "01890000-0000-7000-8000-000000000001")
            .env("SELFSERVICE_TIMEOUT", "60")
            .current_dir(directory.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, directory }
    }

    pub fn args<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What the plugin reads from standard input.
    pub fn input(mut self, text: &str) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        self.command.stdin(file);
        self
    }

    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _read = stderr.read_to_string(&mut text);
            text
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout, read: Vec::new(), errors: Some(errors), directory: self.directory }
    }

    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// A plugin that runs; its whole group is killed when the test gives up.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    read: Vec<u8>,
    errors: Option<JoinHandle<String>>,
    directory: TempDir,
}

impl Running {
    /// Reads on until a line starts with this and returns it.
    pub fn wait_for_line(&mut self, start: &str) -> String {
        loop {
            let mut line = Vec::new();
            if self.stdout.read_until(b'\n', &mut line).unwrap() == 0 {
                panic!("no line starts with {start:?} in {:?}", String::from_utf8_lossy(&self.read));
            }
            self.read.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            if text.starts_with(start) {
                return text.trim_end().to_owned();
            }
        }
    }

    /// The command lines of the plugin and of everything in its group, as everybody on the machine can see them.
    pub fn argv(&self) -> String {
        let mut lines = String::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if nix::unistd::getpgid(Some(Pid::from_raw(pid))) == Ok(self.group()) {
                let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                lines.push_str(&String::from_utf8_lossy(&words).replace('\0', " "));
                lines.push('\n');
            }
        }
        assert!(!lines.is_empty(), "the plugin has ended already");
        lines
    }

    /// TERM to the whole group, as the launcher does it.
    pub fn cancel(&self) {
        killpg(self.group(), Signal::SIGTERM).unwrap();
    }

    /// A signal to the plugin alone.
    pub fn signal(&self, signal: Signal) {
        kill(self.group(), signal).unwrap();
    }

    pub fn end(mut self) -> Ended {
        self.stdout.read_to_end(&mut self.read).unwrap();
        let status = self.child.wait().unwrap();
        let left: Vec<_> = std::fs::read_dir(self.directory.path()).unwrap().collect();
        assert!(left.is_empty(), "the plugin left files behind: {left:?}");
        Ended {
            code: std::os::unix::process::ExitStatusExt::signal(&status)
                .map_or_else(|| status.code().unwrap(), |signal| 128 + signal),
            stdout: std::mem::take(&mut self.read),
            stderr: self.errors.take().unwrap().join().unwrap(),
        }
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = killpg(self.group(), Signal::SIGKILL);
        let _collected = self.child.wait();
    }
}

/// Polls until it is true; panics with the sentence after ten seconds.
pub fn eventually(sentence: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within ten seconds: {sentence}");
        thread::sleep(Duration::from_millis(20));
    }
}
