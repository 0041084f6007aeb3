//! Ways in that nobody meant to make: reading that writes, addresses that are nearly ours, names that come back.

use crate::common::{Answer, Browser, Gui};
use crate::reading::task;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};

/// Every row of every table but those that say when somebody was seen.
fn rows(gui: &Gui) -> String {
    let tables = gui.database.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
         AND table_name NOT IN ('sessions', 'api_tokens') ORDER BY 1",
    );
    assert!(tables.lines().count() > 20, "{tables}");
    let sums = tables.lines().map(|table| {
        gui.database
            .sql(&format!("SELECT '{table}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"))
    });
    sums.collect::<Vec<_>>().join("\n")
}

/// Addresses of ours that a page names, whatever for.
fn named(page: &str) -> BTreeSet<String> {
    let values =
        ["href=\"/", "action=\"/", "src=\"/"].into_iter().flat_map(|start| page.split(start).skip(1));
    let ends = ['"', '#'];
    let paths = values.map(|rest| format!("/{}", rest.split(ends).next().unwrap_or_default()));
    paths.map(|path| path.replace("&#38;", "&").replace("&amp;", "&")).collect()
}

async fn api(browser: &Browser, method: Method, path: &str, body: &Value) -> Answer {
    let request = browser.ours(method, path).header("x-csrf-token", &browser.csrf_token).json(body);
    Answer::of(request).await
}

/// Deletes what root made, by the API.
async fn delete(root: &Browser, path: &str) {
    let read = root.ours(Method::GET, path).send().await.unwrap();
    let request = root
        .ours(Method::DELETE, path)
        .header("x-csrf-token", &root.csrf_token)
        .header("if-match", read.headers()["etag"].clone());
    assert_eq!(Answer::of(request).await.status, 204, "{path}");
}

#[tokio::test]
async fn whoever_follows_every_link_changes_nothing() {
    let gui = Gui::start();
    task(&gui, gui.world.ok).await;
    gui.manager("eu-1", "{}");
    let root = gui.signed_in(gui.world.root);
    let before = rows(&gui);
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = root.get(&path).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
        // Lists link to themselves with every restriction; one of a kind is enough.
        let is_page = answer.header("content-type").starts_with("text/html") && !path.contains('?');
        waiting.extend(named(&answer.text).into_iter().filter(|_| is_page));
    }
    for start in ["/hosts/", "/event_handlers/", "/services/", "/tasks/", "/managers", "/signout", "/assets/"]
    {
        assert!(seen.iter().any(|path| path.starts_with(start)), "{start}: {seen:?}");
    }
    let world = &gui.world;
    for path in [
        "/api/v1/session".to_owned(),
        "/api/v1/hosts".to_owned(),
        "/api/v1/tasks".to_owned(),
        "/api/v1/plans".to_owned(),
        format!("/api/v1/hosts/{}", world.web_1),
        "/api/v1/popup?host=web-1".to_owned(),
    ] {
        let answer = Answer::of(root.ours(Method::GET, &path)).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
    }
    assert_eq!(rows(&gui), before);
    assert_eq!(root.get("/").await.status, 200, "the session is there, too");
}

#[tokio::test]
async fn addresses_that_are_nearly_ours_lead_nowhere() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let host = gui.world.web_1;
    for path in [
        "//hosts".to_owned(),
        "/hosts/".to_owned(),
        "/Hosts".to_owned(),
        "/hosts;x=1".to_owned(),
        format!("/hosts/{host}."),
        format!("/hosts/{host}/"),
        format!("/hosts/{host}/edit/"),
        format!("/hosts/+{host}x"),
        "/api".to_owned(),
        "/api/v0/hosts".to_owned(),
        "/api/v2/hosts".to_owned(),
        "/api/v1//hosts".to_owned(),
        "//api/v1/hosts".to_owned(),
        "/API/v1/hosts".to_owned(),
        "/api/v1/hosts/".to_owned(),
        "/api/v1/../v1/hosts;a".to_owned(),
        "/assets//app.css".to_owned(),
        "/assets/../Cargo.toml".to_owned(),
        "/debug".to_owned(),
        "/.git/config".to_owned(),
    ] {
        assert_eq!(Answer::of(root.ours(Method::GET, &path)).await.status, 404, "{path}");
    }
    let before = rows(&gui);
    for (method, path) in [
        (Method::GET, format!("/api/v1/hosts/{host}")),
        (Method::POST, format!("/hosts/{host}/edit")),
        (Method::POST, "/hosts".to_owned()),
    ] {
        for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let request = root.ours(method.clone(), &path).header(header, "DELETE").header("if-match", "*");
            let status = Answer::of(request).await.status.as_u16();
            assert_eq!(
                status,
                if method == Method::GET { 200 } else { status.clamp(400, 499) },
                "{path} {header}"
            );
        }
    }
    // Other methods ask for the same right, or are none.
    let stranger = gui.signed_in(gui.world.dave);
    for method in ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "PROPFIND", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in
            [format!("/hosts/{host}"), format!("/api/v1/hosts/{host}"), "/managers/1/drain".to_owned()]
        {
            let request = stranger.ours(method.clone(), &path).header("x-csrf-token", &stranger.csrf_token);
            let answer = Answer::of(request).await;
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
            for header in ["access-control-allow-origin", "access-control-allow-methods", "etag"] {
                assert_eq!(answer.header(header), "", "{method} {path}");
            }
        }
    }
    assert_eq!(rows(&gui).replace("audit|", ""), before.replace("audit|", ""));
}

#[tokio::test]
async fn a_name_that_comes_back_brings_no_old_right() {
    let gui = Gui::start();
    let queued = task(&gui, gui.world.ok).await;
    let root = gui.signed_in(gui.world.root);
    let [alice, carol] = [gui.world.alice, gui.world.carol].map(|user| gui.signed_in(user));
    assert_eq!(carol.get(&format!("/hosts/{}", gui.world.web_2)).await.status, 200);
    let cancel = format!("/api/v1/tasks/{queued}/cancel");
    assert_eq!(api(&alice, Method::POST, &cancel, &json!({})).await.status, 202);

    // The environment by which she sees the host: another one of the same name is not hers.
    let staging = gui.database.sql("SELECT id FROM environments WHERE name = 'staging'");
    delete(&root, &format!("/api/v1/environments/{staging}")).await;
    assert_eq!(
        api(&root, Method::POST, "/api/v1/environments", &json!({"name": "staging"})).await.status,
        201
    );
    let path = format!("/api/v1/hosts/{}", gui.world.web_2);
    let read = root.ours(Method::GET, &path).send().await.unwrap();
    let request = root
        .ours(Method::PUT, &path)
        .header("x-csrf-token", &root.csrf_token)
        .header("if-match", read.headers()["etag"].clone())
        .json(&json!({"name": "web-2", "environments": {"staging": null}}));
    assert_eq!(Answer::of(request).await.status, 200);
    assert_eq!(carol.get(&format!("/hosts/{}", gui.world.web_2)).await.status, 404);
    assert_eq!(
        gui.database.sql("SELECT count(*) FROM grants WHERE environments_id IS NULL"),
        "1",
        "that of root"
    );

    // Runs of a host that is gone are not those of another one with its name.
    assert_eq!(alice.get(&format!("/tasks/{queued}")).await.status, 200);
    delete(&root, &format!("/api/v1/hosts/{}", gui.world.web_1)).await;
    let new = json!({"name": "web-1", "environments": {"production": null}, "services": ["os"]});
    assert_eq!(api(&root, Method::POST, "/api/v1/hosts", &new).await.status, 201);
    assert_eq!(alice.get(&format!("/tasks/{queued}")).await.status, 404);
    assert!(!alice.get("/tasks?host=web-1").await.text.contains(&queued));

    // Nor is a handler that is made again the one that somebody was allowed to run.
    gui.database.sql(&format!(
        "INSERT INTO grants (users_id, event_handlers_id, verb) VALUES ({}, {}, 'run')",
        gui.world.dave, gui.world.echo
    ));
    let dave = gui.signed_in(gui.world.dave);
    let both = format!("/hosts/{}", gui.world.both);
    assert_eq!(dave.get(&both).await.status, 200);
    delete(&root, &format!("/api/v1/event_handlers/{}", gui.world.echo)).await;
    let echo = json!({"name": "echo", "plugin": "echo"});
    assert_eq!(api(&root, Method::POST, "/api/v1/event_handlers", &echo).await.status, 201);
    assert_eq!(dave.get(&both).await.status, 404);
}

#[tokio::test]
async fn nobody_writes_lines_into_the_log() {
    let gui = Gui::start();
    let browser = gui.browser();
    let forged = "x\n2026-01-01T00:00:00.000000Z  INFO web_gui: FORGED\r\nFORGED\u{1b}[2J";
    browser.sign_in(forged, forged).await;
    let request =
        browser.ours(Method::POST, "/api/v1/session").json(&json!({"name": forged, "password": forged}));
    Answer::of(request).await;
    browser.submit("/signin/link", &[("token", forged)]).await;
    let foreign =
        browser.bare(Method::POST, "/signout").header("origin", "https://evil.example/\u{ff}FORGED");
    assert_eq!(Answer::of(foreign).await.status, 403);
    let log = gui.app.log("web_gui");
    assert!(log.contains("a request from another site was refused"), "{log}");
    let begins = |line: &str| line.starts_with("20") && !line.contains(" FORGED");
    assert!(log.lines().all(|line| line.is_empty() || begins(line)) && !log.contains("\u{1b}[2J"), "{log}");
}
