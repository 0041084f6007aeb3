//! Drives runs through one launcher. One thread calls [`Runner::turn`] (or [`Runner::run`]) and gets events; other
//! threads start, cancel and give credit through a [`Remote`]. All pipes of all runs are read by this one thread.

mod active;
mod remote;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use thiserror::Error;
use uuid::Uuid;

use crate::channel::{Channel, Received};
use crate::client::Launcher;
use crate::command::RunSpec;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::protocol::{Report, Request};

use active::{Active, Ending, Look, READ_BYTES};
pub use remote::Remote;
use remote::{Command, Waker};

/// Tokens of the runner's own descriptors; those of a run are its serial times [`TOKENS_PER_RUN`] and more.
const CHANNEL: u64 = 0;
const WAKER: u64 = 1;
const TOKENS_PER_RUN: u64 = 4;
const EVENTS_PER_TURN: usize = 64;
/// So many reads of each pipe follow when the launcher is gone.
const LOST_READS: usize = 16;

/// Which of a plugin's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens to a run, in order: nothing or `Started`, then output and progress, then one `Finished`.
#[derive(Debug)]
pub enum Event {
    /// The plugin's process exists.
    Started {
        /// The run.
        run: Uuid,
        /// Its process id, on the launcher's machine.
        pid: i32,
        /// When this was heard.
        at: SystemTime,
    },
    /// Bytes as they came, at most 64 KiB, cut anywhere.
    Output {
        /// The run.
        run: Uuid,
        /// From which output.
        stream: Stream,
        /// Never empty.
        bytes: Vec<u8>,
        /// When they were read.
        at: SystemTime,
    },
    /// A line of the progress FIFO.
    Progress {
        /// The run.
        run: Uuid,
        /// What it said.
        progress: Progress,
        /// When it was read.
        at: SystemTime,
    },
    /// The last event of a run, after its last output.
    Finished {
        /// The run.
        run: Uuid,
        /// How it ended.
        outcome: Outcome,
        /// From the start of the process to the end of its tree; `None` when that is not known.
        elapsed: Option<Duration>,
        /// Processes of the run that could not be ended.
        left: usize,
        /// When this was known.
        at: SystemTime,
    },
}

/// A runner that can't go on.
#[derive(Debug, Error)]
pub enum RunnerError {
    /// The launcher ended or closed the connection. Every run had its `Finished` event with [`Outcome::Lost`].
    #[error("the launcher is gone")]
    LauncherGone,
    /// The system refused something that the runner needs.
    #[error("the runner can't go on: {0}")]
    System(#[from] io::Error),
}

impl From<Errno> for RunnerError {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

/// How a runner reads.
#[derive(Debug, Clone, Copy)]
pub struct RunnerOptions {
    /// So many bytes of a run's output are handed out before credit must come back ([`Remote::credit`]); until it
    /// does, the plugin waits at its pipe. `None`: the caller takes everything at once and gives no credit.
    pub window: Option<usize>,
    /// A process that left the tree may hold the pipes open; after this they are closed.
    pub drain: Duration,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            window: None,
            drain: Duration::from_secs(2),
        }
    }
}

/// See the module's text.
pub struct Runner {
    epoll: Epoll,
    channel: Channel,
    channel_writes: bool,
    waker: std::sync::Arc<Waker>,
    remote: Remote,
    commands: Receiver<Command>,
    runs: HashMap<Uuid, Active>,
    serials: HashMap<u64, Uuid>,
    next_serial: u64,
    ready: VecDeque<Event>,
    options: RunnerOptions,
    buffer: Vec<u8>,
    stopped: bool,
    // Dropped last: it waits for a launcher of our own, which waits for the channel to close.
    _launcher: Launcher,
}

impl Runner {
    /// Takes over a launcher.
    ///
    /// # Errors
    /// The system refuses the descriptors, or the launcher was taken over before.
    pub fn new(mut launcher: Launcher, options: RunnerOptions) -> Result<Self, RunnerError> {
        let socket = launcher.take_socket().ok_or(RunnerError::LauncherGone)?;
        let channel = Channel::new(socket)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let waker = std::sync::Arc::new(Waker::new()?);
        epoll.add(&channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
        epoll.add(&*waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        let (sender, commands) = mpsc::channel();
        let remote = Remote {
            sender,
            waker: std::sync::Arc::clone(&waker),
        };
        Ok(Self {
            epoll,
            channel,
            channel_writes: false,
            waker,
            remote,
            commands,
            runs: HashMap::new(),
            serials: HashMap::new(),
            next_serial: 1,
            ready: VecDeque::new(),
            options,
            buffer: vec![0; READ_BYTES],
            stopped: false,
            _launcher: launcher,
        })
    }

    /// A handle for other threads.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// How many runs have no `Finished` event yet.
    pub fn active(&self) -> usize {
        self.runs.len()
    }

    /// Starts a run. What goes wrong comes as its `Finished` event.
    pub fn start(&mut self, spec: RunSpec) {
        let run = spec.run;
        if self.runs.contains_key(&run) {
            // The first run of this id goes on and has the only Finished event.
            tracing::error!(%run, "a run was started twice; the second start is ignored");
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let sent = Active::new(serial, &spec)
            .map_err(io::Error::from)
            .and_then(|(active, writers)| {
                self.channel.send(&Request::Start(spec), writers)?;
                Ok(active)
            });
        match sent {
            Ok(active) => {
                self.serials.insert(serial, run);
                self.runs.insert(run, active);
            }
            Err(error) => self.finish(
                run,
                Outcome::NotStarted(format!("it can't be sent to the launcher: {error}")),
            ),
        }
    }

    /// Ends the whole tree of a run: TERM, the grace period, KILL. Unknown runs are ignored, as they may have just
    /// ended.
    pub fn cancel(&mut self, run: Uuid) {
        if self.runs.contains_key(&run)
            && let Err(error) = self.channel.send(&Request::Cancel { run }, Vec::new())
        {
            // A broken connection shows itself at the next turn, with an event for every run.
            tracing::warn!(%run, "the cancellation can't be sent to the launcher: {error}");
        }
    }

    /// Gives back credit; see [`RunnerOptions::window`].
    pub fn credit(&mut self, run: Uuid, bytes: usize) {
        if let Some(active) = self.runs.get_mut(&run) {
            active.outstanding = active.outstanding.saturating_sub(bytes);
            self.watch_as_due(run);
        }
    }

    /// Waits for at most `timeout` for something to happen, and hands every event of it to `sink`.
    ///
    /// # Errors
    /// The launcher is gone (every run had its last event by then), or the system refuses to wait.
    pub fn turn(&mut self, timeout: Duration, sink: &mut dyn FnMut(Event)) -> Result<(), RunnerError> {
        self.deliver(sink);
        self.watch_channel()?;
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let count = match self.epoll.wait(&mut events, self.wait_for(timeout)) {
            Err(Errno::EINTR) => 0,
            result => result?,
        };
        let result = self.take_events(events.get(..count).unwrap_or_default());
        self.finish_done();
        self.deliver(sink);
        result
    }

    /// Turns until [`Remote::stop`] is called.
    ///
    /// # Errors
    /// As [`Runner::turn`].
    pub fn run(mut self, sink: &mut dyn FnMut(Event)) -> Result<(), RunnerError> {
        while !self.stopped {
            self.turn(Duration::from_secs(3600), sink)?;
        }
        Ok(())
    }

    fn deliver(&mut self, sink: &mut dyn FnMut(Event)) {
        for event in self.ready.drain(..) {
            sink(event);
        }
    }

    fn wait_for(&self, timeout: Duration) -> EpollTimeout {
        let now = Instant::now();
        let deadlines = self.runs.values().filter_map(|active| active.ending.as_ref());
        let until = deadlines
            .map(|ending| ending.deadline.saturating_duration_since(now))
            .min();
        let wait = until.map_or(timeout, |until| until.min(timeout));
        // Rounded up, so that a deadline is over when the wait is.
        EpollTimeout::from(u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX))
    }

    fn watch_channel(&mut self) -> Result<(), RunnerError> {
        let writes = self.channel.has_waiting();
        if writes != self.channel_writes {
            let flags = if writes {
                EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT
            } else {
                EpollFlags::EPOLLIN
            };
            self.epoll
                .modify(&self.channel, &mut EpollEvent::new(flags, CHANNEL))?;
            self.channel_writes = writes;
        }
        Ok(())
    }

    fn take_events(&mut self, events: &[EpollEvent]) -> Result<(), RunnerError> {
        for event in events {
            match event.data() {
                CHANNEL => self.take_reports()?,
                WAKER => self.take_commands(),
                token => self.take_bytes(token),
            }
        }
        Ok(())
    }

    fn take_commands(&mut self) {
        self.waker.clear();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Start(spec) => self.start(spec),
                Command::Cancel(run) => self.cancel(run),
                Command::Credit(run, bytes) => self.credit(run, bytes),
                Command::Stop => self.stopped = true,
            }
        }
    }

    fn take_reports(&mut self) -> Result<(), RunnerError> {
        if self.channel.flush().is_err() {
            return self.lose_everything();
        }
        loop {
            match self.channel.receive() {
                Ok(Received::Message(report, descriptors)) => self.take_report(report, descriptors),
                Ok(Received::Nothing) => return Ok(()),
                Ok(Received::Closed) => return self.lose_everything(),
                Err(error) => {
                    tracing::error!("the launcher's message can't be read: {error}");
                    return self.lose_everything();
                }
            }
        }
    }

    fn take_report(&mut self, report: Report, mut descriptors: Vec<OwnedFd>) {
        match report {
            Report::Started { run, pid } => {
                if let Some(active) = self.runs.get_mut(&run) {
                    active.started = true;
                    active.progress = descriptors.pop();
                    self.ready.push_back(Event::Started {
                        run,
                        pid,
                        at: SystemTime::now(),
                    });
                    self.watch_progress(run);
                    self.watch_as_due(run);
                }
            }
            Report::NotStarted { run, sentence } => self.finish(run, Outcome::NotStarted(sentence)),
            Report::Exited(exited) => {
                if let Some(active) = self.runs.get_mut(&exited.run) {
                    active.ending = Some(Ending {
                        outcome: Outcome::of(&exited, active.timeout),
                        elapsed: Some(exited.elapsed),
                        left: exited.left,
                        deadline: Instant::now() + self.options.drain,
                        drained: 0,
                    });
                    self.drain(exited.run);
                }
            }
        }
    }

    /// The plugin has ended: everything it wrote is in the pipes now.
    fn drain(&mut self, run: Uuid) {
        self.read_progress(run);
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.read_output(run, stream) {
                if self
                    .runs
                    .get(&run)
                    .is_none_or(|active| active.is_done(Instant::now()))
                {
                    break;
                }
            }
        }
        self.watch_as_due(run);
        self.finish_if_done(run, Instant::now());
    }

    fn take_bytes(&mut self, token: u64) {
        let Some(&run) = self.serials.get(&(token / TOKENS_PER_RUN)) else {
            return;
        };
        match token % TOKENS_PER_RUN {
            0 => drop(self.read_output(run, Stream::Stdout)),
            1 => drop(self.read_output(run, Stream::Stderr)),
            _ => self.read_progress(run),
        }
        self.watch_as_due(run);
    }

    /// Reads once; true when there may be more.
    fn read_output(&mut self, run: Uuid, stream: Stream) -> bool {
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
                self.ready.push_back(Event::Output {
                    run,
                    stream,
                    bytes,
                    at: SystemTime::now(),
                });
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

    fn read_progress(&mut self, run: Uuid) {
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

    fn watch_progress(&mut self, run: Uuid) {
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
    fn watch_as_due(&mut self, run: Uuid) {
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

    fn finish_done(&mut self) {
        let now = Instant::now();
        let done: Vec<Uuid> = self
            .runs
            .iter()
            .filter(|(_, active)| active.is_done(now))
            .map(|(run, _)| *run)
            .collect();
        done.into_iter().for_each(|run| self.finish_if_done(run, now));
    }

    fn finish_if_done(&mut self, run: Uuid, now: Instant) {
        if self.runs.get(&run).is_some_and(|active| active.is_done(now))
            && let Some(ending) = self.forget(run).and_then(|active| active.ending)
        {
            let Ending {
                outcome,
                elapsed,
                left,
                ..
            } = ending;
            self.ready.push_back(Event::Finished {
                run,
                outcome,
                elapsed,
                left,
                at: SystemTime::now(),
            });
        }
    }

    fn finish(&mut self, run: Uuid, outcome: Outcome) {
        self.forget(run);
        let at = SystemTime::now();
        self.ready.push_back(Event::Finished {
            run,
            outcome,
            elapsed: None,
            left: 0,
            at,
        });
    }

    fn forget(&mut self, run: Uuid) -> Option<Active> {
        let active = self.runs.remove(&run)?;
        self.serials.remove(&active.serial);
        Some(active)
    }

    /// The launcher is gone: what the pipes hold is still handed out, then every run ends as lost.
    fn lose_everything(&mut self) -> Result<(), RunnerError> {
        self.take_commands();
        for run in self.runs.keys().copied().collect::<Vec<_>>() {
            for stream in [Stream::Stdout, Stream::Stderr] {
                // The plugin may go on writing, so this is bounded.
                let _ = (0..LOST_READS).all(|_| self.read_output(run, stream));
            }
            let sentence = "the launcher ended while the plugin ran, so its result can't be known";
            match self.runs.get(&run).is_some_and(|active| active.ending.is_some()) {
                true => self.finish_if_done(run, Instant::now() + self.options.drain),
                false => self.finish(run, Outcome::Lost(sentence.to_owned())),
            }
        }
        Err(RunnerError::LauncherGone)
    }
}
