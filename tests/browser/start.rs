//! The start page, which keeps itself up to date, and the list of tasks with its filters.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::Browser;
use crate::stage::Stage;

impl Browser {
    /// Waits until the page shows `text`.
    pub async fn page_shows(&self, text: &str) {
        let script = "return document.body.innerText.includes(arguments[0])";
        self.until(&format!("the page shows {text:?}"), script, vec![json!(text)]).await;
    }

    /// Looks at a page wide and narrow, in both themes.
    pub async fn both_widths(&self, screen: &str) {
        self.width(1280).await;
        self.record(screen).await;
        self.width(480).await;
        self.record(&format!("{screen}-480")).await;
        self.width(1280).await;
    }

    /// The texts of the table's rows.
    async fn rows(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('tbody tr')].map((row) => row.innerText)";
        serde_json::from_value(self.js(script, vec![]).await).unwrap()
    }
}

/// Runs of a week as a busy team has them, on db-prod-03, and one of a month ago.
const WEEK: &str = "
    INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, service_name, environments,
        plugin, argv, parameters, risk, timeout_seconds, requester, identity, origin, request_key, created_at, expires_at, state, result,
        result_text, started_at, finished_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        e.id, e.name, 1, h.id, h.name, s.id, s.name, '{production}', e.plugin, '{}', '{}', 'normal', 60,
        (ARRAY['oncall', 'night-shift', 'release'])[1 + n % 3], 'password', 'gui', gen_random_uuid(), at, at + interval '1 h', 'finished',
        CASE WHEN n % 23 = 0 THEN 'timed_out' WHEN n % 17 = 0 THEN 'warning' WHEN n % 41 = 0 THEN 'cancelled' ELSE 'ok' END,
        CASE WHEN n % 23 = 0 THEN 'timed out after 60 s' END, at, at + (3 + n % 60) * interval '1 s'
    FROM (SELECT n, CASE WHEN n = 0 THEN now() - interval '30 days' ELSE now() - power(n / 640.0, 0.8) * interval '6 days' END AS at
          FROM generate_series(0, 640) n WHERE n % 9 <> 4 OR n > 300) n
    JOIN event_handlers e ON e.name = (ARRAY['Restart replica', 'End long queries', 'Show replication lag', 'Restart replica'])[1 + n % 4],
        hosts h, services s
    WHERE h.name = 'db-prod-03' AND s.name = 'PostgreSQL'";

#[tokio::test]
async fn the_start_page_follows_what_happens() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(1280).await;
    browser.sign_in(&stage.app.url, "alice", "/").await;
    browser.page_shows("Nothing runs at the moment.").await;
    browser.page_shows("Nothing ran in the last 7 days.").await;
    browser.both_widths("page-start-empty").await;

    stage.database.sql(WEEK);
    browser.page_shows("Busiest handlers").await;
    browser.page_shows("Restart replica").await;
    // No reload from here on.
    browser.js("window.before = true", vec![]).await;
    let body = json!({"host_id": stage.world.web_1, "service_id": stage.world.os, "handler_id": stage.world.slow, "parameters": {},
        "reason": null, "nonce": null, "typed_host": null, "request_key": uuid::Uuid::new_v4()});
    let (status, plan) = browser
        .api("POST", "/plans", json!({"host_id": body["host_id"], "service_id": body["service_id"], "handler_id": body["handler_id"], "parameters": {}}))
        .await;
    assert_eq!(status, 200, "{plan}");
    let mut body = body;
    body["nonce"] = plan["nonce"].clone();
    let (status, answer) = browser.api("POST", "/tasks", body).await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["task"]["id"].as_str().unwrap().to_owned();
    let running = "const pill = document.querySelector('.pill.running [data-seconds]'); return pill && pill.textContent";
    let first = browser.until("it runs", running, vec![]).await;
    let later = "const pill = document.querySelector('.pill.running [data-seconds]'); return pill && pill.textContent !== arguments[0]";
    browser.until("its time goes on", later, vec![first]).await;
    let link = format!("a[href='/tasks/{id}']");
    browser.js("document.querySelector(arguments[0]).focus()", vec![json!(link)]).await;
    browser.both_widths("page-start").await;
    // Charts say in words what they show.
    let words = "return [...document.querySelectorAll('svg')].map((one) => one.getAttribute('aria-label'))";
    let words: Vec<String> = serde_json::from_value(browser.js(words, vec![]).await).unwrap();
    assert!(words[0].starts_with("Runs per day: ") && words[0].contains(" of them OK"), "{words:?}");
    assert!(words.iter().any(|one| one.starts_with("Share of OK of Restart replica per day: ")), "{words:?}");

    // What ends disappears, the focus stays where it was, and nothing was loaded anew.
    let (status, _) = browser.api("POST", &format!("/tasks/{id}/cancel"), json!({})).await;
    assert_eq!(status, 202);
    stage.database.sql("UPDATE tasks SET result = 'failed' WHERE result = 'warning'");
    browser.page_shows("Nothing runs at the moment.").await;
    assert_eq!(browser.js("return window.before", vec![]).await, json!(true));
    let localised = "return [...document.querySelectorAll('[data-live] time')].every((time) => !time.textContent.includes('UTC'))";
    browser.until("times are the reader's", localised, vec![]).await;
    browser.clean_conduct(&[&stage.app.url]).await;

    // The session ends: the page leads to the sign-in.
    stage.database.sql("DELETE FROM sessions");
    browser.until("the sign-in is shown", "return location.pathname === '/signin'", vec![]).await;
}

#[tokio::test]
async fn the_list_of_tasks_is_filtered_by_keyboard() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.database.sql(WEEK);
    browser.sign_in(&stage.app.url, "alice", "/tasks").await;
    browser.page_shows("of the last 7 days, the newest first").await;
    assert_eq!(browser.rows().await.len(), 50);
    browser.both_widths("page-tasks").await;

    // Type a host and a person, choose a state, press Enter.
    let fill = async |name: &str, text: &str| {
        browser.js("document.getElementsByName(arguments[0])[0].focus()", vec![json!(name)]).await;
        browser.keys(text).await;
    };
    fill("state", "Timed").await;
    fill("host", "DB-prod-03").await;
    fill("requester", "oncall").await;
    browser.keys(Key::Enter).await;
    let filtered = "return location.search.includes('state=timed_out') && document.querySelectorAll('tbody tr').length < 50";
    browser.until("the list is filtered", filtered, vec![]).await;
    let rows = browser.rows().await;
    assert!(
        !rows.is_empty()
            && rows.iter().all(|row| row.contains("timed out after 60 s") && row.contains("oncall")),
        "{rows:?}"
    );

    // Page after page, nothing is shown twice.
    browser.go(&stage, "/tasks?handler=Restart+replica").await;
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let page = browser.js("return [...document.querySelectorAll('tbody td a[href^=\"/tasks/\"]')].map((one) => one.href)", vec![]).await;
        seen.extend(page.as_array().unwrap().clone());
        if browser.js("return document.querySelector('[rel=next]') === null", vec![]).await == json!(true) {
            break;
        }
        let before = browser.js("return location.href", vec![]).await;
        browser.js("document.querySelector('[rel=next]').focus()", vec![]).await;
        browser.keys(Key::Enter).await;
        browser
            .until(
                "the next page",
                "return location.href !== arguments[0] && document.querySelector('tbody')",
                vec![before],
            )
            .await;
    }
    let wanted = stage.database.sql("SELECT count(*) FROM tasks WHERE handler_name = 'Restart replica' AND created_at > now() - interval '7 days'");
    assert_eq!(seen.len().to_string(), wanted);
    let count = seen.len();
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), count);

    // What is older is a link away.
    browser.go(&stage, "/tasks?until=2020-01-01").await;
    browser.page_shows("No task until 2020-01-01 (UTC) matches.").await;
    browser.record("page-tasks-none").await;
    browser.js("document.querySelector('.nothing a').focus()", vec![]).await;
    browser.keys(Key::Enter).await;
    browser.page_shows("of any time").await;
    assert_eq!(browser.rows().await.len(), 50);
    browser.clean_conduct(&[&stage.app.url]).await;
}
