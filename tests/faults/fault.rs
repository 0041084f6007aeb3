//! What can be broken in a round, and how long it stays so.

use crate::points;
use crate::world::{LEASE, Setup, World};
use failpoint::Action;
use fastrand::Rng;
use nix::sys::signal::Signal;
use std::thread::sleep;
use std::time::Duration;
use test_support::Fault as NetworkFault;

const HOUR: i64 = 3600;

/// One fault. Numbers of programs count from 0 and wrap around.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A point acts; a program that it stops goes on after two leases.
    Point { name: &'static str, action: Action, at: u32 },
    /// `kill -9` of a manager.
    KillManager(usize),
    /// `kill -9` of a manager's launcher.
    KillLauncher(usize),
    /// `kill -9` of the process that looks after a manager's launcher.
    KillKeeper(usize),
    /// `kill -9` of manager and launcher, the launcher first.
    KillBoth(usize),
    /// `kill -9` of the GUI.
    KillWeb,
    /// `kill -9` of the scheduler.
    KillScheduler,
    /// `kill -9` of the database server, which stays away for a while.
    CrashServer(Duration),
    /// Immediate shutdown of the database server, which stays away for a while.
    StopServer(Duration),
    /// SIGSTOP for a manager, SIGCONT two leases later: it writes for tasks that are lost by then.
    FreezeManager(usize),
    /// The same for a launcher.
    FreezeLauncher(usize),
    /// SIGTERM for one manager after the other.
    RollingRestart,
    /// The server ends all connections of our programs, the listeners' too.
    EndConnections,
    /// As after a failover to a standby: connections end, and new ones only read for a while.
    ReadOnly(Duration),
    /// The network does this for a while.
    Network(NetworkFault, Duration),
    /// The network is cut at a COMMIT, or at a statement that may commit itself, again and again for a while.
    CutCommits { statement: bool, delivered: bool, times: usize },
    /// A program's clock goes wrong by so many seconds.
    Clock { program: usize, seconds: i64 },
}

impl Fault {
    /// How many kinds there are for [`Fault::random`].
    pub const KINDS: u64 = 18;

    /// A fault of this kind, or of the next kind that the setup allows.
    pub fn random(kind: u64, setup: &Setup, rng: &mut Rng) -> Self {
        let manager = rng.usize(0..setup.managers);
        let outage = Duration::from_millis(rng.u64(200..=3 * 1000 * LEASE.as_secs()));
        match kind % Self::KINDS {
            0 | 1 => {
                let name = point(setup, rng);
                let action = match rng.u8(0..6) {
                    0 => Action::Stop,
                    1 => Action::Sleep(rng.u64(100..=2 * 1000 * LEASE.as_secs())),
                    _ => Action::Kill,
                };
                Self::Point { name, action, at: rng.u32(1..=6) }
            }
            2 => Self::KillManager(manager),
            3 => Self::KillLauncher(manager),
            4 => Self::KillBoth(manager),
            5 if setup.web => Self::KillWeb,
            5 | 6 if setup.scheduler => Self::KillScheduler,
            5..=7 => Self::CrashServer(outage),
            8 => Self::StopServer(outage),
            9 => Self::FreezeManager(manager),
            10 => Self::FreezeLauncher(manager),
            11 => Self::RollingRestart,
            12 if setup.clocks => {
                let jumps = [HOUR, -HOUR, 24 * HOUR, -24 * HOUR];
                Self::Clock { program: rng.usize(0..8), seconds: jumps[rng.usize(0..jumps.len())] }
            }
            13 | 14 if setup.proxied => Self::Network(network(rng), outage),
            16 => Self::KillKeeper(manager),
            15 if setup.proxied => {
                Self::CutCommits { statement: rng.bool(), delivered: rng.bool(), times: rng.usize(1..=6) }
            }
            17 => Self::ReadOnly(outage),
            _ => Self::EndConnections,
        }
    }

    /// Breaks it, and returns when it is over, except for what only healing the world ends.
    pub fn happen(&self, world: &World) {
        let managers = world.daemons("manager");
        let manager = |number: usize| managers[number % managers.len()];
        match self {
            Self::Point { name, action, at } => {
                world.arm(name, *action, *at);
                if *action == Action::Stop {
                    sleep(2 * LEASE + LEASE / 2);
                    world.wake();
                }
            }
            Self::KillManager(number) => manager(*number).signal(Signal::SIGKILL),
            Self::KillLauncher(number) => manager(*number).signal_launcher(Signal::SIGKILL),
            Self::KillKeeper(number) => manager(*number).signal_keeper(Signal::SIGKILL),
            Self::KillBoth(number) => {
                manager(*number).signal_launcher(Signal::SIGKILL);
                manager(*number).signal(Signal::SIGKILL);
            }
            Self::KillWeb => world.daemons("web_gui").iter().for_each(|web| web.signal(Signal::SIGKILL)),
            Self::KillScheduler => {
                world.daemons("schedulerd").iter().for_each(|scheduler| scheduler.signal(Signal::SIGKILL));
            }
            Self::CrashServer(outage) => {
                world.server.crash();
                sleep(*outage);
                world.server.start_again();
            }
            Self::StopServer(outage) => {
                world.server.stop();
                sleep(*outage);
                world.server.start_again();
            }
            Self::FreezeManager(number) => {
                manager(*number).signal(Signal::SIGSTOP);
                sleep(2 * LEASE);
                manager(*number).signal(Signal::SIGCONT);
            }
            Self::FreezeLauncher(number) => {
                manager(*number).signal_launcher(Signal::SIGSTOP);
                sleep(2 * LEASE);
                manager(*number).signal_launcher(Signal::SIGCONT);
            }
            Self::RollingRestart => {
                for daemon in &managers {
                    daemon.restart();
                }
            }
            Self::EndConnections => world.server.end_connections(),
            Self::ReadOnly(outage) => {
                world.server.set_read_only(true);
                sleep(*outage);
                world.server.set_read_only(false);
            }
            Self::Network(fault, outage) => {
                if let Some(network) = &world.network {
                    network.set(*fault);
                    sleep(*outage);
                    network.set(NetworkFault::Pass);
                }
            }
            Self::CutCommits { statement, delivered, times } => {
                let cut_at =
                    if *statement { NetworkFault::cut_at_statement } else { NetworkFault::cut_at_commit };
                let Some(network) = &world.network else { return };
                for _ in 0..*times {
                    network.set(cut_at(1, *delivered));
                    sleep(Duration::from_millis(300));
                }
                network.set(NetworkFault::Pass);
            }
            Self::Clock { program, seconds } => {
                if let Some(clock) = world.clocks.get(program % world.clocks.len().max(1)) {
                    clock.set(*seconds);
                }
            }
        }
    }
}

fn network(rng: &mut Rng) -> NetworkFault {
    match rng.u8(0..7) {
        0 => NetworkFault::Latency(Duration::from_millis(rng.u64(50..3000))),
        1 => NetworkFault::Bandwidth(rng.usize(2_000..20_000)),
        2 => NetworkFault::Slices(rng.usize(1..20)),
        3 => NetworkFault::Blackhole,
        4 => NetworkFault::HalfOpen,
        5 => NetworkFault::Reset,
        _ => NetworkFault::Refuse,
    }
}

fn point(setup: &Setup, rng: &mut Rng) -> &'static str {
    let mut names = [points::MANAGER, points::SPOOL, points::LAUNCHER, points::STOPPING].concat();
    if setup.scheduler {
        names.extend(points::SCHEDULER);
    }
    if setup.web {
        // As likely as all the others together: they are few, and every request passes them.
        (0..names.len() / points::WEB.len()).for_each(|_| names.extend(points::WEB));
    }
    names[rng.usize(0..names.len())]
}
