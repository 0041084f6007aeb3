//! Steps and percent for the eye. Nothing here can fail or block: a FIFO that nobody reads, or that is full, loses lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::fcntl::OFlag;
use serde_json::{Value, json};

use crate::environment;

/// The FIFO of the contract, if there is one. Each line is written only when it differs from the last of its kind.
#[derive(Debug)]
pub struct Progress {
    fifo: Option<File>,
    step: Option<Value>,
    percent: Option<u64>,
}

impl Progress {
    /// Opens the FIFO and announces the plan.
    pub fn new(steps: &[&str]) -> Self {
        // For both directions, so that opening waits for no reader.
        let open = |path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()
        };
        let is_fifo = |file: &File| file.metadata().is_ok_and(|about| about.file_type().is_fifo());
        let fifo = environment::progress().and_then(open).filter(is_fifo);
        let mut progress = Self { fifo, step: None, percent: None };
        progress.write(&json!({ "steps": steps }));
        progress
    }

    /// Makes a step current; those before it are done.
    pub fn step(&mut self, name: &str, note: &str) {
        let line = if note.is_empty() { json!({"step": name}) } else { json!({"step": name, "note": note}) };
        if self.step.as_ref() != Some(&line) {
            self.write(&line);
            self.step = Some(line);
        }
    }

    /// 0 to 100; more counts as 100.
    pub fn percent(&mut self, percent: u64) {
        let percent = percent.min(100);
        if self.percent != Some(percent) {
            self.write(&json!({ "percent": percent }));
            self.percent = Some(percent);
        }
    }

    fn write(&mut self, line: &Value) {
        if let Some(fifo) = &mut self.fifo {
            // One write of less than PIPE_BUF: it arrives whole or not at all.
            let _written = fifo.write_all(format!("{line}\n").as_bytes());
        }
    }
}
