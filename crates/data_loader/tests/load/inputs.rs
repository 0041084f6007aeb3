//! Inventories from servers and programs.

use crate::loader::{Loader, OPTIONS, read_hosts};
use crate::server::{Reply, Server};
use data_loader::Options;
use data_loader::source::{Input, Reader};
use selfservice_core::config::{LoadSettings, MacroFile};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use test_support::certificates::Authority;

fn read(settings: &LoadSettings, input: &str) -> Result<Vec<String>, String> {
    let macros = MacroFile::default();
    let reader = Reader { settings, macros: &macros, format: None, environment: None };
    read_hosts(&reader, Input::from(input))
}

fn refused(settings: &LoadSettings, input: &str) -> String {
    read(settings, input).unwrap_err()
}

const TARGETS: &str = r#"[{"targets": ["web-1:9100"], "labels": {"job": "node"}}]"#;

#[test]
fn a_server_is_asked_for_targets_or_for_our_own_form() {
    let loader = Loader::new();
    let server = Server::start(|request| match request {
        "GET /sd?x=1 HTTP/1.1" => Reply::Whole(200, TARGETS.to_owned()),
        _ => Reply::Whole(200, r#"{"hosts": [{"name": "db-1"}]}"#.to_owned()),
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    for (path, host) in [("/sd?x=1", "web-1"), ("/inventory", "db-1")] {
        assert_eq!(read(&loader.settings, &url(path)).unwrap(), [host]);
    }
}

#[test]
fn a_broken_server_leaves_the_inventory_as_it_was() {
    let loader = Loader::new();
    loader.apply_with("hosts: [{name: web-1}]", Options { source: Some("sd"), ..OPTIONS });
    let elsewhere = Server::start(|_| Reply::Whole(200, TARGETS.to_owned()));
    let to = format!("http://{}/", elsewhere.address);
    let server = Server::start(move |request| match request.split(' ').nth(1).unwrap_or_default() {
        "/redirect" => Reply::Redirect(to.clone()),
        "/stuck" => Reply::Stuck,
        "/endless" => Reply::Endless,
        "/cut" => Reply::Cut,
        "/error" => Reply::Whole(500, "\u{1b}[2Jwhy".to_owned()),
        _ => Reply::Whole(200, "<html>".to_owned()),
    });
    let mut settings = loader.settings.clone();
    settings.max_bytes = 1024 * 1024;
    for (path, reason) in [
        ("/redirect", "answered with the status 302"),
        ("/endless", "the answer is larger than 1 MiB"),
        ("/cut", ""),
        ("/error", "answered with the status 500: \\u{1b}[2Jwhy"),
        ("/html", "cannot be told by its name what it is"),
    ] {
        let said = refused(&settings, &format!("http://{}{path}", server.address));
        assert!(said.contains(reason), "{path}: {said}");
    }
    settings.timeout = Duration::from_millis(300);
    let said = refused(&settings, &format!("http://{}/stuck", server.address));
    assert!(said.contains("no complete answer within the time-out"), "{said}");
    assert!(elsewhere.requests().is_empty(), "a redirect leads nowhere");
    assert!(refused(&settings, "http://192.0.2.1/x").contains("is asked over https only"));
    // No answer is not an empty one: nothing was loaded, so nothing can have gone.
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts"), "1");
}

#[test]
fn a_certificate_must_prove_the_servers_name() {
    let loader = Loader::new();
    let authority = Authority::new("the test's");
    let good =
        Server::start_with(Some(&authority.issue(&["127.0.0.1"])), |_| Reply::Whole(200, TARGETS.to_owned()));
    let wrong = Server::start_with(Some(&authority.issue(&["example.com"])), |_| {
        Reply::Whole(200, TARGETS.to_owned())
    });
    let mut settings = loader.settings.clone();
    let url = |server: &Server| format!("https://{}/", server.address);
    assert!(refused(&settings, &url(&good)).contains("TLS failed"));
    settings.ca_file = Some(loader.file("ca.pem", &authority.pem()));
    assert_eq!(read(&settings, &url(&good)).unwrap().len(), 1);
    assert!(refused(&settings, &url(&wrong)).contains("TLS failed"));
    assert!(wrong.requests().is_empty(), "nothing was asked before the certificate was checked");
}

#[test]
fn a_program_is_run_without_a_shell_and_within_bounds() {
    let loader = Loader::new();
    let program = loader.file(
        "cmdb",
        "#!/bin/sh\n[ $# = 2 ] && [ -z \"${HOME-}\" ] || exit 9\ncase $1 in\n\
         print) printf '{\"hosts\": [{\"name\": \"%s\"}]}' \"$2\" ;;\n\
         fail) echo 'no such user' >&2; exit 3 ;;\nendless) cat /dev/zero ;;\nhang) sleep 1000 & wait ;;\nesac\n",
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut settings = loader.settings.clone();
    for (name, arguments) in
        [("good", "print $(id)"), ("fail", "fail x"), ("endless", "endless x"), ("hang", "hang x")]
    {
        let argv =
            [program.to_str().unwrap()].into_iter().chain(arguments.split(' ')).map(str::to_owned).collect();
        settings.commands.insert(name.to_owned(), argv);
    }
    settings.max_bytes = 100_000;
    assert_eq!(read(&settings, "command:good").unwrap(), ["$(id)"]);
    assert!(refused(&settings, "command:fail").ends_with("failed: no such user"));
    assert!(refused(&settings, "command:endless").ends_with("prints more than 100000 bytes"));
    settings.timeout = Duration::from_millis(300);
    assert!(refused(&settings, "command:hang").ends_with("takes longer than 0.3 s"));
    let unknown = refused(&settings, "command:sh");
    assert!(
        unknown.contains("there is no such line in [load_commands]; there are: endless, fail, good, hang"),
        "{unknown}"
    );
}
