//! A small world for tests: environments, hosts, handlers, people and what they may do.

use crate::TestDatabase;
use selfservice_core::config::MacroFile;
use selfservice_core::credentials::hash_password;
use selfservice_core::db::DbError;
use selfservice_core::models::tasks::{Identity, Origin, TaskKind};
use selfservice_core::plan::{Plan, Request, Requester};
use selfservice_core::queue::{self, Enqueued};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

const QUEUE_LIFE: Duration = Duration::from_secs(60);

/// Ids of what [`World::new`] made. Every service named `os` has all handlers, in the order `ok`, `warning`,
/// `critical`, `slow`, `echo`, `danger`.
#[derive(Debug)]
pub struct World {
    /// `web-1`, in production, host group `web`, address 127.0.0.1, alias `web-1.example.net`.
    pub web_1: i64,
    /// `web-2`, in staging, host group `web`.
    pub web_2: i64,
    /// `both`, in production and staging.
    pub both: i64,
    /// The service `os`, on every host.
    pub os: i64,
    /// Read-only, exits 0 and prints the line `all is well`.
    pub ok: i64,
    /// Normal, exits 1.
    pub warning: i64,
    /// Normal, exits 2.
    pub critical: i64,
    /// Normal: prints a line every 0.1 s until it is ended.
    pub slow: i64,
    /// Normal: prints each argument on a line of its own; parameters `text` (text) and `count` (0 to 9, default 1).
    pub echo: i64,
    /// Dangerous, exits 0.
    pub danger: i64,
    /// `alice` may run everything in production.
    pub alice: i64,
    /// `bob` may see production.
    pub bob: i64,
    /// `carol` may run everything in staging.
    pub carol: i64,
    /// `dave` may nothing.
    pub dave: i64,
    /// `root` is an administrator.
    pub root: i64,
}

const INVENTORY: &str = "
INSERT INTO environments (name, name_key, colour) VALUES ('production', 'production', 'red'), ('staging', 'staging', 'green');
INSERT INTO hostgroups (name, name_key) VALUES ('web', 'web');
INSERT INTO hosts (name, name_key, address) VALUES ('web-1', 'web-1', '127.0.0.1'), ('web-2', 'web-2', '127.0.0.2'), ('both', 'both', '127.0.0.3');
INSERT INTO host_aliases SELECT id, 'web-1.example.net' FROM hosts WHERE name = 'web-1';
INSERT INTO environments_members (environments_id, hosts_id)
    SELECT e.id, h.id FROM environments e, hosts h
    WHERE (e.name, h.name) IN (('production', 'web-1'), ('staging', 'web-2'), ('production', 'both'), ('staging', 'both'));
INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE h.name IN ('web-1', 'web-2');
INSERT INTO services (name, name_key) VALUES ('os', 'os');
INSERT INTO event_handlers (name, name_key, plugin, arguments, parameters, risk, timeout_seconds) VALUES
    ('ok', 'ok', 'ok', '{}', '[]', 'read-only', 30),
    ('warning', 'warning', 'warning', '{}', '[]', 'normal', 30),
    ('critical', 'critical', 'critical', '{}', '[]', 'normal', 30),
    ('slow', 'slow', 'slow', '{}', '[]', 'normal', 60),
    ('echo', 'echo', 'echo', '{$HOSTADDRESS$,--text=$_PARAMTEXT$,$_PARAMCOUNT$}',
     '[{\"name\": \"text\", \"type\": \"text\", \"default\": \"hello\"},
       {\"name\": \"count\", \"type\": \"integer\", \"minimum\": 0, \"maximum\": 9, \"default\": \"1\"}]', 'normal', 30),
    ('danger', 'danger', 'ok', '{}', '[]', 'dangerous', 30);
INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s;
INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, direct)
    SELECT m.id, e.id, e.id, true FROM services_members m, event_handlers e;
INSERT INTO users (name, name_key) VALUES ('alice', 'alice'), ('bob', 'bob'), ('carol', 'carol'), ('dave', 'dave'), ('root', 'root');
INSERT INTO grants (users_id, environments_id, verb)
    SELECT u.id, e.id, g.verb FROM (VALUES ('alice', 'production', 'run'), ('bob', 'production', 'see'), ('carol', 'staging', 'run'))
        AS g (who, environment, verb)
    JOIN users u ON u.name = g.who JOIN environments e ON e.name = g.environment;
INSERT INTO grants (users_id, verb) SELECT id, 'admin' FROM users WHERE name = 'root';
";

const IDS: &str = "
SELECT 'hosts', name, id FROM hosts UNION ALL SELECT 'services', name, id FROM services
UNION ALL SELECT 'event_handlers', name, id FROM event_handlers UNION ALL SELECT 'users', name, id FROM users;
";

impl World {
    /// Fills an empty database.
    pub fn new(database: &TestDatabase) -> Self {
        let ids = database.sql(&format!("{INVENTORY}{IDS}"));
        let id = |table: &str, name: &str| {
            let row = format!("{table}|{name}|");
            ids.lines().find_map(|line| line.strip_prefix(&row)?.parse().ok()).unwrap_or_default()
        };
        Self {
            web_1: id("hosts", "web-1"),
            web_2: id("hosts", "web-2"),
            both: id("hosts", "both"),
            os: id("services", "os"),
            ok: id("event_handlers", "ok"),
            warning: id("event_handlers", "warning"),
            critical: id("event_handlers", "critical"),
            slow: id("event_handlers", "slow"),
            echo: id("event_handlers", "echo"),
            danger: id("event_handlers", "danger"),
            alice: id("users", "alice"),
            bob: id("users", "bob"),
            carol: id("users", "carol"),
            dave: id("users", "dave"),
            root: id("users", "root"),
        }
    }

    /// Queues a task on `web-1` for alice, as the GUI would.
    pub fn queue(
        &self,
        database: &TestDatabase,
        macros: &MacroFile,
        handler: i64,
        parameters: &[(&str, &str)],
    ) -> Uuid {
        let requester = Requester {
            users_id: self.alice,
            name: "alice".to_owned(),
            identity: Identity::Password,
            token_verb: None,
        };
        let request = Request {
            hosts_id: self.web_1,
            services_id: self.os,
            event_handlers_id: handler,
            kind: TaskKind::Run,
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let (id, at) = (Uuid::now_v7(), chrono::Utc::now());
        let queued = database.pool().transaction::<_, DbError>(|connection| {
            let plan = Plan::decide(connection, macros, &requester, &request, id, at)
                .unwrap_or_else(|error| panic!("the plan was refused: {error}"));
            let task = plan.into_task(&requester, id, at, QUEUE_LIFE, Origin::Gui, Uuid::new_v4(), None);
            assert!(
                matches!(queue::enqueue(connection, &task)?, Enqueued::New(_)),
                "the task was there already"
            );
            Ok(())
        });
        queued.unwrap_or_else(|error| panic!("the task was not queued: {error}"));
        id
    }

    /// Lets `user` sign in by password.
    pub fn set_password(database: &TestDatabase, user: &str, password: &str) {
        let hash = hash_password(password).unwrap_or_else(|error| panic!("{error}"));
        database.sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE name = '{user}'"));
    }
}

const PLUGINS: &[(&str, &str)] = &[
    ("ok", "echo 'all is well | load=0.5'"),
    ("warning", "echo 'something is odd'; exit 1"),
    ("critical", "echo 'it broke' >&2; exit 2"),
    ("slow", "n=0; while :; do n=$((n + 1)); echo \"line $n\"; sleep 0.1; done"),
    ("echo", "for argument in \"$@\"; do printf '%s\\n' \"$argument\"; done"),
];

/// Writes the plugins of [`World`] into `directory` and gives it back.
pub fn write_plugins(directory: &Path) -> PathBuf {
    for (name, script) in PLUGINS {
        write_plugin(directory, name, script);
    }
    directory.to_owned()
}

/// A Python program that tries what a plugin must not be able to do: each argument is `KIND:TARGET`, and the line about
/// it ends with `done`, or goes on with `refused`.
pub const ATTACK: &str = include_str!("attack.py");

/// Writes one shell script that can be used as a plugin, and gives its whole text.
pub fn write_plugin(directory: &Path, name: &str, script: &str) -> String {
    let path = directory.join(name);
    let text = format!("#!/bin/sh\n{script}\n");
    let written = std::fs::write(&path, &text)
        .and_then(|()| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)));
    if let Err(error) = written {
        panic!("{} cannot be written: {error}", path.display());
    }
    text
}
