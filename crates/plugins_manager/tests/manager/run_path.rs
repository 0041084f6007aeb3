//! The run path against a real database and real processes: claim, start, output, result, time-out, cancel, drain.

use selfservice_core::config::MacroFile;
use selfservice_core::db::DbError;
use selfservice_core::models::logs::Chunk;
use selfservice_core::models::tasks::{Identity, Origin, Task, TaskKind, TaskResult, TaskState};
use selfservice_core::models::typed_secrets::Readers;
use selfservice_core::models::workers::Worker;
use selfservice_core::plan::{Plan, Request, Requester};
use selfservice_core::queue::{self, Cancelled, Enqueued, NewTask};
use std::collections::BTreeMap;
use std::time::Duration;
use test_support::fixture::{self, World};
use test_support::{AppOptions, Fault, FaultyProxy, TestApp, TestDatabase, eventually, impatient};
use uuid::Uuid;

struct Bench {
    app: TestApp,
    world: World,
    database: TestDatabase,
}

/// More than a run may have on its way.
const PRINTED: usize = 4 * 1024 * 1024;

fn manager_only() -> AppOptions {
    AppOptions { web: false, ..AppOptions::default() }
}

impl Bench {
    fn start(options: &AppOptions) -> Self {
        let database = TestDatabase::new();
        let world = World::new(&database);
        let app = TestApp::start(&database, options);
        Self { app, world, database }
    }

    /// With a manager that reaches the database through a proxy; `settings` go into `[manager]`.
    fn behind_proxy(settings: &[&str]) -> (Self, FaultyProxy) {
        let database = TestDatabase::new();
        let world = World::new(&database);
        let proxy = FaultyProxy::before(&database);
        let mut options = manager_only();
        options.settings.push(("database", format!("url = {}", proxy.url())));
        options.settings.push(("database", "operation_timeout_seconds = 2".to_owned()));
        options.settings.extend(settings.iter().map(|line| ("manager", (*line).to_owned())));
        let app = TestApp::start(&database, &options);
        (Self { app, world, database }, proxy)
    }

    /// Starts a run that prints [`PRINTED`] bytes and ends once [`Bench::go`] was called, and waits until it has begun.
    fn start_printing(&self) -> Uuid {
        let go = self.app.plugins.join("go");
        self.app.replace_plugin(
            &self.database,
            "slow",
            &format!(
                "echo begun; while [ ! -e {} ]; do sleep 0.05; done; yes 0123456789abcde | head -n {}",
                go.display(),
                PRINTED / 16
            ),
        );
        let id = self.queue(self.world.slow, &[]);
        self.wait_for_output(id, "begun");
        id
    }

    fn go(&self) {
        std::fs::write(self.app.plugins.join("go"), "").unwrap();
    }

    /// Bytes in the spool.
    fn spooled(&self) -> u64 {
        let managers = std::fs::read_dir(self.app.settings.with_file_name("spool")).into_iter().flatten();
        managers
            .flat_map(|manager| std::fs::read_dir(manager.unwrap().path()).into_iter().flatten())
            .filter_map(|file| file.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    /// The run of [`Bench::start_printing`] is recorded with all that it printed.
    fn is_complete(&self, id: Uuid) {
        assert_eq!(self.finished(id).result, Some(TaskResult::Ok));
        let log = self.log(id);
        assert_eq!(log.matches("0123456789abcde\n").count(), PRINTED / 16);
        assert!(log.starts_with("begun\n0123") && log.contains("\nOK: exit code 0"));
        eventually("the spool is empty", || (self.spooled() == 0).then_some(()));
    }

    /// Queues a task as the web GUI would.
    fn queue(&self, handler: i64, parameters: &[(&str, &str)]) -> Uuid {
        let macros = MacroFile::read(&self.app.settings.with_file_name("macros.ini")).unwrap();
        self.world.queue(&self.database, &macros, handler, parameters)
    }

    fn task(&self, id: Uuid) -> Task {
        self.database.pool().run::<_, DbError>(|c| Ok(Task::find(c, id)?)).unwrap().unwrap()
    }

    fn finished(&self, id: Uuid) -> Task {
        eventually("the task is finished", || {
            Some(self.task(id)).filter(|task| task.state == TaskState::Finished)
        })
    }

    fn log(&self, id: Uuid) -> String {
        let chunks = self.database.pool().run::<_, DbError>(|c| Ok(Chunk::after(c, id, 0, 10_000)?)).unwrap();
        let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn wait_for_output(&self, id: Uuid, text: &str) {
        eventually("the output is there", || self.log(id).contains(text).then_some(()));
    }

    fn cancel(&self, id: Uuid) -> Cancelled {
        self.database.pool().transaction::<_, DbError>(|c| Ok(queue::cancel(c, id, "bob")?)).unwrap()
    }
}

#[test]
fn exit_codes_become_results_and_the_log_tells_the_story() {
    let bench = Bench::start(&manager_only());
    let ok = bench.finished(bench.queue(bench.world.ok, &[]));
    assert_eq!((ok.result, ok.exit_code), (Some(TaskResult::Ok), Some(0)));
    assert_eq!(ok.summary.as_deref(), Some("all is well"));
    assert_eq!(ok.perfdata.as_deref(), Some("load=0.5"));
    assert!(
        bench.log(ok.id).starts_with("all is well | load=0.5\nOK: exit code 0, took "),
        "{}",
        bench.log(ok.id)
    );
    assert_eq!(ok.output_bytes, i64::try_from(bench.log(ok.id).len()).unwrap());

    let warning = bench.finished(bench.queue(bench.world.warning, &[]));
    assert_eq!((warning.result, warning.exit_code), (Some(TaskResult::Warning), Some(1)));
    let critical = bench.finished(bench.queue(bench.world.critical, &[]));
    assert_eq!((critical.result, critical.exit_code), (Some(TaskResult::Critical), Some(2)));
    assert!(bench.log(critical.id).contains("it broke\nCRITICAL: exit code 2"));
}

/// G8, down to the rows.
#[test]
fn every_end_has_its_result() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "echo", "exec sh -c \"${2#--text=}\"");
    let ended = |script: &str| bench.finished(bench.queue(bench.world.echo, &[("text", script)]));
    for (code, result) in [
        (0, TaskResult::Ok),
        (1, TaskResult::Warning),
        (2, TaskResult::Critical),
        (3, TaskResult::Unknown),
        (4, TaskResult::Failed),
        (127, TaskResult::Failed),
        (128, TaskResult::Failed),
        (255, TaskResult::Failed),
    ] {
        let task = ended(&format!("exec >&-; setsid sleep 300 & exit {code}"));
        assert_eq!((task.result, task.exit_code), (Some(result), Some(code)));
    }
    for number in [2, 9, 11, 15, 40] {
        let task = ended(&format!("echo OK; kill -{number} $$"));
        assert_eq!((task.result, task.exit_code), (Some(TaskResult::Failed), None));
        let text = task.result_text.unwrap();
        assert!(text.starts_with(&format!("ended by signal {number}")), "{text}");
    }
}

#[test]
fn hostile_values_reach_the_plugin_byte_for_byte() {
    let bench = Bench::start(&manager_only());
    for value in
        ["; | & $( ) ' \"", "`reboot`", "$HOSTADDRESS$ $$", "a b\\c *?~#%!<>", "x -oProxyCommand=x", "é ü"]
    {
        let id = bench.queue(bench.world.echo, &[("text", value)]);
        assert_eq!(bench.finished(id).result, Some(TaskResult::Ok));
        let log = bench.log(id);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[..3], ["127.0.0.1", &format!("--text={value}"), "1"]);
    }
}

#[test]
fn output_is_readable_while_the_plugin_runs_and_a_cancel_ends_its_whole_tree() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "slow",
        "setsid sh -c 'echo \"daemon $$\"; exec sleep 1000' & sh -c 'echo \"child $$\"; exec sleep 1000' & echo started; wait",
    );
    let id = bench.queue(bench.world.slow, &[]);
    for line in ["daemon ", "child ", "started\n"] {
        bench.wait_for_output(id, line);
    }
    assert_eq!(bench.task(id).state, TaskState::Running);
    assert_eq!(bench.cancel(id), Cancelled::Requested);
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Cancelled));
    assert_eq!(task.result_text.as_deref(), Some("cancelled by bob"));
    let log = bench.log(id);
    assert!(log.contains("all its processes have ended"), "{log}");
    for name in ["daemon ", "child "] {
        let pid = log.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{name}lives");
    }
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_says_so() {
    let bench = Bench::start(&manager_only());
    bench.database.sql("UPDATE event_handlers SET timeout_seconds = 1 WHERE name = 'slow'");
    let task = bench.finished(bench.queue(bench.world.slow, &[]));
    assert_eq!(task.result, Some(TaskResult::TimedOut));
    assert_eq!(task.result_text.as_deref(), Some("timed out after 1 s"));
    assert_eq!(task.exit_code, None);
}

#[test]
fn what_changed_between_the_click_and_the_start_is_rejected() {
    let bench = Bench::start(&AppOptions { manager: false, web: false, ..AppOptions::default() });
    let queued = |handler| bench.queue(handler, &[]);
    let ids = [queued(bench.world.ok), queued(bench.world.echo), queued(bench.world.warning)];
    bench.database.sql("UPDATE event_handlers SET revision = revision + 1 WHERE name = 'ok'");
    bench.database.sql("UPDATE hosts SET address = '127.0.0.9' WHERE name = 'web-1'");
    bench.database.sql("UPDATE event_handlers SET enabled = false WHERE name = 'warning'");
    let mut bench = bench;
    bench.app.start_program("plugins_manager");
    for (id, why) in ids.into_iter().zip(["the handler has changed", "the command has changed", "is gone"]) {
        let task = bench.finished(id);
        assert_eq!(task.result, Some(TaskResult::Rejected));
        assert!(task.result_text.as_ref().unwrap().contains(why), "{:?}", task.result_text);
        assert!(bench.log(id).starts_with("REJECTED: "));
    }
}

#[test]
fn a_right_that_was_taken_between_the_click_and_the_start_is_missed() {
    let mut bench = Bench::start(&AppOptions { manager: false, ..manager_only() });
    let id = bench.queue(bench.world.ok, &[]);
    bench.database.sql("DELETE FROM grants");
    bench.app.start_program("plugins_manager");
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Rejected), "{:?}", task.result_text);
    assert!(!bench.log(id).contains("all is well"), "{}", bench.log(id));
}

#[test]
fn a_host_that_moved_between_the_click_and_the_start_is_left_alone() {
    let mut bench = Bench::start(&AppOptions { manager: false, ..manager_only() });
    let moves = [
        ("UPDATE hosts SET address = '127.0.0.9' WHERE name = 'web-1'", "the plugin is told the address"),
        (
            "UPDATE environments SET minimum_risk = 'dangerous' WHERE name = 'production'",
            "nobody typed the host's name",
        ),
        (
            "INSERT INTO environments_members (environments_id, hosts_id) SELECT e.id, h.id FROM environments e, hosts h \
             WHERE e.name = 'staging' AND h.name = 'web-1'; \
             INSERT INTO grants (users_id, verb) SELECT id, 'run' FROM users WHERE name = 'alice'",
            "the right is there, but it is another environment",
        ),
        (
            "UPDATE event_handlers SET timeout_seconds = 3600 WHERE name = 'warning'",
            "the limit was another one",
        ),
    ];
    for (change, why) in moves {
        let id = bench.queue(bench.world.warning, &[]);
        bench.database.sql(change);
        bench.app.start_program("plugins_manager");
        let task = bench.finished(id);
        assert_eq!(task.result, Some(TaskResult::Rejected), "{why}");
        bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGTERM);
        bench.app.program("plugins_manager").wait(Duration::from_secs(60));
    }
}

#[test]
fn a_plugin_that_cannot_be_used_is_refused_with_a_sentence() {
    let bench = Bench::start(&manager_only());
    for (plugin, why) in [("missing", "was not found"), ("../ok", "name"), ("/bin/sh", "name")] {
        bench.database.sql(&format!("UPDATE event_handlers SET plugin = '{plugin}' WHERE name = 'ok'"));
        let task = bench.finished(bench.queue(bench.world.ok, &[]));
        assert_eq!(task.result, Some(TaskResult::Failed), "{plugin}");
        let text = task.result_text.unwrap();
        assert!(text.starts_with("could not be started: ") && text.contains(why), "{text}");
    }
}

#[test]
fn secrets_reach_the_plugin_and_never_the_log() {
    let options =
        AppOptions { macros: "[macros]\n[secrets]\nTOKEN = hunter2-hunter2\n".to_owned(), ..manager_only() };
    let bench = Bench::start(&options);
    bench.app.replace_plugin(&bench.database, "ok",
        "echo \"{\\\"step\\\":\\\"with $SELFSERVICE_SECRET_TOKEN\\\"}\" > $SELFSERVICE_PROGRESS; printf '%s' \"$SELFSERVICE_SECRET_TOKEN\" | wc -c; echo \"<$SELFSERVICE_SECRET_TOKEN>\"",
    );
    bench.database.sql("UPDATE event_handlers SET secrets = '{TOKEN}' WHERE name = 'ok'");
    let task = bench.finished(bench.queue(bench.world.ok, &[]));
    assert_eq!(task.result, Some(TaskResult::Ok));
    assert!(bench.log(task.id).starts_with("15\n<********>\n"), "{}", bench.log(task.id));
    assert_eq!(task.steps[0]["name"], "with ********");
    assert_eq!(bench.database.sql("SELECT count(*) FROM tasks t WHERE t::text LIKE '%hunter2%'"), "0");
}

#[test]
fn a_typed_secret_is_read_by_managers_of_its_time_alone() {
    let bench = Bench::start(&manager_only());
    bench.database.sql(
        "UPDATE event_handlers SET parameters = '[{\"name\": \"pin\", \"type\": \"secret\"}]' WHERE name = 'ok'; \
         INSERT INTO workers (id, name, version, slots, alive_until) VALUES (gen_random_uuid(), 'gone', '0', 1, 'infinity')",
    );
    let bench_world = &bench.world;
    let typed = |steal: &str| {
        let requester = Requester {
            users_id: bench_world.alice,
            name: "alice".to_owned(),
            identity: Identity::Password,
            token_verb: None,
        };
        let request = Request {
            hosts_id: bench_world.web_1,
            services_id: bench_world.os,
            event_handlers_id: bench_world.ok,
            kind: TaskKind::Run,
            parameters: BTreeMap::new(),
        };
        let (id, at) = (Uuid::now_v7(), chrono::Utc::now());
        // A draining manager takes nothing meanwhile.
        bench.database.sql("UPDATE workers SET draining = true");
        let queued = bench.database.pool().transaction::<_, DbError>(|connection| {
            let plan = Plan::decide(connection, &MacroFile::default(), &requester, &request, id, at).unwrap();
            let secrets =
                plan.typed(&BTreeMap::from([("pin".to_owned(), "correct horse".to_owned())])).unwrap();
            let life = Duration::from_secs(60);
            let task = plan.into_task(&requester, id, at, life, Origin::Gui, Uuid::new_v4(), None);
            let task = NewTask { secret_parameters: vec!["pin".to_owned()], ..task };
            assert!(matches!(queue::enqueue(connection, &task)?, Enqueued::New(_)));
            let readers = Readers::on(connection, bench_world.web_1)?;
            readers.store(connection, id, &secrets).unwrap();
            Ok(())
        });
        queued.unwrap();
        bench.database.sql(steal);
        bench.database.sql("UPDATE workers SET draining = false");
        bench.finished(id)
    };
    assert_eq!(typed("SELECT 1").result, Some(TaskResult::Ok));
    // As if the manager had started after the click; then as if its row came from another task.
    for steal in [
        "UPDATE typed_secrets SET workers_id = (SELECT id FROM workers WHERE name = 'gone')",
        "UPDATE typed_secrets SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)",
    ] {
        let task = typed(steal);
        assert_eq!(task.result, Some(TaskResult::Rejected));
        assert!(task.result_text.unwrap().contains("only by managers that ran when it was typed"), "{steal}");
    }
    assert_eq!(bench.database.sql("SELECT count(*) FROM typed_secrets"), "0");
}

#[test]
fn stopping_waits_for_runs_and_starts_nothing_new() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 1; echo ended");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "begun");
    bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGTERM);
    eventually("the manager takes no more", || {
        (bench.database.sql("SELECT count(*) FROM workers WHERE stopping") == "1").then_some(())
    });
    let late = bench.queue(bench.world.ok, &[]);
    assert_eq!(bench.finished(id).result, Some(TaskResult::Ok));
    assert!(bench.log(id).starts_with("begun\nended\n"));
    let status = bench.app.program("plugins_manager").wait(Duration::from_secs(60));
    assert!(status.unwrap().success());
    assert_eq!(bench.task(late).state, TaskState::Queued);
}

#[test]
fn a_second_signal_ends_what_runs_without_waiting_for_it() {
    let mut options = manager_only();
    options.settings.push(("manager", "drain_seconds = 600".to_owned()));
    let bench = Bench::start(&options);
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 600");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "begun");
    let manager = bench.app.program("plugins_manager");
    manager.signal(nix::sys::signal::Signal::SIGTERM);
    eventually("the manager stops", || {
        (bench.database.sql("SELECT count(*) FROM workers WHERE stopping") == "1").then_some(())
    });
    assert_eq!(bench.task(id).state, TaskState::Running, "the first signal leaves it alone");
    manager.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(manager.wait(Duration::from_secs(60)).unwrap().success());
    let task = bench.task(id);
    let why = task.result_text.as_deref();
    assert_eq!((task.result, why), (Some(TaskResult::Failed), Some("ended because its manager was stopped")));
}

#[test]
fn when_the_drain_time_is_over_what_still_runs_is_ended_and_recorded() {
    let mut options = manager_only();
    options.settings.push(("manager", "drain_seconds = 1".to_owned()));
    let bench = Bench::start(&options);
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 3000");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "begun");
    bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGTERM);
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Failed));
    assert_eq!(task.result_text.as_deref(), Some("ended because its manager was stopped"));
}

#[test]
fn a_full_disk_under_the_log_stops_nothing() {
    let mut bench = Bench::start(&AppOptions { manager: false, ..manager_only() });
    let log = bench.app.settings.with_file_name("plugins_manager.log");
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();
    bench.app.start_program("plugins_manager");
    // It is open. A failed test shows the logs, and this one has no end.
    std::fs::remove_file(&log).unwrap();
    let task = bench.finished(bench.queue(bench.world.ok, &[]));
    assert_eq!(task.result, Some(TaskResult::Ok), "{:?}", task.result_text);
}

#[test]
fn settings_are_read_again_on_a_signal_and_a_broken_file_changes_nothing() {
    let bench = Bench::start(&manager_only());
    let hang_up = || bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGHUP);
    let worker = || bench.database.sql("SELECT slots, tags FROM workers");
    let text = std::fs::read_to_string(&bench.app.settings).unwrap();
    let changed = text.replace("slots = 8", "slots = 3\ntags = dmz eu");
    assert_ne!(changed, text);
    std::fs::write(&bench.app.settings, &changed).unwrap();
    hang_up();
    eventually("slots and tags are others", || (worker() == "3|{dmz,eu}").then_some(()));
    std::fs::write(&bench.app.settings, changed.replace("slots = 3", "slots = many")).unwrap();
    hang_up();
    let complaint = eventually("the log names what is wrong", || {
        let log = bench.app.log("plugins_manager");
        log.lines().find(|line| line.contains("stay as they were")).map(str::to_owned)
    });
    assert!(
        complaint.contains("settings.ini:") && complaint.contains("[manager] slots = 'many'"),
        "{complaint}"
    );
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
    assert_eq!(worker(), "3|{dmz,eu}");
}

#[test]
fn a_reload_names_what_only_a_restart_applies_until_that_is_as_it_was() {
    let bench = Bench::start(&manager_only());
    let manager = bench.app.program("plugins_manager");
    let text = std::fs::read_to_string(&bench.app.settings).unwrap();
    let reload = |text: &str, times: usize| {
        std::fs::write(&bench.app.settings, text).unwrap();
        manager.signal(nix::sys::signal::Signal::SIGHUP);
        eventually("the settings were read", || {
            let log = bench.app.log("plugins_manager");
            (log.matches("settings and macros were read again").count() == times).then_some(log)
        })
    };
    let changed = text
        .replace("name = test-manager", "name = another")
        .replace("[plugins]", "[plugins]\noutput_limit_mib = 3")
        .replace("slots = 8", "slots = 3");
    let warning = "only a restart of this manager applies it: [manager] name, [plugins] output_limit_mib\n";
    assert_eq!(reload(&changed, 1).matches(warning).count(), 1);
    assert_eq!(reload(&changed, 2).matches(warning).count(), 2, "it is still not applied");
    assert_eq!(reload(&text, 3).matches("only a restart").count(), 2);
}

#[test]
fn a_drained_manager_says_so_lets_its_runs_end_and_goes_on_when_it_is_told() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 1; echo ended");
    let running = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(running, "begun");
    let id = bench.database.sql("SELECT id FROM workers").parse().unwrap();
    let tell = |draining| {
        bench.database.pool().run::<_, DbError>(|c| Ok(Worker::set_draining(c, id, draining)?)).unwrap()
    };
    let said = |what: &str| {
        eventually(what, || bench.app.log("plugins_manager").contains(what).then_some(()));
    };
    assert!(tell(true));
    said("being drained: no new tasks are taken");
    let waiting = bench.queue(bench.world.ok, &[]);
    assert_eq!(bench.finished(running).result, Some(TaskResult::Ok));
    assert_eq!(bench.task(waiting).state, TaskState::Queued);
    assert!(tell(false));
    said("drained no more: tasks are taken again");
    assert_eq!(bench.finished(waiting).result, Some(TaskResult::Ok));
}

/// G25. The test stands in for the plugin that kills its manager: one that runs as another user could not.
#[test]
fn a_handler_that_kills_its_manager_is_paused_and_the_others_go_on() {
    let settings = vec![("manager", "lease_seconds = 2".to_owned())];
    let mut bench = Bench::start(&AppOptions { settings, ..manager_only() });
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 30");
    for round in 0..3 {
        let id = bench.queue(bench.world.slow, &[]);
        bench.wait_for_output(id, "begun");
        bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGKILL);
        bench.app.start_program("plugins_manager");
        assert_eq!(bench.finished(id).result, Some(TaskResult::Lost), "round {round}");
    }
    let paused = bench.database.sql("SELECT name, paused_by FROM event_handlers WHERE paused_at IS NOT NULL");
    assert_eq!(paused, "slow|selfservice");
    assert_eq!(bench.database.sql("SELECT object FROM audit WHERE action = 'handler.pause'"), "slow");
    let waiting = bench.queue(bench.world.slow, &[]);
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
    assert_eq!(bench.task(waiting).state, TaskState::Queued);
}

#[test]
fn work_goes_on_when_the_database_is_away_and_comes_back() {
    let bench = Bench::start(&AppOptions { settings: impatient(), ..manager_only() });
    bench.app.replace_plugin(&bench.database, "slow", "echo begun; sleep 1; echo ended");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "begun");
    bench.database.shut_out();
    // The plugin ends while nothing can be stored.
    std::thread::sleep(Duration::from_millis(1500));
    bench.database.let_in();
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Ok));
    assert!(bench.log(id).starts_with("begun\nended\nOK: "), "{}", bench.log(id));
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
}

#[test]
fn a_killed_manager_leaves_its_task_lost_and_no_process() {
    let mut bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "slow", "echo \"pid $$\"; exec sleep 1000");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "pid ");
    bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGKILL);
    bench.app.start_program("plugins_manager");
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Lost));
    let log = bench.log(id);
    let pid = log.lines().find_map(|line| line.strip_prefix("pid ")).unwrap();
    eventually("the plugin is gone", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

#[test]
fn when_the_launcher_is_killed_its_runs_are_lost_and_the_next_ones_work() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "slow", "echo \"pid $$\"; exec sleep 1000");
    let id = bench.queue(bench.world.slow, &[]);
    bench.wait_for_output(id, "pid ");
    let manager = bench.app.program("plugins_manager").id();
    let launcher = eventually("the launcher is found", || child_of(child_of(manager)?));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(launcher), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(bench.finished(id).result, Some(TaskResult::Lost));
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
    let log = bench.log(id);
    let pid = log.lines().find_map(|line| line.strip_prefix("pid ")).unwrap();
    eventually("the plugin is gone", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

/// The first process whose parent is `parent`.
fn child_of(parent: i32) -> Option<i32> {
    let line = format!("PPid:\t{parent}\n");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        std::fs::read_to_string(entry.path().join("status")).ok()?.contains(&line).then_some(pid)
    })
}

#[test]
fn a_plugin_that_was_replaced_between_the_click_and_the_start_is_rejected() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "ok", "echo approved");
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
    // The manager takes the next task when the plugin is another one, and lives long enough to count as present.
    let stopped = bench.app.program("plugins_manager");
    stopped.signal(nix::sys::signal::Signal::SIGSTOP);
    let id = bench.queue(bench.world.ok, &[]);
    fixture::write_plugin(&bench.app.plugins, "ok", "echo something else");
    stopped.signal(nix::sys::signal::Signal::SIGCONT);
    let task = bench.finished(id);
    assert_eq!(task.result, Some(TaskResult::Rejected));
    let why = "plugin 'ok' has changed since this was asked for";
    assert_eq!(task.result_text.as_deref(), Some(why));
    assert_eq!(bench.log(id), format!("REJECTED: {why}\n"), "nothing of it may have run");
    // Asked for again, the new one is what was asked for.
    bench.app.replace_plugin(&bench.database, "ok", "echo something else");
    let again = bench.finished(bench.queue(bench.world.ok, &[]));
    assert_eq!((again.result, again.summary.as_deref()), (Some(TaskResult::Ok), Some("something else")));
}

#[test]
fn while_the_database_is_away_runs_go_on_and_everything_is_stored_when_it_is_back() {
    for fault in [Fault::Refuse, Fault::Blackhole] {
        let (bench, proxy) = Bench::behind_proxy(&[]);
        let id = bench.start_printing();
        proxy.set(fault);
        bench.go();
        eventually("the run has printed everything", || (bench.spooled() > PRINTED as u64).then_some(()));
        let mode = std::fs::metadata(bench.app.settings.with_file_name("spool")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
        let next = bench.queue(bench.world.ok, &[]);
        proxy.set(Fault::Pass);
        bench.is_complete(id);
        assert_eq!(bench.finished(next).result, Some(TaskResult::Ok), "tasks are taken again");
    }
}

#[test]
fn what_a_killed_manager_had_spooled_is_stored_by_the_next_one() {
    let (mut bench, proxy) = Bench::behind_proxy(&[]);
    let id = bench.start_printing();
    proxy.set(Fault::Refuse);
    bench.go();
    eventually("the result is spooled", || {
        bench.app.log("plugins_manager").contains("a result is spooled").then_some(())
    });
    bench.app.program("plugins_manager").signal(nix::sys::signal::Signal::SIGKILL);
    proxy.set(Fault::Pass);
    bench.app.start_program("plugins_manager");
    bench.is_complete(id);
}

#[test]
fn a_full_spool_makes_plugins_wait_and_empties_by_itself() {
    let (bench, proxy) = Bench::behind_proxy(&["spool_limit_mib = 1"]);
    let id = bench.start_printing();
    proxy.set(Fault::Refuse);
    bench.go();
    eventually("the spool is full", || {
        bench.app.log("plugins_manager").contains("spool_limit_mib = 1 MiB").then_some(())
    });
    assert!(bench.spooled() <= 1024 * 1024 + 4096);
    proxy.set(Fault::Pass);
    bench.is_complete(id);
    assert_eq!(bench.finished(bench.queue(bench.world.ok, &[])).result, Some(TaskResult::Ok));
}

#[test]
fn a_claim_that_was_never_acknowledged_is_started_once() {
    let bench = Bench::start(&manager_only());
    bench.app.replace_plugin(&bench.database, "ok", "echo only once");
    let manager = bench.app.program("plugins_manager");
    manager.signal(nix::sys::signal::Signal::SIGSTOP);
    let id = bench.queue(bench.world.ok, &[]);
    // As the server has it when the answer to a claim is lost.
    bench.database.sql(&format!(
        "UPDATE tasks t SET state = 'running', workers_id = w.id, epoch = w.epoch, started_at = now(), \
         lease_until = now() + interval '60 s' FROM workers w WHERE t.id = '{id}'"
    ));
    manager.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(bench.finished(id).result, Some(TaskResult::Ok));
    assert_eq!(bench.log(id).matches("only once").count(), 1);
}
