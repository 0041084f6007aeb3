//! An installed system: the manager and the launcher have a user each, and a plugin tries everything that belongs to the
//! manager. Only root can give them their users; what one user alone can be kept from is tested in `plugin_runner`.

use nix::sys::signal::Signal;
use selfservice_core::config::MacroFile;
use selfservice_core::db::DbError;
use selfservice_core::models::logs::Chunk;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use supervisor::account::{Account, is_root};
use supervisor::process::{GuardedChild, ProcessSpec};
use test_support::fixture::{ATTACK, World};
use test_support::{AppOptions, TestApp, TestDatabase, eventually, program};
use uuid::Uuid;

const SECRET: &str = "[macros]\n[secrets]\nTOKEN = correct-horse-battery\n";

/// The attacks, as arguments of the plugin.
struct Attacks {
    /// What the manager's user may do.
    on_the_managers_own: Vec<String>,
    /// What nobody but root may do.
    on_everybody: Vec<String>,
}

struct Installation {
    app: TestApp,
    database: TestDatabase,
    world: World,
    service: Account,
    manager: GuardedChild,
    launcher: GuardedChild,
}

impl Installation {
    fn start() -> Self {
        let account =
            |name| Account::find(name).unwrap().unwrap_or_else(|| panic!("there is no user {name}"));
        let (service, plugin) = (account("daemon"), account("nobody"));
        let database = TestDatabase::new();
        database.open_to(service.gid).unwrap();
        let world = World::new(&database);
        let options = AppOptions {
            manager: false,
            web: false,
            macros: SECRET.to_owned(),
            settings: vec![
                ("plugins", "installed = true".to_owned()),
                ("plugins", "launcher_user =".to_owned()),
            ],
        };
        let app = TestApp::start(&database, &options);
        let base = app.settings.parent().unwrap().to_owned();
        let own = |name: &str, owner: &Account, mode| {
            if !base.join(name).exists() {
                fs::DirBuilder::new().mode(0o700).create(base.join(name)).unwrap();
            }
            owner.own(&base.join(name)).unwrap();
            fs::set_permissions(base.join(name), Permissions::from_mode(mode)).unwrap();
        };
        own("settings.ini", &service, 0o600);
        own("macros.ini", &service, 0o600);
        own("spool", &service, 0o700);
        own("run", &plugin, 0o755);
        own("work", &plugin, 0o700);
        let text = fs::read_to_string(&app.settings).unwrap();
        let socket = base.join("run/launcher");
        let setting = format!("[plugins]\nlauncher_socket = {}\n", socket.display());
        fs::write(&app.settings, text.replace("[plugins]\n", &setting)).unwrap();
        put(&app.plugins.join("attack"), ATTACK.as_bytes(), 0o755);
        put(&base.join("id"), &fs::read("/usr/bin/id").unwrap(), 0o4755);
        let log = |name: &str| File::create(base.join(format!("{name}.log"))).unwrap();
        let path = |name: &str| base.join(name).display().to_string();
        let launcher = ProcessSpec::new(program("plugin_launcher"))
            .args(["--socket".to_owned(), path("run/launcher"), "--work-dir".to_owned(), path("work")])
            .args(["--plugin-dir".to_owned(), path("plugins"), "--user".to_owned(), plugin.name.clone()])
            .args(["--allow-user", &service.name, "--installed", "--service-user", &service.name])
            .spawn(&log("launcher"))
            .unwrap();
        eventually("the launcher listens", || socket.exists().then_some(()));
        let manager = ProcessSpec::new(program("plugins_manager"))
            .args(["--settings".to_owned(), app.settings.display().to_string()])
            .env("SECRET_IN_THE_ENVIRONMENT", "correct-horse-battery")
            .account(Some(&service))
            .spawn(&log("plugins_manager"))
            .unwrap();
        eventually("the manager has registered", || {
            (database.sql("SELECT count(*) FROM workers WHERE alive_until > now()") != "0").then_some(())
        });
        Self { app, database, world, service, manager, launcher }
    }

    fn base(&self) -> &Path {
        self.app.settings.parent().unwrap()
    }

    fn attacks(&self) -> Attacks {
        let path = |name: &str| self.base().join(name).display().to_string();
        let (manager, launcher) = (self.manager.id(), self.launcher.id());
        let database = self.database.socket().display().to_string();
        let attack = |kind: &str, target: &dyn std::fmt::Display| format!("{kind}:{target}");
        Attacks {
            on_the_managers_own: vec![
                attack("read", &path("settings.ini")),
                attack("read", &path("macros.ini")),
                attack("write", &path("settings.ini")),
                attack("chmod", &path("macros.ini")),
                attack("make", &path("spool/planted")),
                attack("connect", &database),
                attack("ask_launcher", &path("run/launcher")),
                attack("harmless_signal", &manager),
            ],
            on_everybody: vec![
                attack("environ", &manager),
                attack("memory", &manager),
                attack("ptrace", &manager),
                attack("environ", &launcher),
                attack("memory", &launcher),
                attack("ptrace", &launcher),
                attack("make", &path("plugins/planted")),
                attack("write", &path("plugins/attack")),
                attack("chmod", &path("plugins/attack")),
                attack("remove", &path("plugins/attack")),
                attack("become", &0),
                attack("become", &self.service.uid),
            ],
        }
    }

    /// Runs a handler's plugin with these arguments to its end, and gives what it printed.
    fn run(&self, arguments: &[String]) -> String {
        self.database.sql(&format!(
            "UPDATE event_handlers SET plugin = 'attack', arguments = '{{{}}}', secrets = '{{TOKEN}}' WHERE name = 'ok'",
            arguments.join(",")
        ));
        let macros = MacroFile::read(&self.app.settings.with_file_name("macros.ini")).unwrap();
        let id = self.world.queue(&self.database, &macros, self.world.ok, &[]);
        eventually("the task is finished", || {
            (self.database.sql(&format!("SELECT state FROM tasks WHERE id = '{id}'")) == "finished")
                .then_some(())
        });
        self.output(id)
    }

    fn output(&self, id: Uuid) -> String {
        let chunks = self.database.pool().run::<_, DbError>(|c| Ok(Chunk::after(c, id, 0, 100)?)).unwrap();
        chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.manager.signal(Signal::SIGKILL);
        self.launcher.signal(Signal::SIGKILL);
    }
}

fn put(path: &PathBuf, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn ended_with<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.split_once(word)).map(|(attack, _)| attack.trim_end()).collect()
}

/// Case 79.
#[test]
fn a_plugin_reaches_nothing_of_the_manager() {
    if !is_root() {
        eprintln!(
            "skipped: only root can give manager and launcher a user each; nothing of case 79 was tried here"
        );
        return;
    }
    let installation = Installation::start();
    let attacks = installation.attacks();
    // Both are tried for a user who may do the first: so the plugin's refusals are not those of a broken attack.
    let by = |account: &Account, attacks: &[String]| {
        let spec = ProcessSpec::new("/usr/bin/python3").args(["-I", "-S", "-c", ATTACK]).args(attacks);
        String::from_utf8(spec.account(Some(account)).output().unwrap().stdout).unwrap()
    };
    let said = by(&installation.service, &attacks.on_the_managers_own);
    assert_eq!(ended_with(&said, " done"), attacks.on_the_managers_own, "{said}");
    let said = by(&installation.service, &attacks.on_everybody[..1]);
    assert_eq!(ended_with(&said, " refused"), attacks.on_everybody[..1], "{said}");
    let setuid = format!("run_as_root:{}", installation.base().join("id").display());
    assert_eq!(ended_with(&by(&installation.service, std::slice::from_ref(&setuid)), " done"), [&setuid]);

    let mut all = attacks.on_the_managers_own;
    all.extend(attacks.on_everybody);
    all.push(setuid);
    fs::remove_file(installation.base().join("spool/planted")).unwrap();
    fs::set_permissions(installation.base().join("macros.ini"), Permissions::from_mode(0o600)).unwrap();
    let printed = installation.run(&all);
    assert_eq!(ended_with(&printed, " refused"), all, "{printed}");
    // Ended with its own code, by a manager and a launcher that live.
    assert!(printed.contains("OK: exit code 0"), "{printed}");
    assert!(installation.manager.ended().is_none() && installation.launcher.ended().is_none());
}
