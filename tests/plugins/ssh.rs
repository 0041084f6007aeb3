//! `ssh.sh` against a real `OpenSSH` server; the remote machine is this one.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use test_support::sshd::Sshd;

use crate::hostile;
use crate::run::{Plugin, Running};

fn ssh(server: &Sshd, options: &[&str]) -> Plugin {
    Plugin::new("ssh.sh")
        .args(["--host", "127.0.0.1", "--port", &server.port.to_string()])
        .args(["--identity".as_ref(), server.identity.as_os_str()])
        .args(["--known-hosts".as_ref(), server.known_hosts.as_os_str()])
        .args(options)
}

fn remote(server: &Sshd, command: &[&str]) -> Plugin {
    ssh(server, &["--"]).args(command)
}

#[test]
fn hostile_values_reach_the_remote_argv_byte_for_byte() {
    let server = Sshd::start().unwrap();
    let ended = remote(&server, &["printf", "%s\\0"]).args(hostile::VALUES).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let expected: Vec<u8> =
        hostile::VALUES.iter().flat_map(|value| [value.as_bytes(), b"\0"].concat()).collect();
    assert_eq!(ended.stdout, expected);
}

#[test]
fn both_streams_arrive_apart_and_any_bytes() {
    let server = Sshd::start().unwrap();
    let ended = remote(&server, &["sh", "-c", "printf 'a\\000\\377b'; echo error >&2"]).run();
    assert_eq!(ended.stdout, b"a\0\xffb");
    assert_eq!(ended.stderr, "error\n");
}

#[test]
fn exit_codes_pass_or_become_critical_with_a_sentence() {
    let server = Sshd::start().unwrap();
    for code in [0, 1, 2, 3] {
        let ended = remote(&server, &["sh", "-c", &format!("exit {code}")]).run();
        assert_eq!((ended.code, ended.text().as_str()), (code, ""));
    }
    for (command, sentence) in [
        (&["sh", "-c", "exit 4"][..], "with exit code 4\n"),
        (&["sh", "-c", "exit 255"], "with exit code 255\n"),
        (&["no-such-command"], "was not found there"),
        (&["/etc/passwd"], "is not executable there"),
        (&["sh", "-c", "kill -9 $$"], "with a signal\n"),
    ] {
        let ended = remote(&server, command).run();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.text().contains(sentence), "{ended:?}");
    }
    let ended = ssh(&server, &["--timeout", "1", "--", "sleep", "60"]).run();
    assert_eq!(ended.code, 2);
    assert!(ended.text().contains("the limit of 1 s"), "{ended:?}");
}

#[test]
fn what_failed_in_the_connection_is_told_apart() {
    let server = Sshd::start().unwrap();
    let other = Sshd::start().unwrap();
    let key = fs::read_to_string(&other.known_hosts).unwrap();
    let keys = tempfile::NamedTempFile::new().unwrap();
    fs::write(keys.path(), key.replace(&other.port.to_string(), &server.port.to_string())).unwrap();
    let wrong = keys.path().to_str().unwrap();
    for (options, sentence) in [
        (&["--known-hosts", "/dev/null"][..], "is not trusted yet"),
        (&["--known-hosts", wrong], "differs from the trusted one"),
        (&["--known-hosts", wrong, "--accept-new"], "differs from the trusted one"),
        (&["--identity", other.identity.to_str().unwrap()], "login: "),
        (&["--port", "1"], "refused: "),
        (&["--host", "no-such-host.invalid"], "name: "),
        (&["--host", "192.0.2.1", "--connect-timeout", "1"], ""),
    ] {
        let ended = ssh(&server, options).args(["--", "true"]).run();
        assert_eq!(ended.code, 3, "{options:?}: {ended:?}");
        assert!(ended.first_line().starts_with("UNKNOWN - "), "{options:?}: {ended:?}");
        assert!(ended.first_line().contains(sentence), "{options:?}: {ended:?}");
    }
}

#[test]
fn accept_new_stores_the_key() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("known hosts");
    let keys = keys.to_str().unwrap();
    let options = ["--known-hosts", keys, "--accept-new", "--host-key-alias", "db-prod-03", "--", "true"];
    assert_eq!(ssh(&server, &options).run().code, 0);
    assert!(fs::read_to_string(keys).unwrap().starts_with("db-prod-03 "));
    let options = ["--known-hosts", keys, "--host-key-alias", "db-prod-03", "--", "true"];
    assert_eq!(ssh(&server, &options).run().code, 0);
}

#[test]
fn odd_hosts_users_and_files_are_refused() {
    let server = Sshd::start().unwrap();
    for value in hostile::VALUES {
        for option in ["--host", "--user", "--identity", "--known-hosts", "--sudo", "--host-key-alias"] {
            let ended = ssh(&server, &[option, value, "--", "true"]).run();
            assert_eq!(ended.code, 3, "{option} {value:?}: {ended:?}");
            assert_eq!(ended.text().lines().count(), 1, "{ended:?}");
        }
    }
    for bad in [&["--"][..], &["--", ""], &["true"], &["--port", "0", "--", "true"]] {
        assert_eq!(ssh(&server, bad).run().code, 3, "{bad:?}");
    }
}

#[test]
fn check_signs_in_and_runs_nothing() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let witness = directory.path().join("witness");
    let ended = ssh(&server, &["--check", "--", "touch", witness.to_str().unwrap()]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!witness.exists());
    assert_eq!(ssh(&server, &["--check"]).run().code, 0);
    assert_eq!(ssh(&server, &["--check", "--", "no-such-command"]).run().code, 2);
    assert_eq!(ssh(&server, &["--check", "--known-hosts", "/dev/null"]).run().code, 3);
}

/// Starts a command that prints `pids <its own> <its child's>` and then does as told when it gets TERM.
fn start_remote(server: &Sshd, on_term: &str) -> (Running, Vec<i32>) {
    let script = format!("trap '{on_term}' TERM; sleep 600 & echo pids $$ $!; while :; do sleep 0.1; done");
    let mut running = ssh(server, &["--grace", "1", "--", "sh", "-c", &script]).start();
    let line = running.wait_for_line("pids ");
    let pids = line.split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    (running, pids)
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[test]
fn a_cancel_ends_the_remote_group_and_shows_its_last_words() {
    let server = Sshd::start().unwrap();
    let (running, pids) = start_remote(&server, "echo cleaning up; exit 0");
    assert!(pids.iter().all(|pid| alive(*pid)));
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("cleaning up\n"), "{ended:?}");
    assert!(ended.text().contains("ended by TERM, confirmed"), "{ended:?}");
    assert!(!pids.iter().any(|pid| alive(*pid)), "{pids:?}");
}

#[test]
fn a_command_that_ignores_term_is_killed_remotely() {
    let server = Sshd::start().unwrap();
    let (running, pids) = start_remote(&server, "");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("ended by KILL after 1 s, confirmed"), "{ended:?}");
    assert!(!pids.iter().any(|pid| alive(*pid)), "{pids:?}");
}

#[test]
fn a_lost_connection_is_unknown() {
    let server = Sshd::start().unwrap();
    let (running, pids) = start_remote(&server, "");
    drop(server);
    let ended = running.end();
    for pid in pids {
        let group = nix::unistd::getpgid(Some(Pid::from_raw(pid)));
        let _ended = group.map(|group| killpg(group, Signal::SIGKILL));
    }
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("was lost while the command ran"), "{ended:?}");
}

#[test]
fn lines_arrive_while_the_command_runs() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let wait = "echo first; while [ ! -e \"$1\" ]; do sleep 0.02; done; echo second";
    let mut running = remote(&server, &["sh", "-c", wait, "sh", go.to_str().unwrap()]).start();
    running.wait_for_line("first");
    fs::write(&go, "").unwrap();
    let ended = running.end();
    assert_eq!(ended.text(), "first\nsecond\n");
}
