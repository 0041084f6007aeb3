//! What pages of other sites make a browser send is refused.

use crate::common::{Answer, Browser, Gui, PASSWORD};
use reqwest::{Method, RequestBuilder};

/// `sec-fetch-site` and `origin`, where the browser sends them.
type Says<'a> = (Option<&'a str>, Option<String>);

fn with(request: RequestBuilder, (site, origin): &Says<'_>) -> RequestBuilder {
    let request = site.iter().fold(request, |r, site| r.header("sec-fetch-site", *site));
    origin.iter().fold(request, |r, origin| r.header("origin", origin))
}

fn foreign(ours: &str) -> Vec<Says<'static>> {
    let port = ours.rsplit(':').next().unwrap();
    let origin = |text: String| (None, Some(text));
    vec![
        (None, None),
        (Some("cross-site"), None),
        (Some("same-site"), None),
        (Some("none"), None),
        (Some("cross-site"), Some(ours.to_owned())),
        (Some("same-site"), Some(ours.to_owned())),
        (Some("same-origin"), Some("https://evil.example".to_owned())),
        origin("null".to_owned()),
        origin("https://grafana.example.com".to_owned()),
        origin(format!("http://127.0.0.1.evil.example:{port}")),
        origin(format!("https://127.0.0.1:{port}")),
        origin("http://127.0.0.1".to_owned()),
        origin(format!("http://localhost:{port}")),
        origin(format!("{ours}.evil.example")),
        origin(format!("{ours}/")),
    ]
}

fn own(ours: &str) -> [Says<'static>; 3] {
    [(Some("same-origin"), None), (None, Some(ours.to_owned())), (Some("same-origin"), Some(ours.to_owned()))]
}

async fn refused(request: RequestBuilder, says: &Says<'_>) {
    let answer = Answer::of(with(request, says)).await;
    assert_eq!(answer.status, 403, "{says:?}: {}", answer.text);
    assert_eq!(answer.cookie(), None);
    for name in answer.headers.keys() {
        assert!(!name.as_str().starts_with("access-control"), "{name}");
    }
}

#[tokio::test]
async fn no_foreign_page_writes_in_somebodys_name() {
    let gui = Gui::with_settings(vec![("web", "frame_ancestors = https://grafana.example.com".to_owned())]);
    let browser = gui.signed_in(gui.world.alice);
    let sign_out = |browser: &Browser| {
        let form = [("csrf_token", browser.csrf_token.clone())];
        browser.bare(Method::POST, "/signout").form(&form)
    };
    let sign_out_by_api = |browser: &Browser| {
        let request = browser.bare(Method::DELETE, "/api/v1/session");
        request.header("x-csrf-token", &browser.csrf_token)
    };
    for says in foreign(&browser.url) {
        refused(sign_out(&browser), &says).await;
        refused(sign_out_by_api(&browser), &says).await;
    }
    assert_eq!(browser.get("/tasks").await.status, 200, "the session lives on");
    for says in own(&browser.url) {
        let answer = Answer::of(with(sign_out(&browser), &says)).await;
        assert_ne!(answer.status, 403, "{says:?}");
    }
}

#[tokio::test]
async fn no_foreign_page_signs_somebody_in() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let secret = gui.link(gui.world.alice, crate::common::MINUTE);
    let browser = gui.browser();
    let form = [("name", "alice"), ("password", PASSWORD)];
    for says in foreign(&browser.url) {
        refused(browser.bare(Method::POST, "/signin").form(&form), &says).await;
        let link = browser.bare(Method::POST, "/signin/link").form(&[("token", &secret)]);
        refused(link, &says).await;
    }
    for says in own(&browser.url) {
        let request = browser.bare(Method::POST, "/signin").form(&form);
        assert_eq!(Answer::of(with(request, &says)).await.status, 303, "{says:?}");
    }
}

#[tokio::test]
async fn no_foreign_page_reads_the_api() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    for says in foreign(&browser.url).iter().filter(|says| **says != (None, None) && says.0 != Some("none")) {
        refused(browser.bare(Method::GET, "/api/v1/session"), says).await;
    }
    assert_eq!(browser.get("/api/v1/session").await.status, 200);
    let preflight = browser
        .bare(Method::OPTIONS, "/api/v1/session")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "DELETE");
    let answer = Answer::of(preflight).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
    let link = browser.bare(Method::GET, "/tasks").header("sec-fetch-site", "cross-site");
    assert_eq!(Answer::of(link).await.status, 200, "a link to a page works from anywhere");
}

#[tokio::test]
async fn only_a_token_stands_for_an_origin_and_not_where_people_sign_in() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let secret = gui.link(gui.world.alice, crate::common::MINUTE);
    let browser = gui.signed_in(gui.world.alice);
    let form = [("name", "alice"), ("password", PASSWORD)];
    let json = serde_json::json!({ "name": "alice", "password": PASSWORD });
    let cross = (Some("cross-site"), Some("https://evil.example".to_owned()));
    for value in ["Basic YTpi", "Bearer x", "Bearer ", "bearer x", "Negotiate x", ""] {
        for says in [&(None, None), &cross] {
            let session = "/api/v1/session";
            let tries = [
                browser.bare(Method::POST, "/signin").form(&form),
                browser.bare(Method::POST, "/signin/link").form(&[("token", &secret)]),
                browser.bare(Method::POST, "/signout").form(&[("csrf_token", &browser.csrf_token)]),
                browser.bare(Method::POST, session).json(&json),
                browser.bare(Method::DELETE, session).header("x-csrf-token", &browser.csrf_token),
            ];
            for request in tries {
                refused(request.header("authorization", value), says).await;
            }
        }
    }
    let write = |value: &str| {
        let request = browser.bare(Method::POST, "/api/v1/tasks").json(&json);
        Answer::of(with(request.header("authorization", value), &cross))
    };
    assert_eq!(write("Basic YTpi").await.status, 403);
    assert_eq!(write("Bearer x").await.status, 401, "programs need no origin");
}

#[tokio::test]
async fn paths_with_encoded_bytes_are_nobodys() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    let paths = [
        "/%61pi/v1/session",
        "/ap%69/v1/tasks",
        "/api%2Fv1/session",
        "/api/v1/%73ession",
        "/%70opup",
        "/h%6Fsts",
        "/tasks%2f",
        "/assets/app%2Ecss",
        "/assets/..%2f..%2fCargo.toml",
        "/%",
    ];
    for path in paths {
        let request = browser.bare(Method::GET, path).header("sec-fetch-site", "cross-site");
        assert_eq!(Answer::of(request).await.status, 404, "{path}");
    }
    let write = browser.ours(Method::DELETE, "/api/v1/%73ession").header("x-csrf-token", &browser.csrf_token);
    assert_eq!(Answer::of(write).await.status, 404);
    assert_eq!(browser.get("/hosts?query=%77eb").await.status, 200, "queries may hold anything");
}

#[tokio::test]
async fn pages_know_foreign_frames() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    let task = browser.ours(Method::POST, "/api/v1/tasks").header("x-csrf-token", &browser.csrf_token).json(
        &serde_json::json!({
            "host_id": gui.world.web_1, "service_id": gui.world.os, "handler_id": gui.world.ok,
            "parameters": {}, "request_key": uuid::Uuid::new_v4(),
        }),
    );
    let task: serde_json::Value = serde_json::from_str(&Answer::of(task).await.text).unwrap();
    let task = task["task"]["page_url"].as_str().unwrap();
    let cases = [
        ("iframe", Some("cross-site"), true),
        ("iframe", Some("same-site"), true),
        ("iframe", Some("odd"), true),
        ("iframe", None, true),
        ("embed", Some("same-site"), true),
        ("object", Some("cross-site"), true),
        ("iframe", Some("same-origin"), false),
        ("iframe", Some("none"), false),
        ("document", Some("cross-site"), false),
    ];
    for path in ["/popup?host=web-1", task] {
        for (dest, site, is_foreign) in cases {
            let request = browser.bare(Method::GET, path).header("sec-fetch-dest", dest);
            let answer = Answer::of(with(request, &(site, None))).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.text.contains(" foreign-frame>"), is_foreign, "{path} {dest} {site:?}");
        }
    }
}

#[tokio::test]
async fn a_session_alone_writes_nothing() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    let other = gui.signed_in(gui.world.alice);
    for token in [None, Some(""), Some("wrong"), Some(other.csrf_token.as_str())] {
        let mut request = browser.ours(Method::DELETE, "/api/v1/session");
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        assert_eq!(Answer::of(request).await.status, 403, "{token:?}");
    }
}

#[tokio::test]
async fn after_a_sign_in_only_our_own_pages_follow() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let browser = gui.browser();
    let cases = [
        ("/popup?host=web-1", "/popup?host=web-1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https:evil.example", "/"),
        ("/tasks\r\nSet-Cookie: a=b", "/"),
        ("/signin?next=//evil.example", "/"),
    ];
    for (next, expected) in cases {
        let form = [("next", next), ("name", "alice"), ("password", PASSWORD)];
        let answer = browser.submit("/signin", &form).await;
        assert_eq!(answer.header("location"), expected, "{next:?}");
    }
}
