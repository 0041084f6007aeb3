//! The user flow of the overview, step by step.

use crate::stage::Stage;

/// Runs an action that needs no parameters and gives its pill and the task's id.
async fn run(stage: &Stage, name: &str) -> (String, String) {
    let browser = &stage.browser;
    browser.press(&format!("Run {name}")).await;
    if name != "ok" {
        browser.press("Run on web-1").await;
    }
    let pill = browser.pill(&["OK", "WARNING", "CRITICAL", "UNKNOWN"]).await;
    (pill, browser.task_id().await)
}

#[tokio::test]
async fn from_the_alert_to_the_result() {
    let stage = Stage::new().await;
    let browser = &stage.browser;

    // The user gets an alert and opens the popup from the dashboard, on another origin.
    stage.open_popup().await;
    browser.sign_in_inside("alice").await;

    // The popup checks the rights and shows host, service and actions.
    let actions = browser.sees("os · actions").await;
    assert!(actions.contains("web-1") && actions.to_lowercase().contains("production"), "{actions}");
    for action in ["ok", "warning", "critical", "slow", "echo", "danger"] {
        browser.button(&format!("Run {action}")).await;
    }

    // The user triggers an action; the run replaces the content, and its output appears while the plugin runs.
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    let text = browser.sees("line 3").await;
    let id = browser.task_id().await;
    assert_eq!(stage.task(&id, "state"), "running", "the output came before the end");
    assert!(!text.contains("os · actions"), "{text}");
    let first =
        browser.in_popup("lines are counted", "return root.querySelectorAll('.line').length", vec![]).await;
    let grown = "return root.querySelectorAll('.line').length > arguments[0]";
    browser.in_popup("further lines come by themselves", grown, vec![first]).await;
    browser.press("Cancel").await;
    browser.press("End it").await;
    browser.pill(&["Cancelled"]).await;
    assert_eq!(stage.task(&id, "result"), "cancelled");

    // Exit codes 0, 1 and 2 are OK, WARNING and CRITICAL; the logs table has what the plugin wrote.
    for (action, word, exit_code, line) in [
        ("ok", "OK", "0", "all is well"),
        ("warning", "WARNING", "1", "something is odd"),
        ("critical", "CRITICAL", "2", "it broke"),
    ] {
        browser.press("Back to actions").await;
        let (pill, id) = run(&stage, action).await;
        assert!(pill.contains(word) && pill.contains(&format!("exit {exit_code}")), "{action}: {pill}");
        browser.sees(line).await;
        assert_eq!(
            stage.task(&id, "result || ' ' || exit_code"),
            format!("{} {exit_code}", word.to_lowercase())
        );
        let logged = stage.database.sql(&format!("SELECT count(*) FROM logs WHERE task_id = '{id}'"));
        assert_ne!(logged, "0", "{action} wrote to the logs table");
    }
    browser.clean_conduct(&[&stage.app.url, &stage.grafana.same_site()]).await;
}

#[tokio::test]
async fn from_another_site_with_a_cookie_for_it() {
    let stage = Stage::with(|_| test_support::AppOptions {
        settings: vec![("web", "cookie_mode = cross-site".to_owned())],
        ..Default::default()
    })
    .await;
    let browser = &stage.browser;
    stage.open_popup_from(&stage.grafana.cross_site(), "heal").await;
    browser.sign_in_inside("alice").await;
    browser.press("Run ok").await;
    browser.pill(&["OK"]).await;
    browser.sees("all is well").await;
    browser.press("Back to actions").await;

    // The tab of a dangerous action is not the frame: browsers give it other cookies.
    browser.press("Run danger").await;
    browser.sees("os · actions").await;
    browser.enter_second_tab().await;
    browser.sees("Sign in").await;
    browser.sign_in_inside("alice").await;
    browser.sees("Dangerous: type the host name web-1 to confirm").await;
    browser.clean_conduct(&[&stage.app.url, &stage.grafana.cross_site()]).await;
}
