//! One's own password, sessions and API tokens, and those of others for administrators.

use crate::common::{Answer, Browser, Gui, PASSWORD};
use reqwest::Method;
use serde_json::Value;

fn sessions_of(gui: &Gui, user: i64) -> Vec<String> {
    let ids =
        gui.database.sql(&format!("SELECT id FROM sessions WHERE users_id = {user} ORDER BY created_at, id"));
    ids.lines().map(str::to_owned).collect()
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/api/v1/session").await.status == 200
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner() {
    let gui = Gui::start();
    let (here, elsewhere) = (gui.signed_in(gui.world.alice), gui.signed_in(gui.world.alice));
    let bob = gui.signed_in(gui.world.bob);
    gui.database.sql(
        "UPDATE sessions SET user_agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', \
         address = '192.0.2.7'",
    );
    let shown = here.page("/account").await;
    assert_eq!(shown.matches("Firefox on Linux").count(), 3, "two rows, one of them with a button: {shown}");
    assert_eq!(shown.matches("This one").count(), 1);
    assert!(shown.contains("192.0.2.7"), "{shown}");
    for secret in ["secret_hash", &here.csrf_token[..]] {
        assert_eq!(shown.matches(secret).count() > 0, secret != "secret_hash", "only the form's own token");
    }
    assert!(!shown.contains(&elsewhere.csrf_token), "tokens of other sessions stay with them");

    let theirs = sessions_of(&gui, gui.world.bob);
    for session in [theirs[0].as_str(), "00000000-0000-4000-8000-000000000000"] {
        let answer = here.send(&format!("/account/sessions/{session}/end"), &[]).await;
        assert_eq!(answer.status, 404, "not yours and not there are the same");
    }
    assert!(is_signed_in(&bob).await);
    let mine = sessions_of(&gui, gui.world.alice);
    let shown_buttons = mine.iter().filter(|id| shown.contains(id.as_str())).collect::<Vec<_>>();
    let [other] = shown_buttons[..] else { panic!("one button: {shown_buttons:?}") };
    assert_eq!(here.send(&format!("/account/sessions/{other}/end"), &[]).await.status, 303);
    assert!(!is_signed_in(&elsewhere).await, "at once");
    assert!(is_signed_in(&here).await);

    let more = [gui.signed_in(gui.world.alice), gui.signed_in(gui.world.alice)];
    assert_eq!(here.send("/account/sessions/end", &[]).await.status, 303);
    for one in &more {
        assert!(!is_signed_in(one).await);
    }
    assert!(is_signed_in(&here).await && is_signed_in(&bob).await);
    let audit = gui
        .database
        .sql("SELECT actor, action, object FROM audit WHERE action LIKE 'session.revoke%' ORDER BY id");
    assert_eq!(audit, "alice|session.revoke.refuse|\nalice|session.revoke|alice\nalice|session.revoke|alice");
}

#[tokio::test]
async fn an_administrator_ends_sessions_of_others() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let (one, two) = (gui.signed_in(gui.world.alice), gui.signed_in(gui.world.alice));
    let path = format!("/users/{}", gui.world.alice);
    let first = &sessions_of(&gui, gui.world.alice)[0];
    assert_eq!(root.send(&format!("{path}/sessions/{first}/end"), &[]).await.status, 303);
    assert_eq!(u8::from(is_signed_in(&one).await) + u8::from(is_signed_in(&two).await), 1);
    assert_eq!(root.send(&format!("{path}/sessions/end"), &[]).await.status, 303);
    assert!(!is_signed_in(&one).await && !is_signed_in(&two).await && is_signed_in(&root).await);
    let own = format!("/users/{}/sessions/end", gui.world.root);
    assert_eq!(root.send(&own, &[]).await.status, 303);
    assert!(is_signed_in(&root).await, "the session that asks stays");
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_begins_a_fresh_one() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let mut here = gui.signed_in(gui.world.alice);
    let elsewhere = gui.signed_in(gui.world.alice);
    let change = async |browser: &Browser, current: &str, new: &str, again: &str| {
        let fields = [("current", current), ("password", new), ("again", again)];
        browser.send("/account/password", &fields).await
    };
    for (current, new, again, complaint) in [
        ("wrong", "another long password", "another long password", "The present password is wrong."),
        (PASSWORD, "short", "short", "A password must have at least 8 characters."),
        (
            PASSWORD,
            "another long password",
            "another lung password",
            "The two new passwords are not the same.",
        ),
    ] {
        let refused = change(&here, current, new, again).await;
        assert_eq!(refused.status, 400, "{complaint}");
        assert!(refused.text.contains(complaint), "{}", refused.text);
        assert!(!refused.text.contains(new), "a password is not shown again");
    }
    assert!(is_signed_in(&here).await && is_signed_in(&elsewhere).await);

    let new = "another long password";
    let changed = change(&here, PASSWORD, new, new).await;
    assert_eq!((changed.status.as_u16(), changed.header("location")), (303, "/account?done=password"));
    assert!(!is_signed_in(&here).await, "the old cookie is worth nothing");
    assert!(!is_signed_in(&elsewhere).await);
    here.cookie = changed.cookie();
    assert!(is_signed_in(&here).await);
    assert!(here.page("/account?done=password").await.contains("Your password was changed"));
    assert_eq!(gui.browser().sign_in("alice", PASSWORD).await.status, 401);
    assert_eq!(gui.browser().sign_in("alice", new).await.status, 303);
    let told = gui.database.sql("SELECT string_agg(detail::text || object || action, '') FROM audit");
    assert!(
        told.contains("user.password.refuse") && !told.contains(new) && !told.contains(PASSWORD),
        "{told}"
    );
    assert!(!gui.app.log("web_gui").contains(new));
}

#[tokio::test]
async fn who_took_a_session_cannot_guess_the_password_with_it() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let stolen = gui.signed_in(gui.world.alice);
    let mut statuses = Vec::new();
    for guess in 0..8 {
        let guess = format!("guess number {guess}");
        let fields = [("current", guess.as_str()), ("password", "long enough"), ("again", "long enough")];
        statuses.push(stolen.send("/account/password", &fields).await.status.as_u16());
    }
    assert_eq!(statuses[0], 400);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn an_administrator_sets_the_password_of_somebody_else_only() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let bob = gui.signed_in(gui.world.bob);
    let path = format!("/users/{}/password", gui.world.bob);
    let short = root.send(&path, &[("password", "short")]).await;
    assert_eq!(short.status, 400);
    assert!(short.text.contains("A password must have at least 8 characters."), "{}", short.text);
    assert_eq!(root.send(&path, &[("password", "a fresh password")]).await.status, 303);
    assert!(!is_signed_in(&bob).await);
    assert_eq!(gui.browser().sign_in("bob", "a fresh password").await.status, 303);
    let own =
        root.send(&format!("/users/{}/password", gui.world.root), &[("password", "a fresh password")]).await;
    assert_eq!(own.status, 400);
    assert!(own.text.contains("with the present one"), "{}", own.text);
    assert!(is_signed_in(&root).await);
}

#[tokio::test]
async fn a_token_takes_the_present_password() {
    let gui = Gui::start();
    gui.set_password(gui.world.alice);
    let alice = gui.signed_in(gui.world.alice);
    assert!(alice.page("/account").await.contains("Present password <input name=\"current\""));
    let make = async |current: &str| {
        let fields = [("current", current), ("name", "backup"), ("verb", "see"), ("days", "9")];
        alice.send("/account/tokens", &fields).await
    };
    let by_api = async |current: &str| {
        let body = serde_json::json!({"current": current, "name": "backup", "verb": "see", "days": 9});
        let request = alice.ours(Method::POST, "/api/v1/tokens").header("x-csrf-token", &alice.csrf_token);
        Answer::of(request.json(&body)).await
    };
    for wrong in ["", "wrong"] {
        for refused in [make(wrong).await, by_api(wrong).await] {
            assert_eq!(refused.status, 400, "{}", refused.text);
            assert!(refused.text.contains("The present password is wrong."), "{}", refused.text);
        }
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM api_tokens"), "0");
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit WHERE action = 'token.add.refuse'"), "4");
    assert_eq!(make(PASSWORD).await.status, 200, "the right one begins the count anew");
    assert_eq!(by_api(PASSWORD).await.status, 201);
    assert_eq!(make("a guess").await.status, 400);
    gui.database.sql("UPDATE signin_failures SET failures = 30, last_failed_at = now()");
    assert_eq!(make(PASSWORD).await.status, 429, "guesses are slowed down as those of a sign-in");
}

#[tokio::test]
async fn tokens_end_with_what_an_administrator_ends() {
    let gui = Gui::start();
    gui.set_password(gui.world.bob);
    let (root, bob) = (gui.signed_in(gui.world.root), gui.signed_in(gui.world.bob));
    let fields = [("current", PASSWORD), ("name", "nightly"), ("verb", "see"), ("days", "9")];
    let tokens = || gui.database.sql("SELECT count(*) FROM api_tokens");
    let path = format!("/users/{}", gui.world.bob);
    assert_eq!(bob.send("/account/tokens", &fields).await.status, 200);
    // What bob does himself leaves his tokens, and says so.
    assert_eq!(bob.send("/account/sessions/end", &[]).await.header("location"), "/account?done=sessions");
    let said = bob.page("/account?done=sessions").await;
    assert!(said.contains("An API token is still valid: <a href=\"#tokens\">"), "{said}");
    assert_eq!(tokens(), "1");
    assert!(root.page(&path).await.contains("End all of them and revoke the API tokens"));
    assert_eq!(root.send(&format!("{path}/sessions/end"), &[]).await.status, 303);
    assert_eq!(tokens(), "0");
    let bob = gui.signed_in(gui.world.bob);
    assert_eq!(bob.send("/account/tokens", &fields).await.status, 200);
    assert_eq!(root.send(&format!("{path}/password"), &[("password", "a fresh password")]).await.status, 303);
    assert_eq!(tokens(), "0");
    let told = "SELECT string_agg(action || ' ' || (detail ->> 'tokens'), ', ' ORDER BY id) FROM audit \
                WHERE actor = 'root' AND detail ? 'tokens'";
    assert_eq!(gui.database.sql(told), "session.revoke 1, user.password 1");
}

/// The text of a token in a page that was just made.
fn shown_token(page: &str) -> String {
    let rest = page.split("class=\"secret\">").nth(1).unwrap_or_else(|| panic!("no token: {page}"));
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_shown_once_and_never_does_more_than_its_owner() {
    let gui = Gui::start();
    let alice = gui.signed_in(gui.world.alice);
    let make = async |browser: &Browser, name: &str, verb: &str, days: &str| {
        browser.send("/account/tokens", &[("name", name), ("verb", verb), ("days", days)]).await
    };
    for (name, verb, days, complaint) in [
        ("", "see", "1", "The name must not be empty."),
        ("x", "admin", "1", "A token never has more rights than its owner: yours reach up to &#39;run&#39;."),
        ("x", "own", "1", "&#39;own&#39; is not one of see, run, admin"),
        ("x", "see", "0", "0 days: allowed is 1 to 365."),
        ("x", "see", "366", "366 days: allowed is 1 to 365."),
        ("x", "see", "soon", "&#39;soon&#39; must be a whole number from 1 to 365."),
    ] {
        let refused = make(&alice, name, verb, days).await;
        assert_eq!(refused.status, 400, "{complaint}: {}", refused.text);
        assert!(refused.text.contains(complaint), "{complaint}: {}", refused.text);
    }
    let nobody = make(&gui.signed_in(gui.world.dave), "x", "see", "1").await;
    assert!(nobody.text.contains("You have no rights that a token could use."), "{}", nobody.text);
    assert_eq!(gui.database.sql("SELECT count(*) FROM api_tokens"), "0");

    let made = make(&alice, "backup", "run", "30").await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (200, "no-store"));
    let text = shown_token(&made.text);
    let secret = text.split('_').nth(3).unwrap();
    let shown = alice.page("/account").await;
    assert!(shown.contains("backup") && !shown.contains(secret), "shown once");
    let kept = gui.database.sql("SELECT t::text FROM api_tokens t")
        + &gui.database.sql("SELECT a::text FROM audit a");
    assert!(kept.contains("token.add") && !kept.contains(secret), "only its hash is kept");
    assert!(!gui.app.log("web_gui").contains(secret));

    let browser = gui.browser();
    let with = |method: Method, path: &str| {
        browser.bare(method, path).header("authorization", format!("Bearer {text}"))
    };
    assert_eq!(Answer::of(with(Method::GET, "/api/v1/session")).await.status, 200);
    for (method, path) in
        [(Method::GET, "/api/v1/tokens"), (Method::GET, "/api/v1/sessions"), (Method::GET, "/account")]
    {
        assert_eq!(Answer::of(with(method, path)).await.status, 403, "{path}: a token does not keep house");
    }
    let begets = with(Method::POST, "/api/v1/tokens")
        .json(&serde_json::json!({"name": "child", "verb": "see", "days": 365}));
    assert_eq!(Answer::of(begets).await.status, 403);
    let takes = with(Method::PUT, "/api/v1/session/password")
        .json(&serde_json::json!({"current": "", "password": "long enough for it"}));
    assert_eq!(Answer::of(takes).await.status, 403);

    gui.database.sql("UPDATE users SET disabled = true WHERE name = 'alice'");
    assert_eq!(Answer::of(with(Method::GET, "/api/v1/session")).await.status, 401);
    gui.database.sql("UPDATE users SET disabled = false");
    gui.database.sql("DELETE FROM grants WHERE users_id = (SELECT id FROM users WHERE name = 'alice')");
    let hosts = Answer::of(with(Method::GET, "/api/v1/hosts")).await;
    let hosts: Value = serde_json::from_str(&hosts.text).unwrap();
    assert_eq!(hosts["hosts"], serde_json::json!([]), "what the owner lost, the token lost");

    let id = gui.database.sql("SELECT id FROM api_tokens");
    let stranger = gui.signed_in(gui.world.bob);
    for id in [id.as_str(), "000000000000"] {
        assert_eq!(stranger.send(&format!("/account/tokens/{id}/revoke"), &[]).await.status, 404);
    }
    assert_eq!(alice.send(&format!("/account/tokens/{id}/revoke"), &[]).await.status, 303);
    assert_eq!(Answer::of(with(Method::GET, "/api/v1/session")).await.status, 401);
}

#[tokio::test]
async fn an_administrator_revokes_tokens_of_others() {
    let gui = Gui::start();
    let fields = [("name", "theirs"), ("verb", "see"), ("days", "9")];
    let made = gui.signed_in(gui.world.bob).send("/account/tokens", &fields).await;
    assert_eq!(made.status, 200);
    let (root, id) = (gui.signed_in(gui.world.root), gui.database.sql("SELECT id FROM api_tokens"));
    let path = format!("/users/{}", gui.world.bob);
    assert!(root.page(&path).await.contains("theirs"));
    assert_eq!(root.send(&format!("{path}/tokens/{id}/revoke"), &[]).await.status, 303);
    assert_eq!(gui.database.sql("SELECT count(*) FROM api_tokens"), "0");
    let audit =
        gui.database.sql("SELECT actor, object, detail ->> 'owner' FROM audit WHERE action = 'token.revoke'");
    assert_eq!(audit, "root|theirs|bob");
}

#[tokio::test]
async fn the_answer_says_nothing_about_whose_it_is() {
    let gui = Gui::start();
    let (alice, _bob) = (gui.signed_in(gui.world.alice), gui.signed_in(gui.world.bob));
    let theirs = &sessions_of(&gui, gui.world.bob)[0];
    let hidden = alice.send(&format!("/account/sessions/{theirs}/end"), &[]).await;
    let unknown = alice.send("/account/sessions/00000000-0000-4000-8000-000000000000/end", &[]).await;
    assert_eq!((hidden.status, &hidden.text), (unknown.status, &unknown.text));
}
