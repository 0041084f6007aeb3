//! The life of a task as the popup tells it: why it waits, what a pause is, how it ended, and that it is done again.

use nix::sys::signal::Signal;
use serde_json::json;
use test_support::{AppOptions, eventually};

use crate::browser::Browser;
use crate::stage::Stage;

impl Browser {
    /// Starts an action of web-1 that must be confirmed.
    async fn run(&self, action: &str) {
        self.press(&format!("Run {action}")).await;
        self.press("Run on web-1").await;
    }

    /// Ends the run that is shown.
    async fn end(&self) {
        self.press("Cancel").await;
        self.press("End it").await;
    }
}

impl Stage {
    async fn popup_of_alice(&self) {
        self.browser.width(480).await;
        self.browser.sign_in(&self.app.url, "alice", "/popup").await;
        self.browser.go(self, "/popup?host=web-1&service=os").await;
        self.browser.sees("os · actions").await;
    }
}

#[tokio::test]
async fn a_waiting_task_says_why_and_goes_on_by_itself() {
    let stage = Stage::with(|_| AppOptions {
        settings: vec![("manager", "slots = 1".to_owned())],
        ..AppOptions::default()
    })
    .await;
    let browser = &stage.browser;
    stage.popup_of_alice().await;
    browser.run("slow").await;
    browser.sees("line 1").await;
    let slow = browser.task_id().await;

    browser.press("Back to actions").await;
    browser.run("warning").await;
    browser.sees("Waiting: all plugins managers are busy.").await;
    let first = browser.task_id().await;
    browser.press("Back to actions").await;
    browser.run("echo").await;
    browser.sees("Waiting: all plugins managers are busy; 1 task stands before it.").await;
    browser.record("popup-waiting").await;
    // The sentence follows what is so now.
    stage.database.sql("UPDATE hosts SET max_running = 1 WHERE name = 'web-1'");
    browser.sees("Waiting: 1 of 1 run on web-1.").await;
    assert_eq!(stage.task(&first, "state"), "queued");
    stage.database.sql("UPDATE hosts SET max_running = NULL");
    stage.database.sql("UPDATE event_handlers SET max_running = 1 WHERE name = 'echo'");
    let (status, answer) = browser.api("POST", &format!("/tasks/{slow}/cancel"), json!({})).await;
    assert_eq!(status, 202, "{answer}");
    browser.pill(&["OK"]).await;
    browser.sees_no("Waiting").await;
}

#[tokio::test]
async fn a_host_that_no_manager_serves_says_so_before_the_click() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.database.sql("UPDATE hosts SET tags = '{dmz}' WHERE name = 'web-1'");
    stage.popup_of_alice().await;
    browser.sees("No plugins manager serves web-1: none has the tag dmz.").await;
    browser.record("popup-not-served").await;
    browser.run("echo").await;
    browser.sees("Waiting: no plugins manager serves web-1: none has the tag dmz.").await;
    stage.database.sql("UPDATE hosts SET tags = '{}'");
    browser.pill(&["OK"]).await;
}

#[tokio::test]
async fn a_paused_action_says_why_and_loses_nothing_that_was_typed() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    let pause = "UPDATE event_handlers SET paused_at = now(), paused_by = 'root', paused_reason = 'it breaks web-1' WHERE name = 'echo'";
    let resume = "UPDATE event_handlers SET paused_at = NULL, paused_by = NULL, paused_reason = NULL";
    stage.popup_of_alice().await;
    browser.press("Run echo").await;
    browser.sees("echo 127.0.0.1 --text=hello 1").await;
    browser.fill("parameter-text", "typed with care").await;
    browser.fill("reason", "the alert of web-1").await;
    browser.sees("--text=typed with care").await;
    stage.database.sql(pause);
    browser.press("Run on web-1").await;
    browser.sees("by root: it breaks web-1. Nothing was started.").await;
    browser.record("popup-paused-refused").await;
    let typed = "return ['parameter-text', 'reason'].map((id) => root.getElementById(id).value)";
    assert_eq!(
        browser.in_popup("the form is there", typed, vec![]).await,
        json!(["typed with care", "the alert of web-1"])
    );
    assert_eq!(stage.database.sql("SELECT count(*) FROM tasks"), "0");

    browser.press("Back").await;
    browser.sees("echo was paused by root, just now: it breaks web-1.").await;
    let buttons = browser.buttons().await;
    assert!(
        buttons.iter().any(|name| name == "Run slow") && !buttons.iter().any(|name| name == "Run echo"),
        "{buttons:?}"
    );
    browser.record("popup-paused").await;
    // A link to the action opens no confirmation then.
    browser.go(&stage, &format!("/popup?host=web-1&service=os&handler={}", stage.world.echo)).await;
    browser.sees("echo was paused by root").await;

    stage.database.sql(resume);
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.run("echo").await;
    browser.pill(&["OK"]).await;
    stage.database.sql(pause);
    browser.press("Run again").await;
    browser.sees("echo was paused by root").await;
    browser.pill(&["OK"]).await;
    stage.database.sql(resume);
    browser.press("Run again").await;
    browser.sees("This runs").await;
}

#[tokio::test]
async fn run_again_joins_the_runs_in_both_directions() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.popup_of_alice().await;
    browser.run("warning").await;
    browser.pill(&["WARNING"]).await;
    let first = browser.task_id().await;
    browser.press("Run again").await;
    let short = format!("{}…", &first[..13]);
    browser.sees(&format!("retry of {short}")).await;
    browser.press("Run on web-1").await;
    browser.sees(&format!("Retry of {short}")).await;
    browser.pill(&["WARNING"]).await;
    let second = browser.task_id().await;
    assert_eq!(stage.task(&second, "retry_of"), first);
    browser.record("popup-retry").await;
    browser.press(&short).await;
    browser.sees(&format!("Retried as {}…", &second[..13])).await;
    assert_eq!(browser.task_id().await, first);

    // The page of the run, with links; and from it the next retry.
    browser.width(1280).await;
    browser.go(&stage, &format!("/tasks/{first}")).await;
    browser.pill(&["WARNING"]).await;
    let page = browser.js("return document.body.innerText", vec![]).await;
    assert!(page.as_str().unwrap().contains(&format!("Retried as\n{second}")), "{page}");
    browser.record("page-task-retried").await;
    browser.press(&format!("{}…", &second[..13])).await;
    browser
        .until("the link leads there", "return location.pathname.endsWith(arguments[0])", vec![json!(second)])
        .await;
    browser.pill(&["WARNING"]).await;
    browser.press("Run again").await;
    browser.press("Run on web-1").await;
    let moved = "return !location.pathname.endsWith(arguments[0])";
    browser.until("the page of the new run is shown", moved, vec![json!(second)]).await;
    browser.pill(&["WARNING"]).await;
    assert_eq!(stage.task(&browser.task_id().await, "retry_of"), second);
}

#[tokio::test]
async fn a_lost_run_of_a_repeatable_handler_is_run_again_with_a_link() {
    let mut stage = Stage::new().await;
    stage.database.sql("UPDATE event_handlers SET repeatable = true WHERE name = 'slow'");
    stage.popup_of_alice().await;
    stage.browser.run("slow").await;
    stage.browser.sees("line 2").await;
    let lost = stage.browser.task_id().await;
    stage.app.program("plugins_manager").signal(Signal::SIGKILL);
    eventually("the manager's word runs out", || {
        (stage.database.sql("SELECT count(*) FROM workers WHERE alive_until > now()") == "0").then_some(())
    });
    stage.app.start_program("plugins_manager");
    let browser = &stage.browser;
    let pill = browser.pill(&["UNKNOWN"]).await;
    assert!(pill.contains("outcome unknown"), "{pill}");
    browser.sees("so it was run again by itself.").await;
    browser.record("popup-lost-repeated").await;
    let again = stage.database.sql(&format!("SELECT id FROM tasks WHERE retry_of = '{lost}'"));
    browser.press(&format!("{}…", &again[..13])).await;
    browser.pill(&["Running"]).await;
    browser.sees("Attempt 2, started by itself").await;
    browser.sees("line 2").await;
    assert_eq!(browser.task_id().await, again);
    browser.end().await;
    browser.pill(&["Cancelled"]).await;
    browser.width(1280).await;
    browser.go(&stage, &format!("/tasks/{again}")).await;
    let page = browser.until("the page is there", "return document.body.innerText", vec![]).await;
    assert!(page.as_str().unwrap().contains("2 of at most 3: started again without a person"), "{page}");
}

#[tokio::test]
async fn a_lost_run_that_was_not_lost_tells_its_real_end() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.popup_of_alice().await;
    browser.run("slow").await;
    browser.sees("line 2").await;
    let id = browser.task_id().await;
    // What another manager does when this one is not heard of, and what this one delivers when it is back.
    stage.database.sql(&format!(
        "UPDATE tasks SET state = 'finished', result = 'lost', finished_at = now(), lease_until = NULL, \
           result_text = 'outcome unknown, its manager is gone' WHERE id = '{id}'; \
         NOTIFY selfservice_task_changed, '{id}'"
    ));
    browser.sees("Nobody can say whether it did its work").await;
    browser.record("popup-lost").await;
    stage.database.sql(&format!("UPDATE tasks SET result = 'warning', exit_code = 1, result_text = NULL, late = true WHERE id = '{id}'"));
    browser.pill(&["WARNING"]).await;
    browser.sees("Then the manager came back and delivered this, its real result.").await;
}

#[tokio::test]
async fn every_end_has_clear_words() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.popup_of_alice().await;
    browser.run("slow").await;
    browser.sees("line 1").await;
    browser.end().await;
    assert!(browser.pill(&["Cancelled"]).await.contains("by alice"));
    browser.sees("It was ended on request. What it had done by then stays done.").await;
    browser.record("popup-cancelled").await;
    browser.press("Back to actions").await;

    stage.database.sql("UPDATE event_handlers SET timeout_seconds = 1 WHERE name = 'slow'");
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.run("slow").await;
    assert!(browser.pill(&["CRITICAL"]).await.contains("timed out after 1 s"));
    browser.sees("It took longer than the 1 s that it may take").await;
    browser.record("popup-timed-out").await;
    browser.press("Back to actions").await;

    stage.database.sql("UPDATE workers SET draining = true");
    browser.run("echo").await;
    browser.sees("Waiting: every plugins manager that serves web-1 is being drained.").await;
    browser.end().await;
    assert!(browser.pill(&["Cancelled"]).await.contains("by alice before it started"));
    browser.sees("It was never started, so nothing was done.").await;
    browser.press("Back to actions").await;

    browser.run("echo").await;
    browser.pill(&["Queued"]).await;
    let id = browser.task_id().await;
    stage.database.sql(&format!("UPDATE tasks SET expires_at = now() WHERE id = '{id}'"));
    let pill = browser.pill(&["Expired"]).await;
    assert!(!pill.contains("UNKNOWN"), "{pill}");
    browser.sees("It waited in the queue for as long as it may.").await;
    browser.record("popup-expired").await;
    browser.press("Back to actions").await;

    browser.run("echo").await;
    browser.pill(&["Queued"]).await;
    stage.database.sql("UPDATE event_handlers SET revision = revision + 1 WHERE name = 'echo'");
    stage.database.sql("UPDATE workers SET draining = false; NOTIFY selfservice_task_queued");
    browser.pill(&["Rejected"]).await;
    browser.sees("the handler has changed since this was asked for").await;
    browser.sees("It was looked at again just before its start, and refused.").await;
    browser.record("popup-rejected").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}
