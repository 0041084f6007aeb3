//! `sql.sh` with a stand-in for Oracle's driver, `oracledb.py`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::certificates::Authority;

use crate::hostile;
use crate::run::{Ended, Plugin, eventually};

const PASSWORD: &str = "password-of-jane";

/// A directory with the driver, and with a `python3` that finds it there.
struct Oracle {
    directory: TempDir,
}

impl Oracle {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("oracledb.py"), include_str!("oracledb.py")).unwrap();
        let python = directory.path().join("python3");
        let find = format!(
            "import runpy, sys; sys.dont_write_bytecode = True; sys.path.insert(0, {:?}); \
             runpy.run_path(sys.argv[1], run_name='__main__')",
            directory.path()
        );
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = -I ] || exit 9\nPATH=/usr/local/bin:/usr/bin:/bin\nexec python3 -I -c \"{}\" \"$2\"\n",
            find.replace('"', "\\\"")
        );
        fs::write(&python, script).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn plugin(&self) -> Plugin {
        plugin("127.0.0.1").env("PATH", format!("{}:/usr/bin:/bin", self.directory.path().display()))
    }

    fn run(&self, rest: &[&str]) -> Ended {
        self.plugin().args(rest).run()
    }

    /// What the driver was asked: the word and its value.
    fn journal(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(self.directory.path().join("journal")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn was_asked(&self, word: &str) -> bool {
        self.journal().iter().any(|(asked, _)| asked == word)
    }
}

fn plugin(host: &str) -> Plugin {
    Plugin::new("sql.sh")
        .args(["--engine", "oracle", "--host", host, "--database", "SHOP"])
        .args(["--user", "jane", "--password-secret", "PASSWORD"])
        .env("SELFSERVICE_SECRET_PASSWORD", PASSWORD)
}

#[test]
fn values_of_all_kinds_are_printed() {
    let oracle = Oracle::new();
    let ended = oracle.run(&["--statement", "SELECT * FROM t;", "--output", "csv"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let printed =
        "ID,NAME,PRICE,CHANGED,RAW,TEXT\n1,one,1.50,2026-01-02 03:04:05,0x00ff,a large object\n2,,,,,\n";
    assert!(ended.text().ends_with(printed), "{ended:?}");
    let ended = oracle.run(&["--statement", "SELECT 7 FROM dual", "--warning", "5"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let ended = oracle.run(&["--statement", "SELECT many FROM t", "--rows", "3"]);
    assert!(ended.first_line().starts_with("OK - the first 3 rows of more, truncated"), "{ended:?}");
}

#[test]
fn values_are_bound_by_the_driver() {
    let oracle = Oracle::new();
    for value in hostile::VALUES.iter().chain(&["'; DROP TABLE t; --", "&x"]) {
        let statement = "SELECT :v AS v FROM dual";
        let rest = ["--output", "json", "--statement", statement, "--param", &format!("v={value}")];
        let ended = oracle.run(&rest);
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        let text = ended.text();
        let rows: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        assert_eq!(rows, json!([{ "V": value }]));
        let last = ("execute".to_owned(), json!([statement, { "v": value }]));
        assert_eq!(oracle.journal().last(), Some(&last));
    }
}

#[test]
fn nothing_changes_without_write() {
    let oracle = Oracle::new();
    let ended = oracle.run(&["--statement", "DELETE FROM t"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(oracle.journal().is_empty(), "refused before anybody was asked");
    let ended = oracle.run(&["--statement", "SELECT gone() FROM dual"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("ORA-01456"), "{ended:?}");
    assert!(!oracle.was_asked("commit"));
    let ended = oracle.run(&["--write", "--statement", "SELECT 1; DROP TABLE t"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(!oracle.was_asked("commit"), "what failed is not committed");
    let ended = oracle.run(&["--write", "--statement", "DELETE FROM t"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - 2 rows changed"), "{ended:?}");
    assert!(oracle.was_asked("commit"));
}

#[test]
fn sign_in_time_out_and_loss_are_told_apart() {
    let oracle = Oracle::new();
    let ended = oracle
        .plugin()
        .args(["--statement", "SELECT 7 FROM dual"])
        .env("SELFSERVICE_SECRET_PASSWORD", "wrong-password")
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("no connection: ORA-01017"), "{ended:?}");
    for (statement, code, said) in [
        ("SELECT sleep FROM dual", 2, "DPY-4024: call timeout of 1000 ms exceeded"),
        ("SELECT lost FROM dual", 3, "the connection was lost: DPY-4011"),
        ("SELECT * FROM nowhere", 2, "ORA-00942"),
    ] {
        let ended = oracle.run(&["--timeout", "1", "--statement", statement]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.first_line().contains(said), "{ended:?}");
    }
    let missing = plugin("127.0.0.1").args(["--statement", "SELECT 7 FROM dual"]).run();
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.first_line().contains("python-oracledb is not installed"), "{missing:?}");
}

#[test]
fn a_cancel_breaks_the_statement_on_the_server() {
    let oracle = Oracle::new();
    let sleeps = || oracle.plugin().args(["--statement", "SELECT sleep FROM dual"]).start();
    let runs = ("execute".to_owned(), json!(["SELECT sleep FROM dual", {}]));
    let running = sleeps();
    eventually("the statement runs", || oracle.journal().last() == Some(&runs));
    let argv = running.argv();
    assert!(argv.contains("sql_oracle.py") && !argv.contains(PASSWORD), "{argv}");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    let said = "stopped; the statement has ended on the server: ORA-01013";
    assert!(ended.first_line().contains(said), "{ended:?}");
    assert!(oracle.was_asked("cancel"));
    // Killed, the plugin can tell nobody; the client notices by itself.
    fs::remove_file(oracle.directory.path().join("journal")).unwrap();
    let running = sleeps();
    eventually("the statement runs", || oracle.journal().last() == Some(&runs));
    running.signal(Signal::SIGKILL);
    eventually("the statement is cancelled", || oracle.was_asked("cancel"));
}

#[test]
fn a_check_parses_what_parsing_does_not_run() {
    let oracle = Oracle::new();
    let check = |statement: &str| oracle.run(&["--check", "--write", "--statement", statement]);
    let ended = check("DELETE FROM t");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(check("SELECT nonsense FROM t").code, 2);
    for statement in ["DROP TABLE t", "create table x (id int)", "TRUNCATE TABLE t", "GRANT dba TO jane"] {
        let ended = check(statement);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.first_line().contains("the sign-in went well, but Oracle would run"), "{ended:?}");
    }
    assert!(!oracle.was_asked("execute") && !oracle.was_asked("commit"), "{:?}", oracle.journal());
}

#[test]
fn another_machine_must_prove_itself() {
    let oracle = Oracle::new();
    let authority = Authority::new("ours");
    let file = oracle.directory.path().join("ours.pem");
    fs::write(&file, authority.pem()).unwrap();
    let (certificate, key) = authority.issue(&["client"]).write(oracle.directory.path(), "client");
    let path = |path: &std::path::Path| path.display().to_string();
    let shown = ["--client-cert".to_owned(), path(&certificate), "--client-key".to_owned(), path(&key)];
    let trusted = ["--ca-file".to_owned(), path(&file)];
    let run = |host: &str, more: &[String]| {
        oracle.plugin().args(["--statement", "SELECT 7 FROM dual", "--host", host]).args(more).run()
    };
    for (host, more, protocol, context) in [
        ("127.0.0.1", &[][..], "tcp", false),
        ("db.example", &[], "tcps", false),
        ("db.example", &trusted, "tcps", true),
        ("db.example", &shown, "tcps", true),
    ] {
        let ended = run(host, more);
        assert_eq!(ended.code, 0, "{ended:?}");
        let journal = oracle.journal();
        let (_, connected) = journal.iter().rfind(|(word, _)| word == "connect").unwrap();
        let wanted = json!({
            "host": host, "port": 1521, "service_name": "SHOP", "protocol": protocol, "ssl_server_dn_match": true,
            "tcp_connect_timeout": 10, "user": "jane", "ssl_context": context,
        });
        assert_eq!(connected, &wanted);
    }
    let ended = run("db.example", &["--ca-file".to_owned(), "/no/such/file".to_owned()]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("no connection: "), "{ended:?}");
    assert_eq!(run("away.example", &[]).code, 3);
}
