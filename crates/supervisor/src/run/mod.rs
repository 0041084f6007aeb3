//! `make run`: prepares a system, starts PostgreSQL and the daemons, tells the person what to do, and stops
//! everything again.

mod accounts;
mod daemons;
mod ini_text;
mod interrupts;
mod layout;
mod network;
mod settings;
mod tools;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::postgres::{PostgresOptions, PrivatePostgres};
use crate::process::ProcessSpec;
use daemons::{Daemon, DaemonPlan};
use layout::Layout;
use settings::{PRIVATE_DATABASE, RunSettings};
use tools::{Tools, base_spec, with_environment};

pub use interrupts::Interrupts;

const ADMIN: &str = "admin";
const START_LIMIT: Duration = Duration::from_secs(60);
/// Programs of a killed run were told to end; the manager among them may drain.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(75);
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// The manager drains (30 s unless changed), then its plugins get TERM and a grace period.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);
const LAUNCHER_PATIENCE: Duration = Duration::from_secs(20);
const USUAL_PATIENCE: Duration = Duration::from_secs(10);

/// What the caller of the program decided, and what its environment says.
pub struct RunOptions {
    /// The checkout to run.
    pub checkout: PathBuf,
    /// The directory with the programs as built.
    pub programs: PathBuf,
    /// Where root lays the installed tree out; `None` for the usual place.
    pub root_home: Option<PathBuf>,
    /// `DATABASE_URL`: a server to use in the place of a private one.
    pub database_url: Option<String>,
    /// `PG_BIN`: the only place to look for the PostgreSQL server's programs.
    pub pg_bin: Option<PathBuf>,
    /// `HOME` of an ordinary user, for plugins that look there (ssh).
    pub home: Option<String>,
}

/// Runs the system until a signal asks us to stop. Where it runs already, only says how to get in.
pub fn run(options: RunOptions) -> Result<()> {
    let interrupts = Interrupts::catch().context("while catching signals")?;
    raise_open_files();
    let layout = Layout::prepare(&options.checkout, &options.programs, options.root_home.as_deref())?;
    let environment = environment(&options, &layout);
    let Some(_instance) = lock(&layout.instance_lock(), &interrupts, Duration::ZERO)? else {
        let settings = RunSettings::read(&layout)?;
        let link = Tools::new(&layout, &environment).sign_in_link(ADMIN)?;
        say(&format!("Self Service Manager runs already.\n\n{}", way_in(&settings, &link)));
        return Ok(());
    };
    let Some(daemons_lock) = lock(&layout.daemons_lock(), &interrupts, LEFTOVER_PATIENCE)? else {
        bail!("programs of an earlier run, which was killed, do not end; end them, then try again");
    };
    let mut system =
        System { options, layout, environment, daemons_lock, daemons: Vec::new(), postgres: None };
    if system.start(&interrupts)? {
        system.watch(&interrupts);
    }
    system.stop(&interrupts);
    Ok(())
}

/// Says one thing to the person. Nobody may be listening any more (closed terminal); that is no reason to fail.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The system with its running parts; what stops first stands first.
struct System {
    daemons: Vec<Daemon>,
    postgres: Option<PrivatePostgres>,
    options: RunOptions,
    layout: Layout,
    environment: Vec<(String, String)>,
    daemons_lock: File,
}

impl System {
    /// Starts everything; `false` when a signal came meanwhile.
    fn start(&mut self, interrupts: &Interrupts) -> Result<bool> {
        if self.layout.accounts.is_some() {
            let home = self.layout.var.with_file_name("");
            say(&format!("You are root: the programs run as other users, from {}", home.display()));
        }
        let private_url = PrivatePostgres::url_of(&self.layout.postgres_socket_directory(), PRIVATE_DATABASE);
        let mut settings = RunSettings::prepare(&self.layout, &private_url)?;
        settings.make_sure_of_port(&self.layout)?;
        let chosen = self.options.database_url.clone().or_else(|| settings.chosen_database.clone());
        if chosen.is_none() {
            say("Starting PostgreSQL ...");
            self.postgres = Some(self.start_postgres()?);
        }
        self.prepare_database(&chosen.unwrap_or(private_url))?;
        for plan in self.plans()? {
            if interrupts.count() > 0 {
                return Ok(false);
            }
            self.daemons.insert(0, Daemon::start(plan, &self.layout.log_directory())?);
            self.wait_for(interrupts, || self.launcher_listens(), "plugin_launcher does not listen")?;
        }
        let trouble = format!("{}/health does not say that all is well", settings.public_url);
        if !self.wait_for(interrupts, || network::is_healthy(settings.listen), &trouble)? {
            return Ok(false);
        }
        // Another program may have taken the port at the same moment and have answered for ours.
        if let Some(failure) = self.daemons.iter().find_map(Daemon::failure) {
            bail!(failure);
        }
        let link = self.tools().sign_in_link(ADMIN)?;
        say(&welcome(&self.layout, &settings, &link));
        Ok(true)
    }

    /// Waits until `done`; `false` when a signal came first. A daemon that ends meanwhile is an error.
    fn wait_for(&self, interrupts: &Interrupts, done: impl Fn() -> bool, trouble: &str) -> Result<bool> {
        let deadline = Instant::now() + START_LIMIT;
        while !done() {
            if interrupts.count() > 0 {
                return Ok(false);
            }
            if let Some(failure) = self.daemons.iter().find_map(Daemon::failure) {
                bail!(failure);
            }
            if Instant::now() > deadline {
                bail!(
                    "{trouble} after {} s; see {}",
                    START_LIMIT.as_secs(),
                    self.layout.log_directory().display()
                );
            }
            interrupts.sleep(Duration::from_millis(50));
        }
        Ok(true)
    }

    /// Looks after the daemons until a signal comes.
    fn watch(&mut self, interrupts: &Interrupts) {
        while interrupts.count() == 0 {
            if let Err(error) = self.look_after_postgres() {
                say(&format!("{error:#}"));
            }
            for daemon in &mut self.daemons {
                if let Err(error) = daemon.watch() {
                    say(&format!("{error:#}"));
                }
            }
            interrupts.sleep(WATCH_INTERVAL);
        }
    }

    fn look_after_postgres(&mut self) -> Result<()> {
        if self.postgres.as_ref().is_some_and(|postgres| !postgres.is_running()) {
            say("PostgreSQL ended; starting it again.");
            self.postgres = Some(self.start_postgres()?);
        }
        Ok(())
    }

    fn stop(self, interrupts: &Interrupts) {
        say("\nStopping. Running actions may finish first; press Ctrl-C again to hurry.");
        for mut daemon in self.daemons {
            daemon.stop(Some(interrupts));
        }
        if let Some(postgres) = self.postgres {
            postgres.stop();
        }
        say("Everything has stopped. The data are kept; \"make run\" goes on with them.");
    }

    fn start_postgres(&self) -> Result<PrivatePostgres> {
        let layout = &self.layout;
        let mut options = PostgresOptions::new(layout.postgres_data(), layout.postgres_socket_directory());
        options.log = layout.log_directory().join("postgres.log");
        options.bin_dir.clone_from(&self.options.pg_bin);
        options.socket_group = layout.service().map(|service| service.gid);
        let server = PrivatePostgres::start(options)?;
        server.create_database(PRIVATE_DATABASE)?;
        Ok(server)
    }

    /// Tables, the example inventory and the first administrator.
    fn prepare_database(&self, database: &str) -> Result<()> {
        let tools = self.tools();
        tools.migrate(database)?;
        tools.ensure_admin(ADMIN)
    }

    fn tools(&self) -> Tools<'_> {
        Tools::new(&self.layout, &self.environment)
    }

    /// The daemons in the order in which they start. They stop in the opposite order.
    fn plans(&self) -> Result<Vec<DaemonPlan>> {
        // We hold the lock of the daemons, so nobody listens here.
        match fs::remove_file(self.layout.launcher_socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("while removing the socket of an earlier launcher");
            }
            _ => {}
        }
        Ok(vec![
            self.launcher_plan()?,
            self.plan("plugins_manager", DRAIN_PATIENCE)?,
            self.plan("schedulerd", USUAL_PATIENCE)?,
            self.plan("web_gui", USUAL_PATIENCE)?,
        ])
    }

    fn plan(&self, name: &'static str, patience: Duration) -> Result<DaemonPlan> {
        let (layout, environment) = (self.layout.clone(), self.environment.clone());
        let lock = self.daemons_lock.try_clone()?;
        let spec = move || {
            let spec = base_spec(&layout, name, &environment).account(layout.service());
            Ok(spec.inherit(lock.try_clone()?.into()))
        };
        Ok(DaemonPlan { name, spec: Box::new(spec), patience })
    }

    fn launcher_plan(&self) -> Result<DaemonPlan> {
        let (layout, environment) = (self.layout.clone(), self.environment.clone());
        let lock = self.daemons_lock.try_clone()?;
        let spec = move || {
            let spec = launcher_spec(&layout)?.inherit(lock.try_clone()?.into());
            Ok(with_environment(spec, &layout.work_directory(), &environment).account(layout.plugin()))
        };
        let name = "plugin_launcher";
        Ok(DaemonPlan { name, spec: Box::new(spec), patience: LAUNCHER_PATIENCE })
    }

    fn launcher_listens(&self) -> bool {
        self.layout.launcher_socket().exists()
    }
}

fn launcher_spec(layout: &Layout) -> Result<ProcessSpec> {
    let mut spec = ProcessSpec::new(layout.program("plugin_launcher"))
        .args(["--socket".into(), layout.launcher_socket().to_string_lossy()])
        .args(["--work-dir".into(), layout.work_directory().to_string_lossy()]);
    for directory in settings::plugin_directories(layout)? {
        spec = spec.arg("--plugin-dir").arg(directory);
    }
    if let Some(service) = layout.service() {
        spec = spec.args(["--allow-user", &service.name, "--installed", "--service-user", &service.name]);
    }
    Ok(spec)
}

/// Takes the lock `path`, waiting up to `patience` for whoever holds it; `None` where they keep it, or where a
/// signal comes. The file itself stays.
fn lock(path: &Path, interrupts: &Interrupts, patience: Duration) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("while opening {}", path.display()))?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("while locking {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline && interrupts.count() == 0 => {
                interrupts.sleep(Duration::from_millis(100));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
        }
    }
}

/// What every program of the system finds in its environment.
fn environment(options: &RunOptions, layout: &Layout) -> Vec<(String, String)> {
    let mut environment = vec![
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        // Their output goes to files.
        ("NO_COLOR".to_owned(), "1".to_owned()),
    ];
    let home = options.home.clone().filter(|_| layout.accounts.is_none());
    environment.extend(home.map(|home| ("HOME".to_owned(), home)));
    environment.extend(options.database_url.clone().map(|url| ("DATABASE_URL".to_owned(), url)));
    environment
}

/// Many runs at a time need many pipes, and the usual soft limit is 1024. Without the right to raise it things
/// work as well, only with fewer runs.
fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn way_in(settings: &RunSettings, link: &str) -> String {
    format!(
        "  Address:  {}\n  Sign in:  {link}\n            (works once; \"make run\" in a second terminal makes another)",
        settings.public_url
    )
}

fn welcome(layout: &Layout, settings: &RunSettings, link: &str) -> String {
    let try_this = format!("{}/popup?host=worker-staging-01&service=Nightly%20job", settings.public_url);
    let lines = [
        "\nSelf Service Manager runs.\n".to_owned(),
        way_in(settings, link),
        "\nWhat to do first: open the sign-in link and press \"Sign in\". Then open".to_owned(),
        format!("  {try_this}"),
        "and press \"Run with steps\": its output appears while it runs, until OK, WARNING or CRITICAL.\n"
            .to_owned(),
        format!("  Programs: {}", layout.program("tasks").with_file_name("").display()),
        format!("  Settings: {}", layout.settings().display()),
        format!("  Logs:     {}", layout.log_directory().display()),
        "  Ctrl-C stops everything; the data are kept.".to_owned(),
    ];
    lines.join("\n")
}
