//! Output and end of a task, as they come.

use super::client::{Client, Reply, at};
use crate::context::{note, print};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The service is asked so often for what is new.
const EVERY: Duration = Duration::from_millis(500);
/// A service that does not answer is asked again for so long.
const PATIENCE: Duration = Duration::from_secs(600);
/// As a shell's convention for a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// What Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// The task is asked to end.
    Cancels,
    /// It runs on, and is not followed any more.
    Leaves,
}

/// Prints the output from its first byte on until the task has finished, and ends as the task did. A break of the
/// connection leaves no gap and repeats nothing: it goes on at the byte where it stopped.
pub fn follow(client: &Client, id: Uuid, interrupted: Interrupted, json: bool) -> anyhow::Result<ExitCode> {
    let signals = listen()?;
    let mut offset = 0;
    let mut answered = Instant::now();
    loop {
        match client.get(&format!("/tasks/{id}/log"), &[("offset", &offset.to_string())]) {
            Ok(reply) if reply.status < 500 => {
                let page = reply.ok()?;
                answered = Instant::now();
                if !json {
                    at(&page, "/chunks").as_array().into_iter().flatten().try_for_each(write)?;
                }
                let next =
                    at(&page, "/next_offset").as_i64().context("the service answered without an offset")?;
                let more = next > offset;
                offset = next;
                if at(&page, "/complete") == true {
                    return end(client, id, json);
                }
                if more {
                    continue;
                }
            }
            _ if answered.elapsed() < PATIENCE => {}
            Ok(Reply { status, .. }) => bail!("the service has been answering {status} for ten minutes"),
            Err(error) => return Err(error),
        }
        if signals.recv_timeout(EVERY).is_ok() {
            match interrupted {
                Interrupted::Leaves => {
                    note(format!("Not followed any more; the task runs on: tasks remote follow {id}"))?;
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                Interrupted::Cancels => ask_to_cancel(client, id)?,
            }
        }
    }
}

/// One message for each signal that asks the program to end.
fn listen() -> anyhow::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("while installing the signal handlers")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || signals.forever().try_for_each(|_| sender.send(())));
    Ok(receiver)
}

fn ask_to_cancel(client: &Client, id: Uuid) -> anyhow::Result<()> {
    match client.post(&format!("/tasks/{id}/cancel"), &json!({})).and_then(Reply::ok) {
        Ok(_) => note("Asked to cancel the task"),
        // It may just have finished, which the next look shows.
        Err(error) => note(format!("It could not be cancelled: {error:#}")),
    }
}

fn end(client: &Client, id: Uuid, json: bool) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let task = loop {
        match client.get(&format!("/tasks/{id}"), &[]) {
            Ok(reply) if reply.status < 500 => break reply.ok()?,
            Ok(_) | Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(EVERY),
            Ok(reply) => break reply.ok()?,
            Err(error) => return Err(error),
        }
    };
    if json {
        print(serde_json::to_string_pretty(&task)?)?;
    } else {
        let words = ["severity", "result", "result_text", "summary"]
            .map(|key| at(&task, &format!("/{key}")).as_str().unwrap_or_default());
        let [severity, result, detail, summary] = words;
        let said: Vec<&str> = [if severity == result { "" } else { result }, detail, summary]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        note(format!("{}: {}", severity.to_uppercase(), said.join(" · ").escape_debug()))?;
    }
    Ok(ExitCode::from(exit_code(at(&task, "/result").as_str().unwrap_or_default())))
}

/// What a result is for the shell.
fn exit_code(result: &str) -> u8 {
    match result {
        "ok" => 0,
        "warning" => 1,
        "critical" | "failed" | "timed_out" => 2,
        "cancelled" | "expired" | "rejected" => 4,
        _ => 3,
    }
}

/// Standard error goes to standard error; what our own programs say of the run, too.
fn write(chunk: &Value) -> anyhow::Result<()> {
    let bytes = match (at(chunk, "/text").as_str(), at(chunk, "/base64").as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(base64)) => base64::engine::general_purpose::STANDARD
            .decode(base64)
            .context("the output is not understood")?,
        (None, None) => Vec::new(),
    };
    if at(chunk, "/stream") == "stdout" {
        put(&mut io::stdout().lock(), &bytes)
    } else {
        put(&mut io::stderr().lock(), &bytes)
    }
    .context("while writing the output")
}

/// A terminal gets no control characters: what a plugin prints must not move its cursor or set its title.
fn put(out: &mut (impl Write + IsTerminal), bytes: &[u8]) -> io::Result<()> {
    if out.is_terminal() {
        out.write_all(harmless(&String::from_utf8_lossy(bytes)).as_bytes())?;
    } else {
        out.write_all(bytes)?;
    }
    out.flush()
}

fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(
            harmless("a\tb\n\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}c"),
            "a\tb\n\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{9b}c"
        );
    }
}
