//! The database goes away and comes back; the program does not mind.

use crate::common::Gui;
use std::time::{Duration, Instant};

#[tokio::test]
async fn while_the_database_is_away_the_pages_say_so() {
    let gui = Gui::with_settings(vec![("database", "connect_timeout_seconds = 1".to_owned())]);
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
    let deadline = Instant::now() + Duration::from_secs(20);
    while browser.get("/hosts").await.status != 200 {
        assert!(Instant::now() < deadline, "the pages do not come back");
    }
    assert_eq!(browser.get("/health").await.status, 200);
}
