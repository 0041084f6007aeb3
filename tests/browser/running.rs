//! A run that goes on: cancelled, left and found again, followed without server-sent events.

use test_support::eventually;

use crate::stage::Stage;

/// Whether a process with this argument exists.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|command| command.split(|&byte| byte == 0).any(|part| part == argument.as_bytes()))
}

/// Keeps the answer to a cancel from the page until `letGo` is called; `read` is true when the page has had it.
const HOLD_CANCEL: &str = "
    const ask = window.fetch;
    window.fetch = async (url, ...more) => {
      const answer = await ask(url, ...more);
      if (!String(url).endsWith('/cancel')) return answer;
      const text = await answer.text();
      await new Promise((go) => { window.letGo = () => { go(); return true; }; });
      const give = async () => { setTimeout(() => { window.read = true; }); return text; };
      return new Proxy(answer, { get: (one, name) => name === 'text' ? give : Reflect.get(one, name, one) });
    };";

#[tokio::test]
async fn cancelling_ends_the_whole_tree() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    let seconds = |number: u32| format!("{}.{number}", 1_000_000 + std::process::id());
    let [child, session, deaf] = [1, 2, 3].map(seconds);
    let script = format!(
        "sleep {child} & setsid sleep {session} & (trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep {deaf}; sleep {deaf}') & echo started; wait"
    );
    stage.app.replace_plugin(&stage.database, "slow", &script);

    stage.open_popup().await;
    browser.sign_in_inside("alice").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    browser.sees("started").await;
    eventually("the whole tree runs", || [&child, &session, &deaf].iter().all(|one| runs(one)).then_some(()));
    browser.press("Cancel").await;
    browser.press("Let it run").await;
    assert!(runs(&child), "asking first ends nothing");
    browser.press("Cancel").await;
    // The answer to the cancel comes late, after the news that the run has ended.
    browser.js(HOLD_CANCEL, vec![]).await;
    browser.press("End it").await;
    let pill = browser.pill(&["Cancelled"]).await;
    assert!(pill.contains("by alice"), "{pill}");
    browser.until("the answer is there", "return window.letGo?.() ?? false", vec![]).await;
    browser.until("the popup has read it", "return window.read", vec![]).await;
    assert_eq!(browser.pill(&["Cancelled", "Running"]).await, pill);
    let left: Vec<_> = [child, session, deaf].into_iter().filter(|one| runs(one)).collect();
    assert!(left.is_empty(), "these outlived the run: {left:?}");
}

#[tokio::test]
async fn the_popup_finds_the_running_task_again() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.open_popup().await;
    browser.sign_in_inside("alice").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    browser.sees("line 2").await;
    let id = browser.task_id().await;

    // Closing the popup ends no run; opened again, it knows of it and offers to watch.
    browser.driver.enter_default_frame().await.unwrap();
    let close = "const holder = [...document.body.children].find((one) => one.shadowRoot); return holder?.shadowRoot.querySelector('button')";
    browser.element("the popup can be closed", close, vec![]).await.click().await.unwrap();
    browser
        .until(
            "the popup is gone",
            "return ![...document.body.children].some((one) => one.shadowRoot)",
            vec![],
        )
        .await;
    assert_eq!(stage.task(&id, "state"), "running");
    stage.open_popup().await;
    let text = browser.sees("Running now").await;
    assert!(text.contains("by alice"), "{text}");
    browser.press("Watch slow").await;
    browser.sees("line 1").await;
    assert_eq!(browser.task_id().await, id);

    // Where the server-sent events do not arrive, asking every two seconds does the same.
    let cut = "window.EventSource = class extends EventTarget {
        constructor() { super(); setTimeout(() => this.dispatchEvent(new Event('error'))); }
        close() {} };";
    browser.press("Back to actions").await;
    browser.sees("Running now").await;
    browser.js(cut, vec![]).await;
    browser.press("Watch slow").await;
    browser.sees("asking every 2 s").await;
    browser.sees("line 1").await;
    let seen =
        browser.in_popup("lines are counted", "return root.querySelectorAll('.line').length", vec![]).await;
    let grown = "return root.querySelectorAll('.line').length > arguments[0]";
    browser.in_popup("further lines come by asking", grown, vec![seen]).await;
    assert_eq!(stage.task(&id, "state"), "running");
    browser.press("Cancel").await;
    browser.press("End it").await;
    browser.pill(&["Cancelled"]).await;

    // Nothing is missing and nothing is there twice. On standard error the plugin's shell may say that its sleep was
    // terminated.
    let script = "const lines = [...root.querySelectorAll('.line:not(.sys, .err) .text')].map((one) => one.textContent).filter(Boolean);
        return lines.length > 3 && lines.every((line, index) => line === `line ${index + 1}`)";
    browser.in_popup("the lines follow each other", script, vec![]).await;
    browser.clean_conduct(&[&stage.app.url, &stage.grafana.same_site()]).await;
}
