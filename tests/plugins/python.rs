//! The helpers for plugins in Python, and the worked example that uses them, with a real Ansible, and with a stand-in
//! where it matters what Ansible is given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use test_support::sshd::Sshd;

use crate::hostile;
use crate::run::{Ended, Plugin, eventually, repository};

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
    let body =
        "import time\nselfservice.on_cancel(lambda: 'the job has ended')\nprint('up')\ntime.sleep(600)";
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
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >{0}/argv\nprintf '%s' \"$ANSIBLE_SSH_ARGS\" >{0}/ssh_args\nfor a; do case $a in @*) cp \"${{a#@}}\" {0}/variables ;; esac; done\n\
         case \" $* \" in *' --list-tasks '*) printf '      Say hello\\tTAGS: []\\n'; exit ;; esac\n\
         printf 'TASK [Say hello] ****\\nPLAY RECAP ****\\n%s\\n' '{recap}'\nexit {code}\n",
        directory.display()
    );
    program(&directory.join("ansible-playbook"), &stand_in);
    Plugin::new("ansible_playbook.py")
        .args(["--playbook", "site.yml", "--directory", directory.to_str().unwrap()])
        .args(arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
        .env("SELFSERVICE_SSH_DIRECTORY", "/etc/own ssh")
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
    let told = fs::read_to_string(directory.path().join("ssh_args")).unwrap();
    assert!(told.starts_with("-F none -o BatchMode=yes "), "{told}");
    for option in [
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "ForwardAgent=no",
        "PermitLocalCommand=no",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "'UserKnownHostsFile=\"/etc/own ssh/known_hosts\"'",
    ] {
        assert!(told.contains(&format!(" -o {option}")), "{option} in {told}");
    }
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

/// The real one with a playbook of these tasks.
fn ansible(directory: &Path, tasks: &str) -> Plugin {
    let playbook = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}");
    fs::write(directory.join("site.yml"), playbook).unwrap();
    Plugin::new("ansible_playbook.py").args([
        "--playbook",
        "site.yml",
        "--directory",
        directory.to_str().unwrap(),
    ])
}

#[test]
fn values_reach_a_real_playbook_and_are_not_evaluated() {
    let directory = tempfile::tempdir().unwrap();
    let (found, witness) = (directory.path().join("found.json"), directory.path().join("witness"));
    let tasks = format!(
        "    - name: Keep\n      copy: {{content: '{{{{ selfservice | to_json }}}}', dest: {}}}\n",
        found.display()
    );
    let evaluated = format!("{{{{ lookup('pipe', 'touch {}') }}}}", witness.display());
    let of_ansible =
        [&evaluated, "{% raw %}", "{# gone #}", "!unsafe x", "a: b", "- a", "\u{7f}\u{9b}\u{feff}"];
    let values: Vec<&str> = hostile::VALUES.iter().copied().chain(of_ansible).collect();
    let parameters: serde_json::Map<String, Value> =
        values.iter().enumerate().map(|(index, value)| (format!("p{index}"), json!(value))).collect();
    let task = json!({"uuid": "u", "user": evaluated, "host": "web-1", "parameters": parameters});
    let ended = ansible(directory.path(), &tasks)
        .args(["--host", "web-1", "--local"])
        .input(&format!("{task}\n"))
        .run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let kept: Value = serde_json::from_slice(&fs::read(found).unwrap()).unwrap();
    assert_eq!((&kept["parameters"], &kept["user"]), (&json!(parameters), &json!(evaluated)));
    assert!(!witness.exists());
}

#[test]
fn a_real_playbook_signs_in_with_our_keys_and_its_result_decides() {
    let (server, directory) = (Sshd::start().unwrap(), tempfile::tempdir().unwrap());
    let ssh = directory.path().join("ssh with a space");
    fs::create_dir(&ssh).unwrap();
    fs::copy(&server.identity, ssh.join("id_ed25519")).unwrap();
    fs::set_permissions(ssh.join("id_ed25519"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(&server.known_hosts, ssh.join("known_hosts")).unwrap();
    let run = |tasks: &str| {
        ansible(directory.path(), tasks)
            .args(["--host", "127.0.0.1", "--port", &server.port.to_string()])
            .env("SELFSERVICE_SSH_DIRECTORY", &ssh)
            .run()
    };
    let ended = run("    - name: Say\n      raw: echo said\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().contains("\nOK - 1 ok, 1 changed, 0 unreachable, 0 failed, 0 skipped"), "{ended:?}");
    let ended = run("    - name: Fail\n      raw: exit 7\n");
    assert_eq!(ended.code, 2, "{ended:?}");
    let ended = run("    - nonsense: {{\n");
    assert_eq!(ended.code, 3, "{ended:?}");
    let other = fs::read_to_string(&Sshd::start().unwrap().known_hosts).unwrap();
    let key = other.split_once(' ').unwrap().1;
    fs::write(ssh.join("known_hosts"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    let ended = run("    - name: Say\n      raw: echo said\n");
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("UNKNOWN - the host could not be reached"), "{ended:?}");
}

#[test]
fn a_cancel_ends_a_real_playbook() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let tasks = format!("    - name: Sleep\n      shell: echo $$ >{}; exec sleep 600\n", file.display());
    let running = ansible(directory.path(), &tasks).args(["--host", "web-1", "--local"]).start();
    let pid = || fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok());
    eventually("the task runs", || pid().is_some());
    let process = format!("/proc/{}", pid().unwrap());
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("CRITICAL - stopped; ansible-playbook has ended"), "{ended:?}");
    eventually("the command is gone", || !Path::new(&process).exists());
}

#[test]
fn the_helpers_are_written_for_the_oldest_python_that_is_promised() {
    // The grammar of 3.9; types that are evaluated only where they are no newer; modules that it had already.
    let check = r#"
import ast, sys
NEWER = {"tomllib", "annotationlib", "compression", "concurrent.interpreters", "string.templatelib"}
for path in sys.argv[1:]:
    tree = ast.parse(open(path, encoding="utf-8").read(), path, feature_version=(3, 9))
    later = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    for node in ast.walk(tree):
        types = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        unions = [each for root in types if root for each in ast.walk(root) if isinstance(each, ast.BinOp)]
        assert later or not unions, f"{path}: X | Y as a type is of 3.10"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not NEWER & set(names), f"{path}: {names}"
        assert not any(word.arg == "strict" for word in getattr(node, "keywords", [])), f"{path}: zip(strict=)"
"#;
    let files = ["selfservice.py", "ansible_playbook.py", "sql_oracle.py"];
    let files = files.map(|name| repository().join("plugins").join(name));
    let ended = Plugin::command("python3").args(["-I", "-c", check]).args(files).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
