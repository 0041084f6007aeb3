//! The plugin of the fault tests: it swears to its own run before it does anything.
//!
//! `fault_witness FILE quick`, `prints LINES PAUSE_MS`, `sleeps MS` or `stubborn MS`. It appends `UUID PID begin` to the
//! file and syncs that; then it prints what the variant says, `end of UUID` as the last line, and appends
//! `UUID PID end`. A stubborn one blocks TERM and HUP, and leaves two daemons behind that do the same; the second one
//! has neither environment, nor directory, nor files of its run.
#![expect(
    clippy::disallowed_methods,
    reason = "a plugin reads its environment, and this one starts a daemon"
)]

use nix::sys::signal::{SigSet, Signal};
use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, variant, numbers @ ..] = arguments.as_slice() else {
        return Err(io::Error::other("usage: fault_witness FILE VARIANT [NUMBER ...]"));
    };
    if variant == "daemon" {
        return stay(file, numbers);
    }
    let number = |index: usize| numbers.get(index).and_then(|text| text.parse().ok()).unwrap_or(0);
    let uuid = std::env::var("SELFSERVICE_TASK_UUID").map_err(io::Error::other)?;
    let mut witness = File::options().append(true).open(file)?;
    swear(&mut witness, &uuid, "begin")?;
    match variant.as_str() {
        "quick" => {}
        "prints" => print_lines(number(0), Duration::from_millis(number(1)))?,
        "sleeps" => sleep(Duration::from_millis(number(0))),
        "stubborn" => {
            deaf()?;
            start_daemon(file, &["keeps", &uuid])?;
            start_daemon(file, &["sheds", &uuid])?;
            sleep(Duration::from_millis(number(0)));
        }
        other => return Err(io::Error::other(format!("there is no variant {other}"))),
    }
    swear(&mut witness, &uuid, "end")?;
    writeln!(io::stdout(), "end of {uuid}")
}

/// One write, so that lines of many runs do not mix.
fn swear(witness: &mut File, uuid: &str, word: &str) -> io::Result<()> {
    witness.write_all(format!("{uuid} {} {word}\n", std::process::id()).as_bytes())?;
    witness.sync_all()
}

fn print_lines(count: u64, pause: Duration) -> io::Result<()> {
    for number in 0..count {
        writeln!(io::stdout(), "line {number}")?;
        sleep(pause);
    }
    Ok(())
}

fn deaf() -> io::Result<()> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT].into_iter().collect();
    signals.thread_block().map_err(io::Error::from)
}

/// Starts this program again as a daemon without open files, which keeps or sheds the rest.
fn start_daemon(file: &str, words: &[&str]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(file).arg("daemon").args(words);
    if words.first() == Some(&"sheds") {
        command.env_clear().current_dir("/");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(|_| ())
}

/// The middle one of a double fork ends at once, so that nobody knows the last one.
fn stay(file: &str, words: &[String]) -> io::Result<()> {
    nix::unistd::setsid()?;
    deaf()?;
    if let [how, uuid] = words {
        return start_daemon(file, &[how, "second", uuid]);
    }
    sleep(Duration::from_secs(1000));
    Ok(())
}
