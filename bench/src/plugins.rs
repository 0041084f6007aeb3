//! What our own plugins cost before they reach the other side: the time from the start of each one until a server of this
//! machine accepts its connection, beside that of an empty shell script until it has ended.

use crate::report::{Reading, Report};
use crate::stats::{median, percentile};
use anyhow::{Context as _, bail, ensure};
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const SAMPLES: usize = 20;
const PATIENCE_MILLISECONDS: u16 = 10_000;
const DIRECTORY: &str = "plugins";

/// One plugin and the arguments with which it reaches a port of this machine.
struct Call {
    figures: [&'static str; 2],
    name: &'static str,
    arguments: fn(u16, &Path) -> Vec<String>,
}

const CALLS: [Call; 4] = [
    Call {
        figures: ["plugin_start_ssh", "plugin_start_ssh_p90"],
        name: "ssh.sh",
        arguments: |port, home| {
            let file = |name: &str| home.join(name).display().to_string();
            words(&["--host", "127.0.0.1", "--port", &port.to_string(), "--identity", &file("key")])
                .into_iter()
                .chain(words(&["--known-hosts", &file("known_hosts"), "--", "true"]))
                .collect()
        },
    },
    Call {
        figures: ["plugin_start_http", "plugin_start_http_p90"],
        name: "http.sh",
        arguments: |port, _| {
            words(&["--allow-network", "127.0.0.0/8", "--url", &format!("http://127.0.0.1:{port}/")])
        },
    },
    Call {
        figures: ["plugin_start_jenkins", "plugin_start_jenkins_p90"],
        name: "jenkins.sh",
        arguments: |port, _| {
            let url = format!("http://127.0.0.1:{port}");
            words(&["--url", &url, "--job", "restart", "--user", "bench", "--token-secret", "TOKEN"])
        },
    },
    Call {
        figures: ["plugin_start_sql", "plugin_start_sql_p90"],
        name: "sql.sh",
        arguments: |port, _| {
            words(&[
                "--engine",
                "postgresql",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--user",
                "bench",
            ])
            .into_iter()
            .chain(words(&["--database", "bench", "--statement", "SELECT 1"]))
            .collect()
        },
    },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `plugin_start_ssh`, `plugin_start_http`, `plugin_start_jenkins`, `plugin_start_sql`. The plugins are those of the
/// checkout in which the measurement is started.
pub fn plugin_start(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let empty = home.path().join("empty");
    fs::write(&empty, "#!/bin/sh\n")?;
    fs::set_permissions(&empty, Permissions::from_mode(0o755))?;
    for name in ["key", "known_hosts"] {
        fs::write(home.path().join(name), "")?;
        fs::set_permissions(home.path().join(name), Permissions::from_mode(0o600))?;
    }
    for call in &CALLS {
        let plugin = fs::canonicalize(Path::new(DIRECTORY).join(call.name))
            .with_context(|| format!("{} is not here: start the measurement in the checkout", call.name))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let arguments = (call.arguments)(listener.local_addr()?.port(), home.path());
        report.rounds(rounds, || {
            let (mut values, mut limits) = (Vec::new(), Vec::new());
            for _ in 0..SAMPLES {
                limits.push(ended(&empty, home.path())?);
                values.push(contacted(&plugin, &arguments, home.path(), &listener)?);
            }
            let [name, name_p90] = call.figures;
            Ok(vec![
                Reading::new(name, "ms", median(&values), Some(median(&limits))),
                Reading::new(name_p90, "ms", percentile(&values, 0.9), Some(percentile(&limits, 0.9))),
            ])
        })?;
    }
    Ok(())
}

/// As the launcher starts it, but for its own process group.
fn command(program: &Path, home: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the plugin alone is measured, without a launcher")]
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("SELFSERVICE_TIMEOUT", "60")
        .env("SELFSERVICE_SECRET_TOKEN", "token-of-bench")
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ended(program: &Path, home: &Path) -> anyhow::Result<f64> {
    let started = Instant::now();
    let output = command(program, home).output()?;
    ensure!(output.status.success(), "the empty script failed");
    Ok(milliseconds_since(started))
}

/// Milliseconds until the plugin connects; then it is let down and waited for.
fn contacted(
    program: &Path,
    arguments: &[String],
    home: &Path,
    listener: &TcpListener,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut child = command(program, home).args(arguments).spawn()?;
    let mut watched = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let connected = poll(&mut watched, PATIENCE_MILLISECONDS)? > 0;
    let time = milliseconds_since(started);
    if !connected {
        let output = child.wait_with_output()?;
        bail!("{} did not connect: {}", program.display(), String::from_utf8_lossy(&output.stdout));
    }
    // The connection is accepted and closed, so that the next one is not taken for it.
    drop(listener.accept()?);
    child.kill()?;
    child.wait()?;
    Ok(time)
}

fn milliseconds_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
