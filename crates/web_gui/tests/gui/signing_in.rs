//! Passwords, one-time links, and the delay after failures.

use crate::common::{Answer, Gui, MINUTE, PASSWORD};
use reqwest::Method;
use selfservice_core::db::DbError;
use selfservice_core::models::users::User;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let mut browser = gui.browser();
    let asked = browser.get("/tasks?state=running").await;
    assert_eq!(asked.status, 303);
    assert_eq!(asked.header("location"), "/signin?next=/tasks%3Fstate%3Drunning");

    let welcome = browser.sign_in("Alice", PASSWORD).await;
    assert_eq!((welcome.status.as_u16(), welcome.header("location")), (303, "/tasks"));
    let cookie = welcome.header("set-cookie");
    assert!(cookie.starts_with("__Host-selfservice="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=36000; HttpOnly; Secure; SameSite=Lax"), "{cookie}");
    let secret = welcome.cookie().unwrap();
    let stored = gui.database.sql("SELECT encode(secret_hash, 'escape') FROM sessions");
    assert!(!stored.contains(secret.split('=').nth(1).unwrap()), "only the hash is kept");
    browser.cookie = Some(secret);
    let page = browser.get("/tasks").await;
    assert_eq!(page.status, 200);
    let token = page.text.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();

    let refused = browser.submit("/signout", &[("csrf_token", "guess")]).await;
    assert_eq!(refused.status, 403);
    let goodbye = browser.submit("/signout", &[("csrf_token", token)]).await;
    assert_eq!((goodbye.status.as_u16(), goodbye.header("location")), (303, "/signin"));
    assert!(goodbye.header("set-cookie").contains("=; Path=/; Max-Age=0"), "{goodbye:?}");
    assert_eq!(browser.get("/tasks").await.status, 303, "the cookie is of no use any more");
    assert_eq!(gui.session_audit(), "alice|password|session.create\nalice|password|session.end");
}

#[tokio::test]
async fn a_huge_password_is_wrong_and_told_to_nobody() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let browser = gui.browser();
    let refused = browser.sign_in("alice", &"x".repeat(60_000)).await;
    assert!(
        refused.status == 401 && refused.text.contains("The name or the password is wrong."),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains("xxxxxxxx") && !gui.app.log("web_gui").contains("xxxxxxxx"));
    assert_eq!(browser.sign_in("alice", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_look_the_same() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    gui.set_password(gui.world.carol);
    gui.database.sql("UPDATE users SET disabled = true WHERE name = 'carol'");
    let browser = gui.browser();
    let wrong = browser.sign_in("alice", "wrong password").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("The name or the password is wrong."), "{}", wrong.text);
    assert_eq!(wrong.cookie(), None);
    let cases = [
        ("nobody", "wrong password"),
        ("bob", "has no password"),
        ("carol", PASSWORD),
        ("alice\u{202e}", ""),
        ("<script>alert(1)</script>", "x"),
    ];
    for (name, password) in cases {
        let other = browser.sign_in(name, password).await;
        let shown = name.replace('<', "&#60;").replace('>', "&#62;");
        assert_eq!(other.status, 401, "{name}");
        assert_eq!(other.text.replace(&shown, "alice"), wrong.text, "the page for {name} differs");
    }
    let refused = gui.database.sql("SELECT count(*) FROM audit WHERE action = 'session.refuse'");
    assert_eq!(refused, "6");
}

#[tokio::test]
async fn failures_of_an_account_delay_it_and_only_it() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    gui.set_password(gui.world.bob);
    let browser = gui.browser();
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let browser = browser.clone();
            tokio::spawn(async move { browser.sign_in("alice", "wrong password").await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for one in tries {
        statuses.push(one.await.unwrap());
    }
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    let counted = gui.database.sql("SELECT failures FROM signin_failures WHERE subject = 'account alice'");
    assert_eq!(looked_at.to_string(), counted, "parallel tries are counted too: {statuses:?}");
    // Five at once; a machine that takes seconds for all twelve lets one or two more through.
    assert!((5..9).contains(&looked_at), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");

    gui.database.sql(
        "UPDATE signin_failures SET failures = 12, last_failed_at = now() WHERE subject = 'account alice'",
    );
    let delayed = browser.sign_in("ALICE", PASSWORD).await;
    assert_eq!(delayed.status, 429, "the right password does not help");
    assert!(delayed.text.contains("Too many sign-ins failed. Try again in 2"), "{}", delayed.text);
    assert_eq!(browser.sign_in("bob", PASSWORD).await.status, 303);

    gui.database
        .sql("UPDATE signin_failures SET last_failed_at = now() - interval '16 minutes' WHERE subject = 'account alice'");
    assert_eq!(browser.sign_in("alice", PASSWORD).await.status, 303, "nothing locks for ever");
    let left = gui.database.sql("SELECT count(*) FROM signin_failures WHERE subject = 'account alice'");
    assert_eq!(left, "0");
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_delayed() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let browser = gui.browser();
    for number in 0..20 {
        let name = format!("guess-{number}");
        assert_eq!(browser.sign_in(&name, "x").await.status, 401, "{name}");
    }
    let request = browser
        .ours(Method::POST, "/api/v1/session")
        .header("x-forwarded-for", "203.0.113.7")
        .json(&json!({ "name": "alice", "password": PASSWORD }));
    let delayed = Answer::of(request).await;
    assert_eq!(delayed.status, 429, "a header does not make another address of it");
    let link = browser.submit("/signin/link", &[("token", &gui.link(gui.world.alice, MINUTE))]).await;
    assert_eq!(link.status, 429, "links are tries too");
    assert!(link.text.contains("Too many sign-ins failed."), "{}", link.text);
    assert_eq!(gui.session_audit().lines().count(), 20, "what is refused unseen adds no row");
    let seconds: u64 = delayed.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    gui.database.sql("UPDATE signin_failures SET last_failed_at = now() - interval '61 seconds'");
    assert_eq!(browser.sign_in("alice", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn guessed_links_delay_their_address() {
    let gui = Gui::start();
    let browser = gui.browser();
    let mut statuses = Vec::new();
    for number in 0..25 {
        let guess = number.to_string();
        statuses.push(browser.submit("/signin/link", &[("token", &guess)]).await.status.as_u16());
    }
    assert_eq!((&statuses[..20], &statuses[20..]), (&[401; 20][..], &[429; 5][..]));
    assert_eq!(gui.session_audit().lines().count(), 20, "what is refused unseen adds no row");
    gui.database.sql("UPDATE signin_failures SET last_failed_at = now() - interval '61 seconds'");
    let secret = gui.link(gui.world.alice, MINUTE);
    assert_eq!(browser.submit("/signin/link", &[("token", &secret)]).await.status, 303);
    assert_eq!(gui.database.sql("SELECT failures FROM signin_failures"), "0", "the right one does not count");
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let gui = Gui::start();
    let secret = gui.link(gui.world.alice, MINUTE);
    let browser = gui.browser();
    for _ in 0..2 {
        let page = browser.get(&format!("/signin/link?token={secret}")).await;
        assert_eq!(page.status, 200, "looking does not use it up");
        assert!(page.text.contains(&format!("value=\"{secret}\"")), "{}", page.text);
        assert_eq!(page.header("referrer-policy"), "same-origin");
    }
    let fields = [("token", secret.as_str())];
    let mut together = Vec::new();
    for _ in 0..4 {
        let (browser, secret) = (browser.clone(), secret.clone());
        together
            .push(tokio::spawn(async move { browser.submit("/signin/link", &[("token", &secret)]).await }));
    }
    let mut cookies = Vec::new();
    for one in together {
        cookies.extend(one.await.unwrap().cookie());
    }
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let again = browser.submit("/signin/link", &fields).await;
    assert_eq!(again.status, 401);
    assert!(again.text.contains("This link was used already"), "{}", again.text);

    let late = gui.link(gui.world.alice, Duration::ZERO);
    assert_eq!(browser.submit("/signin/link", &[("token", &late)]).await.status, 401);
    let disabled = gui.link(gui.world.bob, MINUTE);
    gui.database.sql("UPDATE users SET disabled = true WHERE name = 'bob'");
    assert_eq!(browser.submit("/signin/link", &[("token", &disabled)]).await.status, 401);
    let replaced = gui.link(gui.world.alice, MINUTE);
    gui.set_password(gui.world.alice);
    let answer = browser.submit("/signin/link", &[("token", &replaced)]).await;
    assert_eq!(answer.status, 401, "a new password takes links back");
}

#[tokio::test]
async fn the_api_signs_in_and_out() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let mut browser = gui.browser();
    let nobody = browser.get("/api/v1/session").await;
    assert_eq!((nobody.status.as_u16(), nobody.header("content-type")), (401, "application/problem+json"));
    let body = json!({ "name": "alice", "password": PASSWORD });
    let request = browser.ours(Method::POST, "/api/v1/session").json(&body);
    let made = Answer::of(request).await;
    assert_eq!(made.status, 200, "{}", made.text);
    browser.cookie = made.cookie();
    let shown = browser.get("/api/v1/session").await;
    let (made, shown): (Value, Value) =
        (serde_json::from_str(&made.text).unwrap(), serde_json::from_str(&shown.text).unwrap());
    assert_eq!(made, shown);
    assert_eq!(shown["user"], json!({ "name": "alice", "display_name": "alice" }));
    assert_eq!(shown["identity"], "password");

    let without = Answer::of(browser.ours(Method::DELETE, "/api/v1/session")).await;
    assert_eq!(without.status, 403, "{}", without.text);
    let token = shown["csrf_token"].as_str().unwrap();
    let request = browser.ours(Method::DELETE, "/api/v1/session").header("x-csrf-token", token);
    assert_eq!(Answer::of(request).await.status, 204);
    assert_eq!(browser.get("/api/v1/session").await.status, 401);
}

#[tokio::test]
async fn bodies_that_are_not_what_is_expected_are_refused() {
    let gui = Gui::start();
    let browser = gui.browser();
    let send = |kind: &'static str, body: String| {
        let request = browser.ours(Method::POST, "/api/v1/session").header("content-type", kind);
        Answer::of(request.body(body))
    };
    let right = r#"{"name": "alice", "password": "x"}"#;
    let cases = [
        ("text/plain", right.to_owned()),
        ("application/x-www-form-urlencoded", "name=alice&password=x".to_owned()),
        ("application/json", r#"{"name": "alice", "password": "x", "admin": true}"#.to_owned()),
        ("application/json", r#"{"name": "alice", "name": "root", "password": "x"}"#.to_owned()),
        ("application/json", r#"{"name": ["alice"], "password": "x"}"#.to_owned()),
        ("application/json", format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000))),
        ("application/json", format!(r#"{{"name": "alice", "password": "{}"}}"#, "x".repeat(70_000))),
    ];
    for (kind, body) in cases {
        let answer = send(kind, body).await;
        assert_eq!(answer.status, 400, "{kind}: {}", answer.text);
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["status"], 400);
    }
    assert_eq!(send("application/json", right.to_owned()).await.status, 401);
}

#[tokio::test]
async fn a_long_password_is_refused_like_a_wrong_one() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let long = "x".repeat(20_000);
    assert_eq!(gui.browser().sign_in("alice", &long).await.status, 401);
}

#[tokio::test]
async fn the_user_who_was_disabled_meanwhile_gets_no_session() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let disabled = gui
        .database
        .pool()
        .run(|connection| User::set_disabled(connection, gui.world.alice, true).map_err(DbError::from));
    disabled.unwrap();
    assert_eq!(gui.browser().sign_in("alice", PASSWORD).await.status, 401);
}
