//! `tasks remote` against the running programs, as a person or a script calls it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfservice_core::access::Verb;
use selfservice_core::credentials::ApiToken as Secret;
use selfservice_core::db::DbError;
use selfservice_core::models::api_tokens::ApiToken;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use test_support::fixture::World;
use test_support::{AppOptions, TestApp, TestDatabase};

struct Desk {
    app: TestApp,
    database: TestDatabase,
    world: World,
    directory: tempfile::TempDir,
}

/// Exit code, standard output, standard error.
type Said = (i32, String, String);

impl Desk {
    fn new() -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        let app = TestApp::start(&database, &AppOptions::default());
        let desk = Self { app, database, world, directory: tempfile::tempdir().unwrap() };
        desk.token("run", desk.world.alice, Verb::Run);
        desk.token("see", desk.world.alice, Verb::See);
        desk
    }

    /// Writes a token of the user to the file `name`.
    fn token(&self, name: &str, users_id: i64, verb: Verb) {
        let secret = Secret::generate().unwrap();
        let life = Duration::from_secs(3600);
        let made = self.database.pool().run(|connection| {
            Ok::<_, DbError>(ApiToken::create(connection, &secret, users_id, name, verb, life)?)
        });
        made.unwrap();
        let path = self.directory.path().join(name);
        std::fs::write(&path, format!("{}\n", secret.reveal())).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn start(&self, token: &str, words: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_tasks"))
            .env_clear()
            .args(["remote", "--url", &self.app.url, "--token-file"])
            .arg(self.directory.path().join(token))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn call(&self, token: &str, words: &[&str]) -> Said {
        said(self.start(token, words))
    }
}

fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_run_prints_its_output_and_ends_as_the_task_did() {
    let desk = Desk::new();
    let (code, out, err) = desk.call("run", &["run", "web-1.example.net", "os", "ok"]);
    assert_eq!((code, out.contains("all is well")), (0, true), "{out}{err}");
    assert!(err.contains("OK: all is well"), "{err}");
    assert_eq!(desk.call("run", &["run", "web-1", "os", "warning"]).0, 1);
    let (code, out, err) = desk.call("run", &["run", "web-1", "os", "critical"]);
    assert_eq!((code, out.contains("it broke"), err.contains("it broke")), (2, false, true), "{out}{err}");
    let echo = ["run", "web-1", "os", "echo", "-p", "text=a $(b) c", "-p", "count=3"];
    let (code, out, err) = desk.call("run", &echo);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("--text=a $(b) c\n3\n"), "{out}");
    let (code, out, err) = desk.call("run", &["run", "web-1", "os", "danger"]);
    assert_eq!((code, out.as_str()), (5, ""));
    assert!(err.contains("type the host's name, web-1"), "{err}");
    assert_eq!(desk.call("run", &["run", "web-1", "os", "danger", "--confirm-host", "web-1"]).0, 0);
}

#[test]
fn a_typed_secret_reaches_the_plugin_and_nothing_else() {
    let desk = Desk::new();
    desk.database.sql(
        "UPDATE event_handlers SET arguments = '{}', parameters = \
         '[{\"name\": \"password\", \"type\": \"secret\"}, {\"name\": \"unit\", \"type\": \"text\"}]' WHERE name = 'ok'",
    );
    desk.app.replace_plugin(
        &desk.database,
        "ok",
        "read -r task; echo \"$# arguments, $task\"; printf '%s' \"$SELFSERVICE_SECRET_PASSWORD\" | wc -c
         echo \"<$SELFSERVICE_SECRET_PASSWORD>\"; env | grep -c 'hunter2 hunter2'",
    );
    let file = desk.directory.path().join("password");
    std::fs::write(&file, "hunter2 hunter2\n").unwrap();
    let argument = format!("password={}", file.display());
    let run = ["run", "web-1", "os", "ok", "-p", "unit=nginx"];
    let typed = [&run[..], &["--secret-file", &argument]].concat();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let (code, _, err) = desk.call("run", &typed);
    assert_eq!((code, err.contains("may be read by others")), (5, true), "{err}");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let (code, _, err) = desk.call("run", &run);
    assert_eq!((code, err.contains("password: must not be empty")), (5, true), "{err}");

    let (code, out, err) = desk.call("run", &typed);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("0 arguments, {") && out.contains(r#""parameters":{"unit":"nginx"}"#), "{out}");
    assert!(out.ends_with("15\n<********>\n1\n"), "{out}");
    assert_eq!(desk.database.rows_with("hunter2"), "", "in no table");
    assert_eq!(desk.database.sql("SELECT count(*) FROM typed_secrets"), "0", "gone with the end of its task");
    assert_eq!(desk.database.sql("SELECT secret_parameters FROM tasks"), "{password}");
    assert_eq!(
        desk.database.sql("SELECT detail -> 'secrets' FROM audit WHERE action = 'task.create'"),
        r#"["password"]"#
    );
    for program in ["web_gui", "plugins_manager"] {
        assert!(!desk.app.log(program).contains("hunter2"), "{program}");
    }
}

#[test]
fn a_check_comes_before_all_other_arguments() {
    let desk = Desk::new();
    let (code, out, err) = desk.call("run", &["run", "web-1", "os", "echo", "--check", "-p", "text=a"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("--check\n127.0.0.1\n--text=a\n1\n"), "{out}");
    assert_eq!(desk.database.sql("SELECT kind FROM tasks"), "check");
}

#[test]
fn what_cannot_be_run_is_told_with_what_can() {
    let desk = Desk::new();
    for (token, words, told) in [
        ("run", ["run", "web-1", "disk", "ok"], "web-1 has no service 'disk'; it has: os"),
        ("run", ["run", "web-1", "os", "reboot"], "it has: ok, warning, critical, slow, echo, danger"),
        ("run", ["run", "web-2", "os", "ok"], "There is nothing here, or you may not see it."),
        ("see", ["run", "web-1", "os", "ok"], "no right"),
    ] {
        let (code, out, err) = desk.call(token, &words);
        assert_eq!((code, out.as_str()), (5, ""), "{words:?}: {err}");
        assert!(err.contains(told), "{words:?}: {err}");
    }
    let open = desk.directory.path().join("open");
    std::fs::copy(desk.directory.path().join("run"), &open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o640)).unwrap();
    let (code, _, err) = desk.call("open", &["run", "web-1", "os", "ok"]);
    assert_eq!((code, err.contains("may be read by others")), (5, true), "{err}");
    assert_eq!(desk.database.sql("SELECT count(*) FROM tasks"), "0");
    let json = desk.call("run", &["run", "web-1", "os", "ok", "--json"]);
    let task: serde_json::Value = serde_json::from_str(&json.1).unwrap();
    assert_eq!((json.0, task["result"].as_str()), (0, Some("ok")));
}

#[test]
fn ctrl_c_leaves_the_task_or_cancels_it() {
    let desk = Desk::new();
    let (code, id, err) = desk.call("run", &["run", "web-1", "os", "slow", "--detach"]);
    assert_eq!(code, 0, "{err}");
    let id = id.trim();
    let state = || desk.database.sql(&format!("SELECT state FROM tasks WHERE id = '{id}'"));
    let interrupted = |more: &[&str]| {
        let mut child = desk.start("run", &[&["follow", id], more].concat());
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "line 1\n");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        said(child)
    };
    let (code, _, err) = interrupted(&[]);
    assert_eq!((code, state().as_str()), (130, "running"), "{err}");
    assert!(err.contains(&format!("tasks remote follow {id}")), "{err}");
    let (code, _, err) = interrupted(&["--cancel-on-interrupt"]);
    assert_eq!((code, state().as_str()), (4, "finished"), "{err}");
    assert!(err.contains("Asked to cancel the task"), "{err}");
    let (code, _, err) = desk.call("run", &["cancel", id]);
    assert_eq!(code, 5);
    assert!(err.contains("It has finished already."), "{err}");
}
