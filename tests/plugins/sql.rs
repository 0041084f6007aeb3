//! `sql.sh` against a real PostgreSQL.

use test_support::TestDatabase;

use crate::hostile;
use crate::run::{Ended, Plugin};

/// A database with the table `t (id, name)` and two rows.
fn database() -> TestDatabase {
    let database = TestDatabase::new();
    database.sql("CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'one'), (2, NULL)");
    database
}

/// The test server's socket, port and user; the database is the last part of the address.
fn plugin(database: &TestDatabase) -> Plugin {
    let setting = |sql: &str| database.sql(sql);
    Plugin::new("sql.sh").args([
        "--engine",
        "postgresql",
        "--host",
        &setting("SHOW unix_socket_directories"),
        "--port",
        &setting("SHOW port"),
        "--user",
        &setting("SELECT current_user"),
        "--database",
        &setting("SELECT current_database()"),
    ])
}

fn run(database: &TestDatabase, rest: &[&str]) -> Ended {
    plugin(database).args(rest).run()
}

#[test]
fn rows_are_printed_as_table_csv_and_json() {
    let database = database();
    let statement = "SELECT id, name FROM t ORDER BY id";
    for (form, printed) in [
        ("table", "id  name\n--  ----\n1   one\n2   NULL\n"),
        ("csv", "id,name\n1,one\n2,\n"),
        ("json", "[{\"id\":\"1\",\"name\":\"one\"},\n {\"id\":\"2\",\"name\":null}]\n"),
    ] {
        let ended = run(&database, &["--statement", statement, "--output", form]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.first_line().starts_with("OK - 2 rows in "), "{ended:?}");
        assert_eq!(ended.text().split_once('\n').unwrap().1, printed);
    }
}

#[test]
fn values_are_bound_and_never_part_of_the_statement() {
    let database = database();
    for value in hostile::VALUES.iter().chain(&["'; DROP TABLE t; --", "%_\\", "1); DELETE FROM t; --"]) {
        let rest = ["--output", "csv", "--statement", "SELECT :v::text = :w AS same, count(*) FROM t"];
        let ended = run(
            &database,
            &[&rest[..], &["--param", &format!("v={value}"), "--param", &format!("w={value}")]].concat(),
        );
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        assert!(ended.text().ends_with("\nsame,count\nt,2\n"), "{value:?}: {ended:?}");
    }
}

#[test]
fn psql_commands_copy_and_second_statements_are_impossible() {
    let database = database();
    let directory = tempfile::tempdir().unwrap();
    let witness = directory.path().join("witness").display().to_string();
    for statement in [
        format!("\\! touch {witness}"),
        format!("SELECT 1 \\g |touch {witness}"),
        format!("COPY t TO PROGRAM 'touch {witness}'"),
        format!("/* x */ copy t to '{witness}'"),
        "SELECT 1; DROP TABLE t".to_owned(),
        "SELECT 1;\n\\q".to_owned(),
    ] {
        for mode in [&[][..], &["--write"], &["--autocommit"]] {
            let ended = run(&database, &[&["--statement", &statement], mode].concat());
            assert!(ended.code == 2 || ended.code == 3, "{statement}: {ended:?}");
        }
    }
    assert!(!std::path::Path::new(&witness).exists());
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
}

#[test]
fn nothing_changes_without_write() {
    let database = database();
    for statement in [
        "DELETE FROM t",
        "DROP TABLE t",
        "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', false)",
    ] {
        let ended = run(&database, &["--statement", statement]);
        assert_eq!(ended.code, 2, "{statement}: {ended:?}");
    }
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
    let ended =
        run(&database, &["--write", "--statement", "DELETE FROM t WHERE id = :id", "--param", "id=2"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - 1 row changed"), "{ended:?}");
    assert_eq!(run(&database, &["--autocommit", "--statement", "VACUUM t"]).code, 0);
    assert_eq!(database.sql("SELECT count(*) FROM t"), "1");
}

#[test]
fn ranges_judge_the_value_or_the_number_of_rows() {
    let database = database();
    let value = ["--statement", "SELECT 7"];
    let rows = ["--of", "rows", "--statement", "SELECT * FROM t"];
    for (rest, ranges, code) in [
        (&value[..], &["--warning", "10", "--critical", "20"][..], 0),
        (&value, &["--warning", "5", "--critical", "20"], 1),
        (&value, &["--warning", "5", "--critical", "6"], 2),
        (&rows, &["--critical", "@2:2"], 2),
        (&rows, &["--critical", "2"], 0),
        (&["--statement", "SELECT name FROM t WHERE id = 1"], &["--critical", "1"], 3),
        (&["--statement", "SELECT id FROM t WHERE false"], &["--critical", "1"], 3),
    ] {
        let ended = run(&database, &[rest, ranges].concat());
        assert_eq!(ended.code, code, "{rest:?} {ranges:?}: {ended:?}");
    }
}

#[test]
fn rows_and_time_are_limited_on_the_server() {
    let database = database();
    let ended =
        run(&database, &["--rows", "3", "--statement", "SELECT * FROM generate_series(1, 100000000)"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - the first 3 rows of more, truncated"), "{ended:?}");
    let ended = run(&database, &["--timeout", "1", "--statement", "SELECT pg_sleep(60)"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("statement timeout"), "{ended:?}");
}

#[test]
fn a_cancel_ends_the_statement_on_the_server() {
    let database = database();
    let running = plugin(&database).args(["--statement", "SELECT pg_sleep(600)"]).start();
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' \
                  AND datname = current_database()";
    crate::run::eventually("the statement runs", || database.sql(sleeps) == "1");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("stopped; the statement has ended on the server"), "{ended:?}");
    assert_eq!(database.sql(sleeps), "0");
}

#[test]
fn a_check_prepares_and_runs_nothing() {
    let database = database();
    let ended = run(&database, &["--check", "--write", "--statement", "DELETE FROM t"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(run(&database, &["--check", "--statement", "SELECT nonsense FROM t"]).code, 2);
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
}

#[test]
fn statements_come_from_named_files_only() {
    let database = database();
    for name in ["../settings.ini", "/etc/passwd", "..", "-x", "a/b", "no_such_file.sql", ".hidden"] {
        assert_eq!(run(&database, &["--file", name]).code, 3, "{name}");
    }
    let ended = run(&database, &["--file", "postgresql_sessions.sql", "--param", "minutes=5"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_password_is_not_in_argv_and_names_are_names() {
    let ended = Plugin::new("sql.sh")
        .args(["--engine", "postgresql", "--host", "h options=-cx", "--user", "u", "--statement", "SELECT 1"])
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    let database = database();
    let running = plugin(&database)
        .args(["--password-secret", "PASSWORD", "--statement", "SELECT pg_sleep(600)"])
        .env("SELFSERVICE_SECRET_PASSWORD", "looked-for-password")
        .start();
    assert!(!running.argv().contains("looked-for"), "{}", running.argv());
}
