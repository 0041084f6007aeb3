//! What every answer tells browsers, and the assets.

use crate::common::{Answer, Gui};
use reqwest::Method;

const GRAFANA: &str = "https://grafana.example.com";

fn directive<'a>(policy: &'a str, name: &str) -> &'a str {
    let all = policy.split(';').map(str::trim);
    all.filter_map(|text| text.strip_prefix(name)).next().unwrap_or("absent").trim()
}

#[tokio::test]
async fn every_answer_carries_the_headers_errors_too() {
    let gui = Gui::with_settings(vec![("web", format!("frame_ancestors = {GRAFANA}"))]);
    let browser = gui.signed_in(gui.world.alice);
    let framed = format!("/tasks/{}", uuid::Uuid::nil());
    let paths = [
        ("/", 200, "'none'"),
        ("/hosts", 200, "'none'"),
        ("/popup", 200, GRAFANA),
        ("/signin", 200, GRAFANA),
        ("/signin/link?token=x", 200, GRAFANA),
        (framed.as_str(), 404, GRAFANA),
        ("/no/such/page", 404, "'none'"),
        ("/hosts/x", 404, "'none'"),
        ("/tasks?state=odd", 400, "'none'"),
        ("/api/v1/no-such", 404, "'none'"),
        ("/api/v1/session", 200, "'none'"),
        ("/health", 200, "'none'"),
        ("/assets/app.css", 200, "'none'"),
        ("/embed.js", 200, "'none'"),
    ];
    for (path, status, ancestors) in paths {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        let policy = answer.header("content-security-policy");
        assert_eq!(directive(policy, "default-src"), "'none'", "{path}");
        assert_eq!(directive(policy, "script-src"), "'self'", "{path}");
        assert_eq!(directive(policy, "require-trusted-types-for"), "'script'", "{path}");
        assert_eq!(directive(policy, "frame-ancestors"), ancestors, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        let is_file = path.starts_with("/assets") || path == "/embed.js";
        let cached = if is_file { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), cached, "{path}");
        let readers = if path == "/embed.js" { "cross-origin" } else { "same-origin" };
        assert_eq!(answer.header("cross-origin-resource-policy"), readers, "{path}");
    }
}

#[tokio::test]
async fn errors_are_pages_for_people_and_problems_for_programs() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    let page = browser.get("/no/such/page").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.contains("There is nothing here, or you may not see it."), "{}", page.text);
    let problem = browser.get("/api/v1/no-such").await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
    let body: serde_json::Value = serde_json::from_str(&problem.text).unwrap();
    assert_eq!(body["detail"], "There is nothing here, or you may not see it.");
    let wrong_method = Answer::of(browser.ours(Method::DELETE, "/signin")).await;
    assert_eq!(wrong_method.status, 405, "{}", wrong_method.text);
}

#[tokio::test]
async fn a_failure_of_ours_tells_nothing_but_a_number_to_find_it_by() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    gui.database.sql("ALTER TABLE grants RENAME COLUMN verb TO secret_column");
    let page = browser.get("/hosts/1").await;
    assert_eq!(page.status, 500);
    let problem = browser.get("/api/v1/hosts").await;
    assert!(problem.status == 500 || problem.status == 200, "{problem:?}");
    for word in ["secret_column", "verb", "SELECT", "column", "/"] {
        let sentence = page.text.split("<h1>").nth(1).unwrap().split("</section>").next().unwrap();
        let sentence = sentence.split("<a ").next().unwrap().replace("</", "");
        assert!(!sentence.contains(word), "{word}: {sentence}");
    }
    let number = page.text.split("under the number ").nth(1).unwrap();
    let number = number.split('.').next().unwrap();
    let log = gui.app.log("web_gui");
    assert_eq!(log.matches(number).count(), 1, "logged once: {log}");
}

#[tokio::test]
async fn assets_are_asked_for_again_and_not_sent_again() {
    let gui = Gui::start();
    let browser = gui.browser();
    let kinds = [
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/popup.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/embed.js", "text/javascript; charset=utf-8"),
    ];
    for (path, kind) in kinds {
        let first = browser.get(path).await;
        assert_eq!((first.status.as_u16(), first.header("content-type")), (200, kind), "{path}");
        let again = browser.bare(Method::GET, path).header("if-none-match", first.header("etag"));
        let again = Answer::of(again).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{path}");
    }
    for path in ["/assets/jsconfig.json", "/assets/..%2fCargo.toml", "/assets/", "/assets/%2e%2e/src/lib.rs"]
    {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn pages_name_assets_by_their_version_and_browsers_keep_them() {
    let gui = Gui::start();
    let browser = gui.browser();
    let page = browser.get("/popup").await.text;
    let named: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    let modules = named.iter().filter(|path| path.ends_with(".js")).count();
    assert!(modules > 10 && named.iter().any(|path| path.ends_with("/app.css")), "{page}");
    for path in &named {
        let file = browser.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
    }
    // The page of an older program still works, and nothing is kept for its version.
    let version = named[0].split('/').nth(2).unwrap();
    let older = named[0].replace(version, &"0".repeat(version.len()));
    let file = browser.get(&older).await;
    assert_eq!((file.status.as_u16(), file.header("cache-control")), (200, "no-cache"));
    for path in ["popup/types.d.ts", "jsconfig.json", "popup", "popup/", ""] {
        assert_eq!(browser.get(&format!("/assets/{version}/{path}")).await.status, 404, "{path}");
    }
}
