//! `http.sh` against a server that misbehaves on request.

use std::sync::Mutex;

use test_support::FreePort;

use crate::hostile;
use crate::http_server::{Server, reply};
use crate::run::{Ended, Plugin};

/// `http.sh` as a handler that may reach this machine.
pub fn plugin(url: &str) -> Plugin {
    Plugin::new("http.sh").args(["--allow-network", "127.0.0.0/8", "--url", url])
}

fn http(server: &Server, path: &str, rest: &[&str]) -> Ended {
    plugin(&format!("{}{path}", server.url)).args(rest).run()
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

/// This machine and the metadata services of clouds, as they have been spelled to get by.
const INSIDE: [&str; 18] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "2852039166",
];

#[test]
fn this_machine_and_metadata_are_refused_however_they_are_spelled() {
    let server = Server::start();
    let port = server.url.rsplit(':').next().unwrap();
    for host in INSIDE {
        let ended =
            Plugin::new("http.sh").args(["--timeout", "5", "--url", &format!("http://{host}:{port}/")]).run();
        assert_eq!(ended.code, 3, "{host}: {ended:?}");
        assert!(ended.first_line().contains("is in a network that is not allowed"), "{host}: {ended:?}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_redirect_is_judged_like_the_first_address_and_takes_no_credentials_along() {
    let other = Server::start();
    let elsewhere = other.url.clone();
    let server = Server::with(move |stream, request| {
        let location = match request.target() {
            "/metadata" => "http://169.254.169.254/latest".to_owned(),
            "/loop" => "/loop".to_owned(),
            _ => format!("{elsewhere}/status/200"),
        };
        reply(stream, 302, &format!("Location: {location}\r\n"), b"")
    });
    let signed_in = |path: &str| {
        plugin(&format!("{}{path}", server.url))
            .args(["--redirects", "3", "--bearer-secret", "TOKEN"])
            .env("SELFSERVICE_SECRET_TOKEN", "secret-of-one-server")
            .run()
    };
    let ended = signed_in("/metadata");
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.text().contains("169.254.169.254 is in a network that is not allowed"), "{ended:?}");
    assert_eq!(signed_in("/loop").code, 2);
    let ended = signed_in("/");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(other.only_request().header("Authorization"), None);
}

#[test]
fn a_redirect_leads_to_no_spelling_of_this_machine() {
    let inside = Server::start();
    let port = inside.url.rsplit(':').next().unwrap().to_owned();
    for host in INSIDE {
        let location = format!("Location: http://{host}:{port}/\r\n");
        let outside = Server::on("127.0.0.2", move |stream, _| reply(stream, 307, &location, b""));
        let ended = Plugin::new("http.sh")
            .args([
                "--allow-network",
                "127.0.0.2",
                "--redirects",
                "3",
                "--timeout",
                "5",
                "--url",
                &outside.url,
            ])
            .run();
        assert_eq!(ended.code, 3, "{host}: {ended:?}");
        assert!(ended.text().contains("is in a network that is not allowed"), "{host}: {ended:?}");
    }
    for location in
        ["file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1:{port}/", "http://x@127.0.0.1/"]
    {
        let header = format!("Location: {}\r\n", location.replace("{port}", &port));
        let outside = Server::on("127.0.0.2", move |stream, _| reply(stream, 302, &header, b""));
        let ended = Plugin::new("http.sh")
            .args(["--allow-network", "127.0.0.2", "--redirects", "3", "--url", &outside.url])
            .run();
        assert!(ended.code == 2 || ended.code == 3, "{location}: {ended:?}");
    }
    assert!(inside.requests().is_empty());
}

#[test]
fn secrets_go_to_another_machine_by_https_only() {
    let secret = |more: &[&str]| {
        Plugin::new("http.sh")
            .args(["--url", "http://192.0.2.1/", "--connect-timeout", "1"])
            .args(more)
            .env("SELFSERVICE_SECRET_TOKEN", "token")
            .run()
    };
    for option in [
        &["--bearer-secret", "TOKEN"][..],
        &["--basic-user", "jane", "--basic-secret", "TOKEN"],
        &["--header-secret", "X-Api-Key: TOKEN"],
    ] {
        let ended = secret(option);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.first_line().contains("192.0.2.1 is another machine"), "{ended:?}");
        let ended = secret(&[option, &["--plain-http"]].concat());
        assert!(!ended.first_line().contains("another machine"), "{ended:?}");
    }
    assert!(!secret(&[]).first_line().contains("another machine"));
}

#[test]
fn pauses_that_a_server_asks_for_are_kept_up_to_a_limit() {
    let answers = |retry_after: &'static str| {
        let seen = Mutex::new(0);
        Server::with(move |stream, _| {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            let status = if *seen == 1 { 429 } else { 200 };
            reply(stream, status, &format!("Retry-After: {retry_after}\r\n"), b"")
        })
    };
    // The day of a date in the past is over; a second has to be waited for.
    for (retry_after, said) in
        [("1", "once more in 1 s"), ("Fri, 02 Jan 2026 03:04:05 GMT", "once more in 0 s")]
    {
        let server = answers(retry_after);
        let ended = http(&server, "/", &["--retries", "1", "--retry-delay", "1"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    for retry_after in ["301", "18446744073709551615"] {
        let server = answers(retry_after);
        let ended = http(&server, "/", &["--retries", "3"]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn what_a_202_began_may_be_told_in_the_body_and_may_take_too_long() {
    let server = Server::with(|stream, request| match request.target() {
        "/start" => reply(stream, 202, "Retry-After: 0\r\n", b"{\"links\":{\"status\":\"jobs/1\"}}"),
        "/jobs/1" => reply(stream, 200, "", b"{\"state\":\"done\"}"),
        _ => reply(stream, 404, "", b""),
    });
    let asked = ["--method", "POST", "--poll-json", "/links/status", "--poll-done", "/state=done"];
    let ended = http(&server, "/start", &asked);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text().ends_with("\n{\"state\":\"done\"}\n"), "{ended:?}");
    // Nobody says where to ask.
    let ended = http(&server, "/start", &["--method", "POST", "--poll"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    for retry_after in ["", "Retry-After: 0\r\n", "Retry-After: 18446744073709551615\r\n"] {
        let headers = format!("Location: /jobs/1\r\n{retry_after}");
        let server = Server::with(move |stream, _| reply(stream, 202, &headers, b""));
        let ended = http(&server, "/start", &["--method", "POST", "--poll", "--poll-timeout", "1"]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.first_line().contains("not ended within 1 s"), "{ended:?}");
        assert_eq!(server.requests().iter().filter(|request| request.method() == "POST").count(), 1);
    }
}

#[test]
fn only_what_is_safe_is_sent_again() {
    for (arguments, requests, code) in [
        (&[][..], 3, 0),
        (&["--method", "PUT", "--body", "x"], 3, 0),
        (&["--body", "x"], 1, 2),
        (&["--body", "x", "--idempotency-key", "task"], 3, 0),
        (&["--body", "x", "--warning-status", "503"], 1, 1),
    ] {
        let seen = Mutex::new(0);
        let server = Server::with(move |stream, _| {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            let status = if *seen < 3 { 503 } else { 200 };
            reply(stream, status, "Retry-After: 0\r\n", b"")
        });
        let ended = http(&server, "/", &[arguments, &["--retries", "5"]].concat());
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert_eq!(server.requests().len(), requests, "{arguments:?}");
    }
}

#[test]
fn what_a_server_may_have_seen_is_not_sent_again() {
    for path in ["/nothing", "/garbage"] {
        let server = Server::start();
        let ended = http(&server, path, &["--body", "x", "--retries", "3"]);
        assert_eq!(ended.code, 3, "{path}: {ended:?}");
        assert_eq!(server.requests().len(), 1, "{path}");
    }
    let unused = FreePort::claim();
    let ended =
        plugin(&format!("http://{}/", unused.address())).args(["--body", "x", "--retries", "1"]).run();
    assert!(ended.stderr.contains("the connection was refused: once more in 1 s"), "{ended:?}");
}

#[test]
fn what_a_202_began_is_followed_to_its_end() {
    for (end, code) in [("done", 0), ("broken", 2)] {
        let asked = Mutex::new(0);
        let server = Server::with(move |stream, request| {
            if request.target() == "/start" {
                return reply(stream, 202, "Location: /jobs/1\r\nRetry-After: 0\r\n", b"");
            }
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let state = if *asked < 3 { "running" } else { end };
            reply(stream, 200, "Retry-After: 0\r\n", format!("{{\"state\":\"{state}\"}}").as_bytes())
        });
        let rest = ["--method", "POST", "--poll-done", "/state=done", "--poll-failed", "/state=broken"];
        let ended = http(&server, "/start", &rest);
        assert_eq!(ended.code, code, "{ended:?}");
        assert_eq!(server.requests().iter().filter(|request| request.method() == "POST").count(), 1);
        assert_eq!(server.requests().len(), 4);
    }
    let server = Server::with(|stream, _| reply(stream, 202, "Location: http://127.0.0.2:9/\r\n", b""));
    let ended = http(&server, "/start", &["--poll"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.first_line().contains("another server"), "{ended:?}");
}

#[test]
fn bodies_are_judged_by_text_and_by_json() {
    let server =
        Server::with(|stream, _| reply(stream, 200, "", b"{\"nodes\":[{\"state\":\"up\",\"load\":3}]}"));
    for (rest, code) in [
        (["--expect-text", "\"up\""], 0),
        (["--expect-text", "down"], 2),
        (["--expect-json", "/nodes/0/state=up"], 0),
        (["--expect-json", "/nodes/0/load=3"], 0),
        (["--expect-json", "/nodes/0/state=down"], 2),
        (["--expect-json", "/nodes/1/state=up"], 2),
    ] {
        let ended = http(&server, "/", &rest);
        assert_eq!(ended.code, code, "{rest:?}: {ended:?}");
    }
}

#[test]
fn a_gigabyte_is_cut_and_not_fetched() {
    let server = Server::start();
    let ended = http(&server, "/gigabyte", &["--max-body", "1000"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.len() < 2000 && ended.first_line().contains("more than 1000 bytes"),
        "{}",
        ended.first_line()
    );
}

#[test]
fn a_gigabyte_fits_into_little_memory() {
    let server = Server::start();
    let plugin = crate::run::repository().join("plugins/http.sh");
    for (limit, memory) in [("1000", "50331648"), ("16777216", "100663296")] {
        let ended = Plugin::command("prlimit")
            .args([&format!("--data={memory}"), plugin.to_str().unwrap(), "--allow-network", "127.0.0.0/8"])
            .args(["--url", &format!("{}/gigabyte", server.url), "--max-body", limit])
            .run();
        assert_eq!(ended.code, 0, "{limit}: {}, {}", ended.first_line(), ended.stderr);
        assert!(ended.first_line().contains(&format!("more than {limit} bytes")), "{}", ended.first_line());
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
        ("/slow", "within the time-out"),
        ("/headers", "no complete answer"),
        ("/nothing", "without an answer"),
        ("/garbage", "no complete answer"),
    ] {
        let ended = http(&server, path, &["--timeout", "1"]);
        assert_eq!(ended.code, 3, "{path}: {ended:?}");
        assert!(ended.first_line().contains(reason), "{path}: {ended:?}");
    }
    let unused = FreePort::claim();
    let url = format!("http://{}/", unused.address());
    let ended = plugin(&url).run();
    assert_eq!(ended.code, 3);
    assert!(ended.first_line().contains("refused"), "{ended:?}");
    let ended = plugin(&url).args(["--trouble", "critical"]).run();
    assert_eq!(ended.code, 2);
    let ended = plugin("http://no-such-host.invalid/").run();
    assert!(ended.first_line().contains("could not be resolved"), "{ended:?}");
    let ended = plugin(&server.url.replace("http:", "https:")).run();
    assert!(ended.first_line().contains("without an answer"), "{ended:?}");
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

/// As a value stands in a path, a query or a form.
pub fn encode(value: &str) -> String {
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
        let ended = plugin(url).run();
        assert_eq!(ended.code, 3, "{url}: {ended:?}");
        assert!(ended.first_line().contains("(see --help)"), "{url}: {ended:?}");
    }
    for segment in [".", "..", ""] {
        let ended = plugin("http://127.0.0.1/{}").args(["--segment", segment]).run();
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
        let ended = plugin(&url).args(option).env("SELFSERVICE_SECRET_TOKEN", secret).run();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.text().contains("s3cr"), "{ended:?}");
    }
    let requests = server.requests();
    assert_eq!(requests[0].header("Authorization"), Some(format!("Bearer {secret}").as_str()));
    assert_eq!(requests[1].header("Authorization"), Some("Basic amFuZTpzM2NyImV0XCAkKGlkKQ=="));
    assert_eq!(requests[2].header("X-Api-Key"), Some(secret));

    let missing = plugin(&url).args(["--bearer-secret", "OTHER"]).run();
    assert_eq!(missing.code, 3);
    let odd = plugin(&url).args(["--bearer-secret", "X:-$(id)"]).run();
    assert_eq!(odd.code, 3);
}

#[test]
fn a_cancel_says_that_it_was_cut_off() {
    let server = Server::start();
    let running = plugin(&format!("{}/silent", server.url)).args(["--bearer-secret", "TOKEN"]);
    let running = running.env("SELFSERVICE_SECRET_TOKEN", "the-secret-that-is-looked-for").start();
    crate::run::eventually("the request arrives", || !server.requests().is_empty());
    let argv = running.argv();
    assert!(argv.contains("/silent") && !argv.contains("looked-for"), "{argv}");
    running.cancel();
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
