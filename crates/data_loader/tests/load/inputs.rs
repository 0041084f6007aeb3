//! Inventories from servers and programs.

use crate::loader::{Loader, OPTIONS, read_hosts};
use crate::server::{Reply, Server};
use data_loader::source::{Format, Input, Reader};
use data_loader::{Item, Options};
use selfservice_core::config::{LoadSettings, MacroFile};
use selfservice_core::models::inventory::Noun;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use test_support::certificates::Authority;

fn read(settings: &LoadSettings, input: &str) -> Result<Vec<String>, String> {
    let macros = MacroFile::default();
    let reader = Reader { settings, macros: &macros, format: None, environment: None, with_rights: false };
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
fn servers_and_programs_bring_no_rights_unless_it_is_said() {
    let loader = Loader::new();
    let server = Server::start(|request| {
        let text = match request.split(' ').nth(1).unwrap_or_default() {
            "/grant" => r#"{"hosts": [{"name": "h1"}], "grants": [{"user": "mallory", "verb": "admin"}]}"#,
            "/team" => r#"{"teams": [{"name": "oncall", "members": ["mallory"]}]}"#,
            "/handler" => r#"{"event_handlers": [{"name": "Shell", "plugin": "ssh.sh"}]}"#,
            "/nagios.cfg" => {
                "define command {\n command_name c\n command_line /p/c.sh x\n}\n\
                 define service {\n service_description s\n host_name h1\n event_handler c\n}\n"
            }
            "/prometheus" => {
                "scrape_configs: [{job_name: node, file_sd_configs: [{files: [/etc/hostname]}]}]"
            }
            _ => r#"{"hosts": [{"name": "h1", "services": ["Disk"]}]}"#,
        };
        Reply::Whole(200, text.to_owned())
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    for (path, what) in [
        ("/grant", "a grant: "),
        ("/team", "team 'oncall': "),
        ("/handler", "event handler 'Shell': "),
        ("/nagios.cfg", "event handler 'c': "),
    ] {
        let said = refused(&loader.settings, &url(path));
        assert!(said.contains(&url(path)) && said.contains(&format!("brings {what}")), "{said}");
    }
    read(&loader.settings, &url("/hosts")).unwrap();
    let macros = MacroFile::default();
    let watched = Reader {
        settings: &loader.settings,
        macros: &macros,
        format: Some(Format::Prometheus),
        environment: None,
        with_rights: true,
    };
    let said = read_hosts(&watched, Input::Url(url("/prometheus"))).unwrap_err();
    assert!(said.contains("has file_sd_configs"), "{said}");
    let mut settings = loader.settings.clone();
    let file = loader.file("rights.json", r#"{"grants": [{"user": "dana", "verb": "see"}]}"#);
    let cat = ["/bin/cat".to_owned(), file.display().to_string()];
    settings.commands.insert("rights".to_owned(), cat.to_vec());
    assert!(refused(&settings, "command:rights").starts_with("command:rights:"), "as of a server");
    read(&settings, &file.display().to_string()).unwrap();
    let trusting =
        Reader { settings: &settings, macros: &macros, format: None, environment: None, with_rights: true };
    let inputs = [Input::from("command:rights"), Input::Url(url("/grant"))];
    let mut grants = 0;
    let mut count = |item| {
        grants += i32::from(matches!(item, Item::Object(found) if found.row.noun() == Noun::Grant));
        ControlFlow::Continue(())
    };
    trusting.read(&inputs, &mut count, |_| {}).unwrap();
    assert_eq!(grants, 2);
}

#[test]
fn a_password_comes_from_the_secrets_and_not_from_the_address() {
    let loader = Loader::new();
    let server = Server::start(|_| Reply::Whole(200, r#"{"hosts": [{"name": "h1"}]}"#.to_owned()));
    for user in ["dana:geheim", "dana", ":geheim", "a@b:geheim"] {
        let said = refused(&loader.settings, &format!("http://{user}@{}/x", server.address));
        assert!(
            said.starts_with(&format!("http://{}/x: holds a user or a password", server.address)),
            "{said}"
        );
        assert!(!said.contains("geheim"), "{said}");
    }
    assert!(server.requests().is_empty());
    let macros = loader.file("macros.ini", "[secrets]\nLOGIN = dana:geheim\nTOKEN = abc-123\n");
    std::fs::set_permissions(&macros, std::fs::Permissions::from_mode(0o600)).unwrap();
    let macros = MacroFile::read(&macros).unwrap();
    let mut settings = loader.settings.clone();
    for (secret, header) in
        [("LOGIN", "authorization: basic zgfuytpnzwhlaw0="), ("TOKEN", "authorization: bearer abc-123")]
    {
        settings.secrets.insert("127.0.0.1".to_owned(), secret.to_owned());
        let reader = Reader {
            settings: &settings,
            macros: &macros,
            format: None,
            environment: None,
            with_rights: false,
        };
        read_hosts(&reader, Input::Url(format!("http://{}/x", server.address))).unwrap();
        let asked = server.requests().pop().unwrap().to_lowercase();
        assert!(asked.contains(&format!("\r\n{header}\r\n")), "{asked}");
    }
    settings.plain_http = true;
    settings.secrets.insert("192.0.2.1".to_owned(), "TOKEN".to_owned());
    assert!(
        refused(&settings, "http://192.0.2.1/x")
            .contains("gets its secret of [load_secrets] over https only")
    );
    settings.secrets.insert("127.0.0.1".to_owned(), "GONE".to_owned());
    let said = refused(&settings, &format!("http://{}/x", server.address));
    assert!(said.contains("the secret 'GONE' of [load_secrets] does not stand under [secrets]"), "{said}");
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
