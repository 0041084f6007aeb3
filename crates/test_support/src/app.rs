//! The real programs, running against a database of the test's own.

use crate::{FreePort, TestDatabase, eventually, fixture};
use nix::sys::signal::Signal;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use supervisor::TemporaryDirectory;
use supervisor::process::{GuardedChild, ProcessSpec};

/// What a [`TestApp`] is made of.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// Start a manager (with a launcher of its own).
    pub manager: bool,
    /// Start the GUI.
    pub web: bool,
    /// Lines added to sections of `settings.ini`, or in the place of ours with the same key: (section, line).
    pub settings: Vec<(&'static str, String)>,
    /// `macros.ini`.
    pub macros: String,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self { manager: true, web: true, settings: Vec::new(), macros: "[macros]\n".to_owned() }
    }
}

/// Settings of programs that wait for the database no longer than they do by default. Without them they are patient: on a
/// busy machine the database is slow, not away.
pub fn impatient() -> Vec<(&'static str, String)> {
    [
        ("database", "connect_timeout_seconds = 5"),
        ("database", "operation_timeout_seconds = 5"),
        ("web", "database_timeout_ms = 2500"),
    ]
    .map(|(section, line)| (section, line.to_owned()))
    .to_vec()
}

/// Running programs; they end with the value, and with the test process however that ends.
pub struct TestApp {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The settings file.
    pub settings: PathBuf,
    /// Where the plugins are.
    pub plugins: PathBuf,
    programs: Vec<(&'static str, GuardedChild)>,
    directory: TemporaryDirectory,
    _port: FreePort,
}

impl TestApp {
    /// Starts the programs and waits until the GUI answers.
    pub fn start(database: &TestDatabase, options: &AppOptions) -> Self {
        let directory = readable_directory();
        let plugins = directory.path().join("plugins");
        make_directory(&plugins);
        fixture::write_plugins(&plugins);
        let port = FreePort::claim();
        let listen = port.address();
        let settings = directory.path().join("settings.ini");
        write_private(&directory.path().join("macros.ini"), &options.macros);
        write_private(&settings, &settings_text(database, options, directory.path(), listen));
        let mut app = Self {
            url: format!("http://{listen}"),
            settings,
            plugins,
            programs: Vec::new(),
            directory,
            _port: port,
        };
        if options.web {
            app.start_program("web_gui");
            eventually("web_gui answers", || TcpStream::connect(listen).ok());
        }
        if options.manager {
            app.start_program("plugins_manager");
            eventually("the manager has registered", || {
                (database.sql("SELECT count(*) FROM workers WHERE alive_until > now()") != "0").then_some(())
            });
        }
        app
    }

    /// Starts one of our programs with the app's settings.
    pub fn start_program(&mut self, name: &'static str) -> &GuardedChild {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join(format!("{name}.log")))
            .unwrap_or_else(|error| panic!("no log file: {error}"));
        let child = ProcessSpec::new(program(name))
            .arg("--settings")
            .arg(self.settings.display().to_string())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .spawn(&log)
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        self.programs.push((name, child));
        self.programs.last().map(|(_, child)| child).unwrap_or_else(|| panic!("no program"))
    }

    /// Replaces a plugin, and waits until the manager has told of its new content: a task that is asked for before is
    /// bound to the old one.
    pub fn replace_plugin(&self, database: &TestDatabase, name: &str, script: &str) {
        let text = fixture::write_plugin(&self.plugins, name, script);
        let told = format!(
            "SELECT count(*) FROM plugins WHERE name = '{name}' AND sha256 = sha256(convert_to('{}', 'UTF8'))",
            text.replace('\'', "''")
        );
        eventually("the manager has told of the plugin", || (database.sql(&told) != "0").then_some(()));
    }

    /// A started program.
    pub fn program(&self, name: &str) -> &GuardedChild {
        let found = self.programs.iter().rev().find(|(program, _)| *program == name);
        found.map(|(_, child)| child).unwrap_or_else(|| panic!("{name} was not started"))
    }

    /// What a program has logged.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

impl Drop for TestApp {
    #[expect(clippy::print_stderr, reason = "the reader of a failed test wants the logs")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, _) in &self.programs {
                eprintln!("--- {name} logged:\n{}", self.log(name));
            }
        }
        for (_, program) in &self.programs {
            program.signal(Signal::SIGKILL);
        }
    }
}

/// The path of one of our programs, built beside the test.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let path = test.ancestors().nth(2).unwrap_or(Path::new(".")).join(name);
    assert!(path.exists(), "{} is missing: run cargo build --workspace --bins first", path.display());
    path
}

fn settings_text(database: &TestDatabase, options: &AppOptions, base: &Path, listen: SocketAddr) -> String {
    let base_path = base.display();
    let drop_to = if nix::unistd::geteuid().is_root() { "launcher_user = nobody\n" } else { "" };
    let sections = [
        (
            "database",
            format!(
                "url = {}\nconnect_timeout_seconds = 30\noperation_timeout_seconds = 30\n",
                database.url()
            ),
        ),
        ("web", format!("listen = {listen}\npublic_url = http://{listen}\ndatabase_timeout_ms = 30000\n")),
        (
            "manager",
            format!(
                "name = test-manager\nslots = 8\nheartbeat_seconds = 1\nlease_seconds = 4\ndrain_seconds = 5\n\
                 spool_directory = {base_path}/spool\n"
            ),
        ),
        (
            "plugins",
            format!(
                "directories = {base_path}/plugins\nlauncher = {}\ninstalled = false\ngrace_seconds = 2\n{drop_to}",
                program("plugin_launcher").display()
            ),
        ),
        ("log", "filter = info,web_gui=debug,plugins_manager=debug\n".into()),
        ("files", format!("macros = {base_path}/macros.ini\n")),
        ("programs", String::new()),
        ("load_intervals", String::new()),
    ];
    let mut text = String::new();
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    for (name, body) in sections {
        let own: Vec<&str> = options
            .settings
            .iter()
            .filter(|(section, _)| *section == name)
            .map(|(_, line)| line.as_str())
            .collect();
        let kept = body.lines().filter(|line| own.iter().all(|own| key(own) != key(line)));
        text.push_str(&format!("[{name}]\n"));
        for line in kept.chain(own.iter().copied()) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// A directory below which the launcher's user can reach the plugins.
fn readable_directory() -> TemporaryDirectory {
    let directory = TemporaryDirectory::create(None).unwrap_or_else(|error| panic!("no directory: {error}"));
    set_mode(directory.path(), 0o755);
    directory
}

fn make_directory(path: &Path) {
    std::fs::create_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    set_mode(path, 0o755);
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
