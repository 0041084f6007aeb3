//! Who may frame the popup.

use std::time::Duration;

use test_support::AppOptions;

use crate::grafana::Grafana;
use crate::stage::Stage;

impl Stage {
    /// Frames one of our pages in a page of `origin`.
    pub async fn frame(&self, origin: &str, path: &str) {
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

#[tokio::test]
async fn what_is_dangerous_runs_in_no_frame_of_others() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.sign_in(&stage.app.url, "alice", "/").await;
    let around = stage.grafana.same_site();
    let linked = |handler: i64| format!("/popup?host=web-1&service=os&handler={handler}");

    // A link to an action opens its confirmation at once, in a frame too.
    stage.frame(&around, &linked(stage.world.echo)).await;
    browser.enter_frame().await;
    browser.sees("This runs").await;
    // The same site may still be another page, which could lay something over the button: a dangerous action is not
    // confirmed there, whatever the link says.
    stage.frame(&around, &linked(stage.world.danger)).await;
    browser.enter_frame().await;
    browser.sees("os · actions").await;
    browser.press("Run danger").await;
    browser.sees("os · actions").await;
    browser.enter_second_tab().await;
    browser.sees("Dangerous: type the host name web-1 to confirm").await;
    browser.fill("typed", "web-1").await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    let first = browser.task_id().await;
    browser.driver.close_window().await.unwrap();
    let [tab] = browser.driver.windows().await.unwrap().try_into().unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();

    // The same from the page of a run, which may be framed as well: the tab knows which run it does again.
    stage.frame(&around, &format!("/tasks/{first}")).await;
    browser.enter_frame().await;
    browser.pill(&["OK"]).await;
    browser.press("Run again").await;
    browser.pill(&["OK"]).await;
    browser.enter_second_tab().await;
    browser.sees("retry of").await;
    browser.fill("typed", "web-1").await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    let second = browser.task_id().await;
    assert_eq!(stage.task(&second, "retry_of"), first);
    assert_eq!(stage.database.sql("SELECT count(*) FROM tasks"), "2");
    browser.clean_conduct(&[&stage.app.url, &around]).await;
}

/// What a page around the popup, or another frame, could send it.
const FORGED: &str = "
    const what = { source: 'selfservice-popup', forged: true };
    const forged = [
      { ...what, type: 'close' }, { ...what, type: 'resize', height: 1 }, { ...what, type: 'open', host: 'web-2', handler: 1 },
      { ...what, type: 'run', html: '<img src=x onerror=alert(1)>' }, { ...what, type: 'x'.repeat(5_000_000) }, 'close', null,
    ];";

#[tokio::test]
async fn messages_of_others_neither_close_nor_change_anything() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.sign_in(&stage.app.url, "alice", "/").await;
    let around = stage.grafana.same_site();
    let heard = "window.arrived = 0; addEventListener('message', () => { window.arrived += 1; })";

    // The popup listens to nobody: what is confirmed stays what was shown.
    stage.frame(&around, &format!("/popup?host=web-1&service=os&handler={}", stage.world.echo)).await;
    browser.enter_frame().await;
    let command = "return root.querySelector('.command:not(.stale)')?.textContent";
    let shown = browser.in_popup("the command", command, vec![]).await;
    browser.js(heard, vec![]).await;
    browser.driver.enter_default_frame().await.unwrap();
    let send = "const popup = document.querySelector('iframe').contentWindow;
        for (const one of forged) popup.postMessage(one, '*');";
    browser.js(&format!("{FORGED}{send}"), vec![]).await;
    browser.enter_frame().await;
    browser.until("all of them arrived", "return window.arrived === 7", vec![]).await;
    assert_eq!(browser.in_popup("the command", command, vec![]).await, shown);
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    assert_eq!(stage.database.sql("SELECT host_name, handler_name FROM tasks"), "web-1|echo");

    // The page around hears its own popup alone.
    stage.open_popup().await;
    browser.sees("os · actions").await;
    browser.driver.enter_default_frame().await.unwrap();
    browser.js(heard, vec![]).await;
    browser.js(&format!("{FORGED}for (const one of forged) postMessage(one, '*');"), vec![]).await;
    browser.until("all of them arrived", "return window.arrived >= 7", vec![]).await;
    let open = "return [...document.body.children].some((one) => one.shadowRoot)";
    assert_eq!(browser.js(open, vec![]).await, true, "the popup is still there");
    browser.clean_conduct(&[&stage.app.url, &around]).await;
}
