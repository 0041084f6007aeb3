//! Reading the pipes of runs, and watching them only while they may be read.

use std::time::SystemTime;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use uuid::Uuid;

use super::active::{self, Look};
use super::{Event, Runner, Stream, TOKENS_PER_RUN};

impl Runner {
    /// Reads once; true when there may be more.
    pub(super) fn read_output(&mut self, run: Uuid, stream: Stream) -> bool {
        let Some(active) = self.runs.get_mut(&run) else {
            return false;
        };
        let Some(pipe) = active.pipe(stream) else {
            return false;
        };
        match active::look(pipe, &mut self.buffer) {
            Look::Bytes(count) => {
                active.outstanding += count;
                if let Some(ending) = &mut active.ending {
                    ending.drained += count;
                }
                let bytes = self.buffer.get(..count).unwrap_or_default().to_vec();
                self.ready.push_back(Event::Output { run, stream, bytes, at: SystemTime::now() });
                true
            }
            Look::Empty => false,
            Look::End => {
                // Closing takes it out of the epoll: no other descriptor refers to a read end.
                *active.pipe(stream) = None;
                false
            }
        }
    }

    pub(super) fn read_progress(&mut self, run: Uuid) {
        let Some(active) = self.runs.get_mut(&run) else {
            return;
        };
        let Some(pipe) = &active.progress else { return };
        if let Look::Bytes(count) = active::look(pipe, &mut self.buffer) {
            let at = SystemTime::now();
            for progress in active.lines.push(self.buffer.get(..count).unwrap_or_default()) {
                self.ready.push_back(Event::Progress { run, progress, at });
            }
        }
    }

    pub(super) fn watch_progress(&mut self, run: Uuid) {
        let Some(active) = self.runs.get(&run) else { return };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, active.serial * TOKENS_PER_RUN + 2);
        if let Some(pipe) = &active.progress
            && let Err(error) = self.epoll.add(pipe, event)
        {
            tracing::warn!(%run, "its progress can't be watched: {error}");
        }
    }

    /// Watches the pipes of a started run, and stops to while the caller owes credit. A pipe is taken out of the
    /// epoll for that: without any event asked for, it would still report a hang-up again and again.
    pub(super) fn watch_as_due(&mut self, run: Uuid) {
        let window = self.options.window;
        let Some(active) = self.runs.get_mut(&run) else {
            return;
        };
        let due = active.started && !active.is_out_of_credit(window);
        if due == active.watched {
            return;
        }
        active.watched = due;
        let token = active.serial * TOKENS_PER_RUN;
        for (pipe, token) in [(&active.stdout, token), (&active.stderr, token + 1)] {
            let Some(pipe) = pipe else { continue };
            let result = if due {
                self.epoll.add(pipe, EpollEvent::new(EpollFlags::EPOLLIN, token))
            } else {
                self.epoll.delete(pipe)
            };
            if let Err(error) = result {
                tracing::error!(%run, "its output can't be watched: {error}");
            }
        }
    }
}
