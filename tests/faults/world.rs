//! Everything that one round or scenario needs: a server, perhaps a proxy before it, managers, a scheduler, perhaps the
//! GUI, and the points at which they can be broken.

use crate::clock::Clock;
use crate::daemon::{Daemon, Keeper};
use crate::disk::Disk;
use crate::server::Server;
use crate::witness::Witness;
use failpoint::{Action, Rule};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use supervisor::{TemporaryDirectory, account::Account};
use test_support::{Fault as NetworkFault, FaultyProxy, FreePort, eventually, program};

/// The leases of all worlds: as short as the settings allow.
pub const LEASE: Duration = Duration::from_secs(2);

/// Lets every handler run again that was paused.
const RESUME: &str = "UPDATE event_handlers SET paused_at = NULL, paused_by = NULL, paused_reason = NULL, \
                      resumed_at = clock_timestamp() WHERE paused_at IS NOT NULL";

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    pub managers: usize,
    pub slots: u32,
    pub scheduler: bool,
    pub web: bool,
    /// The programs reach the server over a network.
    pub proxied: bool,
    /// Every program has a clock that can be set.
    pub clocks: bool,
    /// The spool's file system, which is this large: see [`Disk`].
    pub spool_mib: Option<u32>,
    /// Settings of the database server.
    pub server: Vec<(&'static str, &'static str)>,
    /// Lines of the settings in the place of ours with the same section and key.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            managers: 2,
            slots: 4,
            scheduler: false,
            web: false,
            proxied: false,
            clocks: false,
            spool_mib: None,
            server: Vec::new(),
            settings: Vec::new(),
        }
    }
}

/// See the module's text.
pub struct World {
    // Dropped in this order: the programs before what they use.
    keeper: Keeper,
    pub clocks: Vec<Clock>,
    pub network: Option<FaultyProxy>,
    pub server: Server,
    pub witness: Witness,
    pub web: Option<FreePort>,
    points: PathBuf,
    disk: Option<Disk>,
    directory: TemporaryDirectory,
}

impl World {
    pub fn new(setup: &Setup) -> Self {
        let owner = is_root().then(|| account("postgres"));
        let directory = TemporaryDirectory::create(owner.as_ref()).unwrap();
        let base = directory.path();
        set_mode(base, 0o755);
        let server = Server::start(base, &setup.server);
        let witness = Witness::create(base.join("witness"));
        server.sql(&format!(
            "UPDATE event_handlers SET arguments = array_replace(arguments, 'WITNESS', '{}')",
            witness.path().display()
        ));
        make_directory(&base.join("plugins"), 0o755);
        fs::copy(program("fault_witness"), base.join("plugins/fault_witness")).unwrap();
        let points = base.join("points");
        // The launcher passes points too, as another user.
        make_directory(&points, 0o777);
        make_directory(&base.join("work"), 0o700);
        if is_root() {
            account("nobody").own(&base.join("work")).unwrap();
        }
        make_directory(&base.join("spool"), 0o700);
        let disk = setup.spool_mib.map(|size| Disk::mount(base.join("spool"), size));
        let web = setup.web.then(FreePort::claim);
        let listen = web.as_ref().map(FreePort::address);
        let network =
            setup.proxied.then(|| FaultyProxy::before_server(server.socket(), crate::server::DATABASE));
        let url = network.as_ref().map_or_else(|| server.url(), |network| network.url().to_owned());
        let mut clocks = Vec::new();
        let daemons = names(setup)
            .into_iter()
            .map(|(program_name, name)| {
                let clock = setup.clocks.then(|| Clock::right(base.join(format!("{name}.clock"))));
                let environment = clock.iter().flat_map(Clock::environment);
                let environment = environment
                    .chain([(failpoint::VARIABLE.to_owned(), points.display().to_string())])
                    .collect();
                clocks.extend(clock);
                let settings = base.join(format!("{name}.ini"));
                fs::write(&settings, settings_text(setup, &name, &url, base, listen)).unwrap();
                set_mode(&settings, 0o600);
                let log = base.join(format!("{name}.log"));
                Daemon::new(name, program(program_name), settings, log, environment)
            })
            .collect();
        fs::write(base.join("macros.ini"), "[macros]\n").unwrap();
        set_mode(&base.join("macros.ini"), 0o600);
        let keeper = Keeper::new(daemons);
        let world = Self { keeper, clocks, network, server, witness, web, points, disk, directory };
        world.await_managers();
        if let Some(listen) = listen {
            eventually("web_gui answers", || TcpStream::connect(listen).ok());
        }
        world
    }

    /// Every program of this name: `manager`, `schedulerd`, `web_gui`.
    pub fn daemons(&self, kind: &str) -> Vec<&Daemon> {
        self.keeper.daemons().iter().filter(|daemon| daemon.name.starts_with(kind)).collect()
    }

    pub fn all_daemons(&self) -> &[Daemon] {
        self.keeper.daemons()
    }

    /// The clock of the program of this name.
    pub fn clock(&self, name: &str) -> &Clock {
        let at = self.all_daemons().iter().position(|daemon| daemon.name == name);
        at.and_then(|at| self.clocks.get(at)).unwrap_or_else(|| panic!("{name} has no clock of its own"))
    }

    /// Files that wait in the spools of all managers.
    pub fn spooled(&self) -> usize {
        let managers = fs::read_dir(self.directory.path().join("spool")).unwrap().flatten();
        let files = managers.flat_map(|manager| fs::read_dir(manager.path()).into_iter().flatten().flatten());
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "segment")).count()
    }

    /// The file system of the spool, where it has one of its own.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("the setup asks for a file system of the spool")
    }

    /// What a program has logged.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Arms a point for the next process that passes it for the `at`-th time.
    pub fn arm(&self, point: &str, action: Action, at: u32) {
        Rule { action, at }.arm(&self.points, point).unwrap();
    }

    /// Whether an armed point has acted.
    pub fn has_acted(&self, point: &str) -> bool {
        failpoint::has_acted(&self.points, point)
    }

    /// Waits until an armed point has acted. The losses of earlier deaths are noticed when their leases end, and may pause
    /// every handler while somebody waits here; then no task would pass the point.
    pub fn await_act(&self, point: &str) {
        let mut last = Instant::now();
        eventually(&format!("{point} has acted"), || {
            if last.elapsed() > LEASE / 4 {
                self.resume_handlers();
                last = Instant::now();
            }
            self.has_acted(point).then_some(())
        });
    }

    /// Points that acted.
    pub fn acted(&self) -> BTreeSet<String> {
        let files = fs::read_dir(&self.points).unwrap().flatten();
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".acted")?.to_owned())).collect()
    }

    /// Nothing breaks any more: the server runs, all clocks go, everybody wakes.
    pub fn heal(&self) {
        for file in fs::read_dir(&self.points).unwrap().flatten() {
            if file.path().extension().is_none() {
                // It may be acting just now, and then it is renamed.
                let _ = fs::remove_file(file.path());
            }
        }
        self.server.start_again();
        self.server.set_read_only(false);
        if let Some(network) = &self.network {
            network.set(NetworkFault::Pass);
        }
        self.wake();
        self.resume_handlers();
    }

    /// A handler is paused when its runs are lost again and again, which they are here. An administrator resumes it.
    pub fn resume_handlers(&self) {
        // Where the server is away, the next call does it.
        let _ = self.server.try_sql(RESUME);
    }

    /// What the server has logged.
    pub fn server_log(&self) -> String {
        fs::read_to_string(self.directory.path().join("data.log")).unwrap_or_default()
    }

    /// Continues whoever was stopped.
    pub fn wake(&self) {
        for daemon in self.all_daemons() {
            daemon.signal(Signal::SIGCONT);
            daemon.signal_launcher(Signal::SIGCONT);
        }
    }

    /// Waits until every manager of the setup takes tasks.
    pub fn await_managers(&self) {
        let wanted = self.daemons("manager").len().to_string();
        eventually("all managers have registered", || {
            let alive = "SELECT count(DISTINCT name) FROM workers WHERE alive_until > clock_timestamp() AND NOT stopping";
            (self.server.sql(alive) == wanted).then_some(())
        });
    }

    /// Waits until no task is queued or runs; false after `limit`. What waits for a paused handler is let go.
    pub fn drained(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let left = format!("WITH resumed AS ({RESUME}) SELECT count(*) FROM tasks WHERE state <> 'finished'");
        while self.server.sql(&left) != "0" {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }

    /// Kills every program and starts none again.
    pub fn end_programs(&mut self) {
        self.keeper.end();
    }

    /// What all programs have logged.
    pub fn logs(&self) -> Vec<(String, String)> {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let base = self.directory.path();
        let programs = self.all_daemons().iter().map(|daemon| format!("{}.log", daemon.name));
        programs
            .chain(["data.log".to_owned(), "witness".to_owned()])
            .map(|name| (name.clone(), read(base.join(&name))))
            .collect()
    }
}

fn names(setup: &Setup) -> Vec<(&'static str, String)> {
    let managers = (1..=setup.managers).map(|number| ("plugins_manager", format!("manager-{number}")));
    let scheduler = setup.scheduler.then(|| ("schedulerd", "schedulerd".to_owned()));
    let web = setup.web.then(|| ("web_gui", "web_gui".to_owned()));
    managers.chain(scheduler).chain(web).collect()
}

fn settings_text(setup: &Setup, name: &str, url: &str, base: &Path, web: Option<SocketAddr>) -> String {
    let base = base.display();
    let slots = setup.slots;
    let launcher = program("plugin_launcher").display().to_string();
    let lease = LEASE.as_secs();
    let listen = web.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut lines: Vec<(&str, String)> = vec![
        ("database", format!("url = {url}")),
        ("database", "connect_timeout_seconds = 2".to_owned()),
        ("database", "statement_timeout_seconds = 10".to_owned()),
        ("web", format!("listen = {listen}")),
        ("web", format!("public_url = http://{listen}")),
        ("manager", format!("name = {name}")),
        ("manager", format!("slots = {slots}")),
        ("manager", "heartbeat_seconds = 1".to_owned()),
        ("manager", format!("lease_seconds = {lease}")),
        ("manager", "poll_seconds = 1".to_owned()),
        ("manager", "drain_seconds = 10".to_owned()),
        ("manager", format!("spool_directory = {base}/spool")),
        ("plugins", format!("directories = {base}/plugins")),
        ("plugins", format!("launcher = {launcher}")),
        ("plugins", format!("work_directory = {base}/work")),
        ("plugins", "installed = false".to_owned()),
        ("plugins", "grace_seconds = 1".to_owned()),
        ("cron", "every_minute = * * * * * tasks rescue".to_owned()),
        ("log", "filter = info,plugins_manager=debug".to_owned()),
        ("files", format!("macros = {base}/macros.ini")),
    ];
    if is_root() {
        lines.push(("plugins", "launcher_user = nobody".to_owned()));
    }
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    for (section, line) in &setup.settings {
        lines.retain(|(other, text)| other != section || key(text) != key(line));
        lines.push((*section, line.clone()));
    }
    let sections: BTreeSet<&str> = lines.iter().map(|(section, _)| *section).collect();
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("[{section}]\n"));
        for (_, line) in lines.iter().filter(|(other, _)| *other == section) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn account(name: &str) -> Account {
    Account::find(name).unwrap().unwrap_or_else(|| panic!("there is no user {name}"))
}

fn make_directory(path: &Path, mode: u32) {
    fs::create_dir(path).unwrap();
    set_mode(path, mode);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
