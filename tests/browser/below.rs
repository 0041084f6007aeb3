//! The service below a path of a host that it shares, behind a real nginx.

use test_support::{AppOptions, FreePort};

use crate::nginx::Nginx;
use crate::stage::Stage;

#[tokio::test]
async fn everything_works_below_a_path_behind_a_proxy() {
    let port = FreePort::claim();
    let origin = format!("http://127.0.0.1:{}", port.number());
    let settings =
        vec![("web", format!("public_url = {origin}")), ("web", "base_path = /selfservice".to_owned())];
    let mut stage = Stage::with(|_| AppOptions { settings, ..AppOptions::default() }).await;
    let upstream = stage.app.url.strip_prefix("http://").unwrap().to_owned();
    let _nginx = Nginx::start(&port, &upstream);
    stage.app.url = format!("{origin}/selfservice");
    let browser = &stage.browser;

    browser.driver.goto(format!("{origin}/selfservice")).await.unwrap();
    browser
        .until("who is not signed in is asked to", "return document.title.startsWith('Sign in')", vec![])
        .await;
    browser.sign_in(&stage.app.url, "alice", "/hosts").await;
    assert_eq!(browser.js("return location.pathname", vec![]).await, "/selfservice/hosts");

    // The popup: its modules, the API, live output, and the link to the run.
    browser.go(&stage, "/popup?host=db-prod-03&service=PostgreSQL").await;
    browser.press("Run Show replication lag").await;
    browser.pill(&["OK"]).await;
    browser.sees("0.4 s behind").await;
    let id = browser.task_id().await;
    browser.go(&stage, &format!("/tasks/{id}")).await;
    browser.pill(&["OK"]).await;
    browser.sees("0.4 s behind").await;

    // A link of every page of the navigation leads to a page.
    let menu = "return [...document.querySelectorAll('nav a')].map((one) => one.href)";
    let menu = browser.js(menu, vec![]).await;
    for link in menu.as_array().unwrap() {
        let link = link.as_str().unwrap();
        assert!(link.starts_with(&format!("{}/", stage.app.url)), "{link}");
        browser.driver.goto(link).await.unwrap();
        browser.until(link, "return Boolean(document.querySelector('main h1'))", vec![]).await;
    }
    browser.clean_conduct(&[&stage.app.url]).await;

    // Another page opens the popup by embed.js, which finds the way by itself.
    stage.open_popup().await;
    browser.sees("os · actions").await;
}
