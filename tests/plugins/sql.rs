//! `sql.sh` against a real PostgreSQL and a real MariaDB.

use std::path::Path;

use serde_json::{Value, json};
use test_support::{Fault, FaultyProxy, FreePort, MariaDb};

use crate::database::{Database, MysqlDatabase, postgresql_plugin};
use crate::hostile;
use crate::run::{Ended, Plugin, eventually};

/// Makes a test of each function for each server.
macro_rules! on_each_server {
    ($($test:ident),+ $(,)?) => {
        mod postgresql { $(#[test] fn $test() { super::$test(&crate::database::Database::postgresql()); })+ }
        mod mysql { $(#[test] fn $test() { super::$test(&crate::database::Database::mysql()); })+ }
    };
}

on_each_server!(
    rows_are_printed_as_table_csv_and_json,
    values_are_bound_and_never_part_of_the_statement,
    second_statements_client_commands_and_files_are_impossible,
    nothing_changes_without_write,
    ranges_judge_the_value_or_the_number_of_rows,
    rows_and_time_are_limited_on_the_server,
    a_lock_is_not_waited_for_as_long_as_the_statement,
    a_secret_is_a_value_too,
    a_cancel_ends_the_statement_on_the_server,
    a_cancel_that_the_server_does_not_hear_ends_in_time_and_says_so,
    a_check_prepares_and_runs_nothing,
    statements_come_from_named_files_only,
    a_password_is_in_no_argv_of_the_plugin,
);

fn run(database: &Database, rest: &[&str]) -> Ended {
    database.plugin().args(rest).run()
}

fn rows_are_printed_as_table_csv_and_json(database: &Database) {
    let statement = "SELECT id, name FROM t ORDER BY id";
    for (form, printed) in [
        ("table", "id  name\n--  ----\n1   one\n2   NULL\n"),
        ("csv", "id,name\n1,one\n2,\n"),
        ("json", "[{\"id\":\"1\",\"name\":\"one\"},\n {\"id\":\"2\",\"name\":null}]\n"),
    ] {
        let ended = run(database, &["--statement", statement, "--output", form]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.first_line().starts_with("OK - 2 rows in "), "{ended:?}");
        assert_eq!(ended.text().split_once('\n').unwrap().1, printed);
    }
}

fn values_are_bound_and_never_part_of_the_statement(database: &Database) {
    for value in hostile::VALUES.iter().chain(&["'; DROP TABLE t; --", "%_\\", "1); DELETE FROM t; --"]) {
        let rest = ["--output", "json", "--statement", database.echo(), "--param", &format!("v={value}")];
        let ended = run(database, &rest);
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        let text = ended.text();
        let rows: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        assert_eq!(rows, json!([{ "v": value }]));
    }
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
}

fn second_statements_client_commands_and_files_are_impossible(database: &Database) {
    let directory = tempfile::tempdir().unwrap();
    // The servers run as other users.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let witness = directory.path().join("witness").display().to_string();
    let of_one_server = match database {
        Database::Postgresql(_) => [
            format!("COPY t TO PROGRAM 'touch {witness}'"),
            format!("/* x */ copy t to '{witness}'"),
            format!("SELECT 1 \\g |touch {witness}"),
            "SELECT 1;\n\\q".to_owned(),
            format!("DO $$ BEGIN COPY (SELECT 1) TO PROGRAM 'touch {witness}'; END $$"),
        ],
        Database::Mysql(_) => [
            format!("SELECT * FROM t INTO OUTFILE '{witness}'"),
            format!("select 'x' into/**/dumpfile '{witness}'"),
            format!("SELECT 1 /*! INTO OUTFILE '{witness}' */"),
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t (name)".to_owned(),
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t (name)".to_owned(),
        ],
    };
    for statement in of_one_server.into_iter().chain([
        format!("\\! touch {witness}"),
        format!("system touch {witness}"),
        "SELECT 1; DROP TABLE t".to_owned(),
        "SELECT 1; DELETE FROM t;".to_owned(),
    ]) {
        for mode in [&[][..], &["--write"], &["--autocommit"]] {
            let ended = run(database, &[&["--statement", &statement], mode].concat());
            assert!(ended.code == 2 || ended.code == 3, "{statement}: {ended:?}");
        }
    }
    assert!(!Path::new(&witness).exists());
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
}

fn nothing_changes_without_write(database: &Database) {
    let of_one_server: &[&str] = match database {
        Database::Postgresql(_) => &[
            "CALL anything()",
            "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
            "SELECT set_config('transaction_read_only', 'off', false)",
        ],
        Database::Mysql(_) => {
            database.sql(
                "CREATE TABLE plain (id int) ENGINE=MyISAM; CREATE SEQUENCE numbers;\nDELIMITER //\n\
                 CREATE FUNCTION gone() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END //\n\
                 CREATE PROCEDURE all_gone() BEGIN DELETE FROM t; END //",
            );
            &[
                "SELECT gone()",
                "CALL all_gone()",
                "INSERT INTO plain VALUES (1)",
                "SELECT NEXT VALUE FOR numbers",
                "ANALYZE DELETE FROM t",
                "SET SESSION TRANSACTION READ WRITE",
                "COMMIT",
                "TRUNCATE TABLE t",
            ]
        }
    };
    for statement in of_one_server.iter().chain(&["DELETE FROM t", "DROP TABLE t"]) {
        let ended = run(database, &["--statement", statement]);
        assert!(ended.code == 2 || ended.code == 3, "{statement}: {ended:?}");
    }
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
    let ended = run(database, &["--write", "--statement", "DELETE FROM t WHERE id = :id", "--param", "id=2"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - 1 row changed"), "{ended:?}");
    let alone = database.choose("VACUUM t", "OPTIMIZE TABLE t");
    assert_eq!(run(database, &["--autocommit", "--statement", alone]).code, 0);
    assert_eq!(database.sql("SELECT count(*) FROM t"), "1");
}

fn ranges_judge_the_value_or_the_number_of_rows(database: &Database) {
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
        let ended = run(database, &[rest, ranges].concat());
        assert_eq!(ended.code, code, "{rest:?} {ranges:?}: {ended:?}");
    }
}

fn rows_and_time_are_limited_on_the_server(database: &Database) {
    // Both servers make the rows one by one, as they are fetched.
    let many = database.choose("SELECT generate_series(1, 100000000)", "SELECT seq FROM seq_1_to_100000000");
    let ended = run(database, &["--rows", "3", "--statement", many]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.first_line().starts_with("OK - the first 3 rows of more, truncated"), "{ended:?}");
    let ended = run(database, &["--rows", "2", "--statement", "SELECT * FROM t"]);
    assert!(ended.first_line().starts_with("OK - 2 rows in "), "{ended:?}");
    let ended = run(database, &["--timeout", "1", "--statement", database.sleep()]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let said = database.choose("statement timeout", "max_statement_time");
    assert!(ended.first_line().contains(said), "{ended:?}");
    assert_eq!(database.running(), 0);
}

fn a_lock_is_not_waited_for_as_long_as_the_statement(database: &Database) {
    let holds = database.choose(
        "WITH held AS (UPDATE t SET name = 'held' RETURNING id) SELECT pg_sleep(600) FROM held",
        "UPDATE t SET name = SLEEP(600)",
    );
    let holding = database.choose(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
        "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep' AND db = database()",
    );
    let running = database.plugin().args(["--write", "--statement", holds]).start();
    eventually("the lock is held", || database.sql(holding) == "1");
    let ended = run(database, &["--write", "--lock-timeout", "1", "--statement", "DELETE FROM t"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let said = database.choose("lock timeout", "Lock wait timeout");
    assert!(ended.first_line().contains(said), "{ended:?}");
    running.cancel();
    running.end();
}

fn a_secret_is_a_value_too(database: &Database) {
    let secret = |name: &str| {
        database
            .plugin()
            .args(["--output", "csv", "--statement", database.echo(), "--param-secret", &format!("v={name}")])
            .env("SELFSERVICE_SECRET_KEY", "of the handler")
            .run()
    };
    let ended = secret("KEY");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().ends_with("\nv\nof the handler\n"), "{ended:?}");
    assert_eq!(secret("OTHER").code, 3);
}

fn a_cancel_ends_the_statement_on_the_server(database: &Database) {
    for more in [&[][..], &["--write"]] {
        let running = database.plugin().args(["--statement", database.sleep()]).args(more).start();
        eventually("the statement runs", || database.running() == 1);
        running.cancel();
        let ended = running.end();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.first_line().contains("stopped; the statement has ended on the server"), "{ended:?}");
        assert_eq!(database.running(), 0);
    }
}

fn a_cancel_that_the_server_does_not_hear_ends_in_time_and_says_so(database: &Database) {
    let (proxy, plugin) = match database {
        Database::Postgresql(database) => {
            let socket = Path::new(&database.sql("SHOW unix_socket_directories"))
                .join(format!(".s.PGSQL.{}", database.sql("SHOW port")));
            let proxy = FaultyProxy::before_server(socket, "");
            let plugin = postgresql_plugin(database, "127.0.0.1", proxy.port());
            (proxy, plugin)
        }
        Database::Mysql(database) => {
            let proxy = FaultyProxy::before_server(MariaDb::shared().socket(), "");
            let plugin = database.plugin("127.0.0.1", proxy.port());
            (proxy, plugin)
        }
    };
    let running = plugin.args(["--grace", "1", "--statement", database.sleep()]).start();
    eventually("the statement runs", || database.running() == 1);
    proxy.set(Fault::Blackhole);
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.first_line().contains("did not answer the request to end the statement"), "{ended:?}");
}

fn a_check_prepares_and_runs_nothing(database: &Database) {
    for statement in ["DELETE FROM t", "DROP TABLE t"] {
        let ended = run(database, &["--check", "--write", "--statement", statement]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.first_line().contains("nothing was run"), "{ended:?}");
    }
    assert_eq!(run(database, &["--check", "--statement", "SELECT nonsense FROM t"]).code, 2);
    assert_eq!(database.sql("SELECT count(*) FROM t"), "2");
}

fn statements_come_from_named_files_only(database: &Database) {
    for name in ["../settings.ini", "/etc/passwd", "..", "-x", "a/b", "no_such_file.sql", ".hidden"] {
        assert_eq!(run(database, &["--file", name]).code, 3, "{name}");
    }
    let file = database.choose("postgresql_sessions.sql", "mysql_sessions.sql");
    let ended = run(database, &["--file", file, "--param", "minutes=5"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn a_password_is_in_no_argv_of_the_plugin(database: &Database) {
    let running = database
        .plugin()
        .args(["--password-secret", "PASSWORD", "--statement", database.sleep()])
        .env("SELFSERVICE_SECRET_PASSWORD", MysqlDatabase::PASSWORD)
        .start();
    eventually("the statement runs", || database.running() == 1);
    let argv = running.argv();
    assert!(argv.contains("--password-secret") && !argv.contains("looked-for"), "{argv}");
}

#[test]
fn names_are_names() {
    for (option, value) in [("--host", "h options=-cx"), ("--host", "-h"), ("--user", "u;v'"), ("--user", "")]
    {
        let ended = Plugin::new("sql.sh")
            .args(["--engine", "postgresql", "--host", "h", "--user", "u", "--statement", "SELECT 1"])
            .args([option, value])
            .run();
        assert_eq!(ended.code, 3, "{ended:?}");
    }
}

#[test]
fn a_wrong_password_and_a_server_out_of_reach_are_unknown() {
    let database = Database::mysql();
    let ended = database
        .plugin()
        .args(["--statement", "SELECT 1"])
        .env("SELFSERVICE_SECRET_PASSWORD", "wrong password")
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("no connection: Access denied for user"), "{ended:?}");
    assert!(!ended.text().contains("wrong password"), "{ended:?}");
    let unused = FreePort::claim();
    for engine in ["mysql", "postgresql"] {
        let ended = Plugin::new("sql.sh")
            .args(["--engine", engine, "--host", "127.0.0.1", "--port", &unused.number().to_string()])
            .args(["--user", "u", "--statement", "SELECT 1"])
            .run();
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.first_line().contains("no connection: "), "{ended:?}");
    }
}
