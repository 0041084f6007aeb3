//! Progress never decides anything: it arrives as JSON where somebody reads, and never holds a plugin up.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::Database;
use crate::hostile;
use crate::http_server::{Server, reply};
use crate::jenkins_server::{Behaviour, Jenkins};
use crate::run::{Plugin, eventually, repository};

fn fifo(directory: &TempDir) -> std::path::PathBuf {
    let path = directory.path().join("progress");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    path
}

/// Open for both, so that it never blocks and never sees the end of the file.
fn reader(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap()
}

fn lines(reader: &mut File) -> Vec<Value> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    while let Ok(count) = reader.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn steps_reports_its_plan_and_percent() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(&directory);
    let mut reader = reader(&path);
    let ended = Plugin::new("steps.sh").args(["--seconds", "1"]).env("SELFSERVICE_PROGRESS", &path).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = lines(&mut reader);
    assert_eq!(lines[0], json!({"steps": ["Prepare", "Work", "Verify"]}));
    assert!(lines.iter().any(|line| line["step"] == "Verify"), "{lines:?}");
    assert!(lines.iter().any(|line| line["percent"] == 100), "{lines:?}");
}

/// What a plugin that ends with this code tells on the FIFO.
fn told(plugin: Plugin, code: i32) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(&directory);
    let mut reader = reader(&path);
    let ended = plugin.env("SELFSERVICE_PROGRESS", &path).run();
    assert_eq!(ended.code, code, "{ended:?}");
    lines(&mut reader)
}

#[test]
fn http_tells_the_request_and_how_long_it_waits() {
    let asked = Mutex::new(0);
    let server = Server::with(move |stream, request| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        match (request.target(), *asked) {
            ("/start", 1) => reply(stream, 503, "Retry-After: 0\r\n", b""),
            ("/start", _) => reply(stream, 202, "Location: /jobs/1\r\nRetry-After: 0\r\n", b""),
            (_, 3) => reply(stream, 202, "Retry-After: 0\r\n", b""),
            _ => reply(stream, 200, "", b"done"),
        }
    });
    let plugin = crate::http::plugin(&format!("{}/start", server.url));
    let told = told(plugin.args(["--method", "PUT", "--retries", "1", "--poll"]), 0);
    let wanted = [
        json!({"steps": ["Request", "Wait"]}),
        json!({"step": "Request"}),
        json!({"step": "Request", "note": "once more after 503"}),
    ];
    assert_eq!(told[..3], wanted, "{told:?}");
    assert!(told.last().unwrap()["note"].as_str().unwrap().ends_with(" s"), "{told:?}");
    assert_eq!(told.last().unwrap()["step"], "Wait");
}

#[test]
fn jenkins_tells_why_it_waits_and_how_far_the_build_is() {
    let console = ["one\n", "two\n", "three\n"].map(str::to_owned).to_vec();
    let behaviour = Behaviour { estimated: 2000, console, ..Behaviour::default() };
    let jenkins = Jenkins::start(behaviour);
    let told = told(crate::jenkins::signed_in(&jenkins.url).args(["--job", "restart"]), 0);
    let steps: Vec<&Value> = told.iter().filter(|line| line.get("percent").is_none()).collect();
    let wanted = [
        json!({"steps": ["Trigger", "Queue", "Build", "Result"]}),
        json!({"step": "Trigger"}),
        json!({"step": "Queue", "note": "Waiting for next available executor"}),
        json!({"step": "Build", "note": "build 7"}),
        json!({"step": "Result"}),
    ];
    assert_eq!(steps, wanted.iter().collect::<Vec<_>>());
    let percent: Vec<u64> = told.iter().filter_map(|line| line["percent"].as_u64()).collect();
    assert!(
        percent.len() > 1 && percent.is_sorted() && percent.iter().all(|percent| *percent < 100),
        "{told:?}"
    );
}

#[test]
fn sql_tells_when_it_is_connected() {
    for database in [Database::postgresql(), Database::mysql()] {
        let told = told(database.plugin().args(["--statement", "SELECT 1"]), 0);
        let host = database.host();
        let wanted = [
            json!({"steps": ["Connect", "Run"]}),
            json!({"step": "Connect", "note": host}),
            json!({"step": "Run"}),
        ];
        assert_eq!(told, wanted);
    }
}

#[test]
fn a_fifo_without_a_reader_or_a_wrong_path_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for path in [fifo(&directory), directory.path().join("missing"), directory.path().to_owned()] {
        let ended = Plugin::new("steps.sh").args(["--seconds", "1"]).env("SELFSERVICE_PROGRESS", &path).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{path:?}");
    }
}

/// A script that sources the helpers, as a plugin of one's own does.
fn script(directory: &TempDir, text: &str) -> Command {
    let plugin = directory.path().join("own.sh");
    let mut file = File::create(&plugin).unwrap();
    writeln!(file, ". {}\n{text}", repository().join("plugins/lib.sh").display()).unwrap();
    let mut command = Command::new("sh");
    command.arg(plugin).process_group(0).stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_stopped_reading_does_not_hold_the_plugin_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(&directory);
    let mut reader = reader(&path);
    let mut child = script(
        &directory,
        "n=0; while [ $n -lt 5000 ]; do progress_step \"step $n\" 'a note of some length, to fill the pipe'; \
         n=$((n + 1)); done",
    )
    .env("SELFSERVICE_PROGRESS", &path)
    .spawn()
    .unwrap();
    eventually("the plugin ends", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    assert_eq!(lines(&mut reader)[0]["step"], "step 0");
}

#[test]
fn hostile_values_are_valid_json_and_arrive() {
    let directory = tempfile::tempdir().unwrap();
    let mut command =
        script(&directory, "for value; do json_string \"$value\"; printf '%s\\n' \"$json\"; done");
    let output = command.args(hostile::VALUES).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values, hostile::VALUES);
}

#[test]
fn marked_lines_of_a_remote_script_become_steps() {
    let server = test_support::sshd::Sshd::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(&directory);
    let mut reader = reader(&path);
    let script = "echo '::steps Stop, Start the \"thing\"'; echo ::step Stop; echo ::percent 40; echo ::percent x; \
                  printf 'a\\000b\\n'; echo '::step Start the \"thing\"'";
    let ended = Plugin::new("ssh.sh")
        .args(["--host", "127.0.0.1", "--port", &server.port.to_string(), "--steps"])
        .args(["--identity".as_ref(), server.identity.as_os_str()])
        .args(["--known-hosts".as_ref(), server.known_hosts.as_os_str()])
        .args(["--", "sh", "-c", script])
        .env("SELFSERVICE_PROGRESS", &path)
        .run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().contains("::percent 40\n") && ended.text().contains("a\0b\n"), "{ended:?}");
    let wanted = [
        json!({"steps": ["Connect", "Stop", "Start the \"thing\""]}),
        json!({"step": "Stop"}),
        json!({"percent": 40}),
        json!({"step": "Start the \"thing\""}),
    ];
    let found = lines(&mut reader);
    assert_eq!(found[found.len() - 4..], wanted, "{found:?}");
}
