//! The database goes away and comes back; the program does not mind.

use crate::common::{Answer, Browser, Gui};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use std::time::{Duration, Instant};
use test_support::{Fault, PATIENCE, eventually, impatient, sql};
use uuid::Uuid;

/// How long the requests may wait for the database.
const LIMIT: Duration = Duration::from_secs(6);
/// A loaded machine may take so much longer, which is less than a second wait for the database would.
const SLACK: Duration = Duration::from_millis(5900);

/// Requests that use the database once, twice or three times, and what the answer says.
fn requests(gui: &Gui, browser: &Browser) -> Vec<(RequestBuilder, &'static str)> {
    let world = &gui.world;
    let task = json!({
        "host_id": world.web_1, "service_id": world.os, "handler_id": world.ok, "parameters": {},
        "request_key": Uuid::new_v4(),
    });
    let api =
        |method: Method, path: &str| browser.ours(method, path).header("x-csrf-token", &browser.csrf_token);
    let sign_in = [("next", "/"), ("name", "alice"), ("password", "whatever it is")];
    vec![
        (api(Method::GET, "/health"), "the database does not answer"),
        (
            api(Method::GET, "/hosts"),
            "The database does not answer. Running actions go on; try again in a moment.",
        ),
        (api(Method::GET, "/"), "The database does not answer."),
        (api(Method::GET, "/api/v1/popup?host=web-1"), "The database does not answer."),
        (api(Method::GET, &format!("/api/v1/tasks/{}/events", Uuid::nil())), "The database does not answer."),
        (
            api(Method::POST, "/api/v1/tasks").json(&task),
            "Send the request again with the same request_key: that is safe",
        ),
        (browser.ours(Method::POST, "/signin").form(&sign_in), "look before you do it again"),
    ]
}

/// Whatever the database does, every address answers in time; all is well when that ends.
async fn answers_in_time(fault: Fault) {
    let (gui, proxy) = Gui::behind_proxy(LIMIT);
    let browser = gui.signed_in(gui.world.alice);
    assert_eq!(browser.get("/hosts").await.status, 200);
    proxy.set(fault);
    // The first of each meets connections that were good, the second one what is known to be bad.
    for round in ["at first", "later"] {
        let asked = requests(&gui, &browser).into_iter().map(|(request, sentence)| async move {
            let from = Instant::now();
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 503, "{fault:?}: {}", answer.text);
            assert!(answer.text.contains(sentence), "{fault:?}: {}", answer.text);
            from.elapsed()
        });
        let slowest = futures_util::future::join_all(asked).await.into_iter().max().unwrap();
        println!("{fault:?} {round}: the slowest answer came after {slowest:?}");
        assert!(slowest < LIMIT + SLACK, "{fault:?} {round}: {slowest:?}");
    }
    proxy.set(Fault::Pass);
    let healed = Instant::now();
    while browser.get("/hosts").await.status != 200 {
        assert!(healed.elapsed() < PATIENCE, "{fault:?}: the pages do not come back");
    }
    println!("{fault:?}: pages work {:?} after its end", healed.elapsed());
    assert_eq!(browser.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_slow_network_is_answered_in_time() {
    answers_in_time(Fault::Latency(Duration::from_secs(5))).await;
}

#[tokio::test]
async fn a_trickling_network_is_answered_in_time() {
    answers_in_time(Fault::Bandwidth(1)).await;
}

#[tokio::test]
async fn a_silent_network_is_answered_in_time() {
    answers_in_time(Fault::Blackhole).await;
}

#[tokio::test]
async fn half_open_connections_are_answered_in_time() {
    answers_in_time(Fault::HalfOpen).await;
}

#[tokio::test]
async fn reset_connections_are_answered_in_time() {
    answers_in_time(Fault::Reset).await;
}

#[tokio::test]
async fn refused_connections_are_answered_in_time() {
    answers_in_time(Fault::Refuse).await;
}

#[tokio::test]
async fn a_table_that_somebody_has_locked_is_answered_in_time() {
    let gui = Gui::with_settings(impatient());
    let browser = gui.signed_in(gui.world.alice);
    let url = gui.database.url().to_owned();
    let holding =
        std::thread::spawn(move || sql(&url, "BEGIN; LOCK TABLE hosts, workers; SELECT pg_sleep(600)"));
    eventually("the tables are locked", || {
        let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                    AND relation IN ('hosts'::regclass, 'workers'::regclass)";
        (gui.database.sql(held) == "2").then_some(())
    });
    for path in ["/hosts", "/health"] {
        let from = Instant::now();
        assert_eq!(browser.get(path).await.status, 503, "{path}");
        assert!(from.elapsed() < LIMIT + SLACK, "{path}: {:?}", from.elapsed());
    }
    let holder = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event = 'PgSleep'";
    assert_eq!(gui.database.sql(holder), "1");
    assert!(holding.join().unwrap().is_err());
    assert_eq!(browser.get("/hosts").await.status, 200);
}

#[tokio::test]
async fn health_says_what_is_wrong_with_the_database() {
    let gui = Gui::with_settings(impatient());
    let name = gui.database.sql("SELECT current_database()");
    // As after a failover to a standby: sessions end, new ones only read.
    gui.database.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    gui.database.shut_out();
    gui.database.let_in();
    let browser = gui.browser();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = browser.get("/health").await;
        assert_eq!(health.status, 503);
        if health.text.contains("the database is read-only") {
            break;
        }
        assert!(Instant::now() < deadline, "{}", health.text);
    }
    gui.database
        .sql(&format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"));
    gui.database.shut_out();
    gui.database.let_in();
    gui.database.sql("ALTER TABLE workers RENAME TO gone");
    let deadline = Instant::now() + PATIENCE;
    while !browser.get("/health").await.text.contains("the database refuses a statement") {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn while_the_database_is_away_the_pages_say_so() {
    let gui = Gui::with_settings(impatient());
    let browser = gui.signed_in(gui.world.alice);
    assert_eq!(browser.get("/hosts").await.status, 200);
    assert_eq!(browser.get("/health").await.status, 200);
    gui.database.shut_out();
    for path in ["/hosts", "/", "/tasks"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 503, "{path}");
        assert!(page.text.contains("The database does not answer."), "{}", page.text);
    }
    let problem = browser.get("/api/v1/session").await;
    assert_eq!(problem.status, 503);
    assert_eq!(problem.header("content-type"), "application/problem+json");
    assert_eq!(browser.get("/health").await.status, 503);
    let form = browser.sign_in("alice", "whatever it is").await;
    assert_eq!(form.status, 503, "{}", form.text);
    assert_eq!(browser.get("/popup").await.status, 200, "what needs no database works");
    assert_eq!(browser.get("/assets/popup.js").await.status, 200);
    gui.database.let_in();
    let deadline = Instant::now() + PATIENCE;
    while browser.get("/hosts").await.status != 200 {
        assert!(Instant::now() < deadline, "the pages do not come back");
    }
    assert_eq!(browser.get("/health").await.status, 200);
}
