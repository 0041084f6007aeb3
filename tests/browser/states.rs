//! The popup's remaining moments: nothing to show, several to choose from, nobody who answers, and what is done with a
//! result.

use serde_json::json;
use test_support::fixture::World;

use crate::stage::{PASSWORD, Stage};

#[tokio::test]
async fn every_way_of_having_nothing_has_a_screen() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(480).await;
    stage.database.sql(
        "INSERT INTO hosts (name, name_key, address) VALUES ('bare-1', 'bare-1', '127.0.0.1'), ('empty-1', 'empty-1', '127.0.0.9'); \
         INSERT INTO services (name, name_key) VALUES ('idle', 'idle'); \
         INSERT INTO environments_members (environments_id, hosts_id) SELECT e.id, h.id FROM environments e, hosts h \
             WHERE e.name = 'production' AND h.name IN ('bare-1', 'empty-1'); \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s \
             WHERE h.name = 'bare-1' AND s.name = 'idle'",
    );
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=127.0.0.1").await;
    browser.sees("2 hosts match “127.0.0.1”").await;
    browser.record("popup-matches").await;
    let first = "const row = root.querySelector('.hostrow'); row.focus(); return row === root.activeElement";
    browser.in_popup("the first host can be reached", first, vec![]).await;
    browser.keys(thirtyfour::Key::Enter).await;
    browser.sees("No action is assigned to this service, or none that you may see.").await;
    browser.record("popup-no-action").await;
    browser.go(&stage, "/popup?host=empty-1").await;
    browser.sees("No service is assigned to this host, so there is nothing to run.").await;
    browser.record("popup-no-service").await;
    browser.go(&stage, "/popup?host=web-1&service=no-such").await;
    browser.sees("web-1 has no service 'no-such'.").await;
    browser.record("popup-no-such-service").await;

    World::set_password(&stage.database, "dave", PASSWORD);
    browser.driver.delete_all_cookies().await.unwrap();
    browser.sign_in(&stage.app.url, "dave", "/popup").await;
    browser.go(&stage, "/popup").await;
    browser.sees("Nothing is assigned to you yet.").await;
    browser.record("popup-no-rights").await;
    browser.driver.delete_all_cookies().await.unwrap();
    browser.sign_in(&stage.app.url, "bob", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    browser.sees("You may see these actions, but not run them.").await;
    browser.record("popup-see-only").await;

    // Nobody answers: the page goes on by itself as soon as somebody does.
    let offline = |offline: bool| json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.emulateNetworkConditions", offline(true)).await;
    browser.press("All hosts").await;
    browser.sees("No connection").await;
    browser.record("popup-no-connection").await;
    browser.devtools("Network.emulateNetworkConditions", offline(false)).await;
    browser.sees("Choose a host to see its actions").await;
}

#[tokio::test]
async fn what_helped_before_has_a_badge_and_the_order_stays() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    // Newest last: restart helped of late, ending queries once did and does no more.
    let history = |handler: &str, results: &[&str]| {
        for (age, result) in results.iter().rev().enumerate() {
            stage.database.sql(&format!(
                "INSERT INTO tasks (id, event_handlers_id, handler_name, handler_revision, hosts_id, host_name, services_id, service_name, \
                     environments, plugin, argv, parameters, risk, timeout_seconds, requester, identity, origin, request_key, created_at, \
                     expires_at, state, result, started_at, finished_at) \
                 SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(gen_random_uuid()::text, 14))::uuid, \
                     e.id, e.name, 1, h.id, h.name, s.id, s.name, '{{production}}', e.plugin, '{{}}', '{{}}', 'normal', 60, 'night-shift', \
                     'password', 'gui', gen_random_uuid(), at, at, 'finished', '{result}', at, at + interval '38 s' \
                 FROM (SELECT now() - interval '{age} hours 5 minutes' AS at) at, event_handlers e, hosts h, services s \
                 WHERE e.name = '{handler}' AND h.name = 'db-prod-03' AND s.name = 'PostgreSQL'"
            ));
        }
    };
    history("Restart replica", &["ok", "critical", "ok", "ok"]);
    history("End long queries", &["ok", "ok", "warning"]);
    history("Show replication lag", &["ok", "ok", "ok"]);
    browser.go(&stage, "/popup?host=db-prod-03&service=PostgreSQL").await;
    browser.sees("helped 3 of the last 4 times · about 38 s").await;
    browser.record("popup-helped").await;
    let names =
        "return [...root.querySelectorAll('.action')].map((one) => one.querySelector('.name').textContent
        + (one.querySelector('.helped') ? ' ✓' : ''))";
    let names = browser.in_popup("the actions", names, vec![]).await;
    assert_eq!(
        names,
        json!(["Show replication lag", "Restart replica ✓", "End long queries", "Promote to primary"])
    );
}

#[tokio::test]
async fn a_link_to_an_action_means_the_asked_service() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.database.sql(
        "INSERT INTO services (name, name_key) VALUES ('another', 'another'); \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s \
             WHERE h.name = 'web-1' AND s.name = 'another'; \
         INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, direct) \
             SELECT m.id, e.id, 1, true FROM services_members m JOIN services s ON s.id = m.services_id, event_handlers e \
             WHERE s.name = 'another' AND e.name = 'warning'",
    );
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    for service in ["os", "another"] {
        browser
            .go(&stage, &format!("/popup?host=web-1&service={service}&handler={}", stage.world.warning))
            .await;
        let shown = browser.sees("This runs").await;
        assert!(shown.contains(&format!("web-1 · {service}")), "{shown}");
    }
}

#[tokio::test]
async fn a_run_is_announced_and_summed_up() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    stage.app.replace_plugin(
        &stage.database,
        "slow",
        "echo 'WARNING - half of it is done \u{202e}'; while [ ! -e \"$0.go\" ]; do sleep 0.1; done; exit 1",
    );
    browser.width(480).await;
    browser.sign_in(&stage.app.url, "alice", "/popup").await;
    browser.go(&stage, "/popup?host=web-1&service=os").await;
    // The browser's own messages cannot be looked at, so what they would say is kept.
    let keep = "window.told = []; window.Notification = class { static permission = 'granted';
        constructor(title, options) { window.told.push([title, options.body, options.tag]); } }; return true";
    browser.js(keep, vec![]).await;
    browser.press("Run slow").await;
    browser.fill("reason", "the alert of this morning").await;
    browser.press("Run on web-1").await;
    browser.sees("half of it is done").await;
    let id = browser.task_id().await;
    let title = "return document.title.startsWith(arguments[0])";
    browser.until("the title says that it runs", title, vec![json!("Running · slow · web-1")]).await;
    browser.press("Notify me").await;
    browser.button("✓ Notify me").await;
    browser.record("popup-notify").await;

    // The person looks elsewhere.
    let away = "Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); return true";
    browser.js(away, vec![]).await;
    std::fs::write(stage.app.plugins.join("slow.go"), "").unwrap();
    let told = browser.until("a message is shown", "return window.told[0]", vec![]).await;
    assert_eq!(told, json!(["WARNING: slow on web-1", "exit 1", id]));
    browser.until("the title tells the end", title, vec![json!("WARNING · slow · web-1")]).await;
    browser
        .js(
            "delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); return true",
            vec![],
        )
        .await;

    browser.js("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; return true", vec![]).await;
    browser.press("Copy summary").await;
    let summary = browser.until("it is copied", "return window.copied", vec![]).await;
    let lines: Vec<&str> = summary.as_str().unwrap().lines().collect();
    let [what, how, output, who, when, command, link] = lines.as_slice() else { panic!("{lines:#?}") };
    assert_eq!(*what, "slow on web-1 (os, production)");
    assert!(how.starts_with("WARNING · exit 1 · took "), "{how}");
    assert_eq!(*output, "Output: WARNING - half of it is done \\u202e");
    assert!(
        who.starts_with("Asked for by alice, 20") && who.ends_with(" UTC: the alert of this morning"),
        "{who}"
    );
    assert!(when.starts_with("Ran from 20") && when.ends_with(" UTC on test-manager"), "{when}");
    assert_eq!(*command, "Command: slow");
    assert_eq!(*link, format!("{}/tasks/{id}", stage.app.url));
    browser.record("popup-summary").await;
    assert_eq!(browser.js("return window.told.length", vec![]).await, json!(1), "one run, one message");
}
