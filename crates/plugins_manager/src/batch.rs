//! What is stored together: output, progress and results of any tasks.

use failpoint::failpoint;
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::logs::Chunk;
use selfservice_core::queue::{self, Finish, Progress};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// So many bytes of output go into one transaction at most: one task's flood must not hold up the others.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Where the way to the database is slow, fewer do: one chunk must get through within the time that a use may take.
const MIN_BYTES: usize = 64 * 1024;
/// What the database refuses is tried so often before it is given up, a second apart.
const TRIES: u32 = 3;

/// See the module's text. Storing it twice changes nothing: every part is guarded by epoch or offset.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In order for each task.
    pub chunks: Vec<Chunk>,
    /// At most one for each task.
    pub progress: Vec<Progress>,
    /// Results, each of a task whose last output is here or was stored before.
    pub ends: Vec<Finish>,
}

impl Batch {
    /// Bytes of output.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    fn tasks(&self) -> BTreeSet<Uuid> {
        let chunks = self.chunks.iter().map(|chunk| chunk.task_id);
        let progress = self.progress.iter().map(|progress| progress.id);
        chunks.chain(progress).chain(self.ends.iter().map(|end| end.id)).collect()
    }

    fn of_task(&self, id: Uuid) -> Self {
        Self {
            chunks: self.chunks.iter().filter(|chunk| chunk.task_id == id).cloned().collect(),
            progress: self.progress.iter().filter(|progress| progress.id == id).cloned().collect(),
            ends: self.ends.iter().filter(|end| end.id == id).cloned().collect(),
        }
    }
}

/// Stores batches, in smaller parts while the way to the database is slow.
#[derive(Debug)]
pub struct Storage {
    pool: Pool,
    bytes: usize,
    failures: u32,
}

impl Storage {
    /// Through connections of `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool, bytes: MAX_BYTES, failures: 0 }
    }

    /// Stores a batch; usually in one transaction, and a result always in one with the last output before it. An error
    /// is an outage: nobody knows how much was stored, and it is to be stored again. What the database itself refuses
    /// is dropped, and said in the log; gives the tasks whose result was dropped.
    pub fn store(&mut self, batch: &Batch) -> Result<Vec<Uuid>, DbError> {
        let result = match self.store_parts(batch) {
            Err(error) if !error.is_outage() => self.store_each(batch),
            other => other.map(|()| Vec::new()),
        };
        match &result {
            Ok(_) => {
                self.failures = 0;
                self.bytes = (self.bytes * 2).min(MAX_BYTES);
            }
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                self.bytes = (self.bytes / 4).max(MIN_BYTES);
            }
        }
        result
    }

    /// How often storing has failed since it succeeded.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures
    }

    /// One of them cannot be stored; the others must not wait for it.
    fn store_each(&self, batch: &Batch) -> Result<Vec<Uuid>, DbError> {
        let mut dropped = Vec::new();
        for id in batch.tasks() {
            let part = batch.of_task(id);
            let has_result = !part.ends.is_empty();
            if !self.store_one(id, part)? && has_result {
                dropped.push(id);
            }
        }
        Ok(dropped)
    }

    /// False: not even without the output.
    fn store_one(&self, id: Uuid, mut batch: Batch) -> Result<bool, DbError> {
        for what in ["output", "result"] {
            for attempt in 1..=TRIES {
                match self.store_parts(&batch) {
                    Err(error) if error.is_outage() => return Err(error),
                    Err(error) if attempt == TRIES => {
                        tracing::error!(task.id = %id, ?error, "the {what} of a task cannot be stored and is dropped");
                    }
                    Err(_) => std::thread::sleep(Duration::from_secs(1)),
                    Ok(()) => return Ok(true),
                }
            }
            batch.chunks.clear();
        }
        Ok(false)
    }

    fn store_parts(&self, batch: &Batch) -> Result<(), DbError> {
        let mut chunks = batch.chunks.as_slice();
        while let Some((part, rest)) = first_part(chunks, self.bytes) {
            self.pool.transaction::<_, DbError>(|connection| Ok(Chunk::append(connection, part)?))?;
            chunks = rest;
        }
        if !batch.ends.is_empty() {
            failpoint!("before_result_commit");
        }
        let ends: Vec<&Finish> = batch.ends.iter().collect();
        let done: HashSet<Uuid> = self.pool.run::<_, DbError>(|connection| {
            let done = queue::store(connection, chunks, &batch.progress, &ends)?;
            Ok(done.into_iter().collect())
        })?;
        if !ends.is_empty() {
            failpoint!("after_result_commit");
        }
        for end in ends.iter().filter(|end| !done.contains(&end.id)) {
            tracing::warn!(task.id = %end.id, "a result came for a task that is not this manager's any more");
        }
        Ok(())
    }
}

/// The first chunks that together have at most `limit` bytes (or one larger one), and the others; `None`: all of them
/// fit into one part.
fn first_part(chunks: &[Chunk], limit: usize) -> Option<(&[Chunk], &[Chunk])> {
    let mut bytes = 0;
    let fit = chunks.iter().position(|chunk| {
        bytes += chunk.bytes.len();
        bytes > limit
    })?;
    // More than one chunk is left, or one that is too large anyway: the last part has at least one.
    (chunks.len() > 1).then(|| chunks.split_at(fit.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use selfservice_core::models::logs::Stream;

    #[test]
    fn parts_follow_each_other_without_loss_and_are_never_larger_than_asked_for() {
        for (lengths, limit) in [(vec![], 10), (vec![30], 10), (vec![4, 4, 4, 4], 8), (vec![9, 30, 1, 9], 10)]
        {
            let mut offset = 0;
            let chunks: Vec<Chunk> = lengths
                .iter()
                .map(|length| {
                    let chunk = Chunk {
                        task_id: Uuid::nil(),
                        byte_offset: offset,
                        first_line: 0,
                        stream: Stream::Stdout,
                        written_at: Utc::now(),
                        bytes: vec![b'x'; *length],
                    };
                    offset = chunk.end();
                    chunk
                })
                .collect();
            let (mut rest, mut seen) = (chunks.as_slice(), Vec::new());
            while let Some((part, others)) = first_part(rest, limit) {
                let bytes: usize = part.iter().map(|chunk| chunk.bytes.len()).sum();
                assert!(bytes <= limit || part.len() == 1, "{lengths:?}");
                seen.extend_from_slice(part);
                rest = others;
            }
            seen.extend_from_slice(rest);
            assert_eq!(seen, chunks, "{lengths:?}");
        }
    }
}
