//! What would not start now, and says so before the click.

use crate::common::{Api, with_key};
use serde_json::{Value, json};

#[tokio::test]
async fn a_paused_handler_is_refused_with_its_reason_and_offered_no_more() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let plan = api.echo(json!({"text": "typed with care"}));
    let shown = alice.post("/plans", &plan).await;
    let order = with_key(&plan, &shown.body["nonce"]);
    api.database.sql(
        "UPDATE event_handlers SET paused_at = '2026-11-24 12:03:00+00', paused_by = 'root', paused_reason = 'it breaks web-1' \
         WHERE name = 'echo'",
    );
    let refused = alice.post("/tasks", &order).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let sentence = "echo is paused since 2026-11-24 12:03 UTC by root: it breaks web-1. Nothing was started.";
    assert_eq!(refused.detail(), sentence);
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 0);
    let view = alice.get("/popup?host=web-1").await.body;
    let actions = &view["services"][0]["actions"];
    assert_eq!(actions[0]["paused"], Value::Null);
    assert_eq!(
        actions[4]["paused"],
        json!({"at": "2026-11-24T12:03:00.000Z", "by": "root", "reason": "it breaks web-1"})
    );
    api.database.sql(
        "UPDATE event_handlers SET paused_at = NULL, paused_by = NULL, paused_reason = NULL, max_running = 2",
    );
    let view = alice.get("/popup?host=web-1").await.body;
    assert_eq!(view["services"][0]["actions"][4]["max_running"], 2);
    assert_eq!(alice.post("/tasks", &order).await.status, 201, "the refusal did not use the confirmation up");
}

#[tokio::test]
async fn a_host_that_nobody_serves_says_which_tag_is_missing() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    let sentence = async || {
        let view = alice.get("/popup?host=web-1").await.body;
        view["managers"]["sentence"].as_str().map(str::to_owned)
    };
    let worker = api.manager(4);
    assert_eq!(sentence().await, None);
    api.database.sql("UPDATE hosts SET tags = '{dmz}' WHERE name = 'web-1'");
    let waits = "An action that you start now waits until one takes it.";
    assert_eq!(
        sentence().await.as_deref(),
        Some(format!("No plugins manager serves web-1: none has the tag dmz. {waits}").as_str())
    );
    api.database.sql("UPDATE workers SET tags = '{dmz}', draining = true");
    assert_eq!(
        sentence().await.as_deref(),
        Some(format!("Every plugins manager that serves web-1 is being drained. {waits}").as_str())
    );
    api.database.sql(&format!("UPDATE workers SET draining = false WHERE id = '{}'", worker.id));
    assert_eq!(sentence().await, None);
}
