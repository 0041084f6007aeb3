//! A person who keeps the rights at work: somebody new gets a right, finds out what is missing, makes a token.

use serde_json::json;
use thirtyfour::Key;

use crate::keyboard::tab_to;
use crate::stage::{PASSWORD, Stage};

#[tokio::test]
async fn somebody_new_gets_a_right_and_learns_what_is_missing() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "root", "/users").await;
    browser.pictured("users").await;
    browser.push("New user").await;
    browser.type_into("Name", "erin").await;
    browser.type_into("Shown name", "Erin Example").await;
    browser.pictured("edit-user").await;
    browser.push("Create user").await;
    browser.reads("none was set").await;
    browser.type_by_id("password", PASSWORD).await;
    browser.push("Set password").await;
    browser.reads("a new one ends every session").await;

    browser.push("Teams").await;
    browser.push("New team").await;
    browser.type_into("Name", "on call").await;
    browser.add_row("Member", &[("Member", "erin")]).await;
    browser.push("Create team").await;
    browser.reads("every member has them").await;
    browser.push("New grant").await;
    browser.type_into("May", "run").await;
    browser.type_into("Environment", "nowhere").await;
    browser.push("Give it").await;
    browser.reads("There is no environment 'nowhere'.").await;
    browser.pictured("grant-refused").await;
    browser.type_into("Environment", "staging").await;
    browser.push("Give it").await;
    browser.reads("every host in staging").await;
    browser.pictured("grants").await;
    browser.push("on call").await;
    browser.pictured("team").await;
    browser.push("erin").await;
    browser.pictured("user").await;

    let url = format!("{}/rights?user=erin&host=both&handler=slow", stage.app.url);
    browser.driver.goto(&url).await.unwrap();
    browser.reads("erin may not run slow on both.").await;
    browser.reads("No grant lets erin run it in production").await;
    browser.pictured("why-not").await;
    browser.push("Grants").await;
    browser.push("Take away run for team on call in staging").await;
    browser.reads("because they are in the team on call").await;
    browser.pictured("grant-taken").await;
    browser.push("Audit log").await;
    browser.reads("grant.add").await;
    browser.pictured("audit").await;

    // An administrator cannot lock themselves out.
    let url = format!("{}/users/{}", stage.app.url, stage.world.root);
    browser.driver.goto(&url).await.unwrap();
    browser.push("Disable root").await;
    browser.reads("That would take from yourself the right to administer everything").await;
    browser.pictured("user-locked-out").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn ones_own_account_by_the_keyboard_alone() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "alice", "/account").await;
    browser.reads("What you may").await;
    browser.js("document.querySelector('main').focus()", vec![]).await;
    let name = "document.activeElement?.name";
    for _ in 0..30 {
        if browser.js(&format!("return {name}"), vec![]).await == json!("name") {
            break;
        }
        browser.keys(Key::Tab).await;
    }
    assert_eq!(browser.js(&format!("return {name}"), vec![]).await, json!("name"));
    browser.keys("nightly backup").await;
    browser.keys(Key::Tab).await;
    browser.keys("run").await;
    // The days stay as they are.
    browser.keys(Key::Tab).await;
    browser.keys(Key::Tab).await;
    browser.keys(PASSWORD).await;
    tab_to(browser, "Make token").await;
    browser.keys(Key::Enter).await;
    browser.reads("The token nightly backup was made.").await;
    let token = browser.js("return document.querySelector('code.secret').textContent", vec![]).await;
    assert!(token.as_str().unwrap().starts_with("selfservice_pat_"), "{token}");
    browser.pictured("account").await;
    assert_eq!(stage.database.sql("SELECT name, verb FROM api_tokens"), "nightly backup|run");
    browser.push("Revoke nightly backup").await;
    browser.reads("No API token.").await;

    browser.type_by_id("current", "not the password").await;
    for field in ["password", "again"] {
        browser.type_by_id(field, "another long password").await;
    }
    browser.push("Change password").await;
    browser.reads("The present password is wrong.").await;
    browser.pictured("account-refused").await;
    browser.type_by_id("current", PASSWORD).await;
    for field in ["password", "again"] {
        browser.type_by_id(field, "another long password").await;
    }
    browser.push("Change password").await;
    browser.reads("Your password was changed").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}
