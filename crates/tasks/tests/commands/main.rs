//! The commands against a real database, as a person calls them.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program under test"
)]

mod maintenance;
mod remote;

use selfservice_core::credentials::{ApiToken, secret_hash, verify_password};
use selfservice_core::models::signin;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use test_support::TestDatabase;
use test_support::fixture::World;

struct Tool {
    database: TestDatabase,
    directory: tempfile::TempDir,
}

/// Exit code, standard output, standard error.
type Said = (i32, String, String);

impl Tool {
    fn new() -> Self {
        let tool = Self { database: TestDatabase::new(), directory: tempfile::tempdir().unwrap() };
        let plugins = tool.directory.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        tool.write("macros.ini", "[macros]\nUSER1 = /x\n");
        let text = format!(
            "[files]\nmacros = {0}/macros.ini\n[plugins]\ndirectories = {0}/plugins\nlauncher = /bin/true\n\
             installed = false\n[web]\npublic_url = https://selfservice.example.com\n",
            tool.directory.path().display()
        );
        tool.write("settings.ini", &text);
        tool
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Adds sections to `settings.ini`.
    fn add_settings(&self, text: &str) {
        let path = self.directory.path().join("settings.ini");
        let whole = std::fs::read_to_string(&path).unwrap() + text;
        std::fs::write(&path, whole).unwrap();
    }

    fn call(&self, words: &str) -> Said {
        self.call_with_input(words, "")
    }

    fn call_with_input(&self, words: &str, input: &str) -> Said {
        self.call_words(&words.split_whitespace().collect::<Vec<_>>(), input)
    }

    fn call_words(&self, words: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tasks"))
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .arg("--settings")
            .arg(self.directory.path().join("settings.ini"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A call that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Standard output of a call that succeeds.
    fn done(&self, words: &str) -> String {
        let (code, output, errors) = self.call(words);
        assert_eq!(code, 0, "{words}: {errors}");
        output
    }

    /// The sentence of a call that is refused.
    fn refused(&self, words: &str) -> String {
        let (code, output, errors) = self.call(words);
        assert_eq!((code, output.as_str()), (2, ""), "{words}: {errors}");
        errors
    }
}

#[test]
fn users_are_added_once_with_their_rights() {
    let tool = Tool::new();
    assert_eq!(tool.done("user add dana --admin"), "added the user dana\n");
    assert_eq!(tool.done("user add dana --admin --if-missing"), "the user dana exists already\n");
    assert!(tool.refused("user add Dana").contains("there is a user 'Dana' already"));
    assert!(tool.refused("user add oscar --team nope").contains("there is no team 'nope'"));
    assert!(!tool.done("user list").contains("oscar"), "nothing is half done");
    assert_eq!(tool.done("grant list"), "1  admin for user dana\n");
    let json: serde_json::Value = serde_json::from_str(&tool.done("--json user list")).unwrap();
    assert_eq!(json[0]["name"], "dana");
    assert_eq!(tool.database.sql("SELECT count(*) FROM audit WHERE action = 'user.add'"), "1");
}

#[test]
fn passwords_come_from_standard_input_only() {
    let tool = Tool::new();
    tool.done("user add dana");
    let (code, ..) = tool.call("user password dana");
    assert_eq!(code, 2);
    let (code, _, errors) = tool.call_with_input("user password dana --password-stdin", "short\n");
    assert_eq!((code, errors.as_str()), (2, "tasks: a password must have at least 8 characters\n"));
    let (code, output, errors) =
        tool.call_with_input("user password dana --password-stdin", "correct horse\n");
    assert_eq!(code, 0, "{errors}");
    assert!(!output.contains("correct horse") && !errors.contains("correct horse"));
    let hash = tool.database.sql("SELECT password_hash FROM users");
    assert!(verify_password("correct horse", Some(&hash)));
}

#[test]
fn a_link_is_printed_alone_and_signs_in_once() {
    let tool = Tool::new();
    tool.done("user add dana");
    let link = tool.done("user link dana");
    let secret = link.trim().strip_prefix("https://selfservice.example.com/signin/link?token=").unwrap();
    let mut connection = tool.database.pool().get().unwrap();
    let user = signin::take_link(&mut connection, &secret_hash(secret)).unwrap().unwrap();
    assert_eq!(user.name, "dana");
    assert!(signin::take_link(&mut connection, &secret_hash(secret)).unwrap().is_none());
    tool.done("user disable dana");
    assert!(tool.refused("user link dana").contains("is disabled"));
    assert!(tool.refused("user link nobody").contains("there is no user 'nobody'"));
}

#[test]
fn a_token_is_shown_once_listed_without_its_secret_and_revoked() {
    let tool = Tool::new();
    tool.done("user add robot");
    let text = tool.done("token add robot --name ci --verb run --days 30");
    let token = ApiToken::parse(text.trim()).unwrap();
    let list = tool.done("token list");
    assert!(list.starts_with(&format!("{}  robot  run  ci  until ", token.id())), "{list}");
    assert!(!list.contains(text.trim()));
    assert_eq!(tool.call("token add robot --name ci --verb all --days 30").0, 2);
    tool.done(&format!("token revoke {}", token.id()));
    assert_eq!(tool.done("token list"), "there are no tokens\n");
    assert!(tool.refused("token revoke nope").contains("there is no token 'nope'"));
}

#[test]
fn rights_are_given_and_taken() {
    let tool = Tool::new();
    tool.done("user add dana");
    assert!(
        tool.refused("grant add run --user dana --environment nope")
            .contains("there is no environment 'nope'")
    );
    assert_eq!(tool.done("grant add see --user dana"), "added see for user dana\n");
    assert_eq!(tool.done("grant add see --user dana"), "this right exists already\n");
    let id = tool.database.sql("SELECT id FROM grants");
    assert_eq!(tool.done(&format!("grant remove {id}")), "removed see for user dana\n");
    assert!(tool.refused(&format!("grant remove {id}")).contains("there is no right"));
}

#[test]
fn check_config_names_what_is_wrong() {
    let tool = Tool::new();
    assert_eq!(tool.call("check-config").0, 0);
    tool.database.sql(
        "INSERT INTO event_handlers (name, name_key, plugin, arguments) VALUES ('H', 'h', '../x', '{$PATHH$}')",
    );
    tool.database.sql(
        "INSERT INTO event_handlers (name, name_key, plugin, arguments) \
         VALUES ('I', 'i', 'bash', '{-o,pipefail,$HOSTNAME$}')",
    );
    let (code, output, _) = tool.call("check-config");
    assert_eq!(code, 1);
    assert!(output.contains("event handler 'H': '../x' is no plugin name"), "{output}");
    assert!(output.contains("the macro $PATHH$ is not known"), "{output}");
    assert!(output.contains("event handler 'I': the plugin 'bash' is an interpreter"), "{output}");
    tool.write("settings.ini", "[web]\nlissen = 1\n");
    let errors = tool.refused("check-config");
    assert!(errors.contains("settings.ini:2: [web] has no key 'lissen'; allowed are"), "{errors}");
}

#[test]
fn an_empty_queue_is_told_in_words() {
    let tool = Tool::new();
    assert_eq!(tool.done("queue list"), "no tasks\n");
    assert_eq!(tool.done("migrate"), "the tables are up to date\n");
    assert!(tool.done("rescue").starts_with("0 lost, 0 expired"));
    let unknown = "019aab00-0000-7000-8000-000000000000";
    assert!(tool.refused(&format!("queue cancel {unknown}")).contains("there is no task"));
    tool.database.shut_out();
    assert!(tool.refused("queue list").contains("the database cannot be reached"));
}

#[test]
fn plugins_are_listed_with_what_keeps_them_from_being_used() {
    let tool = Tool::new();
    let plugins = tool.directory.path().join("plugins");
    for (name, text, mode) in [
        ("good", "#!/bin/sh\n", 0o755),
        ("forgotten", "#!/bin/sh\n", 0o644),
        ("lib.sh", "# helpers\n", 0o644),
        ("needy", "#!/bin/sh\n# Needs: sh, plugin_of_ours, no-such-program\n", 0o755),
    ] {
        std::fs::write(plugins.join(name), text).unwrap();
        std::fs::set_permissions(plugins.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let list = tool.done("plugin list");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].starts_with("forgotten  not usable: ") && lines[0].contains("not executable"), "{list}");
    assert!(lines[1].starts_with("good  /"), "{list}");
    let missing = |names| format!("needy  not usable: plugin 'needy' needs {names}, which is not installed");
    assert_eq!(lines[2], missing("plugin_of_ours and no-such-program"));
    let sbin = tool.directory.path().join("sbin");
    std::fs::create_dir(&sbin).unwrap();
    std::fs::write(sbin.join("plugin_of_ours"), "").unwrap();
    std::fs::set_permissions(sbin.join("plugin_of_ours"), PermissionsExt::from_mode(0o755)).unwrap();
    let list = tool.done("plugin list");
    assert_eq!(list.lines().nth(2), Some(missing("no-such-program").as_str()));
}

#[test]
fn a_key_is_made_once_and_its_line_is_printed() {
    let tool = Tool::new();
    let home = tool.directory.path().join("ssh");
    let text = std::fs::read_to_string(tool.directory.path().join("settings.ini")).unwrap();
    tool.write("settings.ini", &format!("{text}[ssh]\ndirectory = {}\n", home.display()));
    let owner = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let line = tool.done(&format!("ssh key --owner {owner}"));
    assert!(line.starts_with("restrict ssh-ed25519 AAAA") && line.lines().count() == 1, "{line}");
    assert_eq!(tool.done(&format!("ssh key --owner {owner}")), line, "a second call changes nothing");
    let mode = std::fs::metadata(home.join("id_ed25519")).unwrap().permissions().mode();
    assert_eq!(mode & 0o037, 0, "{mode:o}");
    assert!(tool.refused(&format!("ssh key --owner {owner} --name ../x")).contains("is no name for a key"));
    assert!(tool.refused("ssh key --owner no-such-user").contains("there is no user named"));
}

#[test]
fn a_handler_is_paused_with_a_reason_and_goes_on() {
    let tool = Tool::new();
    World::new(&tool.database);
    let pause = ["handler", "pause", "echo", "--reason", "the disk is being swapped"];
    let (code, output, errors) = tool.call_words(&pause, "");
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(output.starts_with("echo is paused; its queued tasks wait"), "{output}");
    let (code, _, errors) = tool.call_words(&pause, "");
    assert_eq!(code, 2);
    assert!(errors.contains("by tasks: the disk is being swapped"), "{errors}");
    assert_eq!(tool.call_words(&["handler", "pause", "slow", "--reason", " "], "").0, 2);
    assert!(tool.refused("handler resume nope").contains("there is no event handler 'nope'"));
    let list = tool.done("handler list");
    let line = list.lines().find(|line| line.starts_with("echo  ")).unwrap();
    assert!(
        line.contains("normal  paused since 20") && line.ends_with("by tasks: the disk is being swapped"),
        "{line}"
    );
    assert_eq!(list.lines().count(), 6);
    assert_eq!(tool.done("handler resume echo"), "echo goes on\n");
    assert!(tool.refused("handler resume echo").contains("is not paused"));
    assert_eq!(
        tool.database.sql("SELECT actor, action, object, detail ->> 'reason' FROM audit ORDER BY id"),
        "tasks|handler.pause|echo|the disk is being swapped\ntasks|handler.resume|echo|the disk is being swapped"
    );
}

#[test]
fn a_manager_is_drained_by_its_name_or_id() {
    let tool = Tool::new();
    assert_eq!(tool.done("manager list"), "no plugins manager ran within the last day\n");
    let register = |name: &str, seconds: i32| {
        tool.database.sql(&format!(
            "INSERT INTO workers (id, name, version, slots, running, tags, alive_until) \
             VALUES (gen_random_uuid(), '{name}', '1', 4, 2, '{{dmz}}', now() + interval '{seconds} s') RETURNING id"
        ))
    };
    register("eu-1", -60);
    let id = register("eu-1", 600);
    assert_eq!(tool.done("manager drain eu-1"), "eu-1 takes no new tasks; 2 run on it\n");
    assert!(tool.refused("manager drain eu-1").contains("is being drained already"));
    let list = tool.done("manager list");
    assert!(list.starts_with(&format!("{id}  eu-1  draining  2 of 4 slots  tags dmz  version 1")), "{list}");
    assert!(list.contains("eu-1  gone "), "{list}");
    assert_eq!(tool.done(&format!("manager resume {id}")), "eu-1 takes tasks again\n");
    register("eu-1", 600);
    assert!(tool.refused("manager drain eu-1").contains("name one by its id"));
    assert!(tool.refused("manager drain us-1").contains("no manager 'us-1' is alive"));
    assert_eq!(
        tool.database.sql("SELECT actor, action, object FROM audit ORDER BY id"),
        "tasks|manager.drain|eu-1\ntasks|manager.resume|eu-1"
    );
}

#[test]
fn a_finished_task_is_done_again_with_the_rights_of_now() {
    let tool = Tool::new();
    let world = World::new(&tool.database);
    tool.database.sql(&format!(
        "INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, \
             service_name, environments, plugin, argv, parameters, risk, timeout_seconds, users_id, requester, identity, \
             origin, request_key, expires_at) \
         VALUES ('019aab00-0000-7000-8000-000000000001', {}, 'ok', 1, {}, 'web-1', {}, 'os', '{{production}}', 'ok', '{{}}', \
             '{{}}', 'read-only', 9, {}, 'alice', 'password', 'gui', gen_random_uuid(), now() + interval '1 h')",
        world.ok, world.web_1, world.os, world.alice
    ));
    let id = "019aab00-0000-7000-8000-000000000001";
    assert!(tool.done(&format!("queue show {id}")).contains("waits      no plugins manager is running\n"));
    assert!(tool.refused(&format!("queue retry {id}")).contains("has not finished"));
    tool.done(&format!("queue cancel {id}"));
    assert!(
        tool.refused(&format!("queue retry {id} --user bob")).contains("bob cannot do it again"),
        "bob may only see it"
    );
    let said = tool.done(&format!("queue retry {id}"));
    let new = said.trim().strip_prefix("queued as ").unwrap();
    assert_eq!(
        tool.database
            .sql(&format!("SELECT retry_of, attempt, requester, identity FROM tasks WHERE id = '{new}'")),
        format!("{id}|1|alice|system")
    );
    assert!(tool.done(&format!("queue show {id}")).contains(&format!("retried as {new}\n")));
    assert!(tool.done(&format!("queue show {new}")).contains(&format!("retry of   {id}\n")));
    assert!(tool.refused(&format!("queue retry {id}")).contains("does it on the same target already"));
    assert_eq!(
        tool.database.sql("SELECT action, detail ->> 'retry_of' FROM audit WHERE action = 'task.retry'"),
        format!("task.retry|{id}")
    );
}
