//! Doing a run again, and finding the one from the other.

use crate::common::{Answer, Api};
use selfservice_core::models::tasks::TaskResult;
use serde_json::{Value, json};
use uuid::Uuid;

/// A run of `ok` on `web-1` that has ended so.
async fn ended(api: &Api, result: TaskResult) -> Uuid {
    let id = api.queued().await;
    let worker = api.manager(1);
    api.claim(&worker);
    api.finish(id, &worker, result);
    id
}

/// Asks for `ok` on a host as a retry of a task.
async fn retry(api: &Api, user: i64, host: i64, of: Value) -> Answer {
    let mut order = api.check(host);
    order["retry_of"] = of;
    api.person(user).post("/tasks", &order).await
}

#[tokio::test]
async fn a_retry_knows_what_it_does_again_and_the_other_way_round() {
    let api = Api::start();
    let lost = ended(&api, TaskResult::Lost).await;
    let alice = api.person(api.world.alice);
    let before = alice.get(&format!("/tasks/{lost}")).await.body;
    assert_eq!(
        (&before["retry_of"], &before["retried_as"], &before["repeat"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let made = retry(&api, api.world.alice, api.world.web_1, json!(lost)).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((&made.body["task"]["retry_of"], &made.body["task"]["attempt"]), (&json!(lost), &json!(1)));
    let after = alice.get(&format!("/tasks/{lost}")).await.body;
    assert_eq!(
        (&after["retried_as"], &after["repeat"]),
        (&json!(made.id()), &Value::Null),
        "a person did it"
    );
    let kept = format!(
        "SELECT detail ->> 'retry_of' FROM audit WHERE action = 'task.create' AND task_id = '{}'",
        made.id()
    );
    assert_eq!(api.database.sql(&kept), lost.to_string());
    assert_eq!(retry(&api, api.world.root, api.world.both, Value::Null).await.status, 201, "null is none");
}

#[tokio::test]
async fn only_the_same_that_has_ended_and_may_be_seen_is_retried() {
    let api = Api::start();
    let world = &api.world;
    let done = ended(&api, TaskResult::Ok).await;
    let elsewhere = retry(&api, world.root, world.both, json!(done)).await;
    assert_eq!(elsewhere.status, 400);
    assert_eq!(
        elsewhere.detail(),
        "The run that is to be done again was of another action, or on another target."
    );
    let mut other = api.echo(json!({}));
    other["nonce"] = api.person(world.alice).post("/plans", &other).await.body["nonce"].clone();
    other["request_key"] = json!(Uuid::new_v4());
    other["retry_of"] = json!(done);
    assert_eq!(api.person(world.alice).post("/tasks", &other).await.status, 400);
    assert_eq!(
        retry(&api, world.carol, world.web_2, json!(done)).await.status,
        404,
        "of a host that carol may not see"
    );
    assert_eq!(retry(&api, world.alice, world.web_1, json!(Uuid::new_v4())).await.status, 404);
    assert_eq!(retry(&api, world.alice, world.web_1, json!("no-uuid")).await.status, 400);
    let waiting = api.queued().await;
    let early = retry(&api, world.alice, world.web_1, json!(waiting)).await;
    assert_eq!(
        (early.status.as_u16(), early.detail()),
        (400, "The run that is to be done again has not ended yet.")
    );
    assert_eq!(api.count("SELECT count(*) FROM tasks WHERE retry_of IS NOT NULL"), 0);
}

#[tokio::test]
async fn what_is_run_again_without_a_person_says_so() {
    let api = Api::start();
    api.database.sql("UPDATE event_handlers SET repeatable = true");
    let lost = ended(&api, TaskResult::Lost).await;
    let alice = api.person(api.world.alice);
    let path = format!("/tasks/{lost}");
    assert_eq!(alice.get(&path).await.body["repeat"], "due");
    // As a manager does it.
    let again = api.queued().await;
    api.database.sql(&format!(
        "UPDATE tasks SET retry_of = '{lost}', attempt = 2 WHERE id = '{again}'; UPDATE tasks SET repeat_due = false WHERE id = '{lost}'"
    ));
    let told = alice.get(&path).await.body;
    assert_eq!((&told["repeat"], &told["retried_as"]), (&json!("started"), &json!(again)));
}
