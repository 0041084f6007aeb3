//! Before the click: the exact command, what dangerous actions ask for, and whether anybody is there to run it.

use nix::sys::signal::Signal;

use crate::stage::Stage;

#[tokio::test]
async fn the_exact_command_is_shown_and_follows_the_parameters() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.open_popup().await;
    browser.sign_in_inside("alice").await;
    browser.press("Run echo").await;
    let command = "const text = root.querySelector('.command:not(.stale)')?.textContent; return text?.includes(arguments[0]) && text";
    let shown = browser.in_popup("the command", command, vec!["--text=hello".into()]).await;
    assert_eq!(shown, "echo 127.0.0.1 --text=hello 1");

    // What a shell would act on reaches the plugin as it was typed.
    let nasty = "; | & $(id) `id` ' \" @file -oProxyCommand=x";
    browser.fill("parameter-text", nasty).await;
    let shown = browser.in_popup("the command follows", command, vec!["ProxyCommand".into()]).await;
    browser.fill("parameter-count", "12").await;
    browser.sees("must be a whole number from 0 to 9").await;
    assert!(!browser.buttons().await.is_empty());
    let disabled = "return [...root.querySelectorAll('button')].some((one) => one.textContent === 'Run on web-1' && one.disabled)";
    browser.in_popup("a wrong value cannot be sent", disabled, vec![]).await;
    browser.fill("parameter-count", "1").await;
    assert_eq!(browser.in_popup("the command again", command, vec!["ProxyCommand".into()]).await, shown);
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    let text = browser.sees("127.0.0.1").await;
    assert!(text.contains(&format!("--text={nasty}")), "{text}");
}

#[tokio::test]
async fn a_dangerous_action_wants_the_name_of_the_host() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.open_popup().await;
    browser.sign_in_inside("alice").await;
    // A page laid over the frame could steal a click, so it opens in a tab of its own; the session is there already.
    browser.press("Run danger").await;
    browser.enter_second_tab().await;
    browser.sees("Dangerous: type the host name web-1 to confirm").await;
    let enabled = "return [...root.querySelectorAll('button')].some((one) => one.textContent === 'Run on web-1' && !one.disabled)";
    let disabled = "return [...root.querySelectorAll('button')].some((one) => one.textContent === 'Run on web-1' && one.disabled)";
    browser
        .in_popup("the command is there", "return root.querySelector('.command:not(.stale)')", vec![])
        .await;
    for wrong in ["web-2", "WEB-1", "web-1 x"] {
        browser.fill("typed", wrong).await;
        browser.in_popup(&format!("{wrong:?} is not enough"), disabled, vec![]).await;
    }
    browser.fill("typed", "web-1").await;
    browser.in_popup("the name is enough", enabled, vec![]).await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
}

#[tokio::test]
async fn a_secret_is_typed_and_shown_nowhere() {
    let stage = Stage::new().await;
    stage.database.sql(
        "UPDATE event_handlers SET arguments = '{}', parameters = \
         '[{\"name\": \"text\", \"type\": \"text\", \"default\": \"hello\"}, \
           {\"name\": \"password\", \"type\": \"secret\", \"label\": \"Password of the store\"}]' WHERE name = 'echo'",
    );
    let script = "echo \"the password is $SELFSERVICE_SECRET_PASSWORD\"";
    stage.app.replace_plugin(&stage.database, "echo", script);
    let browser = &stage.browser;
    browser.width(480).await;
    stage.open_popup().await;
    browser.sign_in_inside("alice").await;
    browser.press("Run echo").await;
    let command = "return root.querySelector('.command:not(.stale)')";
    browser.in_popup("the command is there", command, vec![]).await;
    let disabled = "return [...root.querySelectorAll('button')].some((one) => one.textContent === 'Run on web-1' && one.disabled)";
    browser.in_popup("without the secret it cannot be sent", disabled, vec![]).await;
    let hidden = "return root.querySelector('#parameter-password').type === 'password'";
    browser.in_popup("nobody reads it over the shoulder", hidden, vec![]).await;
    browser.fill("parameter-password", "abc").await;
    browser.press("Run on web-1").await;
    browser.sees("is too short").await;
    browser.accessible("a secret that is refused").await;
    browser.shot("popup-secret-refused").await;
    browser.fill("parameter-password", "correct horse").await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    let text = browser.sees("the password is ********").await;
    assert!(!text.contains("correct"), "{text}");
    assert_eq!(stage.database.rows_with("correct horse"), "");
}

#[tokio::test]
async fn a_plugin_is_asked_before_it_acts() {
    let stage = Stage::new().await;
    let script = "case $1 in
        --check) echo \"OK - $2 would do\" ;;
        --help) echo 'Usage: echo [--check] ADDRESS'; echo 'Prints <b>what it is given</b>.' ;;
        *) echo 'it acts' ;; esac";
    stage.app.replace_plugin(&stage.database, "echo", script);
    let browser = &stage.browser;
    browser.width(480).await;
    browser.go(&stage, "/popup?host=web-1").await;
    browser.sign_in_inside("alice").await;
    browser.press("Run echo").await;
    browser.fill("parameter-text", "kept").await;
    browser.press("Check").await;
    let command = "const text = root.querySelector('.command:not(.stale)')?.textContent; return text?.includes(arguments[0]) && text";
    let shown = browser.in_popup("the command of the check", command, vec!["--check".into()]).await;
    assert_eq!(shown, "echo --check 127.0.0.1 --text=kept 1");
    browser.accessible("a check to be confirmed").await;
    browser.shot("popup-check").await;
    browser.press("Check on web-1").await;
    browser.pill(&["OK"]).await;
    browser.sees("OK - 127.0.0.1 would do").await;
    browser.sees("Check: echo").await;

    browser.width(1280).await;
    browser.driver.delete_all_cookies().await.unwrap();
    let id = |table: &str, name: &str| {
        stage.database.sql(&format!("SELECT id FROM {table} WHERE name = '{name}'"))
    };
    let handler = format!("/event_handlers/{}", id("event_handlers", "echo"));
    browser.sign_in(&stage.app.url, "root", &handler).await;
    browser.reads("Nobody has asked it").await;
    browser.push("Ask it on a host").await;
    browser.reads("Nothing is run.").await;
    browser
        .go(&stage, &format!("{handler}/try?host=web-1&service=os&parameter.text=a&parameter.count=1"))
        .await;
    browser.reads("Check on web-1").await;
    browser.pictured("handler-try").await;
    browser.push("Ask for its help").await;
    browser.press("Ask on web-1").await;
    browser.pill(&["OK"]).await;
    browser.sees("Usage: echo").await;
    browser.go(&stage, &handler).await;
    browser.reads("Prints <b>what it is given</b>.").await;
    browser.pictured("handler-help").await;
    browser.go(&stage, &format!("/hosts/{}", id("hosts", "web-1"))).await;
    browser.push("Test connection").await;
    browser.button("Check on web-1").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn without_a_manager_the_popup_says_so_before_the_click() {
    let mut stage = Stage::new().await;
    stage.app.program("plugins_manager").signal(Signal::SIGKILL);
    test_support::eventually("the manager's word runs out", || {
        (stage.database.sql("SELECT count(*) FROM workers WHERE alive_until > now()") == "0").then_some(())
    });
    stage.open_popup().await;
    stage.browser.sign_in_inside("alice").await;
    stage.browser.sees("No plugins manager is running").await;
    stage.browser.accessible("the popup without a manager").await;
    stage.browser.press("Run ok").await;
    stage.browser.sees("Waiting: no plugins manager is running").await;
    stage.app.start_program("plugins_manager");
    stage.browser.pill(&["OK"]).await;
}
