//! What people without the right see, and what the API answers when they ask all the same.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn who_may_see_but_not_run_has_no_button_and_is_refused() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.open_popup().await;
    browser.sign_in_inside("bob").await;
    browser.sees("You may see these actions, but not run them.").await;
    let buttons = browser.buttons().await;
    assert!(!buttons.iter().any(|name| name.starts_with("Run")), "{buttons:?}");
    let why = "return root.querySelector('a[aria-label^=\"Why may I not run\"]')?.getAttribute('href')";
    let why = browser.in_popup("a link tells why", why, vec![]).await;
    assert!(why.as_str().unwrap().starts_with("/rights?host=web-1&service=os&handler="), "{why}");

    let task = |host: i64| {
        json!({"host_id": host, "service_id": stage.world.os, "handler_id": stage.world.ok, "parameters": {}, "reason": null,
               "nonce": null, "typed_host": null, "request_key": uuid::Uuid::new_v4()})
    };
    let (status, problem) = browser.api("POST", "/tasks", task(stage.world.web_1)).await;
    assert_eq!(status, 403, "{problem}");
    let (status, hidden) = browser.api("POST", "/tasks", task(stage.world.web_2)).await;
    assert_eq!(status, 404, "{hidden}");
    let (status, unknown) = browser.api("POST", "/tasks", task(987_654)).await;
    assert_eq!((status, &unknown["detail"]), (404, &hidden["detail"]), "nobody learns what there is");
    assert_eq!(stage.database.sql("SELECT count(*) FROM tasks"), "0");
    browser.clean_conduct(&[&stage.app.url, &stage.grafana.same_site()]).await;
}

#[tokio::test]
async fn who_may_not_see_the_host_gets_404() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.open_popup().await;
    browser.sign_in_inside("carol").await;
    browser.sees("Not found").await;
    let (status, hidden) = browser.api("GET", "/popup?host=web-1&service=os", json!(null)).await;
    assert_eq!(status, 404, "{hidden}");
    let (status, unknown) = browser.api("GET", "/popup?host=no-such-host&service=os", json!(null)).await;
    assert_eq!((status, &unknown["detail"]), (404, &hidden["detail"]), "nobody learns what there is");
    browser.accessible("the popup for a host that one may not see").await;

    browser.press("All hosts").await;
    let hosts = browser.sees("web-2").await;
    assert!(!hosts.contains("web-1") && !hosts.contains("db-prod-03"), "{hosts}");
}
