//! One run in the launcher: when it must end, and how far its ending is.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use uuid::Uuid;

use super::processes::{send, send_to_group};
use super::trees::Tree;
use crate::protocol::{Cause, ExitStatus, Exited};

/// What a plugin leaves behind when it ends by itself, or when its connection is gone, has this long from TERM
/// to KILL.
pub(super) const SHORT_GRACE: Duration = Duration::from_millis(500);
/// Killed processes that are still there after this run as another user, or hang in the kernel.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);
/// How often a tree that is being ended is looked at, besides at every child's end.
const GRACE_LOOK: Duration = Duration::from_millis(100);
const KILL_LOOK: Duration = Duration::from_millis(10);
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3600);

enum Phase {
    Running,
    Ending { cause: Cause, kill_at: Instant },
}

pub(super) struct Run {
    pub id: Uuid,
    pub connection: u64,
    /// The plugin's own process, and the number of its session and group.
    pub leader: i32,
    pub directory: PathBuf,
    /// Set when the leader's end was collected.
    status: Option<ExitStatus>,
    started: Instant,
    deadline: Instant,
    grace: Duration,
    phase: Phase,
}

impl Run {
    pub fn new(
        id: Uuid,
        connection: u64,
        leader: i32,
        directory: PathBuf,
        limits: (Duration, Duration),
    ) -> Self {
        let now = Instant::now();
        let (timeout, grace) = limits;
        Self {
            id,
            connection,
            leader,
            directory,
            status: None,
            started: now,
            deadline: later(now, timeout),
            grace,
            phase: Phase::Running,
        }
    }

    /// The leader's end was collected.
    pub fn leader_ended(&mut self, status: ExitStatus) {
        self.status = Some(status);
    }

    pub fn leader_lives(&self) -> bool {
        self.status.is_none()
    }

    /// True when the processes of the run must be looked at now.
    pub fn is_due(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Ending { .. }) || self.status.is_some() || now >= self.deadline
    }

    /// When to look next.
    pub fn next_look(&self, now: Instant) -> Instant {
        match self.phase {
            Phase::Running => self.deadline,
            Phase::Ending { kill_at, .. } if now < kill_at => kill_at.min(now + GRACE_LOOK),
            Phase::Ending { .. } => now + KILL_LOOK,
        }
    }

    /// Begins to end the run for this reason, unless it is ending already. One that has too many processes is not asked:
    /// it would go on to make more.
    pub fn end(&mut self, cause: Cause, tree: &Tree, now: Instant) {
        if matches!(self.phase, Phase::Running) {
            let grace = match cause {
                Cause::Exited => SHORT_GRACE,
                Cause::TooManyProcesses { .. } => Duration::ZERO,
                _ => self.grace,
            };
            self.phase = Phase::Ending { cause, kill_at: later(now, grace) };
            if grace.is_zero() {
                return;
            }
            for &id in &tree.ids {
                send(id, Signal::SIGTERM);
                // A stopped process takes its TERM only when it goes on.
                send(id, Signal::SIGCONT);
            }
        }
    }

    /// Leaves no more than the short grace: nobody waits for this run any more.
    pub fn hurry(&mut self, now: Instant) {
        self.grace = self.grace.min(SHORT_GRACE);
        if let Phase::Ending { kill_at, .. } = &mut self.phase {
            *kill_at = (*kill_at).min(now + SHORT_GRACE);
        }
    }

    /// Goes on with the run, given its living processes and how many it may have; gives the report when it is over.
    pub fn advance(&mut self, tree: &Tree, allowed: u32, now: Instant) -> Option<Exited> {
        if matches!(self.phase, Phase::Running) {
            if tree.tasks > usize::try_from(allowed).unwrap_or(usize::MAX) {
                self.end(Cause::TooManyProcesses { allowed }, tree, now);
            } else if self.status.is_some() {
                self.end(Cause::Exited, tree, now);
            } else if now >= self.deadline {
                self.end(Cause::TimedOut, tree, now);
            }
        }
        let Phase::Ending { cause, kill_at } = self.phase else {
            return None;
        };
        let kill = now >= kill_at;
        if kill {
            if tree.has_leaders_group {
                send_to_group(self.leader, Signal::SIGKILL);
            }
            tree.ids.iter().for_each(|&id| send(id, Signal::SIGKILL));
        }
        let status = self.status?;
        let over = tree.ids.is_empty() || (kill && now >= kill_at + GIVE_UP_AFTER);
        let elapsed = now.saturating_duration_since(self.started);
        over.then_some(Exited { run: self.id, status, cause, elapsed, left: tree.ids.len() })
    }
}

/// Durations come from the peer, and adding a huge one would panic.
fn later(now: Instant, duration: Duration) -> Instant {
    now + duration.min(FAR_AWAY)
}
