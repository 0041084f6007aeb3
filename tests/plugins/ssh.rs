//! `ssh.sh` against a real `OpenSSH` server; the remote machine is this one.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::sshd::Sshd;

use crate::hostile;
use crate::run::{Plugin, Running, eventually, repository};

fn ssh(server: &Sshd, options: &[&str]) -> Plugin {
    with_identity(Plugin::new("ssh.sh"), server).args(options)
}

fn with_identity(plugin: Plugin, server: &Sshd) -> Plugin {
    plugin
        .args(["--host", "127.0.0.1", "--port", &server.port.to_string()])
        .args(["--identity".as_ref(), server.identity.as_os_str()])
        .args(["--known-hosts".as_ref(), server.known_hosts.as_os_str()])
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
fn more_arguments_than_one_word_of_a_shell_can_hold_arrive() {
    let server = Sshd::start().unwrap();
    let long = "it's ".repeat(20_000);
    let ended =
        remote(&server, &["sh", "-c", "printf %s \"$1$2$3\" | cksum", "sh", &long, &long, &long]).run();
    let expected =
        Plugin::command("sh").args(["-c", "printf %s \"$1$2$3\" | cksum", "sh", &long, &long, &long]).run();
    assert_eq!((ended.code, ended.text()), (0, expected.text()));
}

#[test]
fn both_streams_arrive_apart_and_any_bytes() {
    let server = Sshd::start().unwrap();
    let ended = remote(&server, &["sh", "-c", "printf 'a\\000\\377b'; echo error >&2"]).run();
    assert_eq!(ended.stdout, b"a\0\xffb");
    assert_eq!(ended.stderr, "error\n");
}

#[test]
fn a_command_that_ended_before_the_plugin_looked_was_run() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let plugins = repository().join("plugins");
    for name in ["lib.sh", "ssh_remote.sh"] {
        fs::copy(plugins.join(name), directory.path().join(name)).unwrap();
    }
    // The moment after the command was sent, stretched.
    let text = fs::read_to_string(plugins.join("ssh.sh")).unwrap();
    let slow = text.replace("\n    : >sent\n", "\n    sleep 1; : >sent\n");
    assert_ne!(slow, text);
    let plugin = directory.path().join("ssh.sh");
    fs::write(&plugin, slow).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = with_identity(Plugin::command(&plugin), &server).args(["--", "echo", "was run"]).run();
    assert_eq!((ended.code, ended.text().as_str()), (0, "was run\n"), "{ended:?}");
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
        (&["sh", "-c", "kill -9 $$"], "with exit code 137: most likely signal 9\n"),
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
    // The kernel takes the connection, and nobody says a word on it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port().to_string();
    for (options, sentence) in [
        (&["--known-hosts", "/dev/null"][..], "is not trusted yet"),
        (&["--known-hosts", wrong], "differs from the trusted one"),
        (&["--known-hosts", wrong, "--accept-new"], "differs from the trusted one"),
        (&["--identity", other.identity.to_str().unwrap()], "login: "),
        (&["--port", "1"], "refused: "),
        (&["--host", "no-such-host.invalid"], "name: "),
        (&["--port", &silent_port, "--connect-timeout", "1"], "time-out: 127.0.0.1 did not answer in time"),
    ] {
        let ended = ssh(&server, options).args(["--", "true"]).run();
        assert_eq!(ended.code, 3, "{options:?}: {ended:?}");
        assert!(ended.first_line().starts_with("UNKNOWN - "), "{options:?}: {ended:?}");
        assert!(ended.first_line().contains(sentence), "{options:?}: {ended:?}");
    }
}

/// What the plugin tells ssh, as ssh itself reads it.
#[test]
fn ssh_is_told_to_ask_nobody_and_to_use_nothing_of_the_users() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for name in ["key", "known hosts"] {
        fs::write(path(name), "").unwrap();
    }
    let stand_in = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >{0}\n/usr/bin/ssh -G \"$@\" >{1}\n/usr/bin/ssh -G -F jump_config x >{2}\nexit 255\n",
        path("argv"),
        path("host"),
        path("way")
    );
    fs::write(path("ssh"), stand_in).unwrap();
    fs::set_permissions(path("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let ended = Plugin::new("ssh.sh")
        .args(["--host", "web-1", "--user", "jane", "--connect-timeout", "7", "--jump", "bastion"])
        .args(["--identity", &path("key"), "--known-hosts", &path("known hosts"), "--", "true"])
        .env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()))
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    let argv = fs::read_to_string(path("argv")).unwrap();
    assert!(argv.starts_with("-F\nconfig\n-T\n"), "no file of the user's: {argv}");
    for read in ["host", "way"] {
        let text = fs::read_to_string(path(read)).unwrap();
        let read: Vec<&str> = text.lines().collect();
        for option in [
            "batchmode yes",
            "identitiesonly yes",
            "identityagent none",
            "forwardagent no",
            "forwardx11 no",
            "clearallforwardings yes",
            "permitlocalcommand no",
            "preferredauthentications publickey",
            "passwordauthentication no",
            "kbdinteractiveauthentication no",
            "numberofpasswordprompts 0",
            "stricthostkeychecking true",
            "updatehostkeys false",
            "userknownhostsfile /dev/null",
            &format!("globalknownhostsfile {}", path("known hosts")),
            &format!("identityfile {}", path("key")),
            "controlmaster false",
            "connecttimeout 7",
            "serveraliveinterval 15",
            "serveralivecountmax 3",
        ] {
            assert!(read.contains(&option), "{option} in {text}");
        }
    }
    let read = fs::read_to_string(path("host")).unwrap();
    assert!(read.contains("\nproxycommand ssh -F jump_config "), "{read}");
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

/// Polls until none of these processes lives.
fn eventually_gone(pids: &[i32]) {
    eventually(&format!("{pids:?} are gone"), || !pids.iter().any(|pid| alive(*pid)));
}

#[test]
fn a_lost_connection_is_unknown_and_ends_the_remote_group() {
    let server = Sshd::start().unwrap();
    let (running, pids) = start_remote(&server, "");
    drop(server);
    let ended = running.end();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("was lost while the command ran"), "{ended:?}");
    eventually_gone(&pids);
}

#[test]
fn a_killed_plugin_leaves_nothing_running_remotely() {
    let server = Sshd::start().unwrap();
    let (running, pids) = start_remote(&server, "");
    drop(running);
    eventually_gone(&pids);
}

#[test]
fn the_limit_ends_the_whole_remote_group() {
    let server = Sshd::start().unwrap();
    let script = "sleep 600 & echo pids $$ $!; wait";
    let mut running = ssh(&server, &["--timeout", "1", "--", "sh", "-c", script]).start();
    let pids: Vec<i32> =
        running.wait_for_line("pids ").split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    let ended = running.end();
    assert!(ended.text().contains("the limit of 1 s was reached\n"), "{ended:?}");
    eventually_gone(&pids);
}

#[test]
fn the_limit_holds_where_the_other_side_has_no_timeout() {
    let tools = tempfile::tempdir().unwrap();
    for tool in ["sh", "ps", "sleep", "kill", "date", "setsid"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(tool), tools.path().join(tool)).unwrap();
    }
    let server = Sshd::start_with(|_| Ok(vec![format!("SetEnv PATH={}", tools.path().display())])).unwrap();
    let script = "! command -v timeout >/dev/null || exit 9; sleep 600 & echo pids $$ $!; wait";
    let mut running = ssh(&server, &["--timeout", "3", "--", "sh", "-c", script]).start();
    let pids: Vec<i32> =
        running.wait_for_line("pids ").split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    let ended = running.end();
    assert!(ended.text().contains("the limit of 3 s was reached\n"), "{ended:?}");
    eventually_gone(&pids);
}

#[test]
fn what_a_command_leaves_behind_on_purpose_lives_on() {
    let server = Sshd::start().unwrap();
    let script = "sleep 600 >/dev/null 2>&1 & echo $!";
    let ended = remote(&server, &["sh", "-c", script]).run();
    let pid: i32 = ended.text().trim().parse().unwrap();
    let lives = alive(pid);
    let _ended = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    assert!(lives, "{ended:?}");
}

#[test]
fn a_cancel_before_the_command_was_sent_runs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let witness = directory.path().join("witness");
    // Connecting: the other side takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Sshd::start().unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let connecting = ssh(&server, &["--port", &port, "--", "touch"]).args([&witness]).start();
    let (_peer, _) = silent.accept().unwrap();
    // Signed in, but a slow login script has not come to the command yet.
    let reached = directory.path().join("reached");
    let slow = Sshd::start_with(|_| {
        Ok(vec![format!("ForceCommand touch {}; sleep 5; eval \"$SSH_ORIGINAL_COMMAND\"", reached.display())])
    })
    .unwrap();
    let signing_in = remote(&slow, &["touch"]).args([&witness]).start();
    eventually("the login script runs", || reached.exists());
    for running in [connecting, signing_in] {
        running.cancel();
        let ended = running.end();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.text().contains("nothing was run there"), "{ended:?}");
    }
    assert!(!witness.exists());
}

#[test]
fn a_login_script_that_reads_everything_gets_no_part_of_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let greedy = Sshd::start_with(|_| {
        Ok(vec![format!("ForceCommand timeout 1 cat >{}; eval \"$SSH_ORIGINAL_COMMAND\"", seen.display())])
    })
    .unwrap();
    let ended = remote(&greedy, &["echo", "ran"]).run();
    assert_eq!((ended.code, ended.text().as_str()), (0, "ran\n"));
    assert_eq!(fs::read_to_string(&seen).unwrap(), "");
    let deaf = Sshd::start_with(|_| Ok(vec!["ForceCommand echo no entry".to_owned()])).unwrap();
    let ended = remote(&deaf, &["echo", "ran"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("nothing was run there"), "{ended:?}");
}

fn keygen(arguments: &[&str]) {
    let output = Command::new("ssh-keygen").arg("-q").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn certificates_stand_in_for_known_keys_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in ["host_ca", "user_ca", "identity"] {
        keygen(&["-t", "ed25519", "-N", "", "-f", &path(name)]);
    }
    let server = Sshd::start_with(|home| {
        let key = home.join("host_key.pub");
        keygen(&["-s", &path("host_ca"), "-I", "test", "-h", "-n", "db-prod-03", key.to_str().unwrap()]);
        Ok(vec![
            format!("HostCertificate {}/host_key-cert.pub", home.display()),
            format!("TrustedUserCAKeys {}", path("user_ca.pub")),
        ])
    })
    .unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    keygen(&["-s", &path("user_ca"), "-I", "test", "-n", &user, &path("identity.pub")]);
    let authority = fs::read_to_string(path("host_ca.pub")).unwrap();
    fs::write(path("known_hosts"), format!("@cert-authority db-* {authority}")).unwrap();
    let (keys, identity) = (path("known_hosts"), path("identity"));
    let run = |more: &[&str]| {
        let options = ["--known-hosts", &keys, "--identity", &identity];
        ssh(&server, &options).args(more).args(["--", "true"]).run()
    };
    let ended = run(&["--host-key-alias", "db-prod-03"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let ended = run(&["--host-key-alias", "db-prod-04"]);
    assert_eq!(ended.code, 3);
    assert!(ended.text().contains("the certificate of 127.0.0.1 is not valid for it"), "{ended:?}");
    // Without its certificate the server does not know this key; under another name the certificate is found.
    fs::rename(path("identity-cert.pub"), path("elsewhere-cert.pub")).unwrap();
    assert!(run(&["--host-key-alias", "db-prod-03"]).text().contains("login: "));
    assert_eq!(
        run(&["--host-key-alias", "db-prod-03", "--certificate", &path("elsewhere-cert.pub")]).code,
        0
    );
}

#[test]
fn a_jump_host_follows_the_same_rules() {
    let (target, jump) = (Sshd::start().unwrap(), Sshd::start().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("known_hosts");
    let (of_target, of_jump) =
        (fs::read_to_string(&target.known_hosts).unwrap(), fs::read_to_string(&jump.known_hosts).unwrap());
    // One key signs in on both machines.
    let allowed = target.identity.with_extension("pub");
    let jump = {
        drop(jump);
        let line = format!("AuthorizedKeysFile {}", allowed.display());
        Sshd::start_with(|_| Ok(vec![line.clone()])).unwrap()
    };
    let of_jump_now = fs::read_to_string(&jump.known_hosts).unwrap();
    let way = format!("127.0.0.1:{}", jump.port);
    let run = |known: &str, command: &[&str]| {
        fs::write(&keys, known).unwrap();
        let options = ["--known-hosts", keys.to_str().unwrap(), "--jump", &way, "--"];
        ssh(&target, &options).args(command).run()
    };
    let both = format!("{of_target}{of_jump_now}");
    let ended = run(&both, &["sh", "-c", "echo ${SSH_CONNECTION:+there}; exit 1"]);
    assert_eq!((ended.code, ended.text().as_str()), (1, "there\n"), "{ended:?}");
    assert!(run(&of_target, &["true"]).text().starts_with("UNKNOWN - jump host: host key: "));
    assert!(run(&of_jump_now, &["true"]).text().starts_with("UNKNOWN - host key: "));
    assert!(run(&of_jump, &["true"]).text().starts_with("UNKNOWN - jump host: host key: "));
    let ended =
        ssh(&target, &["--port", "1", "--known-hosts", keys.to_str().unwrap(), "--jump", &way, "--", "true"]);
    fs::write(&keys, &both).unwrap();
    assert!(ended.run().text().starts_with("UNKNOWN - refused: "));
    for hostile in hostile::VALUES.iter().filter(|value| !value.is_empty()) {
        let ended = ssh(&target, &["--jump", hostile, "--", "true"]).run();
        assert_eq!((ended.code, ended.text().lines().count()), (3, 1), "{hostile:?}: {ended:?}");
    }
}

#[test]
fn no_agent_is_asked() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let agent = UnixListener::bind(&socket).unwrap();
    agent.set_nonblocking(true).unwrap();
    let ended = remote(&server, &["true"]).env("SSH_AUTH_SOCK", &socket).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(agent.accept().is_err(), "the agent was asked");
}

/// A stand-in for sudo: it notes what it was asked, and runs the command.
fn stand_in_sudo(directory: &Path) -> (Sshd, PathBuf) {
    let (sudo, log) = (directory.join("sudo"), directory.join("asked"));
    let text = "#!/bin/sh\nprintf '<%s>' \"$@\" >>\"${0%/*}/asked\"\nwhile [ \"$1\" != -- ]; do [ \"$1\" != -l ] || \
                exit 0; shift; done; shift\nexec \"$@\"\n";
    fs::write(&sudo, text).unwrap();
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!("SetEnv PATH={}:/usr/bin:/bin", directory.display());
    (Sshd::start_with(|_| Ok(vec![line.clone()])).unwrap(), log)
}

#[test]
fn sudo_never_asks_and_gets_the_arguments_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (server, log) = stand_in_sudo(directory.path());
    let ended = ssh(&server, &["--sudo", "app", "--", "printf", "%s", "a  b; id"]).run();
    assert_eq!((ended.code, ended.text().as_str()), (0, "a  b; id"), "{ended:?}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "<-n><-u><app><--><printf><%s><a  b; id>");
    fs::remove_file(&log).unwrap();
    assert_eq!(ssh(&server, &["--sudo", "app", "--check", "--", "reboot", "now"]).run().code, 0);
    assert_eq!(fs::read_to_string(&log).unwrap(), "<-n><-l><-u><app><--><reboot><now>");
}

/// Needs no line in `sudoers`: root may run as anybody, and anybody else is asked for a password, which `-n` refuses.
#[test]
fn the_real_sudo_changes_the_user_and_its_processes_end() {
    let server = Sshd::start().unwrap();
    let as_nobody = |command: &[&str]| ssh(&server, &["--sudo", "nobody", "--"]).args(command);
    if !nix::unistd::geteuid().is_root() {
        let ended = as_nobody(&["id", "-un"]).run();
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("a password is required"), "{ended:?}");
        return;
    }
    let ended = as_nobody(&["id", "-un"]).run();
    assert_eq!((ended.code, ended.text().as_str()), (0, "nobody\n"), "{ended:?}");
    let ended = as_nobody(&["printf", "%s\\0"]).args(hostile::VALUES).run();
    let expected: Vec<u8> =
        hostile::VALUES.iter().flat_map(|value| [value.as_bytes(), b"\0"].concat()).collect();
    assert_eq!((ended.code, ended.stdout), (0, expected));
    assert_eq!(ssh(&server, &["--sudo", "nobody", "--check", "--", "id"]).run().code, 0);
    let ended = ssh(&server, &["--sudo", "no-such-user", "--", "id"]).run();
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("unknown user"), "{ended:?}");

    let mut running =
        as_nobody(&["sh", "-c", "trap '' TERM; sleep 600 & echo pids $$ $!; wait; wait"]).start();
    let pids: Vec<i32> =
        running.wait_for_line("pids ").split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    eventually_gone(&pids);
}

#[test]
fn a_script_is_sent_and_run_by_its_interpreter() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("own script");
    let run = |text: &str, arguments: &[&str]| {
        fs::write(&script, text).unwrap();
        ssh(&server, &["--script", script.to_str().unwrap(), "--"]).args(arguments).run()
    };
    let shell = "# it's $(id)\ncat\nread line; printf '%s\\0' \"$line\" \"$@\"; exit 1";
    let ended = run(shell, hostile::VALUES);
    let mut expected = vec![0];
    expected.extend(hostile::VALUES.iter().flat_map(|value| [value.as_bytes(), b"\0"].concat()));
    assert_eq!((ended.code, ended.stdout), (1, expected));
    let python = "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:], \"it's\")\nsys.exit(2)\n";
    let ended = run(python, &["a b"]);
    assert_eq!((ended.code, ended.text().as_str()), (2, "['a b'] it's\n"), "{ended:?}");
    let broken = "echo begun\nif true; then\n";
    assert!(!run(broken, &[]).text().contains("begun"), "a part of a script must not run");
    assert_eq!(run("nul\0byte", &[]).code, 3);
    let settings = directory.path().join("ssh/scripts");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("hello"), "echo hello from the settings").unwrap();
    let ended =
        ssh(&server, &["--script", "hello"]).env("SELFSERVICE_SSH_DIRECTORY", directory.path().join("ssh"));
    assert_eq!(ended.run().text(), "hello from the settings\n");
    assert_eq!(ssh(&server, &["--script", "hello"]).run().code, 3);
}

#[test]
fn settings_give_the_defaults() {
    let server = Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::copy(&server.identity, directory.path().join("id_ed25519")).unwrap();
    let key = fs::read_to_string(&server.known_hosts).unwrap();
    let (_, key) = key.split_once(' ').unwrap();
    fs::write(directory.path().join("known_hosts"), format!("db-prod-03 {key}")).unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut plugin = Plugin::new("ssh.sh")
            .args(["--host", "127.0.0.1", "--port", &server.port.to_string(), "--", "true"])
            .env("SELFSERVICE_SSH_DIRECTORY", directory.path());
        for (name, value) in variables {
            plugin = plugin.env(name, value);
        }
        plugin.run()
    };
    // The host's address stands for its name in the inventory.
    let inventory = [("SELFSERVICE_HOST", "db-prod-03"), ("NAGIOS_HOSTADDRESS", "127.0.0.1")];
    assert_eq!(run(&inventory).code, 0);
    assert!(run(&[]).text().contains("is not trusted yet"));
    assert!(run(&[inventory[0]]).text().contains("is not trusted yet"));
    assert_eq!(run(&[("SELFSERVICE_SSH_HOST_KEYS", "accept-new")]).code, 0);
    assert_eq!(run(&[]).code, 0, "the key was stored");
    assert!(run(&[("SELFSERVICE_SSH_USER", "no-such-user")]).text().contains("login: "));
    assert!(run(&[("SELFSERVICE_SSH_JUMP_HOST", "127.0.0.1:1")]).text().contains("jump host: refused"));
    assert_eq!(run(&[("SELFSERVICE_SSH_USER", "-oProxyCommand=id")]).code, 3);
}

#[test]
fn a_new_key_that_cannot_be_stored_is_not_accepted() {
    let server = Sshd::start().unwrap();
    let ended =
        ssh(&server, &["--known-hosts", "/proc/self/known_hosts", "--accept-new", "--", "true"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("cannot store keys"), "{ended:?}");
}

#[test]
fn the_host_key_is_shown_and_compared() {
    let (server, other) = (Sshd::start().unwrap(), Sshd::start().unwrap());
    let line = fs::read_to_string(&server.known_hosts).unwrap();
    let ended = ssh(&server, &["--show-host-key"]).run();
    assert_eq!((ended.code, ended.text().lines().count()), (0, 1), "{ended:?}");
    let ended = ssh(&server, &["--show-host-key", "--known-hosts", "/dev/null"]).run();
    assert_eq!(ended.code, 1, "{ended:?}");
    let shown = ended.text().lines().nth(1).unwrap().to_owned();
    assert!(line.starts_with(&shown), "{shown}");
    let directory = tempfile::tempdir().unwrap();
    let changed = directory.path().join("known_hosts");
    let foreign = fs::read_to_string(&other.known_hosts).unwrap();
    fs::write(&changed, foreign.replace(&other.port.to_string(), &server.port.to_string())).unwrap();
    let ended = ssh(&server, &["--show-host-key", "--known-hosts", changed.to_str().unwrap()]).run();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert_eq!(ended.text().lines().nth(1).unwrap(), shown);
    assert_eq!(ssh(&server, &["--show-host-key", "--port", "1"]).run().code, 3);
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
