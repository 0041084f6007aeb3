//! What the writer knows of one task: output, progress and result on their way to the database.

use crate::batch::Batch;
use crate::outcome::{CancelledBy, Verdict};
use crate::output::Output;
use crate::steps::Steps;
use chrono::{DateTime, Utc};
use plugin_runner::Stream;
use plugin_runner::output::Summary;
use selfservice_core::models::logs::Chunk;
use selfservice_core::models::tasks::TaskResult;
use selfservice_core::queue::{Finish, Progress};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A line without an end is shown after this: it may be a prompt.
pub const PARTIAL_AFTER: Duration = Duration::from_millis(60);
/// Bytes that leave nothing to be stored are given back in steps of this size.
const CREDIT_STEP: usize = 128 * 1024;

/// One task between its claim and the storing of its result.
pub struct Active {
    epoch: i64,
    output: Output,
    steps: Steps,
    /// Who cancelled it, once somebody has.
    pub cancelled_by: Option<CancelledBy>,
    /// Cut, but not stored yet.
    waiting: VecDeque<Chunk>,
    waiting_bytes: usize,
    /// Bytes that the plugin has printed and was not given back.
    taken: usize,
    partial_since: Option<Instant>,
    /// Since when something waits to be stored.
    due_since: Option<Instant>,
    finish: Option<Finish>,
}

impl Active {
    /// A run that has not begun yet.
    pub fn new(output: Output, epoch: i64) -> Self {
        Self {
            epoch,
            output,
            steps: Steps::default(),
            cancelled_by: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken: 0,
            partial_since: None,
            due_since: None,
            finish: None,
        }
    }

    /// Since when something waits to be stored.
    pub fn due_since(&self) -> Option<Instant> {
        self.due_since
    }

    /// Bytes that wait to be stored.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether the result waits to be stored.
    pub fn has_ended(&self) -> bool {
        self.finish.is_some()
    }

    /// Since when a line without an end waits to be shown.
    pub fn partial_since(&self) -> Option<Instant> {
        self.partial_since
    }

    /// Takes in bytes of output.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.taken += bytes.len();
        self.output.push(stream, bytes);
    }

    /// Takes in a report of progress.
    pub fn report(&mut self, progress: plugin_runner::Progress, at: DateTime<Utc>) {
        self.steps.take(&self.output.masked(progress), at);
        self.due_since.get_or_insert_with(Instant::now);
    }

    /// Cuts what can be stored now into chunks.
    pub fn cut(&mut self) {
        if self.finish.is_some() {
            return;
        }
        let waited_long = self.partial_since.is_some_and(|since| since.elapsed() >= PARTIAL_AFTER);
        let chunks = self.output.take(Utc::now(), waited_long);
        self.add(chunks);
        self.partial_since = match (self.output.has_partial(), waited_long) {
            (false, _) => None,
            (true, true) => Some(Instant::now()),
            (true, false) => Some(self.partial_since.unwrap_or_else(Instant::now)),
        };
    }

    fn add(&mut self, chunks: Vec<Chunk>) {
        if !chunks.is_empty() {
            self.due_since.get_or_insert_with(Instant::now);
        }
        self.waiting_bytes += chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
        self.waiting.extend(chunks);
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
        let rest = self.output.finish(&verdict.last_line(elapsed, left), at);
        self.add(rest);
        self.partial_since = None;
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

    /// Moves what waits into `batch`, output only until `share` bytes are reached (but at least one chunk), and the
    /// result when no output is left behind.
    pub fn portion(&mut self, id: Uuid, share: usize, batch: &mut Batch) {
        let mut moved = 0;
        while let Some(chunk) = self.waiting.pop_front() {
            let length = chunk.bytes.len();
            if moved > 0 && moved + length > share {
                self.waiting.push_front(chunk);
                break;
            }
            moved += length;
            batch.chunks.push(chunk);
        }
        self.waiting_bytes -= moved;
        batch.progress.push(self.progress(id));
        if self.waiting.is_empty() {
            batch.ends.extend(self.finish.take());
            self.due_since = None;
        } else {
            // Behind those who waited meanwhile.
            self.due_since = Some(Instant::now());
        }
    }

    /// What the task's row says when everything is stored that does not wait any more.
    fn progress(&self, id: Uuid) -> Progress {
        let (output_bytes, output_lines) = match self.waiting.front() {
            Some(next) => (next.byte_offset, next.first_line),
            None => self.output.written(),
        };
        Progress {
            id,
            epoch: self.epoch,
            percent: self.steps.percent(),
            steps: self.steps.json(),
            output_bytes,
            output_lines,
        }
    }

    /// So many bytes of output are safe; gives how many more the plugin may print.
    pub fn credit(&mut self, safe: usize) -> usize {
        // Masks and limits change lengths, so what was taken counts when nothing waits.
        let credit = if self.waiting.is_empty() { self.taken } else { safe.min(self.taken) };
        self.taken -= credit;
        credit
    }

    /// As [`Active::credit`] where output is taken in and nothing of it is to be stored: a limit has been reached, or it
    /// has no line end yet. What is kept of it in memory is bounded.
    pub fn spare_credit(&mut self) -> usize {
        if self.waiting.is_empty() && self.taken >= CREDIT_STEP { self.credit(0) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_runner::Outcome;

    fn active(limit: u64) -> (Uuid, Active) {
        let id = Uuid::now_v7();
        (id, Active::new(Output::new(id, &[], limit), 1))
    }

    #[test]
    fn the_result_comes_with_the_last_output_and_the_row_never_says_more_than_is_stored() {
        let (id, mut active) = active(1 << 30);
        for _ in 0..40 {
            active.push(Stream::Stdout, &b"0123456789abcde\n".repeat(1024));
            active.cut();
        }
        active.end(id, &Verdict::of(&Outcome::Exit(0), None), None, 0, Utc::now());
        let (mut end, mut batches) = (0, 0);
        while active.due_since().is_some() {
            let mut batch = Batch::default();
            active.portion(id, 128 * 1024, &mut batch);
            assert!(batch.bytes() <= 128 * 1024);
            assert_eq!(batch.chunks[0].byte_offset, end);
            end = batch.chunks.last().unwrap().end();
            assert_eq!(batch.progress[0].output_bytes, end);
            assert_eq!(batch.ends.is_empty(), active.due_since().is_some());
            batches += 1;
        }
        assert!(batches > 4, "{batches}");
        assert_eq!(end, 40 * 16 * 1024 + i64::try_from("OK: exit code 0\n".len()).unwrap());
    }

    #[test]
    fn credit_adds_up_to_what_was_printed_whatever_is_stored_of_it() {
        let (id, mut active) = active(3 << 20);
        let (mut printed, mut given) = (0, 0);
        for number in 0..200 {
            let bytes = vec![if number % 3 == 0 { b'\n' } else { b'x' }; 50_000];
            printed += bytes.len();
            active.push(Stream::Stdout, &bytes);
            active.cut();
            if number % 5 == 0 {
                let mut batch = Batch::default();
                active.portion(id, 64 * 1024, &mut batch);
                given += active.credit(batch.bytes());
            }
            given += active.spare_credit();
            assert!(given <= printed);
        }
        while active.due_since().is_some() {
            let mut batch = Batch::default();
            active.portion(id, 64 * 1024, &mut batch);
            given += active.credit(batch.bytes());
        }
        given += active.credit(0);
        assert_eq!(given, printed);
    }
}
