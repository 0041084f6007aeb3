//! The log viewer: output of any length, live or finished, and nothing in it that is obeyed.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::Browser;
use crate::stage::Stage;

/// The numbers of the lines in the document, in order.
const NUMBERS: &str = "[...root.querySelectorAll('.line .text')].map((one) => Number(/line (\\d+)/.exec(one.textContent)?.[1]))";
/// The lines that can be seen, the first and the last one.
const SEEN: &str = "const box = root.querySelector('.rows').getBoundingClientRect();
    const seen = [...root.querySelectorAll('.line')].filter((one) => {
      const { top, bottom } = one.getBoundingClientRect(); return bottom > box.top + 8 && top < box.bottom - 8; });
    const texts = seen.map((one) => Number(/line (\\d+)/.exec(one.textContent)?.[1]));";

impl Browser {
    /// Waits until this line can be seen in the log.
    async fn sees_line(&self, number: u32) {
        let script = format!("{SEEN} return texts.includes(arguments[0])");
        self.in_popup(&format!("line {number} can be seen"), &script, vec![json!(number)]).await;
    }

    /// Waits until the lines that can be seen are these, and no others are in the document than what follows each other.
    async fn holds_together(&self) {
        let numbers = format!(
            "const all = {NUMBERS}; return all.length > 5 && all.every((one, at) => !at || one === all[at - 1] + 1)"
        );
        self.in_popup("lines follow each other without a gap", &numbers, vec![]).await;
    }

    /// Presses a key in the log.
    async fn key_in_log(&self, key: Key) {
        self.in_popup("the log takes the focus", "root.querySelector('.rows').focus(); return true", vec![])
            .await;
        self.keys(key).await;
    }

    /// What the page holds: elements of the component, and megabytes of the script's memory after a collection.
    async fn weight(&self) -> (u64, u64) {
        let elements = self.in_popup("elements", "return root.querySelectorAll('*').length", vec![]).await;
        self.devtools("HeapProfiler.collectGarbage", json!({})).await;
        let heap = self.devtools("Runtime.getHeapUsage", json!({})).await;
        (elements.as_u64().unwrap(), heap["usedSize"].as_f64().unwrap() as u64 / 1_000_000)
    }

    /// Nothing grows with the length of the log.
    async fn is_light(&self, place: &str) {
        let (elements, megabytes) = self.weight().await;
        assert!(elements < 3_000, "{elements} elements {place}");
        assert!(megabytes < 40, "{megabytes} MB {place}");
    }
}

impl Stage {
    /// A finished task of 1,000,000 lines, 60 MB.
    async fn long_log(&self) -> String {
        self.browser.go(self, "/popup?host=web-1&service=os").await;
        self.browser.press("Run ok").await;
        self.browser.pill(&["OK"]).await;
        let id = self.browser.task_id().await;
        // The lines are counted from 1, as people do.
        self.database.sql(&format!(
            "DELETE FROM logs WHERE task_id = '{id}'; \
             INSERT INTO logs SELECT '{id}', n * 60000, n * 1000, 'stdout', now(), \
                 convert_to(string_agg(rpad(format('line %s ', n * 1000 + i), 59, 'x'), E'\\n' ORDER BY i) || E'\\n', 'UTF8') \
             FROM generate_series(0, 999) n, generate_series(1, 1000) i GROUP BY n; \
             UPDATE tasks SET output_bytes = 60000000, output_lines = 1000000 WHERE id = '{id}'"
        ));
        id
    }
}

#[tokio::test]
async fn a_million_lines_are_as_light_as_ten() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    let id = stage.long_log().await;
    browser.go(&stage, &format!("/tasks/{id}")).await;
    browser.sees("1,000,000 lines").await;
    browser.sees_line(1_000_000).await;
    browser.holds_together().await;
    browser.is_light("at the end").await;
    browser.record("page-task-long").await;

    browser.key_in_log(Key::Home).await;
    browser.sees_line(1).await;
    browser.holds_together().await;
    browser.sees("line 1 of 1,000,000 lines").await;

    // By the bar beside it, as a hand and as a key moves it.
    let move_bar = "const bar = root.querySelector('.place'); bar.value = arguments[0];
        bar.dispatchEvent(new Event('input')); return bar.getAttribute('aria-valuetext')";
    browser.in_popup("the bar moves", move_bar, vec![json!(30_000_000)]).await;
    browser.sees_line(500_001).await;
    browser.holds_together().await;
    browser
        .in_popup("the bar has the focus", "root.querySelector('.place').focus(); return true", vec![])
        .await;
    browser.keys(Key::Down).await;
    browser.sees_line(501_001).await;
    // Many moves in a row: the last one counts.
    for at in [1, 59, 2, 58, 3, 57] {
        browser.in_popup("the bar moves", move_bar, vec![json!(at * 1_000_000)]).await;
    }
    browser.sees_line(950_001).await;
    browser.holds_together().await;
    browser.is_light("after jumps").await;

    // Scrolling up over the borders of what was fetched.
    let scroll = "const [by, times, done] = arguments;
        const rows = document.querySelector('selfservice-popup').shadowRoot.querySelector('.rows');
        (async () => { for (let n = 0; n < times; n += 1) {
            rows.scrollBy(0, by); await new Promise((go) => requestAnimationFrame(() => setTimeout(go, 4))); } done(true); })()";
    for (by, times) in [(-300, 400), (300, 200)] {
        browser.driver.execute_async(scroll, vec![json!(by), json!(times)]).await.unwrap();
        browser.holds_together().await;
        browser.is_light("after scrolling").await;
    }
    let first = browser
        .in_popup("the first line", &format!("{SEEN} return texts[0]"), vec![])
        .await
        .as_u64()
        .unwrap();
    assert!((941_000..950_000).contains(&first), "some 100 of 300 pixels upwards: {first}");

    browser.press("Search").await;
    browser.fill("line", "765432").await;
    browser.keys(Key::Enter).await;
    browser.sees_line(765_432).await;
    browser.sees("line 765,432 of 1,000,000 lines").await;
    browser.fill("line", "1000001").await;
    browser.keys(Key::Enter).await;
    browser.sees("There are 1,000,000 lines.").await;

    // Search begins at the present place and goes round.
    browser.fill("find", "LINE 98765").await;
    browser.keys(Key::Enter).await;
    browser.sees_line(987_650).await;
    browser.sees("2 of 11 lines").await;
    let found = "return root.querySelector('.line.found')?.textContent.includes(arguments[0])
        && root.querySelectorAll('.line.found').length === 1 && root.querySelector('.line.found mark')?.textContent";
    assert_eq!(
        browser.in_popup("the match is marked", found, vec![json!("line 987650 ")]).await,
        "line 98765"
    );
    browser.record("page-task-search").await;
    browser.keys(Key::Enter).await;
    browser.sees("3 of 11 lines").await;
    for _ in 0..2 {
        browser.press("Previous match").await;
    }
    browser.sees("1 of 11 lines").await;
    browser.sees_line(98_765).await;
    browser.press("Previous match").await;
    browser.sees_line(987_659).await;
    browser.fill("find", "no such text").await;
    browser.keys(Key::Enter).await;
    browser.sees("no line has it").await;
    browser.keys(Key::Escape).await;
    let closed =
        "return root.querySelector('.finder').hidden && root.activeElement === root.querySelector('.rows')";
    browser.in_popup("Escape closes the search and nothing else", closed, vec![]).await;
    browser.keys(Key::End).await;
    browser.sees_line(1_000_000).await;
    browser.is_light("in the end").await;

    // What all of this has fetched, of 60 MB.
    let fetched = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('/log'))
        .reduce((sum, one) => sum + one.encodedBodySize, 0)";
    let fetched = browser.js(fetched, vec![]).await.as_u64().unwrap();
    assert!(fetched < 8_000_000, "{fetched} bytes");
    browser.width(480).await;
    browser.press("Search").await;
    browser.fill("find", "line 999999").await;
    browser.keys(Key::Enter).await;
    browser.sees("1 of 1 line").await;
    browser.record("page-task-search-480").await;
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn live_output_is_followed_left_alone_and_resumed() {
    let mut stage = Stage::new().await;
    let browser = &stage.browser;
    // Lines without pause, then one every now and then, until the test says that it is enough.
    stage.app.replace_plugin(
        &stage.database,
        "slow",
        "n=0; while [ $n -lt 30000 ]; do n=$((n + 1)); echo \"line $n\"; done
         while [ ! -e \"$0.go\" ]; do n=$((n + 1)); echo \"line $n\"; sleep 0.05; done; echo \"line $((n + 1)), the last\"",
    );
    stage.database.sql("UPDATE event_handlers SET timeout_seconds = 3600 WHERE name = 'slow'");
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    // Its last lines are followed, so each of them can be seen for a moment only.
    let follows = format!("{SEEN} return texts.some((one) => one >= 30010)");
    browser.in_popup("a line of the slow ones can be seen", &follows, vec![]).await;
    browser.holds_together().await;
    browser.is_light("while it runs").await;
    browser.record("popup-following").await;

    // Scrolling up pauses: what is read stays where it is, whatever comes.
    let up = "root.querySelector('.rows').scrollBy(0, -2000); return true";
    browser.in_popup("scrolls up", up, vec![]).await;
    browser.sees("Paused").await;
    let first = format!("{SEEN} return texts[0]");
    let before = browser.in_popup("the first line", &first, vec![]).await;
    let count = "const [, count] = /of ([\\d,]+) lines/.exec(root.querySelector('.count').textContent) ?? []; return Number(count?.replaceAll(',', ''))";
    let lines = browser.in_popup("lines are counted", count, vec![]).await;
    let more = format!("{} > arguments[0] + 20", count);
    browser.in_popup("more lines are counted", &more, vec![lines]).await;
    assert_eq!(browser.in_popup("the first line", &first, vec![]).await, before);
    browser.holds_together().await;

    browser.keys("f").await;
    browser.sees("Following").await;
    let newest = format!("{SEEN} return texts[texts.length - 1]");
    let seen = browser.in_popup("the newest line", &newest, vec![]).await;
    assert!(seen.as_u64() > before.as_u64(), "{seen}");

    // The server is killed and comes back.
    stage.app.program("web_gui").signal(Signal::SIGKILL);
    stage.browser.sees("The connection is lost. The run goes on").await;
    stage.app.start_program("web_gui");
    let browser = &stage.browser;
    browser.sees_no("The connection is lost").await;
    std::fs::write(stage.app.plugins.join("slow.go"), "").unwrap();
    browser.pill(&["OK"]).await;
    browser.sees("the last").await;
    let all = format!(
        "const all = {NUMBERS}.filter(Boolean); return all.every((one, at) => !at || one === all[at - 1] + 1) && all.length"
    );
    let held = browser.in_popup("no line is missing or twice", &all, vec![]).await;
    assert!(held.as_u64() > Some(50), "{held}");
}

#[tokio::test]
async fn nothing_in_output_is_obeyed_but_colours() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.app.replace_plugin(
        &stage.database,
        "slow",
        r#"printf '\033[2J\033[Hcleared\n\033]0;title\007set\n\033]8;;javascript:alert(1)\033\\link\033]8;;\033\\\n'
printf '\033]52;c;aGVsbG8=\007clip\nold\rnew\nup\033[1A\033[2Kover\nbells \007\007\007\n'
printf '<img src=x onerror=alert(1)><script>alert(2)</script><a href="javascript:alert(3)">a</a>\n'
printf '\033[31mred\033[0m \033[1;32mgreen\033[22;39m \033[38;5;3myellow\033[m \033[38;2;1;2;3mplain\033[0m \033[7;5mplain too\033[0m\n'
printf 'right\342\200\256left \302\233 nul \000 bad \377\n'
printf 'cut \033[3'; sleep 0.3; printf '4mblue\033[0m\n'; printf 'dos\r\n'
echo 'to stderr' >&2; printf 'no end \033['"#,
    );
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run slow").await;
    browser.press("Run on web-1").await;
    browser.pill(&["OK"]).await;
    browser.sees("no end").await;
    let texts = "return [...root.querySelectorAll('.line')].map((line) => (line.querySelector('b')?.textContent ?? '') + '|'
        + [...line.querySelector('.text').childNodes].map((one) => one.nodeType === 3 ? one.data : `{${one.className}:${one.textContent}}`).join(''))";
    let lines: Vec<String> = serde_json::from_value(browser.in_popup("lines", texts, vec![]).await).unwrap();
    for line in [
        r"|\x1b[2J\x1b[Hcleared",
        r"|\x1b]0;title\x07set",
        r"|\x1b]8;;javascript:alert(1)\x1b\link\x1b]8;;\x1b\",
        r"|\x1b]52;c;aGVsbG8=\x07clip",
        r"|old\x0dnew",
        r"|up\x1b[1A\x1b[2Kover",
        r"|bells \x07\x07\x07",
        r#"|<img src=x onerror=alert(1)><script>alert(2)</script><a href="javascript:alert(3)">a</a>"#,
        "|{colour-1:red} {bold colour-2:green} {colour-3:yellow} plain plain too",
        r"|right\u202eleft \x9b nul \x00 bad �",
        "|cut {colour-4:blue}",
        "|dos",
        "err|to stderr",
        r"|no end \x1b[",
    ] {
        assert!(lines.iter().any(|seen| seen == line), "{line}\n{lines:#?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("sys|OK")), "{lines:#?}");
    let elements =
        "return [...new Set([...root.querySelectorAll('.rows *')].map((one) => one.localName))].sort()";
    assert_eq!(browser.in_popup("elements", elements, vec![]).await, json!(["b", "div", "span", "time"]));
    browser.record("popup-escapes").await;

    // What is copied is what is shown: nothing that a terminal would obey.
    let catch = "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; return true";
    browser.js(catch, vec![]).await;
    browser.press("Copy the output").await;
    let copied = browser.until("it is copied", "return window.copied", vec![]).await;
    let copied = copied.as_str().unwrap();
    assert!(copied.contains("\\x1b[2J\\x1b[Hcleared\n") && copied.contains("\nto stderr\n"), "{copied}");
    assert!(!copied.chars().any(|one| one.is_control() && one != '\n'), "{copied:?}");
    browser.clean_conduct(&[&stage.app.url]).await;
}

#[tokio::test]
async fn one_endless_line_is_light_too() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.press("Run ok").await;
    browser.pill(&["OK"]).await;
    let id = browser.task_id().await;
    stage.database.sql(&format!(
        "DELETE FROM logs WHERE task_id = '{id}'; \
         INSERT INTO logs SELECT '{id}', n * 60000, 0, 'stdout', now(), convert_to(rpad('place ' || n || ' ', 60000, 'ü'), 'LATIN1') \
         FROM generate_series(0, 199) n; \
         UPDATE tasks SET output_bytes = 12000000, output_lines = 0 WHERE id = '{id}'"
    ));
    browser.go(&stage, &format!("/popup?task={id}")).await;
    browser.sees("1 line").await;
    browser.is_light("at its end").await;
    browser.key_in_log(Key::Home).await;
    browser.sees("place 0 ").await;
    browser.key_in_log(Key::End).await;
    browser.sees("place 199 ").await;
    browser.is_light("at its end again").await;
    let place: Value = browser.in_popup("the bar", "return root.querySelector('.place').max", vec![]).await;
    assert_eq!(place, "12000000");
}
