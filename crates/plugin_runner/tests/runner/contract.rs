//! What a plugin is given, and what it is taken for: arguments, environment, descriptors, directory, output, exit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Nest, Ran, finish, finish_all, invocation};
use serde_json::json;

use plugin_runner::{Event, Invocation, Outcome, Runner, RunnerOptions};

/// Values that must reach a plugin byte for byte.
const HOSTILE: &[&str] = &[
    "",
    " ",
    ";id",
    "|id",
    "&",
    "$(id)",
    "`id`",
    ">/tmp/x",
    "<x",
    "*",
    "?",
    "~",
    "!",
    "#",
    "%s%n",
    "\\",
    "'",
    "\"",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\u{2028}",
    "\u{85}",
    "-",
    "--",
    "-oProxyCommand=touch /tmp/x",
    "@/etc/passwd",
    "file:///etc/passwd",
    "data:,x",
    "$HOSTNAME$",
    "{}",
    "é\u{1F600}",
];

#[test]
fn exit_codes_are_told_as_they_are() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    for code in 0..=255 {
        let invocation = invocation("sh", &["-c", &format!("exit {code}")]);
        let run = invocation.run;
        runner.start(invocation.into_spec().unwrap());
        assert_eq!(finish(&mut runner, run).outcome, Some(Outcome::Exit(code)));
    }
}

#[test]
fn signals_are_told_as_they_are() {
    let nest = Nest::new();
    for number in [1, 6, 9, 11, 15, 40] {
        let ran = nest.run(invocation("sh", &["-c", &format!("kill -{number} $$; sleep 5")]));
        assert_eq!(ran.outcome, Some(Outcome::Signal(number)));
    }
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let nest = Nest::new();
    nest.script("dump", "for argument; do printf '%s\\0' \"$argument\"; done");
    let ran = nest.run(invocation("dump", HOSTILE));
    let expected: Vec<u8> = HOSTILE.iter().flat_map(|value| [value.as_bytes(), b"\0"].concat()).collect();
    assert_eq!(ran.stdout, expected);
    assert_eq!(ran.outcome, Some(Outcome::Exit(0)));
}

#[test]
fn many_and_long_arguments_arrive() {
    let nest = Nest::new();
    nest.script("count", "echo $#; printf %s \"$1\" | wc -c");
    let long = "x".repeat(131_071);
    let mut arguments = vec![long.as_str()];
    arguments.resize(4096, "y");
    let ran = nest.run(invocation("count", &arguments));
    assert_eq!(ran.text(), "4096\n131071\n");
}

#[test]
fn the_environment_is_exactly_what_the_contract_says() {
    let nest = Nest::new();
    let invocation = Invocation {
        user: "anna".to_owned(),
        environment: "production".to_owned(),
        host: "db-prod-03".to_owned(),
        service: "PostgreSQL".to_owned(),
        settings: vec![("SELFSERVICE_SSH_USER".to_owned(), "deploy".to_owned())],
        nagios: vec![("NAGIOS_HOSTNAME".to_owned(), "db\n03".to_owned())],
        secrets: vec![("TOKEN".to_owned(), "s3cret".to_owned())],
        ..invocation("env", &["-0"])
    };
    let run = invocation.run.to_string();
    let ran = nest.run(invocation);
    let entries = ran.text().split_terminator('\0').map(|entry| entry.split_once('=').unwrap());
    let mut found: BTreeMap<&str, &str> = entries.collect();
    let home = found.remove("HOME").unwrap();
    assert!(home.starts_with(nest.work().to_str().unwrap()) && home.ends_with(&run));
    assert_eq!(found.remove("SELFSERVICE_PROGRESS").unwrap(), format!("{home}/progress"));
    assert!(home.starts_with(found.remove("SELFSERVICE_LAUNCHER").unwrap()));
    let expected = BTreeMap::from([
        ("LANG", "C.UTF-8"),
        ("NAGIOS_HOSTNAME", "db\n03"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("SELFSERVICE_ENVIRONMENT", "production"),
        ("SELFSERVICE_GRACE", "2"),
        ("SELFSERVICE_HOST", "db-prod-03"),
        ("SELFSERVICE_SECRET_TOKEN", "s3cret"),
        ("SELFSERVICE_SERVICE", "PostgreSQL"),
        ("SELFSERVICE_SSH_USER", "deploy"),
        ("SELFSERVICE_TASK_UUID", run.as_str()),
        ("SELFSERVICE_TIMEOUT", "120"),
        ("SELFSERVICE_USER", "anna"),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn standard_input_is_one_json_line_and_then_ends() {
    let nest = Nest::new();
    let long = "x".repeat(200_000);
    let parameters =
        BTreeMap::from([("drain".to_owned(), long.clone()), ("why".to_owned(), "a\nb".to_owned())]);
    let invocation = Invocation {
        handler: "Restart".to_owned(),
        user: "anna".to_owned(),
        environment: "production".to_owned(),
        host: "web1".to_owned(),
        service: "nginx".to_owned(),
        parameters,
        alert: Some(json!({"status": "firing", "labels": {"severity": "page"}})),
        secrets: vec![("TOKEN".to_owned(), "s3cret".to_owned())],
        ..invocation("cat", &[])
    };
    let run = invocation.run;
    let ran = nest.run(invocation);
    assert_eq!(ran.text().matches('\n').count(), 1, "one line, with its end");
    let input: serde_json::Value = serde_json::from_str(ran.text()).unwrap();
    let expected = json!({
        "uuid": run,
        "handler": "Restart",
        "user": "anna",
        "host": "web1",
        "service": "nginx",
        "environment": "production",
        "parameters": {"drain": long, "why": "a\nb"},
        "alert": {"status": "firing", "labels": {"severity": "page"}},
    });
    assert_eq!(input, expected);
}

/// The package monitoring-plugins-basic, as it is.
#[test]
fn checks_of_the_monitoring_plugins_run_unchanged() {
    let nest = Nest::new();
    let launcher = nest.launcher_with(&["--plugin-dir", "/usr/lib/nagios/plugins"]);
    let mut runner = Runner::new(launcher, RunnerOptions::default()).unwrap();
    let mut run = |plugin: &str, arguments: &[&str]| {
        let invocation = invocation(plugin, arguments);
        let run = invocation.run;
        runner.start(invocation.into_spec().unwrap());
        finish(&mut runner, run)
    };
    let ran = run("check_load", &["-w", "9999,9999,9999", "-c", "9999,9999,9999"]);
    assert_eq!(ran.outcome, Some(Outcome::Exit(0)), "{ran:?}");
    let (summary, perfdata) = ran.text().split_once('|').unwrap();
    assert!(summary.contains("OK") && perfdata.contains("load1="), "{ran:?}");
    let ran = run("check_disk", &["-w", "0%", "-c", "0%", "-p", "/"]);
    assert_eq!(ran.outcome, Some(Outcome::Exit(0)), "{ran:?}");
    for (code, word) in [(1, "WARNING"), (2, "CRITICAL"), (3, "UNKNOWN")] {
        let ran = run("check_dummy", &[&code.to_string(), "said; $(id)"]);
        assert_eq!(ran.outcome, Some(Outcome::Exit(code)), "{ran:?}");
        assert_eq!(ran.text(), format!("{word}: said; $(id)\n"));
    }
}

#[test]
fn only_the_three_standard_descriptors_are_open() {
    let nest = Nest::new();
    let ran = nest.run(invocation("sh", &["-c", "ls /proc/$$/fd"]));
    assert_eq!(ran.text(), "0\n1\n2\n");
}

#[test]
fn signals_umask_and_terminal_are_as_in_a_fresh_login() {
    let nest = Nest::new();
    let ran = nest.run(invocation("sh", &["-c", "sed -nE 's/^Sig(Blk|Ign):.//p' /proc/self/status; umask"]));
    let lines: Vec<&str> = ran.text().lines().collect();
    // The C library keeps signals 32 and 33 for itself and lets posix_spawn ignore them.
    let own = 0b11_u64 << 31;
    let ignored = u64::from_str_radix(lines[1], 16).unwrap() & !own;
    assert_eq!((lines[0], ignored, lines[2]), ("0000000000000000", 0, "0077"));
    let ran = nest.run(invocation("sh", &["-c", ": </dev/tty"]));
    assert_ne!(ran.outcome, Some(Outcome::Exit(0)), "there must be no terminal");
}

#[test]
fn the_working_directory_is_private_and_goes_away() {
    let nest = Nest::new();
    let script = "pwd; stat -c %a .; echo x > file; mkdir -p a/b; echo x > a/b/c; chmod 000 a";
    let mut runner = nest.runner();
    let invocation = invocation("sh", &["-c", script]);
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    let ran = finish(&mut runner, run);
    let (directory, mode) = ran.text().trim_end().split_once('\n').unwrap();
    assert!(directory.ends_with(&run.to_string()));
    assert_eq!(mode, "700");
    assert!(!std::path::Path::new(directory).exists());
    drop(runner);
    let left: Vec<_> =
        std::fs::read_dir(nest.work()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

/// Links to elsewhere, directories without any permission, more files than are removed at once, a tree deeper than a
/// path is long.
#[test]
fn a_hostile_directory_goes_away_and_nothing_beside_it() {
    let nest = Nest::new();
    let outside = nest.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::set_permissions(&outside, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::write(outside.join("kept"), "kept").unwrap();
    let script = format!(
        "import os\n\
         print(os.getcwd())\n\
         os.symlink('{outside}', 'link'); os.mkdir('many'); os.symlink('{outside}/kept', 'many/link')\n\
         for number in range(5000): open(f'many/{{number}}', 'w').close()\n\
         os.chmod('many', 0o500)\n\
         for _ in range(3000): os.mkdir('deep'); os.chdir('deep')\n\
         os.chmod('.', 0)",
        outside = outside.display()
    );
    let mut runner = nest.runner();
    let invocation = invocation("python3", &["-I", "-S", "-c", &script]);
    let run = invocation.run;
    runner.start(invocation.into_spec().unwrap());
    let ran = finish(&mut runner, run);
    assert_eq!(ran.outcome, Some(Outcome::Exit(0)), "{}", String::from_utf8_lossy(&ran.stderr));
    let directory = std::path::PathBuf::from(ran.text().trim_end());
    assert!(directory.starts_with(nest.work()));
    crate::common::eventually("the directory is gone", || !directory.exists());
    assert_eq!(std::fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert_eq!(
        std::fs::metadata(&outside).unwrap().permissions(),
        std::os::unix::fs::PermissionsExt::from_mode(0o40777)
    );
}

#[test]
fn output_is_complete_whatever_it_is() {
    let nest = Nest::new();
    nest.script(
        "binary",
        "printf 'a\\000\\377\\303'; printf 'EXIT=0' >&2; printf '\\n{\"percent\":3}'; exit 2",
    );
    let ran = nest.run(invocation("binary", &[]));
    assert_eq!(ran.stdout, b"a\0\xff\xc3\n{\"percent\":3}");
    assert_eq!(ran.stderr, b"EXIT=0");
    assert!(ran.progress.is_empty());
    assert_eq!(ran.outcome, Some(Outcome::Exit(2)));
    let ran = nest.run(invocation("seq", &["200000"]));
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(ran.text(), expected);
}

#[test]
fn output_after_a_closed_stdout_and_no_output_are_fine() {
    let nest = Nest::new();
    let ran = nest.run(invocation("sh", &["-c", "exec >&-; echo late >&2; exit 1"]));
    assert_eq!((ran.stderr.as_slice(), ran.outcome), (&b"late\n"[..], Some(Outcome::Exit(1))));
    let ran = nest.run(invocation("sh", &["-c", "exec >&- 2>&-; exit 3"]));
    assert_eq!(ran.outcome, Some(Outcome::Exit(3)));
}

#[test]
fn progress_comes_in_order_and_decides_nothing() {
    let nest = Nest::new();
    let script = r#"
        echo '{"steps":["Drain","Restart"]}' > "$SELFSERVICE_PROGRESS"
        echo 'nonsense' > "$SELFSERVICE_PROGRESS"
        echo '{"step":"Drain","percent":40}' > "$SELFSERVICE_PROGRESS"
        exit 1"#;
    nest.script("steps", script);
    let ran = nest.run(invocation("steps", &[]));
    assert_eq!(ran.progress.len(), 2);
    assert_eq!(ran.progress[0].steps.as_deref().unwrap(), ["Drain", "Restart"]);
    assert_eq!(ran.progress[1].percent, Some(40.0));
    assert_eq!(ran.outcome, Some(Outcome::Exit(1)));
}

#[test]
fn a_flood_is_complete_and_memory_stays_bounded() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let invocation = invocation("head", &["-c", "100000000", "/dev/zero"]);
    runner.start(invocation.into_spec().unwrap());
    let before = resident_kib();
    let (mut bytes, mut outcome) = (0, None);
    while outcome.is_none() {
        let mut sink = |event: Event| match event {
            Event::Output { bytes: more, .. } => bytes += more.len(),
            Event::Finished { outcome: end, .. } => outcome = Some(end),
            _ => {}
        };
        runner.turn(Duration::from_secs(1), &mut sink).unwrap();
    }
    assert_eq!((bytes, outcome), (100_000_000, Some(Outcome::Exit(0))));
    assert!(resident_kib() < before + 32 * 1024);
}

#[test]
fn without_credit_the_plugin_waits() {
    let nest = Nest::new();
    let options = RunnerOptions { window: Some(256 * 1024), ..RunnerOptions::default() };
    let mut runner = Runner::new(nest.launcher(), options).unwrap();
    let (flood, other) = (invocation("head", &["-c", "10000000", "/dev/zero"]), invocation("true", &[]));
    let (run, second) = (flood.run, other.run);
    runner.start(flood.into_spec().unwrap());
    let mut ran = Ran::default();
    crate::common::turn_until(&mut runner, &mut ran, run, |ran| ran.stdout.len() >= 256 * 1024);
    runner.start(other.into_spec().unwrap());
    let mut events = Vec::new();
    while !events
        .iter()
        .any(|event| crate::common::run_of(event) == second && matches!(event, Event::Finished { .. }))
    {
        runner.turn(Duration::from_millis(50), &mut |event| events.push(event)).unwrap();
    }
    assert!(events.iter().all(|event| crate::common::run_of(event) == second), "output came without credit");
    assert!(ran.stdout.len() < 256 * 1024 + 64 * 1024);
    let remote = runner.remote();
    let mut credited = 0;
    while ran.outcome.is_none() {
        remote.credit(run, ran.stdout.len() - credited).unwrap();
        credited = ran.stdout.len();
        runner.turn(Duration::from_millis(50), &mut |event| ran.take(event)).unwrap();
    }
    assert_eq!((ran.stdout.len(), ran.outcome), (10_000_000, Some(Outcome::Exit(0))));
}

#[test]
fn many_runs_at_once_keep_their_output_apart() {
    let nest = Nest::new();
    let mut runner = nest.runner();
    let runs: Vec<_> = (0..100)
        .map(|number| {
            let invocation = invocation("sh", &["-c", &format!("seq {number} 5000; exit {number}")]);
            let run = invocation.run;
            runner.start(invocation.into_spec().unwrap());
            (run, number)
        })
        .collect();
    let results = finish_all(&mut runner);
    for (run, number) in runs {
        assert_eq!(results[&run].outcome, Some(Outcome::Exit(number)));
        let expected: String = (number..=5000).map(|line| format!("{line}\n")).collect();
        assert_eq!(results[&run].text(), expected);
    }
}

#[test]
fn a_thousand_runs_at_once_see_their_own_values_only() {
    let nest = Nest::new();
    let show = "read -r task; printf '%s|%s|%s|%s' \"$1\" \"$SELFSERVICE_HOST\" \"$SELFSERVICE_SECRET_OWN\" \"$task\"";
    nest.script("show", show);
    let mut runner = nest.runner();
    let runs: Vec<_> = (0..1000)
        .map(|number| {
            let mark = |what: &str| format!("{what}-of-{number}-");
            let mut invocation = invocation("show", &[&mark("argument")]);
            invocation.host = mark("host");
            invocation.secrets = vec![("OWN".to_owned(), mark("secret"))];
            invocation.parameters = BTreeMap::from([("own".to_owned(), mark("parameter"))]);
            let run = invocation.run;
            runner.start(invocation.into_spec().unwrap());
            (run, number)
        })
        .collect();
    let results = finish_all(&mut runner);
    for (run, number) in runs {
        let text = results[&run].text();
        let start = format!("argument-of-{number}-|host-of-{number}-|secret-of-{number}-|");
        assert!(text.starts_with(&start) && text.contains(&format!("parameter-of-{number}-")), "{text}");
        // The host stands in the standard input too.
        assert_eq!(text.matches("-of-").count(), 5, "{text}");
        assert_eq!(text.matches(&format!("-of-{number}-")).count(), 5, "{text}");
    }
}

#[test]
fn a_runner_in_a_thread_is_driven_from_outside() {
    let nest = Nest::new();
    let runner = nest.runner();
    let remote = runner.remote();
    let (sender, events) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || runner.run(&mut |event| sender.send(event).unwrap()));
    let (quick, long) = (invocation("true", &[]), invocation("sleep", &["300"]));
    let ids = (quick.run, long.run);
    remote.start(quick.into_spec().unwrap()).unwrap();
    remote.start(long.into_spec().unwrap()).unwrap();
    remote.cancel(ids.1).unwrap();
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < 2 {
        if let Event::Finished { run, outcome, .. } = events.recv().unwrap() {
            outcomes.insert(run, outcome);
        }
    }
    assert_eq!(outcomes, BTreeMap::from([(ids.0, Outcome::Exit(0)), (ids.1, Outcome::Cancelled)]));
    remote.stop().unwrap();
    thread.join().unwrap().unwrap();
    assert!(remote.start(invocation("true", &[]).into_spec().unwrap()).is_err());
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
