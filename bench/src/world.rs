//! A durable PostgreSQL server, an inventory of thousands of hosts, and the real programs, all on this machine and all
//! gone afterwards.

use anyhow::{Context as _, bail, ensure};
use diesel::prelude::*;
use nix::sys::signal::Signal;
use selfservice_core::access::Verb;
use selfservice_core::config::{DatabaseSettings, MacroFile};
use selfservice_core::credentials;
use selfservice_core::db::{DbError, PgConnection, Pool, migrations};
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskKind};
use selfservice_core::plan::{Facts, Plan, Request, Requester};
use selfservice_core::queue::{self, NewTask};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use supervisor::process::{GuardedChild, ProcessSpec};
use supervisor::{PostgresOptions, PrivatePostgres};
use tempfile::TempDir;
use test_support::FreePort;
use uuid::Uuid;

/// So many hosts are there, so that as many tasks of one handler can wait at once.
pub const HOSTS: i64 = 5000;
const DATABASE: &str = "bench";
const QUEUE_LIFE: Duration = Duration::from_secs(3600);
const START_LIMIT: Duration = Duration::from_secs(20);
const INVENTORY: &str = include_str!("inventory.sql");

/// The handlers of the inventory, by the ids that they have there.
#[derive(Clone, Copy)]
pub enum Handler {
    /// `/bin/true`.
    True = 1,
    /// Prints the time of its start.
    Stamp = 2,
    /// Prints the time 100 times a second.
    Lines = 3,
    /// Stays until it is ended.
    Sleep = 4,
    /// Prints a gigabyte in lines of 100 bytes.
    Flood = 5,
    /// Prints 200,000 lines of 100 bytes.
    Print = 6,
    /// Prints the time 200 times a second on another machine.
    Remote = 7,
}

/// See the module's text.
pub struct World {
    /// Connections of the measurement itself.
    pub pool: Pool,
    server: PrivatePostgres,
    directory: TempDir,
}

impl World {
    /// Starts the server and fills it.
    pub fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir_in("/var/tmp").context("while making a directory")?;
        let base = directory.path();
        set_mode(base, 0o755)?;
        let server = PrivatePostgres::start(PostgresOptions::new(base.join("data"), base.join("s")))?;
        server.create_database(DATABASE)?;
        let pool = Pool::new(&DatabaseSettings::for_url(&server.url(DATABASE)), "bench");
        migrations::apply(&mut *pool.get()?)?;
        server.psql(DATABASE, INVENTORY)?;
        let plugins = base.join("plugins");
        fs::create_dir(&plugins)?;
        set_mode(&plugins, 0o755)?;
        for (source, name) in
            [(PathBuf::from("/bin/true"), "true"), (program("bench_witness")?, "bench_witness")]
        {
            fs::copy(source, plugins.join(name))?;
            set_mode(&plugins.join(name), 0o755)?;
        }
        Ok(Self { pool, server, directory })
    }

    /// Connection string of the database.
    pub fn url(&self) -> String {
        self.server.url(DATABASE)
    }

    /// Makes another database with our empty tables and gives its connection string.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        self.server.create_database(name)?;
        let url = self.server.url(name);
        migrations::apply(&mut *Pool::new(&DatabaseSettings::for_url(&url), "bench").get()?)?;
        Ok(url)
    }

    /// Takes such a database away.
    pub fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        self.server.psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))?;
        Ok(())
    }

    /// The messages of the server.
    pub fn server_log(&self) -> &Path {
        self.server.log()
    }

    /// Where the plugins are.
    pub fn plugins(&self) -> PathBuf {
        self.directory.path().join("plugins")
    }

    /// A file beside the programs' own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Gives a handler other arguments.
    pub fn set_arguments(&self, handler: Handler, arguments: &[&str]) -> anyhow::Result<()> {
        let quoted: Vec<String> =
            arguments.iter().map(|argument| format!("'{}'", argument.replace('\'', "''"))).collect();
        let arguments = quoted.join(", ");
        let id = handler as i64;
        let change = format!("UPDATE event_handlers SET arguments = ARRAY[{arguments}] WHERE id = {id}");
        self.server.psql(DATABASE, &change)?;
        Ok(())
    }

    /// Starts a manager with so many slots and waits until it takes tasks.
    pub fn manager(&self, slots: usize) -> anyhow::Result<Program> {
        let program = self.start("plugins_manager", slots, "127.0.0.1:1")?;
        until("a manager has registered", || {
            Ok(self
                .count("SELECT count(*) AS count FROM workers WHERE NOT stopping AND alive_until > now()")?
                > 0)
        })?;
        Ok(program)
    }

    /// Starts the GUI and gives its address.
    pub fn web(&self) -> anyhow::Result<(Program, String)> {
        let port = FreePort::claim();
        let listen = port.address();
        let program = self.start("web_gui", 16, &listen.to_string())?;
        until("the GUI answers", || Ok(TcpStream::connect(listen).is_ok()))?;
        Ok((program, format!("http://{listen}")))
    }

    /// Starts a scheduler with so many cron lines, due at New Year only, and waits until it has told of them.
    pub fn scheduler(&self, lines: usize) -> anyhow::Result<Program> {
        let cron: String =
            (0..lines).map(|line| format!("line_{line} = 0 0 1 1 *  tasks check-config\n")).collect();
        let program = self.start_with("schedulerd", 16, "127.0.0.1:1", &format!("[cron]\n{cron}"))?;
        until("the scheduler has told of its lines", || {
            let told = self.count("SELECT count(*) AS count FROM schedules WHERE seen_at IS NOT NULL")?;
            Ok(usize::try_from(told)? >= lines)
        })?;
        Ok(program)
    }

    /// A new API token of the user who may run everything.
    pub fn token(&self) -> anyhow::Result<String> {
        let token = credentials::ApiToken::generate()?;
        self.pool.run::<_, DbError>(|connection| {
            let life = Duration::from_secs(3600);
            Ok(ApiToken::create(connection, &token, 1, "bench", Verb::Run, life)?)
        })?;
        Ok(token.reveal())
    }

    /// Queues one task of `handler` on every host of `hosts`, in one transaction, and gives the ids.
    pub fn queue(&self, handler: Handler, hosts: std::ops::Range<i64>) -> anyhow::Result<Vec<Uuid>> {
        let asked: Vec<_> = hosts.map(|host| asked(handler, host)).collect();
        let mut connection = self.pool.get()?;
        let tasks = plan(&mut connection, &asked)?;
        self.pool.transaction::<_, DbError>(|connection| {
            for task in &tasks {
                queue::enqueue(connection, task)?;
            }
            Ok(())
        })?;
        Ok(tasks.iter().map(|task| task.id).collect())
    }

    /// The time that the task's plugin printed first.
    pub fn stamp(&self, id: Uuid) -> anyhow::Result<u128> {
        let mut stamp = None;
        until("the task is finished", || {
            let task = self
                .pool
                .run::<_, DbError>(|connection| Ok(Task::find(connection, id)?))?
                .context("the task is gone")?;
            ensure!(task.result.is_none() || task.exit_code == Some(0), "a task ended badly: {task:?}");
            stamp = task.result.and(task.summary).and_then(|text| text.parse().ok());
            Ok(stamp.is_some())
        })?;
        stamp.context("the plugin printed no time")
    }

    /// Waits until no task is active. Looks for the newest one, which ends last: counting them all, again and again,
    /// would take more of the machine than running them.
    pub fn drained(&self) -> anyhow::Result<()> {
        let newest = "SELECT count(*) AS count FROM (SELECT FROM tasks WHERE state <> 'finished' \
                      ORDER BY id DESC LIMIT 1) AS newest";
        until("all tasks are finished", || Ok(self.count(newest)? == 0))
    }

    /// Runs SQL that takes as long as it takes.
    pub fn psql(&self, sql: &str) -> anyhow::Result<()> {
        self.server.psql(DATABASE, sql)?;
        Ok(())
    }

    /// Runs a query that gives one number in the column `count`.
    pub fn count(&self, query: &str) -> anyhow::Result<i64> {
        Ok(self.pool.run::<_, DbError>(|connection| {
            let row: Count = diesel::sql_query(query).get_result(connection)?;
            Ok(row.count)
        })?)
    }

    fn start(&self, name: &str, slots: usize, listen: &str) -> anyhow::Result<Program> {
        self.start_with(name, slots, listen, "")
    }

    /// With more sections in the settings.
    fn start_with(&self, name: &str, slots: usize, listen: &str, more: &str) -> anyhow::Result<Program> {
        let base = self.directory.path();
        let settings = base.join(format!("{name}.ini"));
        fs::write(base.join("macros.ini"), "[macros]\n")?;
        set_mode(&base.join("macros.ini"), 0o600)?;
        fs::write(&settings, self.settings(slots, listen)? + more)?;
        set_mode(&settings, 0o600)?;
        let log = File::options().create(true).append(true).open(base.join(format!("{name}.log")))?;
        let child = ProcessSpec::new(program(name)?)
            .arg("--settings")
            .arg(settings.display().to_string())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .spawn(&log)
            .with_context(|| format!("while starting {name}"))?;
        Ok(Program(child))
    }

    fn settings(&self, slots: usize, listen: &str) -> anyhow::Result<String> {
        let base = self.directory.path().display();
        let launcher = program("plugin_launcher")?;
        let user = if nix::unistd::geteuid().is_root() { "launcher_user = nobody\n" } else { "" };
        Ok(format!(
            "[database]\nurl = {}\n[web]\nlisten = {listen}\npublic_url = http://{listen}\n\
             [manager]\nname = bench\nslots = {slots}\ndrain_seconds = 0\nspool_directory = {base}/spool\n\
             [plugins]\ndirectories = {base}/plugins\nlauncher = {}\ninstalled = false\ngrace_seconds = 1\n{user}\
             [files]\nmacros = {base}/macros.ini\n",
            self.url(),
            launcher.display()
        ))
    }
}

/// A running program; it is stopped when the value is dropped.
pub struct Program(GuardedChild);

impl Program {
    /// Its process id.
    pub fn id(&self) -> i32 {
        self.0.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGTERM);
        if self.0.wait(START_LIMIT).is_none() {
            self.0.signal(Signal::SIGKILL);
        }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

/// The path of one of our programs, built beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} was not built", path.display());
    Ok(path)
}

/// Asks again and again, for a minute at most.
pub fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("waited in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The request and the requester of one task.
fn asked(handler: Handler, host: i64) -> (Request, Requester) {
    let request = Request {
        hosts_id: host,
        services_id: 1,
        event_handlers_id: handler as i64,
        kind: TaskKind::Run,
        parameters: BTreeMap::new(),
    };
    let (identity, token_verb) = (Identity::Token, Some(Verb::Run));
    (request, Requester { users_id: 1, name: "bench".to_owned(), identity, token_verb })
}

/// Plans tasks as the GUI does, but all of them from facts that are read once.
fn plan(connection: &mut PgConnection, asked: &[(Request, Requester)]) -> anyhow::Result<Vec<NewTask>> {
    let facts = Facts::load(connection, asked)?;
    let macros = MacroFile::default();
    asked
        .iter()
        .map(|(request, requester)| {
            let (id, at) = (Uuid::now_v7(), chrono::Utc::now());
            let plan = Plan::decide_from(&facts, &macros, requester, request, id, at)?;
            Ok(plan.into_task(requester, id, at, QUEUE_LIFE, Origin::Api, Uuid::new_v4(), None))
        })
        .collect()
}

/// Changes the mode of a file.
pub fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("while setting the mode of {}", path.display()))
}
