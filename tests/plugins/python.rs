//! The helpers for plugins in Python, and the worked example that uses them. Ansible itself is a stand-in here: it prints
//! what `ansible-playbook` prints, and keeps what it was given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::hostile;
use crate::run::{Ended, Plugin, repository};

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A plugin of one's own beside the helpers.
fn own(directory: &Path, body: &str) -> Plugin {
    fs::copy(repository().join("plugins/selfservice.py"), directory.join("selfservice.py")).unwrap();
    let head = "#!/usr/bin/env python3\nimport sys; sys.dont_write_bytecode = True\nimport selfservice\n";
    program(&directory.join("own.py"), &format!("{head}{body}"));
    Plugin::command(directory.join("own.py"))
}

#[test]
fn results_secrets_and_bad_arguments_follow_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let run = |body: &str| own(directory.path(), body).env("SELFSERVICE_SECRET_TOKEN", "s3cret").run();
    let ended = run("selfservice.finish(selfservice.WARNING, 'two\\nlines', {'files': 3})");
    assert_eq!((ended.code, ended.text().as_str()), (1, "WARNING - two?lines | 'files'=3\n"));
    assert_eq!(run("print(selfservice.secret('TOKEN'))").text(), "s3cret\n");
    let ended = run("selfservice.secret('OTHER')");
    assert_eq!((ended.code, ended.text().lines().count()), (3, 1));
    assert_eq!(run("print(selfservice.task())").text(), "{}\n");
    let ended = run("selfservice.Arguments('x').parse_args(['--no\\nsuch'])");
    assert_eq!((ended.code, ended.text().lines().count(), ended.stderr.as_str()), (3, 1, ""), "{ended:?}");
}

#[test]
fn a_cancel_calls_back_and_says_what_was_confirmed() {
    let directory = tempfile::tempdir().unwrap();
    let body = "import time\nselfservice.on_cancel(lambda: 'the job has ended')\nprint('up', flush=True)\ntime.sleep(600)";
    let mut running = own(directory.path(), body).start();
    running.wait_for_line("up");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().ends_with("CRITICAL - stopped; the job has ended\n"), "{ended:?}");
}

/// Runs the example against the stand-in, which ends with this code and recap.
fn playbook(directory: &Path, arguments: &[&str], code: i32, recap: &str) -> Ended {
    fs::write(directory.join("site.yml"), "").unwrap();
    let stand_in = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >{0}/argv\nfor a; do case $a in @*) cp \"${{a#@}}\" {0}/variables ;; esac; done\n\
         case \" $* \" in *' --list-tasks '*) printf '      Say hello\\tTAGS: []\\n'; exit ;; esac\n\
         printf 'TASK [Say hello] ****\\nPLAY RECAP ****\\n%s\\n' '{recap}'\nexit {code}\n",
        directory.display()
    );
    program(&directory.join("ansible-playbook"), &stand_in);
    Plugin::new("ansible_playbook.py")
        .args(["--playbook", "site.yml", "--directory", directory.to_str().unwrap()])
        .args(arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
        .run()
}

#[test]
fn a_playbook_is_named_limited_to_the_host_and_never_falsely_ok() {
    let directory = tempfile::tempdir().unwrap();
    let run = |code, recap| playbook(directory.path(), &["--host", "web-1"], code, recap);
    let ended = run(0, "web-1 : ok=2 changed=1 unreachable=0 failed=0 skipped=0");
    assert_eq!(ended.code, 0, "{ended:?}");
    let argv = fs::read_to_string(directory.path().join("argv")).unwrap();
    assert!(argv.starts_with("--inventory\nweb-1,\n--limit\nweb-1\n--extra-vars\n@/"), "{argv}");
    assert!(
        fs::read_to_string(directory.path().join("variables")).unwrap().starts_with("{\"selfservice\": {")
    );
    assert_eq!(run(2, "web-1 : ok=1 changed=0 unreachable=0 failed=1 skipped=0").code, 2);
    assert_eq!(run(4, "web-1 : ok=0 changed=0 unreachable=1 failed=0 skipped=0").code, 3);
    assert_eq!(run(0, "").code, 3, "a playbook that met no host has helped nobody");
    for value in hostile::VALUES.iter().filter(|value| !value.starts_with('-')) {
        for option in ["--host", "--playbook"] {
            let ended = playbook(directory.path(), &[option, value], 0, "");
            assert_eq!((ended.code, ended.text().lines().count()), (3, 1), "{option} {value:?}: {ended:?}");
        }
    }
}
