//! Schedules by the JSON API: made, read, changed with a version, run, switched and deleted.

use crate::common::{Api, etag, send};
use reqwest::Method;
use serde_json::{Value, json};

fn nightly() -> Value {
    json!({
        "name": "look at the web", "expression": "30 2 * * MON-FRI", "time_zone": "Europe/Berlin", "hostgroup": "web",
        "service": "os", "handler": "echo", "parameters": {"text": "a = b"}, "missed": "once", "jitter_seconds": 30
    })
}

#[tokio::test]
async fn a_schedule_is_made_changed_with_its_version_and_deleted() {
    let api = Api::start();
    let root = api.person(api.world.root);
    let made = send(&root, Method::POST, "/schedules", None, &nightly()).await;
    assert_eq!(made.status(), 201);
    let (first, place) = (etag(&made), made.headers()["location"].to_str().unwrap().to_owned());
    let path = place.trim_start_matches("/api/v1").to_owned();
    let body: Value = made.json().await.unwrap();
    let definition = &body["definition"];
    assert_eq!((&definition["hostgroup"], &definition["host"]), (&json!("web"), &Value::Null));
    assert_eq!((&definition["enabled"], &definition["overlap"]), (&json!(true), &json!("skip")), "defaults");
    let shown = root.get(&path).await;
    assert_eq!((&shown.body["definition"], &shown.body["user"]), (definition, &json!("root")));
    assert_eq!(shown.body["runs"], json!([]));
    assert_eq!(root.get("/schedules?query=LOOK").await.body["schedules"][0]["id"], body["id"]);
    assert_eq!(root.get("/schedules?query=other").await.body["schedules"], json!([]));

    // Another administrator changes it: then it runs with their rights, and with their definition as a whole.
    api.database.sql("INSERT INTO grants (users_id, verb) SELECT id, 'admin' FROM users WHERE name = 'dave'");
    let dave = api.person(api.world.dave);
    let change =
        json!({"name": "look", "expression": "@hourly", "host": "web-1", "service": "os", "handler": "ok"});
    let changed = send(&dave, Method::PUT, &path, Some(&first), &change).await;
    assert_eq!(changed.status(), 200);
    let second = etag(&changed);
    assert_eq!(
        api.database.sql(
            "SELECT s.name, expression, time_zone, hosts_id IS NOT NULL, hostgroups_id, parameters, missed, jitter_seconds, u.name, \
                 next_at > now() FROM schedules s JOIN users u ON u.id = users_id"
        ),
        "look|@hourly|UTC|t||{}|skip|0|dave|t"
    );
    for (method, body) in [(Method::PUT, nightly()), (Method::DELETE, json!({}))] {
        assert_eq!(
            send(&root, method.clone(), &path, Some(&first), &body).await.status(),
            412,
            "somebody was quicker"
        );
        assert_eq!(send(&root, method, &path, None, &body).await.status(), 428);
    }
    for (verb, status) in [("run", 202), ("disable", 204), ("enable", 204)] {
        let acted = send(&root, Method::POST, &format!("{path}/{verb}"), None, &json!({})).await;
        assert_eq!(acted.status(), status, "{verb}");
    }
    let stale = send(&root, Method::DELETE, &path, Some(&second), &json!({})).await;
    assert_eq!(stale.status(), 412, "switching is a change, too");
    let shown = root.request(Method::GET, &path).send().await.unwrap();
    let third = etag(&shown);
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown["run_requested_by"], "root");
    assert_eq!(send(&root, Method::DELETE, &path, Some(&third), &json!({})).await.status(), 204);
    assert_eq!(root.get(&path).await.status, 404);
    assert_eq!(
        api.database.sql("SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit"),
        "root schedule.add, dave schedule.change, root schedule.run, root schedule.disable, root schedule.enable, \
         root schedule.remove"
    );
    assert_eq!(
        api.database.sql(
            "SELECT detail -> 'definition' ->> 'expression' FROM audit WHERE action = 'schedule.change'"
        ),
        "@hourly"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_told_by_field() {
    let api = Api::start();
    let root = api.person(api.world.root);
    let with = |name: &str, value: Value| {
        let mut body = nightly();
        body[name] = value;
        body
    };
    for (field, body, told) in [
        ("expression", with("expression", json!("61 * * * *")), "'61' is no minute"),
        ("host", with("host", json!("web-1")), "ither a host or a host group"),
        ("service", with("service", Value::Null), "Name the service"),
        ("handler", with("handler", json!("nope\u{0}")), "There is no event handler"),
        ("parameters", with("parameters", json!({"text": "a\u{0}"})), "NUL"),
        ("reason", with("reason", json!("a\u{202e}b")), "U+202E"),
        ("jitter_seconds", with("jitter_seconds", json!(4000)), "from 0 to 3600"),
        ("program", with("program", json!("nightly load")), "There is no program 'nightly load'"),
    ] {
        let refused = root.post("/schedules", &body).await;
        let text = refused.body["errors"].to_string();
        assert!(refused.status == 400 && text.contains(told), "{field}: {refused:?}");
        assert!(refused.body["errors"][field].is_string(), "{field}: {refused:?}");
    }
    for strange in [
        with("users_id", json!(1)),
        with("next_at", json!("2026-01-01T00:00:00Z")),
        with("missed", json!("never")),
    ] {
        assert_eq!(root.post("/schedules", &strange).await.status, 400);
    }
    assert_eq!(api.count("SELECT count(*) FROM schedules"), 0);
    assert_eq!(root.post("/schedules", &nightly()).await.status, 201);
    let other = root.post("/schedules", &with("name", json!("other"))).await;
    let path = format!("/schedules/{}", other.body["id"]);
    for answer in [
        root.post("/schedules", &nightly()).await.status,
        send(&root, Method::PUT, &path, Some("\"1\""), &nightly()).await.status(),
    ] {
        assert_eq!(answer, 400, "the name is taken");
    }
}

#[tokio::test]
async fn a_line_of_the_settings_is_shown_and_run_and_not_changed() {
    let api = Api::start();
    let root = api.person(api.world.root);
    api.database.sql(
        "INSERT INTO schedules (source, name, name_key, expression, time_zone, command, seen_at) \
         VALUES ('settings', 'purge', 'purge', '@daily', 'UTC', '{tasks,purge}', now())",
    );
    let path = format!("/schedules/{}", api.count("SELECT id FROM schedules"));
    let shown = root.get(&path).await;
    assert_eq!(
        (&shown.body["command"], &shown.body["definition"]),
        (&json!(["tasks", "purge"]), &Value::Null)
    );
    for method in [Method::PUT, Method::DELETE] {
        assert_eq!(send(&root, method, &path, Some("\"1\""), &nightly()).await.status(), 404);
    }
    for (verb, status) in [("run", 202), ("disable", 404), ("enable", 404)] {
        let acted = send(&root, Method::POST, &format!("{path}/{verb}"), None, &json!({})).await;
        assert_eq!(acted.status(), status, "{verb}");
    }
}
