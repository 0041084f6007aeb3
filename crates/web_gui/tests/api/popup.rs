//! What the popup shows.

use crate::common::Api;
use serde_json::{Value, json};

#[tokio::test]
async fn a_host_is_found_by_everything_that_outsiders_call_it() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    for name in [
        "web-1",
        "WEB-1",
        "web-1.example.net",
        "127.0.0.1",
        "web-1:9100",
        "127.0.0.1:9100",
        "web-1.other.domain",
        "web-1.other.domain:443",
    ] {
        let view = alice.get(&format!("/popup?host={name}")).await;
        assert_eq!(view.body["host"]["name"], "web-1", "{name}: {view:?}");
    }
    for name in ["", "%00", "%E2%80%AE1-bew", "%27%3B%20DROP", "%25", "1-bew"] {
        let view = alice.get(&format!("/popup?host=x{name}")).await;
        assert_eq!(view.status, 404, "{name}: {view:?}");
    }
}

#[tokio::test]
async fn only_visible_hosts_count_and_several_are_offered() {
    let api = Api::start();
    let world = &api.world;
    api.database.sql(
        "INSERT INTO host_aliases SELECT id, 'front' FROM hosts; \
         INSERT INTO host_aliases SELECT id, 'web-2' FROM hosts WHERE name = 'both'",
    );
    let names = |view: &Value| {
        let hosts = view["hosts"].as_array().unwrap().iter();
        hosts.map(|host| host["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let front = api.person(world.root).get("/popup?host=front").await.body;
    assert_eq!((&front["kind"], &front["asked"]), (&json!("matches"), &json!("front")));
    assert_eq!(names(&front), ["both", "web-1", "web-2"]);
    let alice = api.person(world.alice);
    assert_eq!(names(&alice.get("/popup?host=front").await.body), ["both", "web-1"]);
    let narrowed = alice.get("/popup?host=front&environment=Staging").await.body;
    assert_eq!(narrowed["host"]["name"], "both", "the only one of alice in staging");
    assert_eq!(
        alice.get("/popup?host=web-2").await.body["host"]["name"],
        "both",
        "the alias counts, for the host of that name is not hers"
    );
    assert_eq!(
        alice.get("/popup?host=web-1&environment=staging").await.status,
        404,
        "an alert of staging never opens production"
    );
}

#[tokio::test]
async fn a_service_narrows_and_an_unknown_one_is_said() {
    let api = Api::start();
    let world = &api.world;
    api.database.sql(
        "INSERT INTO host_aliases SELECT id, 'front' FROM hosts; \
         INSERT INTO services (name, name_key) VALUES ('PostgreSQL', 'postgresql'); \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s \
         WHERE h.name = 'web-2' AND s.name = 'PostgreSQL'",
    );
    let root = api.person(world.root);
    let view = root.get("/popup?host=front&service=postgresql").await.body;
    assert_eq!(view["host"]["name"], "web-2");
    let selected: Vec<&Value> = view["services"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|service| service["selected"] == json!(true))
        .collect();
    assert_eq!(selected.len(), 1);
    assert_eq!(selected[0]["name"], "PostgreSQL");
    assert_eq!(view["notice"], Value::Null);
    let view = root.get("/popup?host=web-1&service=postgresql").await.body;
    assert_eq!(view["notice"], "web-1 has no service 'postgresql'.");
    assert_eq!(view["services"][0]["selected"], json!(false));
    let several = root.get("/popup?host=front&service=os").await.body;
    assert_eq!(several["hosts"].as_array().unwrap().len(), 3, "all of them have it");
}

#[tokio::test]
async fn the_host_shows_its_actions_in_order_with_what_is_needed_to_run_them() {
    let api = Api::start();
    let world = &api.world;
    let running = api.queued().await;
    let view = api.person(world.bob).get("/popup?environment=production&host=web-1&service=os").await.body;
    assert_eq!(view["kind"], "host");
    assert_eq!(view["host"]["environments"], json!([{"name": "production", "colour": "red"}]));
    assert_eq!(view["host"]["hostgroups"], json!(["web"]));
    assert_eq!(view["running"][0]["id"], json!(running));
    assert_eq!(view["managers"]["alive"], 0);
    assert!(view["managers"]["sentence"].as_str().unwrap().starts_with("No plugins manager"));
    let actions = view["services"][0]["actions"].as_array().unwrap();
    let names: Vec<&str> = actions.iter().map(|action| action["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ok", "warning", "critical", "slow", "echo", "danger"]);
    let confirmations: Vec<&str> =
        actions.iter().map(|action| action["confirmation"].as_str().unwrap()).collect();
    assert_eq!(confirmations, ["none", "confirm", "confirm", "confirm", "confirm", "typed"]);
    assert!(actions.iter().all(|action| action["can_run"] == json!(false)));
    assert_eq!(actions[0]["active_task"]["requester"], "alice");
    assert_eq!(
        actions[4]["parameters"][1],
        json!({"name": "count", "label": "count", "type": "integer", "default": "1", "required": true,
               "minimum": 0, "maximum": 9, "pattern": null, "choices": null})
    );
    api.manager(4);
    let view = api.person(world.alice).get("/popup?host=web-1").await.body;
    assert_eq!(view["managers"], json!({"alive": 1, "sentence": null}));
    assert_eq!(view["services"][0]["actions"][0]["can_run"], json!(true));
}

#[tokio::test]
async fn the_strictest_environment_decides_what_must_be_confirmed() {
    let api = Api::start();
    api.database.sql("UPDATE environments SET minimum_risk = 'dangerous' WHERE name = 'staging'");
    let root = api.person(api.world.root);
    let confirmation = async |host: &str, action: usize| {
        let view = root.get(&format!("/popup?host={host}")).await.body;
        view["services"][0]["actions"][action]["confirmation"].clone()
    };
    assert_eq!(confirmation("web-1", 1).await, "confirm");
    assert_eq!(confirmation("both", 1).await, "typed");
    assert_eq!(confirmation("both", 0).await, "none", "reading stays one click");
}
