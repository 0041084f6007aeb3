//! Every screen of the popup, dark and light, and the wide pages: nothing for axe to say, and a picture of each.

use nix::sys::signal::Signal;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::shots::directory;
use crate::stage::Stage;

const POPUP: &str = "/popup?host=db-prod-03&service=PostgreSQL";

impl Browser {
    /// Looks at the present screen in both themes.
    pub async fn record(&self, screen: &str) {
        for theme in ["dark", "light"] {
            self.js("document.documentElement.dataset.theme = arguments[0]", vec![theme.into()]).await;
            self.accessible(&format!("{screen} ({theme})")).await;
            self.shot(&format!("{screen}-{theme}")).await;
        }
    }

    pub async fn go(&self, stage: &Stage, path: &str) {
        self.driver.goto(format!("{}{path}", stage.app.url)).await.unwrap();
    }

    /// Confirms an action of db-prod-03 whose command is shown.
    async fn confirm(&self) {
        self.press("Run on db-prod-03").await;
    }
}

#[tokio::test]
async fn every_screen_is_accessible_and_has_its_picture() {
    let mut stage = Stage::new().await;
    stage.browser.width(480).await;
    results(&stage).await;
    without_manager(&mut stage).await;
    stage.browser.width(1280).await;
    wide_pages(&stage).await;
    stage.browser.clean_conduct(&[&stage.app.url]).await;
    stage.browser.width(1504).await;
    composite(&stage.browser).await;
}

/// Three screens side by side: `docs/images/popup.png` is a copy.
async fn composite(browser: &Browser) {
    let pictures = ["actions", "running", "ok-steps"].map(|one| format!("<img src='popup-{one}-dark.png'>"));
    let style = "margin:16px;display:flex;gap:16px;align-items:start;background:#0b0c0e";
    let page = directory().join("popup.html");
    std::fs::write(&page, format!("<body style='{style}'>{}", pictures.concat())).unwrap();
    browser.driver.goto(format!("file://{}", page.display())).await.unwrap();
    browser.shot("popup").await;
}

async fn results(stage: &Stage) {
    let browser = &stage.browser;
    browser.go(stage, POPUP).await;
    browser.sees("to see the actions that you may use").await;
    browser.record("popup-sign-in").await;
    browser.sign_in_inside("alice").await;

    browser.press("Run Show replication lag").await;
    browser.pill(&["OK"]).await;
    browser.sees("0.4 s behind").await;
    browser.record("popup-ok").await;
    browser.press("Back to actions").await;

    browser.press("Run End long queries").await;
    browser.confirm().await;
    browser.pill(&["WARNING"]).await;
    browser.sees("pg_sleep").await;
    browser.record("popup-warning").await;
    browser.press("Back to actions").await;

    browser.press("Run Promote to primary").await;
    browser.fill("typed", "db-prod-03").await;
    browser.button("Run on db-prod-03").await;
    browser.record("popup-confirmation-typed").await;
    browser.confirm().await;
    browser.pill(&["CRITICAL"]).await;
    browser.sees("nothing was promoted").await;
    browser.record("popup-critical").await;
    browser.press("Back to actions").await;

    browser.press("Run Restart replica").await;
    browser.button("Run on db-prod-03").await;
    browser.record("popup-confirmation").await;
    browser.confirm().await;
    browser.sees("starting the server").await;
    browser.sees("waiting for recovery").await;
    browser.record("popup-running").await;
    browser.press("Back to actions").await;
    browser.sees("Running now").await;
    browser.record("popup-actions-running").await;
    std::fs::write(stage.app.plugins.join("restart_replica.go"), "").unwrap();
    browser.press("Watch Restart replica").await;
    browser.pill(&["OK"]).await;
    browser.record("popup-ok-steps").await;
    browser.press("Back to actions").await;
    browser.sees("Recently on this host").await;
    browser.record("popup-actions").await;
    browser.press("All hosts").await;
    browser.sees("Choose a host to see its actions").await;
    browser.record("popup-hosts").await;
    browser.go(stage, "/popup?host=no-such-host").await;
    browser.sees("Not found").await;
    browser.record("popup-not-found").await;
}

async fn without_manager(stage: &mut Stage) {
    let browser = &stage.browser;
    std::fs::remove_file(stage.app.plugins.join("restart_replica.go")).unwrap();
    browser.go(stage, POPUP).await;
    browser.press("Run Restart replica").await;
    browser.confirm().await;
    browser.sees("starting the server").await;
    stage.app.program("plugins_manager").signal(Signal::SIGKILL);
    test_support::eventually("the manager's word runs out", || {
        (stage.database.sql("SELECT count(*) FROM workers WHERE alive_until > now()") == "0").then_some(())
    });
    browser.press("Back to actions").await;
    browser.sees("No plugins manager is running").await;
    browser.record("popup-no-manager").await;
    browser.press("Watch Restart replica").await;
    stage.app.start_program("plugins_manager");
    let browser = &stage.browser;
    let pill = browser.pill(&["UNKNOWN"]).await;
    assert!(pill.contains("outcome unknown"), "{pill}");
    browser.record("popup-lost").await;
}

async fn wide_pages(stage: &Stage) {
    let browser = &stage.browser;
    let task = stage.database.sql(
        "SELECT id FROM tasks WHERE state = 'finished' AND plugin = 'restart_replica' AND result = 'ok'",
    );
    let host = stage.database.sql("SELECT id FROM hosts WHERE name = 'db-prod-03'");
    for (name, path) in [
        ("start", "/".to_owned()),
        ("tasks", "/tasks".to_owned()),
        ("task", format!("/tasks/{task}")),
        ("hosts", "/hosts".to_owned()),
        ("host", format!("/hosts/{host}")),
        ("handlers", "/event_handlers".to_owned()),
        ("managers", "/managers".to_owned()),
    ] {
        browser.go(stage, &path).await;
        if name == "task" {
            browser.pill(&["OK"]).await;
        }
        browser.record(&format!("page-{name}")).await;
    }
    browser.driver.delete_all_cookies().await.unwrap();
    browser.go(stage, "/signin").await;
    browser.driver.find(By::Id("name")).await.unwrap();
    browser.record("page-sign-in").await;
}
