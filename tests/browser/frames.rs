//! Who may frame the popup.

use std::time::Duration;

use test_support::AppOptions;

use crate::grafana::Grafana;
use crate::stage::Stage;

impl Stage {
    /// Frames one of our pages in a page of `origin`.
    async fn frame(&self, origin: &str, path: &str) {
        let page = format!("{origin}/frame?{}{path}", self.app.url);
        self.browser.driver.goto(page).await.unwrap();
    }

    /// Waits until the browser says that it has refused a frame.
    async fn refused(&self) {
        for _ in 0..400 {
            let said = self.browser.console().await;
            if said.iter().any(|line| line.contains("frame-ancestors")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the browser refused no frame");
    }
}

#[tokio::test]
async fn only_the_named_origins_may_frame_the_popup() {
    let stage = Stage::with(|_| AppOptions { manager: false, ..Default::default() }).await;
    let browser = &stage.browser;
    for origin in [stage.grafana.same_site(), stage.grafana.cross_site()] {
        stage.frame(&origin, "/popup").await;
        browser.until("the popup speaks to the page around", "return window.heard > 0", vec![]).await;
    }
    assert_eq!(browser.console().await, Vec::<String>::new());

    let stranger = Grafana::start();
    for origin in [stranger.same_site(), stranger.cross_site()] {
        stage.frame(&origin, "/popup").await;
        stage.refused().await;
        assert_eq!(browser.js("return window.heard", vec![]).await, 0);
    }
    // The pages that are not the popup's may be framed by nobody.
    browser.sign_in(&stage.app.url, "alice", "/hosts").await;
    stage.frame(&stage.grafana.same_site(), "/hosts").await;
    stage.refused().await;
}
