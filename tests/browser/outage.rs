//! The database goes away and comes back: a calm line each time, and everything goes on by itself.

use crate::stage::Stage;

#[tokio::test]
async fn a_run_that_is_watched_goes_on_after_an_outage() {
    let stage = Stage::impatient().await;
    let browser = &stage.browser;
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    browser.sees("line 2").await;
    stage.database.shut_out();
    browser.sees("The database is away. The run goes on, and so does this page as soon as it is back.").await;
    browser.pill(&["Running"]).await;
    browser.record("popup-away").await;
    let lines = "return root.querySelectorAll('.line').length";
    let seen = browser.in_popup("lines are counted", lines, vec![]).await;
    stage.database.let_in();
    browser.sees_no("The database is away").await;
    let grown = "return root.querySelectorAll('.line').length > arguments[0]";
    browser.in_popup("further lines come", grown, vec![seen]).await;
}

#[tokio::test]
async fn what_was_typed_outlives_an_outage_and_starts_once() {
    let stage = Stage::impatient().await;
    let browser = &stage.browser;
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run echo").await;
    browser.fill("parameter-text", "typed with care").await;
    browser.sees("--text=typed with care").await;
    browser.button("Run on web-1").await;
    stage.database.shut_out();
    browser.press("Run on web-1").await;
    browser.sees("Nothing that you typed is lost.").await;
    browser.record("popup-away-unanswered").await;
    stage.database.let_in();
    browser.sees("There is an answer again.").await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    browser.sees("--text=typed with care").await;
    assert_eq!(stage.database.sql("SELECT count(*) FROM tasks"), "1");

    // While a command is being looked up, too.
    browser.press("Run again").await;
    browser.sees("This runs").await;
    browser.button("Run on web-1").await;
    stage.database.shut_out();
    browser.fill("parameter-text", "another text").await;
    browser.sees("What you typed stays, and the page goes on by itself.").await;
    stage.database.let_in();
    browser.sees("--text=another text").await;
    browser.button("Run on web-1").await;
}

#[tokio::test]
async fn pages_that_could_not_be_shown_come_by_themselves() {
    let stage = Stage::impatient().await;
    let browser = &stage.browser;
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    stage.database.shut_out();
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.sees("The database is away").await;
    browser.sees("This page goes on by itself as soon as there is an answer.").await;
    browser.record("popup-away-start").await;
    stage.database.let_in();
    browser.sees("os · actions").await;

    stage.database.shut_out();
    browser.go(&stage, "/hosts").await;
    let away = "return document.body.innerText.includes('This page goes on by itself as soon as the database is back.')";
    browser.until("the page says that it comes back", away, vec![]).await;
    browser.record("page-away").await;
    stage.database.let_in();
    let there = "return document.querySelector('h1')?.textContent === 'Hosts'";
    browser.until("the page is there", there, vec![]).await;
}
