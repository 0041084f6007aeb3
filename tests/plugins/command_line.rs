//! What `tasks` does with plugins: trying one out, and making host keys known.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use test_support::TestDatabase;
use test_support::sshd::Sshd;

use crate::run::repository;

/// An installation with the bundled plugins and two hosts, which are this machine.
struct Installation {
    directory: TempDir,
    database: TestDatabase,
}

impl Installation {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["plugins", "ssh"] {
            fs::create_dir(path.join(name)).unwrap();
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for entry in fs::read_dir(repository().join("plugins")).unwrap().map(Result::unwrap) {
            if entry.metadata().unwrap().is_file() {
                fs::copy(entry.path(), path.join("plugins").join(entry.file_name())).unwrap();
            }
        }
        let drop_to = if nix::unistd::geteuid().is_root() { "launcher_user = nobody\n" } else { "" };
        let settings = format!(
            "[plugins]\ndirectories = {0}/plugins\nlauncher = {1}\ninstalled = false\n{drop_to}\
             [ssh]\ndirectory = {0}/ssh\n[files]\nmacros = {0}/macros.ini\n",
            path.display(),
            test_support::program("plugin_launcher").display()
        );
        for (name, text) in [
            ("settings.ini", settings.as_str()),
            ("macros.ini", "[macros]\nUSER1 = u\n[secrets]\nTOKEN = hunter2hunter2\n"),
        ] {
            fs::write(path.join(name), text).unwrap();
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let database = TestDatabase::new();
        database.sql(
            "INSERT INTO hosts (name, name_key, address, vars) VALUES ('web-1', 'web-1', '127.0.0.1', '{\"PORT\": \"80\"}'), \
             ('web-2', 'web-2', '127.0.0.1', '{}')",
        );
        database.sql("INSERT INTO services (name, name_key) VALUES ('Disk', 'disk')");
        database.sql("INSERT INTO hostgroups (name, name_key) VALUES ('web', 'web')");
        database.sql("INSERT INTO hostgroups_members (hostgroups_id, hosts_id) SELECT g.id, h.id FROM hostgroups g, hosts h");
        Self { directory, database }
    }

    fn tasks(&self, arguments: &[&str]) -> Output {
        self.tasks_answered(arguments, "")
    }

    /// With somebody who types this.
    fn tasks_answered(&self, arguments: &[&str], answer: &str) -> Output {
        let mut typed = tempfile::tempfile().unwrap();
        typed.write_all(answer.as_bytes()).unwrap();
        typed.rewind().unwrap();
        Command::new(test_support::program("tasks"))
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .arg("--settings")
            .arg(self.path("settings.ini"))
            .args(arguments)
            .stdin(typed)
            .output()
            .unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn plugin(&self, name: &str, text: &str) {
        fs::write(self.path("plugins").join(name), text).unwrap();
        fs::set_permissions(self.path("plugins").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_trial_shows_command_environment_steps_and_result_without_secrets() {
    let installation = Installation::new();
    installation.plugin(
        "own.sh",
        "#!/bin/sh\n. \"${0%/*}/lib.sh\"\nprogress_step Work half\nprintf 'WARNING - %s|' \"$1\" \"$2\"\n\
         echo \"a=1 $SELFSERVICE_SECRET_TOKEN\"\nexit 1\n",
    );
    let arguments =
        ["plugin", "test", "own.sh", "--host", "web-1", "--service", "Disk", "--param", "unit=a b; id"];
    let more = ["--secret", "TOKEN", "--", "$_PARAMunit$", "$HOSTNAME$:$_HOSTPORT$/$SERVICEDESC$"];
    let output = installation.tasks(&[&arguments[..], &more].concat());
    let (said, shown) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert_eq!(said, "WARNING - a b; id|WARNING - web-1:80/Disk|a=1 ********\n");
    for line in [
        "              \"a b; id\"\n",
        "SELFSERVICE_HOST=web-1\n",
        "NAGIOS_HOSTADDRESS=127.0.0.1\n",
        "SELFSERVICE_SECRET_TOKEN=********\n",
        "step          Work: half\n",
        "result        WARNING (exit code 1, ",
        "summary       WARNING - a b; id\n",
    ] {
        assert!(shown.contains(line), "{line:?} in {shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let output = installation.tasks(&[&["--json"], &arguments[..], &more].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["result"], &json["argv"][0]), (&"WARNING".into(), &"a b; id".into()));
    let unknown = installation.tasks(&["plugin", "test", "own.sh", "--host", "nope"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("there is no host 'nope'"));
    let unfilled = installation.tasks(&["plugin", "test", "own.sh", "--host", "web-1", "--", "$_PARAMx$"]);
    assert_eq!(unfilled.status.code(), Some(2), "an unknown macro starts nothing");
    assert_eq!(text(&unfilled.stdout), "");
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn keys_become_known_only_when_somebody_agrees_and_changed_ones_only_on_demand() {
    let installation = Installation::new();
    let (first, second) = (Sshd::start().unwrap(), Sshd::start().unwrap());
    let file = installation.path("ssh/known_hosts");
    let trust = |server: &Sshd, more: &[&str]| {
        let port = server.port.to_string();
        let output = installation.tasks(&[&["ssh", "trust", "--port", &port], more].concat());
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, shown, _) = trust(&first, &["web-1", "web-1", "--hostgroup", "web"]);
    assert_eq!((code, lines(&file)), (1, vec![]), "nobody agreed: {shown}");
    assert_eq!(shown.lines().count(), 2, "each host is asked once: {shown}");
    assert!(
        shown.starts_with("web-1  new      SHA256:") && shown.contains("\nweb-2  new      SHA256:"),
        "{shown}"
    );
    let answered = |answer: &str| {
        let port = first.port.to_string();
        installation.tasks_answered(&["ssh", "trust", "--port", &port, "--hostgroup", "web"], answer)
    };
    let output = answered("n\n");
    assert_eq!((output.status.code(), lines(&file)), (Some(1), vec![]), "{}", text(&output.stderr));
    let output = answered("y\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let key = fs::read_to_string(&first.known_hosts).unwrap();
    let key = key.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
    let known = vec![format!("web-1 {key}"), format!("web-2 {key}")];
    assert_eq!(lines(&file), known);
    assert_eq!(installation.database.sql("SELECT count(*) FROM audit WHERE action = 'ssh.trust'"), "2");
    let (code, shown, _) = trust(&first, &["web-1"]);
    assert_eq!((code, shown.as_str()), (0, "web-1  is trusted already\n"));
    // Another key under the same name.
    let (code, shown, _) = trust(&second, &["web-1", "--yes"]);
    assert_eq!(code, 1);
    assert!(shown.starts_with("web-1  CHANGED  SHA256:"), "{shown}");
    assert_eq!(lines(&file), known, "a changed key is never replaced silently");
    let (code, _, errors) = trust(&second, &["web-1", "--yes", "--replace"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(trust(&second, &["web-1"]).0, 0);
    assert_eq!(lines(&file).len(), 2);
    // What the inventory does not know is taken as an address; who does not answer is named.
    let (code, shown, _) = trust(&first, &["127.0.0.1", "no-such-host.invalid", "--yes"]);
    assert_eq!(code, 1);
    assert!(shown.contains(&format!("[127.0.0.1]:{}  new", first.port)), "{shown}");
    assert!(shown.contains("cannot be resolved"), "{shown}");
    assert_eq!(lines(&file).len(), 3);
}
