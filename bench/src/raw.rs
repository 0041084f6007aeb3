//! What the machine itself can do: processes started without any of our programs.

use anyhow::{Context as _, bail};
use selfservice_core::db::{Listener, Wake};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// The channel of the limit's own notifications.
pub const CHANNEL: &str = "bench_wake";
const THREADS: usize = 8;

/// Runs `program` and reads both of its outputs to their ends.
pub fn run(program: &Path) -> anyhow::Result<Output> {
    #[expect(clippy::disallowed_methods, reason = "the limit is measured without plugin_runner")]
    let output = Command::new(program).output();
    output.with_context(|| format!("while running {}", program.display()))
}

/// Runs a plugin that prints the time, and gives that.
pub fn stamp(program: &Path) -> anyhow::Result<u128> {
    let output = run(program)?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Starts a second for `count` runs of `program` by eight threads.
#[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
pub fn spawn_rate(program: &Path, count: usize) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = || -> anyhow::Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            run(program)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread of the limit panicked"),
            }
        }
        Ok(())
    })?;
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

/// The least that any manager must do: a thread that is woken by NOTIFY and runs a plugin, again and again. Gives the
/// times that the plugin printed; the thread ends with the process.
pub fn start_on_notify(url: &str, program: PathBuf) -> anyhow::Result<Receiver<anyhow::Result<u128>>> {
    let mut listener = Listener::new(url, &[CHANNEL])?;
    let (sender, stamps) = mpsc::channel();
    while listener.wait(Duration::from_secs(1)) != Wake::Connected {}
    std::thread::spawn(move || {
        loop {
            if matches!(listener.wait(Duration::from_secs(3600)), Wake::Notified { .. })
                && sender.send(stamp(&program)).is_err()
            {
                return;
            }
        }
    });
    Ok(stamps)
}
