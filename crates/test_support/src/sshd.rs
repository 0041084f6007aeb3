//! A real OpenSSH server on a free loopback port, for whoever tests something that signs in. It runs as the user who
//! runs the tests and lets that user in with a key made for the occasion.

#![expect(
    clippy::disallowed_methods,
    reason = "a stand-in for a remote machine is a process of the test's own"
)]

use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::FreePort;

const SERVER: &str = "/usr/sbin/sshd";
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running OpenSSH server. Dropping it ends the server and its sessions and removes its files.
#[derive(Debug)]
pub struct Sshd {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Private key that the server accepts for the user who runs the tests.
    pub identity: PathBuf,
    /// File that holds the server's host key for `[127.0.0.1]:port`.
    pub known_hosts: PathBuf,
    server: Child,
    _port: FreePort,
    _directory: TempDir,
}

impl Sshd {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// Fails with a sentence where OpenSSH's server is not installed, and with its log where it does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(|_| Ok(Vec::new()))
    }

    /// As [`Sshd::start`]; `more` gets the directory with `host_key` and `identity`, and gives lines for `sshd_config`
    /// that win over ours.
    ///
    /// # Errors
    ///
    /// As [`Sshd::start`], and where `more` fails.
    pub fn start_with(more: impl Fn(&Path) -> Result<Vec<String>>) -> Result<Self> {
        ensure!(
            Path::new(SERVER).exists(),
            "{SERVER} is missing: install the package openssh-server (`make test` does)"
        );
        privilege_separation_directory()?;
        let directory = tempfile::tempdir().context("while making a directory for sshd")?;
        make_key(directory.path(), "host_key")?;
        make_key(directory.path(), "identity")?;
        let more = more(directory.path())?;
        let port = FreePort::claim();
        Ok(Self {
            port: port.number(),
            identity: directory.path().join("identity"),
            known_hosts: directory.path().join("known_hosts"),
            server: launch(directory.path(), port.number(), &more)?,
            _port: port,
            _directory: directory,
        })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        end_server(&mut self.server);
    }
}

/// Each connection has a process that leads a session of its own, perhaps with a child, and outlives the listener.
/// What was run over it is in yet another session and stays, as on a machine whose network went away.
fn end_server(server: &mut Child) {
    let parent = server.id().to_string();
    let sessions = Command::new("pgrep")
        .args(["-d", ",", "-P", &parent])
        .output()
        .map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned())
        .unwrap_or_default();
    if !sessions.is_empty() {
        let _ended = Command::new("pkill").args(["-KILL", "-s", &sessions]).status();
    }
    let _ended = server.kill();
    let _collected = server.wait();
}

/// As root, sshd insists on this directory, which a service unit would have made.
fn privilege_separation_directory() -> Result<()> {
    let path = Path::new("/run/sshd");
    if path.exists() || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    DirBuilder::new().mode(0o755).recursive(true).create(path).context("while making /run/sshd")
}

fn make_key(directory: &Path, name: &str) -> Result<()> {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(directory.join(name))
        .status()
        .context("while running ssh-keygen")?;
    ensure!(made.success(), "ssh-keygen failed with {made}");
    Ok(())
}

fn launch(directory: &Path, port: u16, more: &[String]) -> Result<Child> {
    let configuration = directory.join("sshd_config");
    fs::write(&configuration, configuration_text(directory, port, more))?;
    let key = fs::read_to_string(directory.join("host_key.pub"))?;
    fs::write(directory.join("known_hosts"), format!("[127.0.0.1]:{port} {key}"))?;
    let log = directory.join("sshd.log");
    let mut server = Command::new(SERVER)
        .args(["-D", "-e", "-f"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .context("while starting sshd")?;
    let deadline = Instant::now() + START_LIMIT;
    while !answers(port) {
        if server.try_wait()?.is_some() || Instant::now() > deadline {
            end_server(&mut server);
            bail!("sshd did not start: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

/// `StrictModes no` because the files lie below a temporary directory that others may write to.
fn configuration_text(directory: &Path, port: u16, more: &[String]) -> String {
    let directory = directory.display();
    let more: String = more.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    format!(
        "{more}Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\nPidFile none\n\
         AuthorizedKeysFile {directory}/identity.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
    )
}

fn answers(port: u16) -> bool {
    let mut greeting = [0; 4];
    TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && &greeting == b"SSH-"
    })
}
