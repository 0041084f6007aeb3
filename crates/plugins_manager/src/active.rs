//! What the writer knows of one task: output, progress and result on their way to the database.

use crate::outcome::{CancelledBy, Verdict};
use crate::output::Output;
use crate::steps::Steps;
use chrono::{DateTime, Utc};
use plugin_runner::Stream;
use plugin_runner::output::Summary;
use selfservice_core::models::logs::Chunk;
use selfservice_core::models::tasks::TaskResult;
use selfservice_core::queue::{Finish, Progress};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A line without an end is shown after this: it may be a prompt.
pub const PARTIAL_AFTER: Duration = Duration::from_millis(200);

/// One task between its claim and the storing of its result.
pub struct Active {
    epoch: i64,
    output: Output,
    steps: Steps,
    /// Who cancelled it, once somebody has.
    pub cancelled_by: Option<CancelledBy>,
    /// Cut, but not stored yet.
    pub chunks: Vec<Chunk>,
    /// Bytes that were taken since the last credit.
    taken: usize,
    changed: bool,
    partial_since: Option<Instant>,
    /// The result, once there is one.
    pub finish: Option<Finish>,
}

impl Active {
    /// A run that has not begun yet.
    pub fn new(output: Output, epoch: i64) -> Self {
        Self {
            epoch,
            output,
            steps: Steps::default(),
            cancelled_by: None,
            chunks: Vec::new(),
            taken: 0,
            changed: false,
            partial_since: None,
            finish: None,
        }
    }

    /// Whether something is to be stored.
    pub fn has_something(&self) -> bool {
        !self.chunks.is_empty()
            || self.changed
            || self.taken > 0 && self.partial_since.is_none()
            || self.finish.is_some()
    }

    /// Whether a line without an end waits to be shown.
    pub fn has_partial(&self) -> bool {
        self.partial_since.is_some()
    }

    /// Takes in bytes of output.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.taken += bytes.len();
        self.output.push(stream, bytes);
    }

    /// Takes in a report of progress.
    pub fn report(&mut self, progress: plugin_runner::Progress, at: DateTime<Utc>) {
        self.steps.take(&self.output.masked(progress), at);
        self.changed = true;
    }

    /// Cuts what can be stored now into chunks.
    pub fn cut(&mut self) {
        if self.finish.is_some() {
            return;
        }
        let waited_long = self.partial_since.is_some_and(|since| since.elapsed() >= PARTIAL_AFTER);
        self.chunks.extend(self.output.take(Utc::now(), waited_long));
        self.partial_since = match (self.output.has_partial(), waited_long) {
            (false, _) => None,
            (true, true) => Some(Instant::now()),
            (true, false) => Some(self.partial_since.unwrap_or_else(Instant::now)),
        };
    }

    /// The run is over: the rest of its output, the last line, and the result.
    pub fn end(
        &mut self,
        id: Uuid,
        verdict: &Verdict,
        elapsed: Option<Duration>,
        left: usize,
        at: DateTime<Utc>,
    ) {
        self.steps.end(verdict.result == TaskResult::Ok, at);
        self.chunks.extend(self.output.finish(&verdict.last_line(elapsed, left), at));
        let summary = Summary::parse(self.output.head());
        self.finish = Some(Finish {
            id,
            epoch: self.epoch,
            result: verdict.result,
            exit_code: verdict.exit_code,
            result_text: verdict.text.clone(),
            summary: Some(summary.text).filter(|text| !text.is_empty()),
            perfdata: summary.perfdata,
        });
    }

    /// Everything that was there is stored; gives the bytes that the run may print more.
    pub fn stored(&mut self) -> usize {
        self.chunks.clear();
        self.changed = false;
        std::mem::take(&mut self.taken)
    }

    /// What the task's row says of a run that goes on.
    pub fn progress(&self, id: Uuid) -> Progress {
        let (output_bytes, output_lines) = self.output.written();
        Progress {
            id,
            epoch: self.epoch,
            percent: self.steps.percent(),
            steps: self.steps.json(),
            output_bytes,
            output_lines,
        }
    }
}
