//! `http.sh` against a server that misbehaves on request.

use std::fs;
use std::net::TcpListener;

use crate::hostile;
use crate::http_server::Server;
use crate::run::{Ended, Plugin};

fn http(server: &Server, path: &str, rest: &[&str]) -> Ended {
    Plugin::new("http.sh").args(["--url", &format!("{}{path}", server.url)]).args(rest).run()
}

#[test]
fn the_status_decides() {
    let server = Server::start();
    for (status, rest, code) in [
        ("200", &[][..], 0),
        ("204", &[], 0),
        ("404", &[], 2),
        ("500", &[], 2),
        ("404", &["--expect", "200,404"], 0),
        ("409", &["--warning-status", "409,500-599"], 1),
        ("503", &["--warning-status", "409,500-599"], 1),
        ("200", &["--expect", "201-299"], 2),
    ] {
        let ended = http(&server, &format!("/status/{status}"), rest);
        assert_eq!(ended.code, code, "{status} {rest:?}: {ended:?}");
        assert!(ended.first_line().contains(&format!("/status/{status}: {status} in ")), "{ended:?}");
        assert!(ended.first_line().contains("| 'time'="), "{ended:?}");
    }
}

#[test]
fn a_redirect_is_shown_and_not_followed() {
    let server = Server::start();
    let ended = http(&server, "/redirect", &[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert_eq!(server.only_request().line, "GET /redirect HTTP/1.1");
}

#[test]
fn chunks_and_any_bytes_are_printed_as_they_are() {
    let server = Server::start();
    assert!(http(&server, "/chunked", &[]).text().ends_with("\none two\n"));
    assert!(http(&server, "/binary", &[]).stdout.ends_with(b"\n\x00\xff\n\x1b[\n"));
}

#[test]
fn an_endless_answer_is_cut_and_said_so() {
    let server = Server::start();
    let ended = http(&server, "/endless", &["--max-body", "1000"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let printed = ended.stdout.iter().filter(|byte| **byte == b'x').count();
    assert!((1000..1100).contains(&printed), "{printed}");
    assert!(ended.text().ends_with("[the rest of the answer was left out after 1000 bytes]\n"));
}

#[test]
fn no_whole_answer_is_unknown_with_the_reason() {
    let server = Server::start();
    for (path, reason) in [
        ("/silent", "within the time-out"),
        ("/stuck", "within the time-out"),
        ("/nothing", "without an answer"),
        ("/garbage", "no complete answer"),
    ] {
        let ended = http(&server, path, &["--timeout", "1"]);
        assert_eq!(ended.code, 3, "{path}: {ended:?}");
        assert!(ended.first_line().contains(reason), "{path}: {ended:?}");
    }
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/");
    let ended = Plugin::new("http.sh").args(["--url", &url]).run();
    assert_eq!(ended.code, 3);
    assert!(ended.first_line().contains("refused"), "{ended:?}");
    let ended = Plugin::new("http.sh").args(["--url", &url, "--trouble", "critical"]).run();
    assert_eq!(ended.code, 2);
    let ended = Plugin::new("http.sh").args(["--url", "http://no-such-host.invalid/"]).run();
    assert!(ended.first_line().contains("could not be resolved"), "{ended:?}");
    let ended = Plugin::new("http.sh").args(["--url", &server.url.replace("http:", "https:")]).run();
    assert!(ended.first_line().contains("TLS failed"), "{ended:?}");
}

#[test]
fn hostile_values_fill_one_segment_and_one_query_value() {
    for value in hostile::VALUES {
        let server = Server::start();
        let ended = http(&server, "/a/{}/z", &["--segment", value, "--query", &format!("q={value}")]);
        if value.is_empty() || value.chars().any(|character| character.is_ascii_control()) {
            assert_eq!(ended.code, 3, "{value:?}: {ended:?}");
            assert!(server.requests().is_empty(), "{value:?}");
            continue;
        }
        assert_eq!(ended.code, 0, "{value:?}: {ended:?}");
        let encoded = encode(value);
        assert_eq!(server.only_request().line, format!("GET /a/{encoded}/z?q={encoded} HTTP/1.1"));
    }
}

fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[test]
fn hostile_bodies_arrive_byte_for_byte() {
    for value in hostile::VALUES {
        let server = Server::start();
        http(&server, "/", &["--body", value]);
        assert_eq!(server.only_request().body, value.as_bytes(), "{value:?}");
        let server = Server::start();
        http(&server, "/", &["--json-field", &format!("k={value}"), "--json-field", "last=1"]);
        let request = server.only_request();
        let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(json, serde_json::json!({"k": value, "last": "1"}));
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        let server = Server::start();
        http(&server, "/", &["--form", &format!("k={value}"), "--form", "last=1"]);
        assert_eq!(server.only_request().body, format!("k={}&last=1", encode(value)).as_bytes());
    }
}

#[test]
fn a_header_is_one_header_or_refused() {
    for value in hostile::VALUES {
        let server = Server::start();
        let ended = http(&server, "/", &["--header", &format!("X-Value: {value}")]);
        if value.trim_matches(' ').is_empty() || value.chars().any(|character| character.is_ascii_control()) {
            assert_eq!(ended.code, 3, "{value:?}: {ended:?}");
            assert!(server.requests().is_empty(), "{value:?}");
        } else {
            let request = server.only_request();
            assert_eq!(request.header("X-Value"), Some(value.trim_start_matches(' ')), "{value:?}");
            assert!(request.header("X-Injected").is_none());
        }
    }
    for header in ["@/etc/passwd", "@/etc/passwd: x", "no colon", ": x", "X Y: z", "X-Empty:"] {
        let server = Server::start();
        assert_eq!(http(&server, "/", &["--header", header]).code, 3, "{header}");
        assert!(server.requests().is_empty(), "{header}");
    }
}

#[test]
fn other_schemes_hosts_pasted_into_and_climbing_paths_are_refused() {
    for url in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "data:text/plain,x",
        "/etc/passwd",
        "http://",
        "http://-oX/",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX-Injected: yes",
        "http://127.0.0.1/a/../b",
        "http://127.0.0.1/..",
        "http://127.0.0.1/a/%2e%2E/b",
        "http://127.0.0.1/a/.%2e?q",
        "http://127.0.0.1/a/..;x=1/b",
        "http://127.0.0.1/a/..;",
        "http://127.0.0.1/a/..%3bx/b",
        "http://127.0.0.1/a%2f..%2Fb",
        "http://127.0.0.1/a%5c..%5Cb",
        "http://127.0.0.1/a/%252e%252e%252fb",
        "http://127.0.0.1/a/%2e/b",
        "http://{}/",
        "http://127.0.0.1/{}",
        "http://127.0.0.1/\u{fc}",
        "http://127.0.0.1/\"\nurl = \"http://127.0.0.1/b",
    ] {
        let ended = Plugin::new("http.sh").args(["--url", url]).run();
        assert_eq!(ended.code, 3, "{url}: {ended:?}");
        assert!(ended.first_line().contains("(see --help)"), "{url}: {ended:?}");
    }
    for segment in [".", "..", ""] {
        let ended = Plugin::new("http.sh").args(["--url", "http://127.0.0.1/{}", "--segment", segment]).run();
        assert_eq!(ended.code, 3, "{segment}: {ended:?}");
    }
}

#[test]
fn dots_that_do_not_climb_are_sent() {
    for path in ["/group%2Fproject", "/a..b/v1.2", "/a;x=1/...", "/a?path=../b&x=%2e%2e/", "/%2ehidden"] {
        let server = Server::start();
        let ended = http(&server, path, &[]);
        assert_eq!(ended.code, 0, "{path}: {ended:?}");
        assert_eq!(server.only_request().line, format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn secrets_sign_in_and_are_never_printed() {
    let server = Server::start();
    let url = format!("{}/", server.url);
    let secret = "s3cr\"et\\ $(id)";
    for option in [
        &["--bearer-secret", "TOKEN"][..],
        &["--basic-user", "jane", "--basic-secret", "TOKEN"],
        &["--header-secret", "X-Api-Key: TOKEN"],
    ] {
        let ended = Plugin::new("http.sh")
            .args(["--url", &url])
            .args(option)
            .env("SELFSERVICE_SECRET_TOKEN", secret)
            .run();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.text().contains("s3cr"), "{ended:?}");
    }
    let requests = server.requests();
    assert_eq!(requests[0].header("Authorization"), Some(format!("Bearer {secret}").as_str()));
    assert_eq!(requests[1].header("Authorization"), Some("Basic amFuZTpzM2NyImV0XCAkKGlkKQ=="));
    assert_eq!(requests[2].header("X-Api-Key"), Some(secret));

    let missing = Plugin::new("http.sh").args(["--url", &url, "--bearer-secret", "OTHER"]).run();
    assert_eq!(missing.code, 3);
    let odd = Plugin::new("http.sh").args(["--url", &url, "--bearer-secret", "X:-$(id)"]).run();
    assert_eq!(odd.code, 3);
}

#[test]
fn nothing_of_the_request_stands_in_curls_argv() {
    let server = Server::start();
    let running = Plugin::new("http.sh")
        .args(["--url", &format!("{}/silent", server.url), "--bearer-secret", "TOKEN"])
        .args(["--body", "the body that is looked for"])
        .env("SELFSERVICE_SECRET_TOKEN", "the-secret-that-is-looked-for")
        .start();
    crate::run::eventually("the request arrives", || !server.requests().is_empty());
    let curls: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|command| command.starts_with("curl "))
        .collect();
    running.cancel();
    assert!(!curls.is_empty());
    assert!(
        curls.iter().all(|command| !command.contains("looked") && !command.contains("127.0.0.1")),
        "{curls:?}"
    );
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("was cut off"), "{ended:?}");
}

#[test]
fn a_check_changes_nothing() {
    let server = Server::start();
    for (status, code) in [("200", 0), ("405", 0), ("401", 2), ("403", 2), ("500", 1)] {
        let ended = http(&server, &format!("/status/{status}"), &["--method", "DELETE", "--check"]);
        assert_eq!(ended.code, code, "{status}: {ended:?}");
    }
    assert!(server.requests().iter().all(|request| request.line.starts_with("HEAD ")));
}

#[test]
fn a_large_body_arrives_whole() {
    let server = Server::start();
    let body = "0123456789".repeat(12_000);
    let ended = http(&server, "/", &["--json", &format!("{{\"k\":\"{body}\"}}"), "--method", "PUT"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let request = server.only_request();
    assert!(request.line.starts_with("PUT "));
    assert_eq!(request.body.len(), body.len() + 8);
}
