//! The documentation of the API, and trying it out.

use serde_json::json;

use crate::stage::Stage;
use test_support::AppOptions;

#[tokio::test]
async fn the_api_explains_itself_and_can_be_tried() {
    let stage = Stage::with(|_| AppOptions { manager: false, ..AppOptions::default() }).await;
    let browser = &stage.browser;
    browser.sign_in(&stage.app.url, "alice", "/docs").await;
    let shown = "return document.querySelectorAll('details.endpoint .method').length || null";
    let shown = browser.until("the endpoints are shown", shown, vec![]).await;
    let count = "const api = await (await fetch('/api/v1/openapi.json')).json();
        arguments[arguments.length - 1](Object.values(api.paths).flatMap((one) => Object.keys(one)).length)";
    let count = format!("(async (...arguments) => {{ {count} }})(arguments[arguments.length - 1])");
    assert_eq!(&shown, browser.driver.execute_async(count, vec![]).await.unwrap().json());

    let send = "const [id, body] = arguments; const one = document.getElementById(id); one.open = true;
        const form = one.querySelector('form'); if (!form) return null;
        if (body) form.querySelector('textarea').value = body;
        form.requestSubmit(); return true";
    browser.until("a request is sent", send, vec![json!("get_hosts")]).await;
    browser.page_shows("db-prod-03").await;
    // What writes is sent with the session's token, and what is wrong with it is shown.
    browser.until("a request is sent", send, vec![json!("post_plans"), json!("{}")]).await;
    browser.page_shows("missing field `host_id`").await;
    browser.both_widths("page-docs").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}
