//! The pages from which managers are drained and handlers paused.

use serde_json::json;
use thirtyfour::Key;

use crate::browser::Browser;
use crate::stage::Stage;

impl Browser {
    /// Whether the page has a button of this name.
    async fn has_button(&self, name: &str) -> bool {
        let script = "return [...document.querySelectorAll('main button')]
            .some((one) => (one.getAttribute('aria-label') ?? one.textContent).trim() === arguments[0])";
        self.js(script, vec![json!(name)]).await == json!(true)
    }

    /// Presses a button of the page by its name, with the keyboard.
    async fn press_on_page(&self, name: &str) {
        let script = "const found = [...document.querySelectorAll('main button')]
            .find((one) => (one.getAttribute('aria-label') ?? one.textContent).trim() === arguments[0]);
            found?.focus(); return found === document.activeElement";
        self.until(&format!("there is a button {name:?}"), script, vec![json!(name)]).await;
        self.keys(Key::Enter).await;
    }
}

#[tokio::test]
async fn an_administrator_drains_a_manager_and_lets_it_go_on() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    let manager = stage.database.sql("SELECT name FROM workers");
    // More managers, in every state.
    stage.database.sql(
        "INSERT INTO workers (id, name, version, slots, running, tags, stopping, draining, alive_until) VALUES \
           (gen_random_uuid(), 'eu-dmz-1.example.net', '0.3.0', 8, 5, '{dmz,eu-west}', false, false, now() + interval '1 hour'), \
           (gen_random_uuid(), 'eu-dmz-2.example.net', '0.3.0', 8, 8, '{dmz,eu-west}', true, false, now() + interval '1 hour'), \
           (gen_random_uuid(), 'us-1', '0.2.0', 4, 1, '{}', false, false, now() - interval '1 hour')",
    );
    browser.sign_in(&stage.app.url, "root", "/managers").await;
    browser.page_shows("Stopping").await;
    browser.both_widths("page-managers").await;
    browser.press_on_page(&format!("Drain {manager}")).await;
    browser.page_shows("Draining").await;
    assert_eq!(stage.database.sql(&format!("SELECT draining FROM workers WHERE name = '{manager}'")), "t");
    browser.both_widths("page-managers-draining").await;
    browser.press_on_page(&format!("Resume {manager}")).await;
    browser
        .until("it may be drained again", "return !document.body.innerText.includes('Draining')", vec![])
        .await;

    // Who runs what: the load leads to the runs.
    stage.database.sql("UPDATE workers SET draining = false");
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    browser.sees("line 1").await;
    test_support::eventually("the manager says that it is busy", || {
        (stage.database.sql(&format!("SELECT running FROM workers WHERE name = '{manager}'")) == "1")
            .then_some(())
    });
    browser.go(&stage, "/managers").await;
    let link =
        "return [...document.querySelectorAll('main a')].find((one) => one.textContent.startsWith('1 of'))";
    browser.element("the load is a link", link, vec![]).await.click().await.unwrap();
    browser.until("the list of tasks", "return location.pathname === '/tasks'", vec![]).await;
    let rows = browser
        .js("return [...document.querySelectorAll('tbody tr')].map((row) => row.innerText)", vec![])
        .await;
    assert!(rows.as_array().unwrap().len() == 1 && rows[0].as_str().unwrap().contains("slow"), "{rows}");

    browser.driver.delete_all_cookies().await.unwrap();
    browser.sign_in(&stage.app.url, "alice", "/managers").await;
    browser.page_shows("Stopping").await;
    assert!(!browser.has_button(&format!("Drain {manager}")).await, "alice has no such right");
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn an_administrator_pauses_a_handler_with_a_reason() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.database.sql("UPDATE event_handlers SET max_running = 2 WHERE name = 'echo'");
    let path = format!("/event_handlers/{}", stage.world.echo);
    browser.sign_in(&stage.app.url, "root", &path).await;
    browser.page_shows("2 on all hosts together; more wait").await;
    browser.press_on_page("Pause echo").await;
    let wanted = "return document.querySelector('[name=reason]:invalid') === document.activeElement";
    browser.until("the browser asks for the reason", wanted, vec![]).await;
    browser.both_widths("page-handler").await;
    browser.js("document.querySelector('[name=reason]').focus()", vec![]).await;
    browser.keys("it breaks web-1, see the ticket of this morning").await;
    browser.keys(Key::Enter).await;
    browser.page_shows("Paused by root since").await;
    browser.page_shows("it breaks web-1, see the ticket of this morning").await;
    browser.both_widths("page-handler-paused").await;
    browser.go(&stage, "/event_handlers").await;
    browser.page_shows("Paused").await;
    browser.both_widths("page-handlers").await;

    browser.driver.delete_all_cookies().await.unwrap();
    browser.sign_in(&stage.app.url, "alice", &path).await;
    browser.page_shows("Paused by root since").await;
    assert!(!browser.has_button("Resume echo").await && !browser.has_button("Pause echo").await);
    browser.driver.delete_all_cookies().await.unwrap();
    browser.sign_in(&stage.app.url, "root", &path).await;
    browser.press_on_page("Resume echo").await;
    browser.until("it goes on", "return !document.body.innerText.includes('Paused by')", vec![]).await;
    assert_eq!(stage.database.sql("SELECT paused_at IS NULL FROM event_handlers WHERE name = 'echo'"), "t");
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn a_host_shows_its_tags_its_limit_and_who_serves_it() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    let manager = stage.database.sql("SELECT name FROM workers");
    browser.sign_in(&stage.app.url, "alice", &format!("/hosts/{}", stage.world.web_1)).await;
    browser.page_shows(&manager).await;
    browser.both_widths("page-host-served").await;
    stage.database.sql("UPDATE hosts SET tags = '{dmz,eu-west}', max_running = 2 WHERE name = 'web-1'");
    browser.go(&stage, &format!("/hosts/{}", stage.world.web_1)).await;
    browser.page_shows("none has the tags dmz, eu-west").await;
    browser.page_shows("2 of all handlers together; more wait").await;
    browser.both_widths("page-host-not-served").await;
}
