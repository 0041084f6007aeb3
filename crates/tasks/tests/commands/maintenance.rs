//! What keeps a system going: doctor, purge, backup and restore.

use crate::Tool;
use std::os::unix::fs::PermissionsExt;
use test_support::TestDatabase;
use test_support::fixture::World;

/// A finished task with one line of output, asked for so many days ago; gives its id.
fn old_task(database: &TestDatabase, world: &World, days: u32, state: &str) -> String {
    let (result, finished, worker) = match state {
        "finished" => ("'ok'", "now() - make_interval(days => %d)", "NULL"),
        "running" => ("NULL", "NULL", "(SELECT id FROM workers LIMIT 1)"),
        _ => ("NULL", "NULL", "NULL"),
    };
    let finished = finished.replace("%d", &days.to_string());
    // A UUIDv7 of that time.
    let sql = format!(
        "WITH made AS (
             SELECT (lpad(to_hex((extract(epoch FROM now() - make_interval(days => {days})) * 1000)::bigint), 12, '0')
                     || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid AS id),
         task AS (
             INSERT INTO tasks (id, state, result, finished_at, workers_id, epoch, lease_until, started_at,
                 event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, service_name,
                 environments, plugin, argv, parameters, risk, timeout_seconds, users_id, requester, identity, origin,
                 request_key, created_at, expires_at, output_bytes, output_lines)
             SELECT id, '{state}', {result}, {finished}, {worker},
                 CASE WHEN '{state}' = 'running' THEN 1 END, CASE WHEN '{state}' = 'running' THEN now() + interval '1 h' END,
                 CASE WHEN '{state}' = 'running' THEN now() END,
                 {}, '{state}', 1, {}, 'web-1', {}, 'os', '{{production}}', 'ok', '{{}}', '{{}}', 'read-only', 9, {}, 'alice',
                 'password', 'gui', gen_random_uuid(), now() - make_interval(days => {days}), now() + interval '1 h', 5, 1
             FROM made RETURNING id)
         INSERT INTO logs (task_id, byte_offset, first_line, stream, written_at, bytes)
             SELECT id, 0, 0, 'stdout', now(), '\\x646f6e650a' FROM task RETURNING task_id",
        if state == "running" { world.slow } else { world.ok },
        world.web_1,
        world.os,
        world.alice
    );
    database.sql(&sql).lines().next().unwrap().to_owned()
}

fn a_manager(database: &TestDatabase) {
    database.sql(
        "INSERT INTO workers (id, name, version, slots, alive_until) \
         VALUES (gen_random_uuid(), 'eu-1', '0.1.0', 4, now() + interval '1 h')",
    );
}

#[test]
fn purge_removes_what_is_old_and_finished_and_nothing_else() {
    let tool = Tool::new();
    let world = World::new(&tool.database);
    a_manager(&tool.database);
    let [young, old, ancient] = [10, 100, 400].map(|days| old_task(&tool.database, &world, days, "finished"));
    let running = old_task(&tool.database, &world, 400, "running");
    let report: serde_json::Value = serde_json::from_str(&tool.done("--json purge")).unwrap();
    assert_eq!((&report["tasks_removed"], &report["chunks_removed"]), (&1.into(), &2.into()), "{report}");
    let left = |column: &str, table: &str| {
        let mut ids: Vec<String> =
            tool.database.sql(&format!("SELECT {column} FROM {table}")).lines().map(str::to_owned).collect();
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(left("id", "tasks"), sorted(&[&young, &old, &running]), "{ancient} is gone");
    assert_eq!(left("task_id", "logs"), sorted(&[&young, &running]));
    assert!(tool.done("purge").starts_with("removed 0 tasks and 0 chunks of output\n"));
}

#[test]
fn output_gets_a_partition_for_each_month_which_goes_as_a_whole() {
    let tool = Tool::new();
    let world = World::new(&tool.database);
    let months = || {
        tool.database.sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'logs'::regclass ORDER BY inhrelid::regclass::text")
    };
    let named = |offset: i32| {
        tool.database.sql(&format!(
            "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '{offset} months', '\"logs_\"YYYY_MM')"
        ))
    };
    tool.done("purge");
    assert_eq!(months().lines().collect::<Vec<_>>(), [&*named(0), &*named(1), &*named(2), "logs_default"]);
    let now = old_task(&tool.database, &world, 0, "finished");
    assert_eq!(
        tool.database.sql(&format!("SELECT tableoid::regclass FROM logs WHERE task_id = '{now}'")),
        named(0)
    );
    // A month of long ago, as a system of that age has it.
    let id = |month: &str| {
        format!(
            "SELECT (lpad(to_hex((extract(epoch FROM timestamptz '{month}') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid"
        )
    };
    let [from, to] = ["2024-01-01 00:00Z", "2024-02-01 00:00Z"].map(|month| tool.database.sql(&id(month)));
    tool.database
        .sql(&format!("CREATE TABLE logs_2024_01 PARTITION OF logs FOR VALUES FROM ('{from}') TO ('{to}')"));
    tool.database
        .sql(&format!("INSERT INTO logs VALUES ('{from}', 0, 0, 'stdout', now(), 'of a task that is gone')"));
    let report: serde_json::Value = serde_json::from_str(&tool.done("--json purge")).unwrap();
    assert_eq!(report["partitions_dropped"], serde_json::json!(["logs_2024_01"]), "{report}");
    assert_eq!(report["partitions_made"], serde_json::json!([]));
    assert_eq!(tool.database.sql("SELECT count(*) FROM logs"), "1");
}

#[test]
fn history_is_kept_for_ever_where_the_settings_say_so() {
    let tool = Tool::new();
    let world = World::new(&tool.database);
    tool.add_settings("[retention]\nlogs_days = 0\ntasks_days = 0\n");
    old_task(&tool.database, &world, 4000, "finished");
    tool.done("purge");
    assert_eq!(tool.database.sql("SELECT count(*) FROM tasks JOIN logs ON task_id = id"), "1");
    let other = Tool::new();
    other.add_settings("[retention]\nlogs_days = 30\ntasks_days = 7\n");
    assert!(other.refused("purge").contains("logs_days must be at most tasks_days"));
}

#[test]
fn a_backup_comes_back_as_it_was_but_its_queue_does_not_run() {
    let tool = Tool::new();
    let world = World::new(&tool.database);
    a_manager(&tool.database);
    tool.database.sql(&format!(
        "INSERT INTO sessions (id, secret_hash, csrf_token, users_id, identity, address, user_agent, expires_at) \
         VALUES (gen_random_uuid(), 'x', 'y', {}, 'password', '', '', now() + interval '1 h')",
        world.alice
    ));
    let done = old_task(&tool.database, &world, 1, "finished");
    let waits = old_task(&tool.database, &world, 0, "queued");
    let runs = old_task(&tool.database, &world, 0, "running");
    let file = tool.directory.path().join("x.dump");
    let backup = format!("backup {}", file.display());
    tool.done(&backup);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(tool.refused(&backup).contains("is there already"), "nothing is overwritten");

    let restore = format!("restore {}", file.display());
    assert!(tool.refused(&restore).contains("has tables"));
    assert!(tool.refused(&format!("{restore} --replace other")).contains("--replace names 'other'"));
    let name = tool.database.sql("SELECT current_database()");
    let privileges = "SELECT relacl FROM pg_class WHERE oid = 'audit'::regclass";
    let given_up = tool.database.sql(privileges);
    tool.database.sql("DELETE FROM hosts; CREATE TABLE of_a_later_time ()");
    tool.done(&format!("{restore} --replace {name}"));

    assert_eq!(tool.database.sql("SELECT count(*) FROM hosts"), "3");
    assert_eq!(tool.database.sql("SELECT to_regclass('of_a_later_time') IS NULL"), "t");
    let state = |id: &str| tool.database.sql(&format!("SELECT state, result FROM tasks WHERE id = '{id}'"));
    assert_eq!(
        [state(&done), state(&waits), state(&runs)],
        ["finished|ok", "finished|expired", "finished|lost"]
    );
    assert_eq!(
        tool.database.sql(&format!(
            "SELECT string_agg(convert_from(bytes, 'UTF8'), '' ORDER BY byte_offset) FROM logs WHERE task_id = '{waits}'"
        )),
        "done\nExpired: the database was restored from a backup in which this task waited."
    );
    assert_eq!(tool.database.sql("SELECT count(*) FROM workers WHERE alive_until > now()"), "0");
    assert_eq!(tool.database.sql("SELECT count(*) FROM sessions"), "0");
    assert_eq!(tool.database.sql("SELECT count(*) FROM api_tokens"), "0");
    assert_eq!(tool.database.sql("SELECT action FROM audit"), "database.restore");
    assert_eq!(tool.database.sql(privileges), given_up, "the role may not change the audit log");
    // The tables are whole: what keeps the audit log closed is there, and the tables are up to date.
    assert_eq!(tool.done("migrate"), "the tables are up to date\n");
    assert_eq!(tool.database.sql("SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_append_only'"), "1");
}

#[test]
fn a_backup_from_before_there_were_schedules_is_restored() {
    let tool = Tool::new();
    World::new(&tool.database);
    tool.database.sql("DROP TABLE schedules CASCADE");
    let file = tool.directory.path().join("x.dump");
    tool.done(&format!("backup {}", file.display()));
    let name = tool.database.sql("SELECT current_database()");
    tool.done(&format!("restore {} --replace {name}", file.display()));
    assert_eq!(tool.database.sql("SELECT count(*) FROM hosts"), "3");
}

#[test]
fn a_restore_that_fails_changes_nothing() {
    let tool = Tool::new();
    World::new(&tool.database);
    let file = tool.directory.path().join("x.dump");
    tool.done(&format!("backup {}", file.display()));
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() * 2 / 3]).unwrap();
    let name = tool.database.sql("SELECT current_database()");
    tool.database.sql("UPDATE hosts SET description = 'of now'");
    tool.refused(&format!("restore {} --replace {name}", file.display()));
    assert_eq!(tool.database.sql("SELECT count(*) FROM hosts WHERE description = 'of now'"), "3");
}

#[test]
fn old_backups_go_and_other_files_stay() {
    let tool = Tool::new();
    let directory = tool.directory.path().join("backups");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("notes"), "").unwrap();
    for _ in 0..3 {
        tool.done(&format!("backup --directory {} --keep 2", directory.display()));
    }
    let names: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".dump")).count(), 2, "{names:?}");
    assert_eq!(names.len(), 3, "{names:?}");
}

/// The finding about something: state and text.
fn finding(findings: &serde_json::Value, about: &str) -> (String, String) {
    let found = findings.as_array().unwrap().iter().find(|finding| finding["about"] == about);
    assert!(found.is_some(), "nothing about {about}: {findings}");
    let found = found.unwrap();
    (found["state"].as_str().unwrap().to_owned(), found["text"].as_str().unwrap().to_owned())
}

#[test]
fn the_doctor_names_what_is_wrong_and_how_to_mend_it() {
    let tool = Tool::new();
    World::new(&tool.database);
    tool.database.sql(
        "UPDATE event_handlers SET paused_at = now(), paused_by = 'x', paused_reason = 'y' WHERE name = 'ok'",
    );
    tool.add_settings("[load_intervals]\ncmdb = 2\nfresh = 2\nnever = 1\n");
    tool.database.sql(
        "INSERT INTO loads (source, loaded_at, program, object) VALUES ('fresh', now(), 'data_loader', 'a.yaml'), \
         ('cmdb', now() - interval '5 hours 10 minutes', 'data_loader', 'b.yaml')",
    );
    let (code, output, _) = tool.call("--json doctor");
    let findings: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(code, 2, "{findings}");
    let old: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["about"] == "inventory")
        .filter_map(|found| found["text"].as_str())
        .collect();
    assert_eq!(
        old,
        [
            "the source 'cmdb' was loaded 5 hours ago and is expected every 2 hours",
            "the source 'never' has never been loaded and is expected every 1 hour"
        ],
        "{findings}"
    );
    // The servers of the tests do without fsync, because nobody misses their data.
    let (state, text) = finding(&findings, "durability");
    assert!(state == "failed" && text.starts_with("fsync"), "{text}");
    assert_eq!(finding(&findings, "tables").0, "ok");
    assert_eq!(finding(&findings, "clocks").0, "ok");
    assert_eq!(finding(&findings, "plugins"), ("failed".to_owned(), "none can be used".to_owned()));
    for found in findings.as_array().unwrap() {
        assert_eq!(found["mend"].is_null(), found["state"] == "ok", "{found}");
    }
}

#[test]
fn the_doctor_sees_keys_that_others_may_read_and_a_spool_that_is_open() {
    let tool = Tool::new();
    let place = tool.directory.path();
    std::fs::create_dir(place.join("ssh")).unwrap();
    std::fs::create_dir(place.join("spool")).unwrap();
    tool.write("ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    tool.add_settings(&format!(
        "[ssh]\ndirectory = {0}/ssh\n[manager]\nspool_directory = {0}/spool\n",
        place.display()
    ));
    let look = || serde_json::from_str(&tool.call("--json doctor").1).unwrap();
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(place.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("spool", 0o700);
    let findings = look();
    assert_eq!([finding(&findings, "keys").0, finding(&findings, "spool").0], ["ok", "ok"]);
    mode("spool", 0o755);
    mode("ssh/id_ed25519", 0o644);
    let findings = look();
    assert_eq!([finding(&findings, "keys").0, finding(&findings, "spool").0], ["failed", "failed"]);
}

#[test]
fn the_doctor_says_that_the_database_is_away() {
    let tool = Tool::new();
    tool.database.shut_out();
    let (code, output, _) = tool.call("doctor");
    tool.database.let_in();
    assert_eq!(code, 2);
    assert!(output.contains("FAILED   database") && output.contains("Start PostgreSQL"), "{output}");
}
