//! Drives runs through one launcher. One thread calls [`Runner::turn`] (or [`Runner::run`]) and gets events; other
//! threads start, cancel and give credit through a [`Remote`]. All pipes of all runs are read by this one thread.

mod active;
mod event;
mod remote;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use uuid::Uuid;

use crate::channel::{Channel, Received};
use crate::client::Launcher;
use crate::command::RunSpec;
use crate::outcome::Outcome;
use crate::protocol::{Report, Request};

use active::{Active, Ending, READ_BYTES};
pub use event::{Event, RunnerError, RunnerOptions, Stream};
use remote::{Command, Waker};
pub use remote::{Examination, Remote};

/// Tokens of the runner's own descriptors; those of a run are its serial times [`TOKENS_PER_RUN`] and more.
const CHANNEL: u64 = 0;
const WAKER: u64 = 1;
const TOKENS_PER_RUN: u64 = 4;
const EVENTS_PER_TURN: usize = 64;
/// So many reads of each pipe follow when the launcher is gone.
const LOST_READS: usize = 16;

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
    examinations: VecDeque<Examination>,
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
        raise_open_files();
        let socket = launcher.take_socket().ok_or(RunnerError::LauncherGone)?;
        let channel = Channel::new(socket)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let waker = std::sync::Arc::new(Waker::new()?);
        epoll.add(&channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
        epoll.add(&*waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        let (sender, commands) = mpsc::channel();
        let remote = Remote { sender, waker: std::sync::Arc::clone(&waker) };
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
            examinations: VecDeque::new(),
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
        let sent = Active::new(serial, &spec).map_err(io::Error::from).and_then(|(active, writers)| {
            self.channel.send(&Request::Start(spec), writers)?;
            Ok(active)
        });
        match sent {
            Ok(active) => {
                self.serials.insert(serial, run);
                self.runs.insert(run, active);
            }
            Err(error) => {
                self.finish(run, Outcome::NotStarted(format!("it can't be sent to the launcher: {error}")))
            }
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

    /// Asks the launcher which plugins are there; `answer` is called during a later turn, or never where the launcher is
    /// gone.
    pub fn examine(&mut self, answer: Examination) {
        match self.channel.send(&Request::Examine, Vec::new()) {
            Ok(()) => self.examinations.push_back(answer),
            Err(error) => tracing::warn!("the launcher can't be asked for its plugins: {error}"),
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
        let until = deadlines.map(|ending| ending.deadline.saturating_duration_since(now)).min();
        let wait = until.map_or(timeout, |until| until.min(timeout));
        // Rounded up, so that a deadline is over when the wait is.
        EpollTimeout::from(u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX))
    }

    fn watch_channel(&mut self) -> Result<(), RunnerError> {
        let writes = self.channel.has_waiting();
        if writes != self.channel_writes {
            let flags = if writes { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            self.epoll.modify(&self.channel, &mut EpollEvent::new(flags, CHANNEL))?;
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
                Command::Examine(answer) => self.examine(answer),
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
                    self.ready.push_back(Event::Started { run, pid, at: SystemTime::now() });
                    self.watch_progress(run);
                    self.watch_as_due(run);
                }
            }
            Report::NotStarted { run, sentence } => self.finish(run, Outcome::NotStarted(sentence)),
            Report::Rejected { run, sentence } => self.finish(run, Outcome::Rejected(sentence)),
            Report::Plugins(plugins) => {
                if let Some(answer) = self.examinations.pop_front() {
                    answer(plugins);
                }
            }
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
                if self.runs.get(&run).is_none_or(|active| active.is_done(Instant::now())) {
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

    fn finish_done(&mut self) {
        let now = Instant::now();
        let done: Vec<Uuid> =
            self.runs.iter().filter(|(_, active)| active.is_done(now)).map(|(run, _)| *run).collect();
        done.into_iter().for_each(|run| self.finish_if_done(run, now));
    }

    fn finish_if_done(&mut self, run: Uuid, now: Instant) {
        if self.runs.get(&run).is_some_and(|active| active.is_done(now))
            && let Some(ending) = self.forget(run).and_then(|active| active.ending)
        {
            let Ending { outcome, elapsed, left, .. } = ending;
            self.ready.push_back(Event::Finished { run, outcome, elapsed, left, at: SystemTime::now() });
        }
    }

    fn finish(&mut self, run: Uuid, outcome: Outcome) {
        self.forget(run);
        let at = SystemTime::now();
        self.ready.push_back(Event::Finished { run, outcome, elapsed: None, left: 0, at });
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

/// Every run has three descriptors here, and the usual limit of 1,024 is soon reached.
fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("the limit of open files can't be raised: {error}");
    }
}
