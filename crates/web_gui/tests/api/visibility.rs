//! Who gets what: every address for people with and without rights, in one environment and in two.

use crate::common::{Api, Person};
use reqwest::{Method, StatusCode};
use selfservice_core::access::Verb;
use serde_json::{Value, json};
use uuid::Uuid;

/// What a person gets for everything that names one host.
async fn statuses(api: &Api, person: &Person, host: (&str, i64), task: Uuid) -> Vec<u16> {
    let plan =
        json!({"host_id": host.1, "service_id": api.world.os, "handler_id": api.world.ok, "parameters": {}});
    let mut found = Vec::new();
    for path in [
        format!("/popup?host={}", host.0),
        format!("/tasks/{task}"),
        format!("/tasks/{task}/log"),
        format!("/tasks/{task}/log/raw"),
        format!("/tasks/{task}/events"),
    ] {
        let response = person.request(Method::GET, &path).send().await.unwrap();
        found.push(response.status().as_u16());
    }
    found.push(person.post("/plans", &plan).await.status.as_u16());
    found.push(person.post("/tasks", &api.check(host.1)).await.status.as_u16());
    found.push(person.post(&format!("/tasks/{task}/cancel"), &json!({})).await.status.as_u16());
    found
}

async fn task_on(api: &Api, host: i64) -> Uuid {
    let answer = api.person(api.world.root).post("/tasks", &api.check(host)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.id()
}

#[tokio::test]
async fn every_address_asks_for_the_right() {
    let api = Api::start();
    let world = &api.world;
    let hosts = [("web-1", world.web_1), ("web-2", world.web_2), ("both", world.both)];
    let (run, see, hidden) =
        ([200, 200, 200, 200, 200, 200, 200, 202], [200, 200, 200, 200, 200, 403, 403, 403], [404; 8]);
    for (who, on_hosts) in [
        (world.alice, [run, hidden, see]),
        (world.bob, [see, hidden, see]),
        (world.carol, [hidden, run, see]),
        (world.dave, [hidden, hidden, hidden]),
        (world.root, [run, run, run]),
    ] {
        let person = api.person(who);
        for (host, expected) in hosts.into_iter().zip(on_hosts) {
            let task = task_on(&api, host.1).await;
            assert_eq!(statuses(&api, &person, host, task).await, expected, "user {who} on {}", host.0);
            api.database.sql("UPDATE tasks SET state = 'finished', result = coalesce(result, 'cancelled'), finished_at = now() WHERE state <> 'finished'");
        }
    }
}

#[tokio::test]
async fn not_there_and_not_yours_are_the_same_answer() {
    let api = Api::start();
    let world = &api.world;
    let hidden = task_on(&api, world.web_2).await;
    let alice = api.person(world.alice);
    let nobody = Uuid::now_v7();
    for path in ["", "/log", "/log/raw", "/events"] {
        let not_yours = alice.get(&format!("/tasks/{hidden}{path}")).await;
        assert_eq!(not_yours.status, 404);
        assert_eq!(not_yours, alice.get(&format!("/tasks/{nobody}{path}")).await);
        assert_eq!(not_yours, alice.get(&format!("/tasks/none{path}")).await);
    }
    assert_eq!(alice.get("/popup?host=web-2").await, alice.get("/popup?host=nothing").await);
    let body = |host: i64, handler: i64| json!({"host_id": host, "service_id": world.os, "handler_id": handler, "parameters": {}});
    let not_yours = alice.post("/plans", &body(world.web_2, world.ok)).await;
    assert_eq!(not_yours.status, 404);
    assert_eq!(not_yours, alice.post("/plans", &body(987_654, world.ok)).await);
    assert_eq!(not_yours, alice.post("/plans", &body(world.web_1, 987_654)).await);
    let cancel = |id: Uuid| format!("/tasks/{id}/cancel");
    assert_eq!(alice.post(&cancel(hidden), &json!({})).await, alice.post(&cancel(nobody), &json!({})).await);
}

#[tokio::test]
async fn refusals_are_recorded_and_leave_no_task() {
    let api = Api::start();
    let world = &api.world;
    let running = task_on(&api, world.web_1).await;
    let bob = api.person(world.bob);
    assert_eq!(bob.post("/tasks", &api.check(world.web_1)).await.status, 403);
    assert_eq!(bob.post("/tasks", &api.check(world.web_2)).await.status, 404);
    let cancel = format!("/tasks/{running}/cancel");
    assert_eq!(bob.post(&cancel, &json!({})).await.status, 403);
    assert_eq!(
        api.database.sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE actor = 'bob'"),
        "task.create.refuse task.create.refuse task.cancel.refuse"
    );
    assert_eq!(api.count("SELECT count(*) FROM tasks WHERE requester = 'bob'"), 0);
    assert_eq!(api.count("SELECT count(*) FROM tasks WHERE state = 'queued'"), 1);
}

#[tokio::test]
async fn a_token_never_allows_more_than_its_verb() {
    let api = Api::start();
    let world = &api.world;
    let reader = api.token(world.alice, Verb::See);
    let view = reader.get("/popup?host=web-1").await;
    assert_eq!(view.status, 200);
    let actions = view.body["services"][0]["actions"].as_array().unwrap();
    assert!(actions.iter().all(|action| action["can_run"] == Value::Bool(false)));
    let refused = reader.post("/tasks", &api.check(world.web_1)).await;
    assert_eq!(refused.status, 403);
    assert!(refused.detail().contains("no right to run"), "{refused:?}");
    let runner = api.token(world.bob, Verb::Run);
    assert_eq!(
        runner.post("/tasks", &api.check(world.web_1)).await.status,
        403,
        "bob may only see, whatever the token"
    );
}

#[tokio::test]
async fn a_disabled_user_is_nobody() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    assert_eq!(alice.get("/popup").await.status, 200);
    api.database.sql("UPDATE users SET disabled = true WHERE name = 'alice'");
    assert_eq!(alice.get("/popup").await.status, StatusCode::UNAUTHORIZED);
}
