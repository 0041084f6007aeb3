//! `sql.sh` against the stand-in of `couchbase_server`.

use serde_json::{Value, json};
use test_support::FreePort;

use crate::couchbase_server::{Couchbase, PASSWORD};
use crate::hostile;
use crate::http_server::{Server, reply};
use crate::run::{Ended, Plugin, eventually};

/// `sql.sh` for the service at this address.
pub fn plugin(host: &str, port: u16) -> Plugin {
    Plugin::new("sql.sh")
        .args(["--engine", "couchbase", "--host", host, "--port", &port.to_string()])
        .args(["--user", "jane", "--password-secret", "PASSWORD"])
        .env("SELFSERVICE_SECRET_PASSWORD", PASSWORD)
}

fn before(server: &Server) -> Plugin {
    plugin("127.0.0.1", server.url.rsplit(':').next().unwrap().parse().unwrap())
}

fn run(couchbase: &Couchbase, rest: &[&str]) -> Ended {
    before(&couchbase.server).args(rest).run()
}

#[test]
fn documents_become_rows_whatever_fields_they_have() {
    let couchbase = Couchbase::start();
    let statement = "SELECT d.* FROM docs d";
    let ended = run(&couchbase, &["--statement", statement, "--output", "csv"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - 2 rows in "), "{ended:?}");
    assert!(ended.text().ends_with("\nid,name,tags\n1,one,\n2,,\"[\"\"a\"\",\"\"b\"\"]\"\n"), "{ended:?}");
    let ended = run(&couchbase, &["--statement", "SELECT RAW 7", "--warning", "5", "--critical", "10"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let ended = run(&couchbase, &["--statement", "SELECT many", "--rows", "3"]);
    assert!(ended.first_line().starts_with("OK - the first 3 rows of more, truncated"), "{ended:?}");
    let ended = run(&couchbase, &["--statement", "SELECT warned"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "warning: a warning of the server (5010)\n"));
}

#[test]
fn values_travel_beside_the_statement() {
    let couchbase = Couchbase::start();
    for value in hostile::VALUES.iter().chain(&["'; DROP COLLECTION docs; --", "%_\\"]) {
        let rest = ["--output", "json", "--statement", "SELECT :v AS v", "--param", &format!("v={value}")];
        let ended = run(&couchbase, &rest);
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        let text = ended.text();
        let rows: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        assert_eq!(rows, json!([{ "v": value }]));
    }
    assert!(couchbase.executed().iter().all(|statement| statement == "SELECT $v AS v"));
}

#[test]
fn nothing_changes_without_write() {
    let couchbase = Couchbase::start();
    let delete = ["--statement", "DELETE FROM docs"];
    let ended = run(&couchbase, &delete);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("read-only") && ended.first_line().contains("(1000)"), "{ended:?}");
    assert!(couchbase.executed().is_empty());
    let sent = couchbase.last_parameters();
    assert_eq!((&sent["readonly"], sent.get("tximplicit")), (&json!(true), None));
    for (mode, transaction) in [("--write", Some(&json!(true))), ("--autocommit", None)] {
        let ended = run(&couchbase, &[&delete[..], &[mode]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.first_line().starts_with("OK - 3 rows changed"), "{ended:?}");
        let sent = couchbase.last_parameters();
        assert_eq!((&sent["readonly"], sent.get("tximplicit")), (&json!(false), transaction));
    }
}

#[test]
fn a_bucket_and_a_scope_are_the_context() {
    let couchbase = Couchbase::start();
    for (database, context) in
        [("shop", json!("default:`shop`.`_default`")), ("shop.sales", json!("default:`shop`.`sales`"))]
    {
        assert_eq!(run(&couchbase, &["--statement", "SELECT RAW 7", "--database", database]).code, 0);
        assert_eq!(couchbase.last_parameters()["query_context"], context);
    }
    for database in ["shop`; DROP", "a.b.c`", "`"] {
        let ended = run(&couchbase, &["--statement", "SELECT RAW 7", "--database", database]);
        assert_eq!(ended.code, 3, "{database}: {ended:?}");
    }
}

#[test]
fn a_status_of_200_with_errors_is_no_success() {
    let couchbase = Couchbase::start();
    let ended = run(&couchbase, &["--statement", "SELECT broken"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("Error evaluating projection. (5010)"), "{ended:?}");
    let ended = run(&couchbase, &["--statement", "SELECT nonsense"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.first_line().contains("syntax error") && ended.first_line().contains("(3000)"),
        "{ended:?}"
    );
    let ended = run(&couchbase, &["--statement", "SELECT sleep", "--timeout", "1"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("ended after its time-out: Timeout 1s exceeded (1080)"), "{ended:?}");
    for body in
        ["{\"status\":\"success\",\"errors\":[{\"code\":1,\"msg\":\"x\"}]}", "{\"status\":\"errors\"}"]
    {
        let server = Server::with(move |stream, _| reply(stream, 200, "", body.as_bytes()));
        let ended = before(&server).args(["--statement", "SELECT 1"]).run();
        assert_eq!(ended.code, 2, "{body}: {ended:?}");
    }
    for body in ["{}", "<html>a proxy</html>", "", "[]", "{\"status\":\"success\""] {
        let server = Server::with(move |stream, _| reply(stream, 200, "", body.as_bytes()));
        let ended = before(&server).args(["--statement", "SELECT 1"]).run();
        assert_eq!(ended.code, 3, "{body}: {ended:?}");
        assert!(ended.first_line().contains("not understood"), "{ended:?}");
    }
}

#[test]
fn who_is_refused_and_what_is_lost_is_told_apart() {
    let couchbase = Couchbase::start();
    let ended = before(&couchbase.server)
        .args(["--statement", "SELECT RAW 7"])
        .env("SELFSERVICE_SECRET_PASSWORD", "wrong-password")
        .run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("refused the sign-in (401): User does not have"), "{ended:?}");
    assert!(!ended.text().contains("wrong-password"), "{ended:?}");
    let lost = Server::with(|_, _| Ok(()));
    let ended = before(&lost).args(["--statement", "DELETE FROM docs", "--write"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("what became of the statement is not known"), "{ended:?}");
    assert_eq!(lost.requests().len(), 1, "a statement is never sent again");
    let unused = FreePort::claim();
    let ended = plugin("127.0.0.1", unused.number()).args(["--statement", "SELECT RAW 7"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("no connection: "), "{ended:?}");
}

#[test]
fn a_cancel_ends_our_request_and_no_other() {
    let couchbase = Couchbase::start();
    let running = before(&couchbase.server).args(["--statement", "SELECT sleep"]).start();
    eventually("the statement runs", || couchbase.active().len() == 1);
    // The task's id, by which an administrator finds it too.
    assert_eq!(couchbase.active(), ["01890000-0000-7000-8000-000000000001"]);
    let argv = running.argv();
    assert!(argv.contains("--password-secret") && !argv.contains(PASSWORD), "{argv}");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.first_line().contains("stopped; the statement has ended on the server: stopped"),
        "{ended:?}"
    );
    assert_eq!(couchbase.deleted(), ["request-of-01890000-0000-7000-8000-000000000001"]);
    assert!(couchbase.active().is_empty());
}

#[test]
fn a_check_prepares_and_runs_nothing() {
    let couchbase = Couchbase::start();
    for statement in ["DELETE FROM docs", "DROP COLLECTION docs"] {
        let ended = run(&couchbase, &["--check", "--write", "--statement", statement]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(couchbase.last_parameters()["statement"], format!("PREPARE {statement}"));
    }
    assert_eq!(run(&couchbase, &["--check", "--statement", "SELECT nonsense"]).code, 2);
    assert!(couchbase.executed().is_empty());
}
