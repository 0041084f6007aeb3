//! The launcher's loop: takes starts and cancellations, collects ended children, ends trees, reports.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use failpoint::failpoint;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{SockFlag, accept4, getsockopt, sockopt::PeerCredentials};
use uuid::Uuid;

use super::home::Home;
use super::keeper::KEEPER_GONE;
use super::limits::Limits;
use super::removal::{Removals, remove_tree};
use super::run::Run;
use super::separation::Separation;
use super::setup::Listener;
use super::start::{Outputs, Start, open_fifo, refusal};
use super::trees::{Members, Trees};
use crate::channel::{Channel, Received};
use crate::command::RunSpec;
use crate::protocol::{Cause, Report, Request};
use crate::registry::Registry;
use crate::sys::{self, Reaped};

/// How long a start is tried again while the system has no process left for it.
const SPAWN_WITHIN: Duration = Duration::from_secs(1);
const SPAWN_PAUSE: Duration = Duration::from_millis(10);

/// Where connections come from.
pub(super) enum Source {
    Listening(Listener),
    Inherited(OwnedFd),
}

/// Why a run has no process.
enum NotStarted {
    /// The plugin is not the one that was approved.
    Rejected(String),
    /// Anything else.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for NotStarted {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// What every run stands on.
pub(super) struct Ground {
    pub home: Home,
    pub separation: Separation,
    pub limits: Limits,
}

pub(super) struct Server {
    listener: Option<Listener>,
    connections: HashMap<u64, Channel>,
    next_connection: u64,
    runs: HashMap<Uuid, Run>,
    trees: Trees,
    /// Directories of ended runs that are too large to be removed at once.
    removals: Removals,
    registry: Registry,
    signals: SignalFd,
    stopping: bool,
    ground: Ground,
}

impl Server {
    pub fn new(
        source: Source,
        registry: Registry,
        signals: SignalFd,
        ground: Ground,
    ) -> anyhow::Result<Self> {
        let mut server = Self {
            listener: None,
            connections: HashMap::new(),
            next_connection: 0,
            runs: HashMap::new(),
            trees: Trees::new(ground.limits.max_processes),
            removals: Removals::default(),
            registry,
            signals,
            stopping: false,
            ground,
        };
        match source {
            Source::Listening(listener) => server.listener = Some(listener),
            Source::Inherited(socket) => server.add_connection(socket)?,
        }
        Ok(server)
    }

    /// Serves until nobody is left to serve and every tree is gone.
    pub fn run(mut self) -> anyhow::Result<()> {
        while !self.is_finished() {
            self.wait()?;
            self.take_signals();
            self.accept();
            for connection in self.connections.keys().copied().collect::<Vec<_>>() {
                self.serve(connection);
            }
            self.advance();
            self.removals.go_on();
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        let served = self.listener.is_some() || !self.connections.is_empty();
        (self.stopping || !served) && self.runs.is_empty() && !self.trees.has_strays()
    }

    fn wait(&self) -> anyhow::Result<()> {
        let mut watched = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if let Some(listener) = &self.listener {
            watched.push(PollFd::new(listener.socket.as_fd(), PollFlags::POLLIN));
        }
        watched.extend(self.connections.values().map(|channel| {
            let writes = if channel.has_waiting() { PollFlags::POLLOUT } else { PollFlags::empty() };
            PollFd::new(channel.as_fd(), PollFlags::POLLIN | writes)
        }));
        match poll(&mut watched, self.wait_for()) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("while waiting for work"),
        }
    }

    fn wait_for(&self) -> PollTimeout {
        if !self.removals.is_empty() {
            return PollTimeout::ZERO;
        }
        let now = Instant::now();
        let looks = self.runs.values().map(|run| run.next_look(now)).chain(self.trees.next_look(now));
        let Some(next) = looks.min() else {
            return PollTimeout::NONE;
        };
        let wait = next.saturating_duration_since(now);
        // Rounded up, so that what was waited for is due afterwards.
        PollTimeout::from(u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX))
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            if number != Signal::SIGCHLD as i32 {
                tracing::info!("stopping");
                self.stop(self.stopping || number == KEEPER_GONE as i32);
            }
        }
        self.reap();
    }

    fn reap(&mut self) {
        loop {
            match sys::reap() {
                Ok(Reaped::Child { pid, status }) => {
                    failpoint!("after_wait");
                    if let Some(run) = self.trees.leader_ended(pid).and_then(|run| self.runs.get_mut(&run)) {
                        run.leader_ended(status);
                    }
                }
                Ok(Reaped::NoneEnded) => return self.trees.children_exist(true),
                Ok(Reaped::NoChildren) => return self.trees.children_exist(false),
                Err(error) => return tracing::error!("ended children can't be collected: {error}"),
            }
        }
    }

    /// A second signal hurries, and so does the end of the keeper: nothing that is being ended gets more than the short
    /// grace.
    fn stop(&mut self, hurry: bool) {
        let now = Instant::now();
        self.stopping = true;
        let members = self.trees.look(&self.runs);
        for run in self.runs.values_mut() {
            if hurry {
                run.hurry(now);
            }
            run.end(Cause::LauncherStopped, members.of(run.id), now);
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let flags = SockFlag::SOCK_CLOEXEC;
        let Ok(socket) = accept4(listener.socket.as_raw_fd(), flags).map(sys::own) else {
            return;
        };
        let peer = getsockopt(&socket, PeerCredentials).map(|peer| peer.uid());
        match peer {
            Ok(user) if listener.allowed.contains(&user) => {
                if let Err(error) = self.add_connection(socket) {
                    tracing::error!("a connection can't be served: {error:#}");
                }
            }
            Ok(user) => tracing::warn!("a connection of user id {user} is refused"),
            Err(error) => tracing::warn!("a connection of an unknown user is refused: {error}"),
        }
    }

    fn add_connection(&mut self, socket: OwnedFd) -> anyhow::Result<()> {
        let channel = Channel::new(socket).context("while taking over a connection")?;
        self.next_connection += 1;
        self.connections.insert(self.next_connection, channel);
        Ok(())
    }

    fn serve(&mut self, connection: u64) {
        while let Some(channel) = self.connections.get_mut(&connection) {
            let received = channel.flush().and_then(|()| channel.receive());
            match received {
                Ok(Received::Message(request, descriptors)) => {
                    self.take_request(connection, request, descriptors)
                }
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) => self.close(connection),
                Err(error) => {
                    tracing::error!("a connection is closed: {error}");
                    self.close(connection);
                }
            }
        }
    }

    /// Ends every tree of a connection that is gone.
    fn close(&mut self, connection: u64) {
        self.connections.remove(&connection);
        let now = Instant::now();
        let members = self.trees.look(&self.runs);
        for run in self.runs.values_mut().filter(|run| run.connection == connection) {
            run.hurry(now);
            run.end(Cause::Cancelled, members.of(run.id), now);
        }
    }

    fn take_request(&mut self, connection: u64, request: Request, descriptors: Vec<OwnedFd>) {
        match request {
            Request::Start(spec) => {
                let (run, started) = (spec.run, self.start(connection, &spec, descriptors));
                let (report, descriptors) = match started {
                    Ok((pid, fifo)) => (Report::Started { run, pid }, vec![fifo]),
                    Err(NotStarted::Rejected(sentence)) => (Report::Rejected { run, sentence }, Vec::new()),
                    Err(NotStarted::Failed(error)) => {
                        (Report::NotStarted { run, sentence: format!("{error:#}") }, Vec::new())
                    }
                };
                self.report(connection, &report, descriptors);
            }
            Request::Examine => {
                let report = Report::Plugins(self.registry.examine());
                self.report(connection, &report, Vec::new());
            }
            Request::Cancel { run } => {
                let members = self.trees.look(&self.runs);
                if let Some(run) = self.runs.get_mut(&run).filter(|run| run.connection == connection) {
                    run.end(Cause::Cancelled, members.of(run.id), Instant::now());
                }
            }
        }
    }

    fn start(
        &mut self,
        connection: u64,
        spec: &RunSpec,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(i32, OwnedFd), NotStarted> {
        if self.stopping {
            return Err(anyhow!("the launcher is stopping").into());
        }
        if self.runs.contains_key(&spec.run) {
            return Err(anyhow!("a run with this id is running already").into());
        }
        let [stdout, stderr] = <[OwnedFd; 2]>::try_from(descriptors)
            .map_err(|_| anyhow!("the start came without the two output descriptors"))?;
        let plugin = self.registry.find(&spec.plugin).map_err(anyhow::Error::from)?;
        if !spec.approved.is_empty() && !spec.approved.contains(&plugin.sha256) {
            let changed = format!("plugin '{}' has changed since this was asked for", plugin.name);
            return Err(NotStarted::Rejected(changed));
        }
        let directory = self.ground.home.make_run(spec.run)?;
        let outputs = Outputs { stdout, stderr };
        failpoint!("before_spawn");
        let prepared = open_fifo(&directory).and_then(|fifo| {
            let start = Start::prepare(&plugin, spec, outputs, &directory, self.ground.home.path())?;
            Ok((start, fifo))
        });
        let started = prepared.and_then(|(start, fifo)| match self.spawn(&start) {
            Ok(pid) => Ok((pid, fifo)),
            Err(error) => bail!("plugin '{}' {}", plugin.name, refusal(error)),
        });
        match started {
            Ok((pid, fifo)) => {
                failpoint!("after_spawn");
                self.ground.limits.limit_child(pid, self.trees.tasks_of_the_machine());
                let limits = (spec.timeout, spec.grace);
                self.trees.leader_started(pid, spec.run);
                self.runs.insert(spec.run, Run::new(spec.run, connection, pid, directory, limits));
                Ok((pid, fifo))
            }
            Err(error) => {
                remove_tree(&directory);
                Err(error.into())
            }
        }
    }

    /// Starts the process. One plugin with too many processes may leave none for this one, until it has been ended.
    fn spawn(&mut self, start: &Start) -> nix::Result<i32> {
        let deadline = Instant::now() + SPAWN_WITHIN;
        loop {
            match start.spawn(&self.ground.separation) {
                Err(Errno::EAGAIN) if Instant::now() < deadline => {
                    std::thread::sleep(SPAWN_PAUSE);
                    self.reap();
                    self.advance();
                }
                result => return result,
            }
        }
    }

    fn report(&mut self, connection: u64, report: &Report, descriptors: Vec<OwnedFd>) {
        let Some(channel) = self.connections.get_mut(&connection) else {
            return;
        };
        if let Err(error) = channel.send(report, descriptors) {
            tracing::error!("a connection is closed: {error}");
            self.close(connection);
        }
    }

    /// True when none of the runs that are due has a process left.
    fn only_leaders_ended(&self, now: Instant) -> bool {
        !self.runs.values().any(|run| run.is_due(now) && run.leader_lives())
            && self.trees.only_leaders_live(&self.runs)
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let look_due = self.trees.is_look_due(now);
        if !look_due && !self.runs.values().any(|run| run.is_due(now)) {
            return;
        }
        let members = if !look_due && self.only_leaders_ended(now) {
            Members::default()
        } else {
            self.trees.look(&self.runs)
        };
        members.end_strays();
        let allowed = self.ground.limits.max_processes;
        let reports: Vec<_> =
            self.runs.values_mut().filter_map(|run| run.advance(members.of(run.id), allowed, now)).collect();
        for exited in reports {
            if let Some(run) = self.runs.remove(&exited.run) {
                self.trees.forget(run.leader);
                if exited.left > 0 || !self.ground.home.keep(&run.directory) {
                    self.removals.add(&run.directory);
                }
                if exited.left > 0 {
                    tracing::warn!(run = %exited.run, "{} of its processes can't be ended", exited.left);
                }
                failpoint!("before_report");
                self.report(run.connection, &Report::Exited(exited), Vec::new());
            }
        }
    }
}
