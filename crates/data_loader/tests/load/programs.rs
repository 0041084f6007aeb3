//! The programs themselves: what they print, what they leave, and how they end.

use crate::loader::Loader;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

fn run(program: &str, loader: &Loader, arguments: &[&str]) -> Output {
    let macros = loader.file("macros.ini", "");
    let settings = loader.file(
        "all.ini",
        &format!("[database]\nurl = {}\n[files]\nmacros = {}\n", loader.database.url(), macros.display()),
    );
    std::fs::set_permissions(&settings, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Command::new(program).arg("--settings").arg(settings).args(arguments).output().unwrap()
}

fn data_loader(loader: &Loader, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(env!("CARGO_BIN_EXE_data_loader"), loader, arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_exit_code_tells_done_from_warned_of_and_refused() {
    let loader = Loader::new();
    let good = loader.file("good.yaml", "hosts: [{name: a}, {name: b}]");
    let (code, out, err) = data_loader(&loader, &["plan", path(&good)]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("plan only, nothing is changed:\nadded host a\n"), "{out}");
    assert_eq!(data_loader(&loader, &["apply", path(&good)]).0, Some(0));
    let warned = loader.file("warned.yaml", "teams: [{name: x, members: [nobody]}]");
    let (code, out, err) = data_loader(&loader, &["plan", path(&warned)]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("warning: ") && err.contains("'nobody', who does not exist yet"), "{err}");
    assert!(out.ends_with("'files' names no more: 2 hosts; --prune would remove them\n"), "{out}");
    let bad = loader.file("bad.yaml", "hosts: [{name: -x}]");
    let (code, out, err) = data_loader(&loader, &["apply", path(&bad)]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.ends_with("refused: 2 mistakes in the source; nothing was changed\n"), "{err}");
    let empty = loader.file("empty.yaml", "hosts: []");
    let (code, out, err) = data_loader(&loader, &["plan", "--prune", path(&empty)]);
    assert_eq!(code, Some(2));
    assert!(out.contains("removed host a\n") && err.contains("--allow-shrink lets it happen"), "{out}{err}");
    let (code, _, err) = data_loader(&loader, &["apply", "--prune", path(&empty)]);
    assert!(code == Some(2) && err.starts_with("refused: 2 of 2 hosts"), "{err}");
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts"), "2");
    assert_eq!(data_loader(&loader, &["apply", "--prune", "--allow-shrink", path(&empty)]).0, Some(0));
}

#[test]
fn a_report_for_programs_is_written_whatever_happens() {
    let loader = Loader::new();
    let report = loader.directory.path().join("report.json");
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap() };
    let good = loader.file("good.yaml", "source: cmdb\nhosts: [{name: a}]");
    assert_eq!(data_loader(&loader, &["apply", "--report", path(&report), path(&good)]).0, Some(0));
    let json = read();
    assert_eq!((&json["outcome"], &json["source"]), (&"applied".into(), &"cmdb".into()));
    assert_eq!(json["objects"], serde_json::json!([{"kind": "host", "name": "a", "change": "added"}]));
    let bad = loader.file("bad.yaml", "hosts: [{name: a, address: -x}]");
    assert_eq!(data_loader(&loader, &["plan", "--report", path(&report), path(&bad)]).0, Some(2));
    assert_eq!(read()["outcome"], "refused");
    assert!(
        read()["complaints"][0].as_str().unwrap().contains("bad.yaml:1: host 'a': the address"),
        "{}",
        read()
    );
}

#[test]
fn an_export_replaces_its_file_and_follows_no_link() {
    let loader = Loader::new();
    loader.apply("hosts: [{name: a}]");
    let directory = loader.directory.path();
    let (victim, link) = (loader.file("victim", "mine"), directory.join("out.yaml"));
    symlink(&victim, &link).unwrap();
    assert_eq!(data_loader(&loader, &["export", "--output", path(&link)]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    let written = std::fs::read_to_string(&link).unwrap();
    assert!(!link.is_symlink() && written.contains("- name: a\n"), "{written}");
    assert_eq!(data_loader(&loader, &["export"]).1, written);
    let names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().all(|name| !name.starts_with(".tmp")), "{names:?}");
    let nowhere = directory.join("missing/out.yaml");
    assert_eq!(data_loader(&loader, &["export", "--output", path(&nowhere)]).0, Some(2));
}

#[test]
fn influxdata_says_what_it_lacks() {
    let loader = Loader::new();
    let output = run(env!("CARGO_BIN_EXE_influxdata"), &loader, &["plan"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("[influxdata]: url names no server\n"), "{said}");
}
