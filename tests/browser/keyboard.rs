//! The whole way without a mouse.

use serde_json::json;
use thirtyfour::Key;

use crate::browser::Browser;
use crate::stage::{PASSWORD, Stage};

/// Presses Tab until the focus stands on the control of this name.
pub async fn tab_to(browser: &Browser, name: &str) {
    let script = "
        let one = document.activeElement;
        while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
        return (one?.getAttribute('aria-label') ?? one?.textContent ?? '').trim();";
    let mut passed = Vec::new();
    for _ in 0..40 {
        let focused = browser.js(script, vec![]).await;
        if focused == json!(name) {
            return;
        }
        passed.push(focused);
        browser.keys(Key::Tab).await;
    }
    panic!("Tab does not reach {name:?}, only {passed:?}");
}

#[tokio::test]
async fn from_the_link_to_the_result_and_back() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    let page = format!("{}/?{}", stage.grafana.same_site(), stage.app.url);
    browser.driver.goto(page).await.unwrap();
    browser.until("embed.js is there", "return window.SelfService", vec![]).await;
    browser.keys(Key::Tab).await;
    assert_eq!(browser.js("return document.activeElement.id", vec![]).await, json!("heal"));
    browser.keys(Key::Enter).await;

    browser.enter_popup().await;
    browser.sees("Sign in").await;
    let focused = "return document.hasFocus() && root.activeElement?.id === 'name'";
    browser.in_popup("the name has the focus", focused, vec![]).await;
    browser.keys("alice").await;
    browser.keys(Key::Tab).await;
    browser.keys(PASSWORD).await;
    browser.keys(Key::Enter).await;

    browser.sees("os · actions").await;
    tab_to(browser, "Run slow").await;
    browser.keys(Key::Enter).await;
    let ready = "return root.activeElement?.textContent === 'Run on web-1'";
    browser.in_popup("the focus stands on the button that runs", ready, vec![]).await;
    browser.keys(Key::Enter).await;
    browser.sees("line 2").await;
    tab_to(browser, "Cancel").await;
    browser.keys(Key::Enter).await;
    tab_to(browser, "End it").await;
    browser.keys(Key::Enter).await;
    browser.pill(&["Cancelled"]).await;

    browser.keys(Key::Escape).await;
    browser.sees("os · actions").await;
    browser.keys(Key::Escape).await;
    browser.driver.enter_default_frame().await.unwrap();
    let closed = "return ![...document.body.children].some((one) => one.shadowRoot)";
    browser.until("Escape closes the popup", closed, vec![]).await;
    assert_eq!(browser.js("return document.activeElement.id", vec![]).await, json!("heal"));
    browser.clean_conduct(&[&stage.app.url, &stage.grafana.same_site()]).await;
}
