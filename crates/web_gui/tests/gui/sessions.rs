//! How sessions and tokens end, and which cookies the settings ask for.

use crate::common::{Answer, Gui, MINUTE, PASSWORD};
use reqwest::Method;
use selfservice_core::access::Verb;
use selfservice_core::credentials;
use selfservice_core::db::DbError;
use selfservice_core::models::api_tokens::ApiToken;

#[tokio::test]
async fn a_session_ends_with_its_reason() {
    let gui = Gui::start();
    let cases = [
        "UPDATE sessions SET expires_at = now()",
        "UPDATE sessions SET last_seen_at = now() - interval '5 hours'",
        "UPDATE users SET disabled = true WHERE name = 'alice'",
        "DELETE FROM sessions",
    ];
    for statement in cases {
        gui.database.sql("UPDATE users SET disabled = false");
        let browser = gui.signed_in(gui.world.alice);
        assert_eq!(browser.get("/tasks").await.status, 200);
        gui.database.sql(statement);
        assert_eq!(browser.get("/tasks").await.status, 303, "after: {statement}");
        assert_eq!(browser.get("/api/v1/session").await.status, 401, "after: {statement}");
    }
    let browser = gui.signed_in(gui.world.alice);
    gui.database.sql("UPDATE users SET disabled = false");
    gui.set_password(gui.world.alice);
    assert_eq!(browser.get("/tasks").await.status, 303, "a new password ends sessions");
}

#[tokio::test]
async fn use_is_noted_and_keeps_the_session() {
    let gui = Gui::start();
    let browser = gui.signed_in(gui.world.alice);
    gui.database.sql("UPDATE sessions SET last_seen_at = now() - interval '3 hours'");
    assert_eq!(browser.get("/tasks").await.status, 200);
    let seen = "SELECT last_seen_at > now() - interval '1 minute', last_seen_at FROM sessions";
    let noted = gui.database.sql(seen);
    assert!(noted.starts_with("t|"), "{noted}");
    assert_eq!(browser.get("/tasks").await.status, 200);
    assert_eq!(gui.database.sql(seen), noted, "noted at most once a minute");
}

#[tokio::test]
async fn a_session_of_somebody_else_cannot_be_guessed_or_planted() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let mut browser = gui.browser();
    browser.cookie = Some("__Host-selfservice=planted-before-the-sign-in".to_owned());
    let welcome = browser.sign_in("alice", PASSWORD).await;
    assert!(!welcome.cookie().unwrap().contains("planted"), "{welcome:?}");
    assert_eq!(browser.get("/tasks").await.status, 303);
    browser.cookie = Some(welcome.cookie().unwrap().replace("__Host-", ""));
    assert_eq!(browser.get("/tasks").await.status, 303, "only under its own name");
}

#[tokio::test]
async fn a_token_counts_whole_and_in_its_header_alone() {
    let gui = Gui::start();
    let browser = gui.browser();
    let token = credentials::ApiToken::generate().unwrap();
    let made = gui.database.pool().run(|connection| {
        ApiToken::create(connection, &token, gui.world.alice, "test", Verb::See, MINUTE)
            .map_err(DbError::from)
    });
    made.unwrap();
    let text = token.reveal();
    let ask = |value: String| {
        Answer::of(browser.bare(Method::GET, "/api/v1/session").header("authorization", value))
    };
    let right = ask(format!("Bearer {text}")).await;
    assert_eq!(right.status, 200);
    assert!(right.text.contains(r#""identity":"token""#), "{}", right.text);
    assert!(right.text.contains(r#""csrf_token":"""#), "{}", right.text);

    let other = credentials::ApiToken::generate().unwrap().reveal();
    let wrong = [
        format!("Bearer {}", &text[..text.len() - 1]),
        format!("Bearer {other}"),
        format!("Basic {text}"),
        text.clone(),
        "Bearer".to_owned(),
    ];
    for value in wrong {
        assert_eq!(ask(value).await.status, 401);
    }
    let in_query = browser.get(&format!("/api/v1/session?token={text}")).await;
    assert_eq!(in_query.status, 401);
    let mut both = gui.signed_in(gui.world.alice).bare(Method::GET, "/api/v1/session");
    both = both.header("authorization", "Bearer wrong");
    assert_eq!(Answer::of(both).await.status, 401, "the cookie does not count beside a token");

    gui.database.sql("UPDATE api_tokens SET expires_at = now()");
    assert_eq!(ask(format!("Bearer {text}")).await.status, 401);
    assert!(!gui.app.log("web_gui").contains(&text), "a token is in the log");
}

#[tokio::test]
async fn identity_headers_of_proxies_are_not_believed() {
    let gui = Gui::start();
    let browser = gui.browser();
    for name in ["x-webauth-user", "x_webauth_user", "x-forwarded-user", "remote-user", "x-grafana-user"] {
        let request = browser.bare(Method::GET, "/api/v1/session").header(name, "root");
        assert_eq!(Answer::of(request).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn the_cookie_follows_the_settings() {
    let gui = Gui::with_settings(vec![("web", "cookie_mode = cross-site".to_owned())]);
    gui.set_password(gui.world.alice);
    let welcome = gui.browser().sign_in("alice", PASSWORD).await;
    let cookie = welcome.header("set-cookie");
    assert!(cookie.starts_with("__Host-selfservice="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; Secure; SameSite=None; Partitioned"), "{cookie}");

    let gui = Gui::with_settings(vec![("web", "public_url = http://10.1.2.3:8080".to_owned())]);
    gui.set_password(gui.world.alice);
    let mut browser = gui.browser();
    let request = browser
        .bare(Method::POST, "/signin")
        .header("origin", "http://10.1.2.3:8080")
        .form(&[("name", "alice"), ("password", PASSWORD)]);
    let welcome = Answer::of(request).await;
    let cookie = welcome.header("set-cookie");
    assert!(cookie.starts_with("selfservice="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=36000; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(gui.app.log("web_gui").contains("people sign in over plain http"));
    browser.cookie = welcome.cookie();
    assert_eq!(browser.get("/tasks").await.status, 200);
}
