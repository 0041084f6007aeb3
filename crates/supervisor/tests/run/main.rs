//! `selfservice_run` with a real PostgreSQL and stand-ins for the other programs. Root tries it as the user who
//! runs PostgreSQL, so that testing makes no users.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkout;

use std::fs;
use std::net::TcpListener;

use checkout::{Checkout, eventually};
use nix::sys::signal::Signal;

#[test]
fn prepares_starts_and_stops_everything() {
    let checkout = Checkout::new();
    let mut run = checkout.run();
    let said = run.wait_for("Ctrl-C stops everything");
    assert!(said.contains("Sign in:  http://sign.in/here"), "{said}");
    let example = checkout.path("etc/example/a.yaml");
    let calls = format!(
        "tasks migrate\ndata_loader apply {}\ntasks user add admin --admin --if-missing\ntasks user link admin\n",
        example.display()
    );
    assert_eq!(checkout.read("var/calls"), calls);
    assert_eq!(run.children(), 5, "PostgreSQL and four daemons");
    run.signal(Signal::SIGTERM);
    let said = run.wait_for("Everything has stopped");
    assert!(run.ended_well(), "{said}");
    assert_eq!(checkout.read("var/stopped"), "schedulerd\nplugins_manager\n");
    assert!(!checkout.path("var/postgres/postmaster.pid").exists(), "PostgreSQL was not stopped");
}

#[test]
fn the_next_run_keeps_settings_and_does_not_load_the_example_again() {
    let checkout = Checkout::new();
    let mut first = checkout.run();
    first.wait_for("Ctrl-C stops everything");
    first.signal(Signal::SIGHUP);
    assert!(first.ended_well());
    let edited = format!("{}; a note of mine\n", checkout.read("var/etc/settings.ini"));
    fs::write(checkout.path("var/etc/settings.ini"), &edited).unwrap();
    let mut second = checkout.run();
    second.wait_for("Ctrl-C stops everything");
    assert_eq!(checkout.read("var/calls").matches("data_loader apply").count(), 1);
    assert!(checkout.read("var/etc/settings.ini").ends_with("; a note of mine\n"));
}

#[test]
fn a_second_run_says_how_to_get_in() {
    let checkout = Checkout::new();
    let mut first = checkout.run();
    first.wait_for("Ctrl-C stops everything");
    let mut second = checkout.run();
    let said = second.wait_for("Sign in:");
    assert!(said.contains("runs already"), "{said}");
    assert!(second.ended_well());
    assert_eq!(first.children(), 5);
}

#[test]
fn nothing_outlives_a_killed_run_and_the_next_one_works() {
    let checkout = Checkout::new();
    let mut killed = checkout.run();
    killed.wait_for("Ctrl-C stops everything");
    killed.signal(Signal::SIGKILL);
    assert!(!killed.ended_well());
    eventually("programs of a killed run live on", || checkout.processes() == 0);
    checkout.run().wait_for("Ctrl-C stops everything");
}

#[test]
fn a_daemon_that_dies_is_started_again() {
    let checkout = Checkout::new();
    let mut run = checkout.run();
    run.wait_for("Ctrl-C stops everything");
    run.kill_child("schedulerd");
    let said = run.wait_for("schedulerd ended (signal: 9 (SIGKILL)); starting it again");
    eventually(&said, || run.children() == 5);
}

#[test]
fn a_daemon_that_can_not_start_is_reported_with_its_last_words() {
    let checkout = Checkout::new();
    fs::write(checkout.path("programs/web_gui"), "#!/bin/sh\necho no such thing >&2\nexit 2\n").unwrap();
    let mut run = checkout.run();
    assert!(!run.ended_well());
    let said = run.wait_for("no such thing");
    assert!(said.contains("web_gui ended (exit status: 2); the end of"), "{said}");
    eventually("programs of a failed run live on", || checkout.processes() == 0);
}

#[test]
fn a_taken_port_is_avoided() {
    let checkout = Checkout::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let settings = format!(
        "[web]\nlisten = {taken}\npublic_url = http://{taken}\n[plugins]\ndirectories = /nonexistent\n"
    );
    checkout.write_settings(&settings);
    let said = checkout.run().wait_for("Ctrl-C stops everything");
    assert!(!said.contains(&format!("http://{taken}")), "{said}");
}

#[test]
fn a_moved_checkout_takes_its_settings_along() {
    let mut checkout = Checkout::new();
    let mut before = checkout.run();
    before.wait_for("Ctrl-C stops everything");
    before.signal(Signal::SIGTERM);
    assert!(before.ended_well());
    let old = checkout.path("");
    checkout.move_elsewhere();
    checkout.run().wait_for("Ctrl-C stops everything");
    let settings = checkout.read("var/etc/settings.ini");
    assert!(
        settings.contains(&format!("directories = {}", checkout.path("plugins").display())),
        "{settings}"
    );
    assert!(!settings.contains(&*old.to_string_lossy()), "{settings}");
}

#[test]
fn settings_of_an_older_version_get_the_paths_that_came_later() {
    for older in ["", "[manager]\nslots = 4\nspool_directory = /usr/local/manager/var/spool\n"] {
        let checkout = Checkout::new();
        let listen = checkout.port.address();
        checkout.write_settings(&format!("[web]\nlisten = {listen}\n{older}[ssh]\nuser = deploy\n"));
        checkout.run().wait_for("Sign in:");
        let settings = checkout.read("var/etc/settings.ini");
        for line in [
            format!("spool_directory = {}", checkout.path("var/spool").display()),
            format!("directory = {}", checkout.path("var/etc/ssh").display()),
            "user = deploy".to_owned(),
        ] {
            assert_eq!(settings.lines().filter(|own| **own == line).count(), 1, "{line}: {settings}");
        }
        assert!(!settings.contains("/usr/local/manager"), "{settings}");
    }
}

#[test]
fn a_path_that_somebody_chose_is_kept() {
    let checkout = Checkout::new();
    let listen = checkout.port.address();
    checkout.write_settings(&format!("[web]\nlisten = {listen}\n[manager]\nspool_directory = /srv/spool\n"));
    checkout.run().wait_for("Sign in:");
    assert!(checkout.read("var/etc/settings.ini").contains("spool_directory = /srv/spool\n"));
}

#[test]
fn a_named_server_is_used_and_none_is_started() {
    let checkout = Checkout::new();
    checkout.write_settings("[database]\nurl = postgresql://db.example.org/x\n[web]\nlisten = 127.0.0.1:0\n");
    let mut run = checkout.run();
    eventually("the tables are not looked after", || checkout.read("var/calls").contains("tasks migrate"));
    assert!(!checkout.path("var/postgres").exists());
    assert!(checkout.read("var/etc/settings.ini").contains("url = postgresql://db.example.org/x"));
    run.signal(Signal::SIGTERM);
    assert!(run.ended_well());
}
