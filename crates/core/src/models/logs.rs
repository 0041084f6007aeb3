//! Output of tasks: an append-only byte stream each, in chunks.

use crate::db::schema::logs;
use crate::text_enum::text_enum;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use uuid::Uuid;

text_enum! {
    /// Where a chunk came from.
    Stream {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
        /// A sentence of ours.
        System = "system",
    }
}

/// The most bytes of one chunk.
pub const MAX_CHUNK: usize = 65_536;

/// A row of `logs`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = logs, check_for_backend(Pg), treat_none_as_default_value = false)]
pub struct Chunk {
    /// The task.
    pub task_id: Uuid,
    /// Where it begins in the task's output of all streams.
    pub byte_offset: i64,
    /// Line ends before it.
    pub first_line: i64,
    /// Where it came from.
    pub stream: Stream,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// One to [`MAX_CHUNK`] bytes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Where the next chunk begins.
    pub fn end(&self) -> i64 {
        self.byte_offset + i64::try_from(self.bytes.len()).unwrap_or(i64::MAX)
    }

    /// Appends chunks of any tasks in one statement. A chunk that is there already (a replay after an unclear commit)
    /// is left as it is.
    pub fn append(connection: &mut PgConnection, chunks: &[Self]) -> QueryResult<()> {
        // Six values a row; PostgreSQL takes 65,535 in a statement.
        for part in chunks.chunks(10_000) {
            diesel::insert_into(logs::table).values(part).on_conflict_do_nothing().execute(connection)?;
        }
        Ok(())
    }

    /// The chunks of a task from byte `offset` on, at most `limit` of them. A chunk that began before `offset` comes
    /// cut, so that a reader can resume anywhere.
    pub fn after(
        connection: &mut PgConnection,
        task_id: Uuid,
        offset: i64,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        let first: Option<i64> = logs::table
            .filter(logs::task_id.eq(task_id).and(logs::byte_offset.le(offset)))
            .select(diesel::dsl::max(logs::byte_offset))
            .first(connection)?;
        let mut chunks: Vec<Self> = logs::table
            .filter(logs::task_id.eq(task_id).and(logs::byte_offset.ge(first.unwrap_or(0))))
            .order(logs::byte_offset)
            .limit(limit.saturating_add(1))
            .select(Self::as_select())
            .load(connection)?;
        if chunks.first().is_some_and(|chunk| chunk.end() <= offset) {
            chunks.remove(0);
        }
        if let Some(chunk) = chunks.first_mut().filter(|chunk| chunk.byte_offset < offset) {
            let cut = usize::try_from(offset - chunk.byte_offset).unwrap_or(0);
            let dropped: Vec<u8> = chunk.bytes.drain(..cut).collect();
            chunk.first_line +=
                i64::try_from(dropped.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0);
            chunk.byte_offset = offset;
        }
        chunks.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(chunks)
    }

    /// The byte that line `line`, counted from 0, begins with; the end of the output where there are fewer lines. That
    /// takes some twenty looks into the primary key, however long the output is.
    pub fn start_of_line(connection: &mut PgConnection, task_id: Uuid, line: i64) -> QueryResult<i64> {
        let Some((last, _)) = Self::at(connection, task_id, i64::MAX)?.filter(|_| line > 0) else {
            return Ok(0);
        };
        // What begins at `low` or before has fewer line ends before it than `line`; at `high` and after, enough of them.
        let (mut low, mut high) = (0, last + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match Self::at(connection, task_id, middle)? {
                Some((offset, first_line)) if first_line >= line => high = offset,
                _ => low = middle,
            }
        }
        let chunk: Self = logs::table
            .filter(logs::task_id.eq(task_id).and(logs::byte_offset.le(low)))
            .order(logs::byte_offset.desc())
            .select(Self::as_select())
            .first(connection)?;
        let missing = usize::try_from(line - chunk.first_line - 1).unwrap_or(usize::MAX);
        let ends = chunk.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.map(|(at, _)| at + 1).nth(missing).and_then(|end| i64::try_from(end).ok());
        Ok(end.map_or_else(|| chunk.end(), |end| chunk.byte_offset + end))
    }

    /// Offset and first line of the last chunk that begins at `offset` or before.
    fn at(connection: &mut PgConnection, task_id: Uuid, offset: i64) -> QueryResult<Option<(i64, i64)>> {
        logs::table
            .filter(logs::task_id.eq(task_id).and(logs::byte_offset.le(offset)))
            .order(logs::byte_offset.desc())
            .select((logs::byte_offset, logs::first_line))
            .first(connection)
            .optional()
    }
}
