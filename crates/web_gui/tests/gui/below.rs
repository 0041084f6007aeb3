//! The service below a path of a host that it shares.

use crate::common::{Answer, Browser, Gui};
use reqwest::Method;
use serde_json::Value;

const BASE: &str = "/heal/now";

fn start() -> (Gui, Browser) {
    let gui = Gui::with_settings(vec![
        ("web", format!("base_path = {BASE}")),
        ("web", "frame_ancestors = https://grafana.example".to_owned()),
    ]);
    let mut browser = gui.signed_in(gui.world.root);
    browser.cookie = browser.cookie.map(|cookie| cookie.replace("__Host-", "__Secure-"));
    (gui, browser)
}

/// The addresses that a page names.
fn addresses(page: &str) -> Vec<&str> {
    let after = |mark| page.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    [" href=\"", " src=\"", " action=\""].into_iter().flat_map(after).collect()
}

#[tokio::test]
async fn every_address_of_every_page_lies_below_the_path() {
    let (gui, root) = start();
    let world = &gui.world;
    for path in [
        "/".to_owned(),
        "/popup?host=web-1".to_owned(),
        "/tasks".to_owned(),
        "/hosts".to_owned(),
        format!("/hosts/{}", world.web_1),
        format!("/hosts/{}/edit", world.web_1),
        format!("/event_handlers/{}", world.echo),
        "/managers".to_owned(),
        "/nothing".to_owned(),
    ] {
        let page = root.get(&format!("{BASE}{path}")).await;
        let addresses = addresses(&page.text);
        assert!(addresses.len() > 2, "{path}: {}", page.text);
        for address in addresses.iter().filter(|address| !address.starts_with('#')) {
            assert!(address.starts_with(&format!("{BASE}/")), "{path} names {address}");
        }
        let style = addresses.iter().find(|address| address.ends_with(".css")).unwrap();
        assert_eq!(root.get(style).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn people_sign_in_and_are_led_on_below_the_path() {
    let (gui, root) = start();
    gui.set_password(gui.world.alice);
    let mut alice = gui.browser();
    let sent = alice.get(&format!("{BASE}/tasks?state=ok")).await;
    assert_eq!(sent.header("location"), format!("{BASE}/signin?next=/tasks%3Fstate%3Dok"));
    let form = [("next", "/tasks?state=ok"), ("name", "alice"), ("password", crate::common::PASSWORD)];
    let welcome = alice.submit(&format!("{BASE}/signin"), &form).await;
    assert_eq!(welcome.header("location"), format!("{BASE}/tasks?state=ok"));
    let cookie = welcome.header("set-cookie");
    assert!(cookie.starts_with("__Secure-selfservice="), "{cookie}");
    assert!(cookie.contains(&format!("; Path={BASE}; ")), "{cookie}");
    alice.cookie = welcome.cookie();
    assert_eq!(alice.get(&format!("{BASE}/tasks")).await.status, 200);
    // Who must sign out must come from us, which is still decided by the address inside.
    let out = root.submit(&format!("{BASE}/signout"), &[("csrf_token", &root.csrf_token)]).await;
    assert_eq!(out.status, 303);
    assert!(out.header("location").starts_with(&format!("{BASE}/")), "{}", out.header("location"));
}

/// Another host of the same domain can set a cookie of the name for ours, and the browser then sends both.
#[tokio::test]
async fn a_planted_session_beside_ones_own_counts_for_nothing() {
    let (gui, root) = start();
    let alice = gui.signed_in(gui.world.alice).cookie.unwrap().replace("__Host-", "__Secure-");
    let path = format!("{BASE}/api/v1/session");
    let own = root.cookie.clone().unwrap();
    for cookies in [format!("{alice}; {own}"), format!("{own}; {alice}")] {
        let mut both = root.clone();
        both.cookie = Some(cookies);
        assert_eq!(both.get(&path).await.status, 401);
    }
    assert_eq!(root.get(&path).await.status, 200);
}

#[tokio::test]
async fn rules_by_address_hold_below_the_path() {
    let (gui, root) = start();
    for beside in ["/", "/tasks", "/api/v1/session", "/heal", "/heal/nowhere", "/heal/nowtasks"] {
        assert_eq!(root.get(beside).await.status, 404, "{beside}");
    }
    let framed =
        |answer: &Answer| answer.header("content-security-policy").contains("https://grafana.example");
    assert!(framed(&root.get(&format!("{BASE}/popup")).await));
    assert!(!framed(&root.get(&format!("{BASE}/hosts")).await));
    let api = format!("{BASE}/api/v1/hosts");
    let foreign = root.bare(Method::GET, &api).header("sec-fetch-site", "cross-site");
    assert_eq!(Answer::of(foreign).await.status, 403);
    let problem = Answer::of(gui.browser().bare(Method::GET, &api)).await;
    assert_eq!((problem.status.as_u16(), problem.header("content-type")), (401, "application/problem+json"));
    assert_eq!(root.get(&format!("{BASE}/api%2Fv1/hosts")).await.status, 404);
    let document = root.get(&format!("{BASE}/api/v1/openapi.json")).await;
    let document: Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(document["servers"][0]["url"], BASE);
}
