//! Making, changing and deleting by programs: the same rules as in the forms, with versions in `ETag` and `If-Match`.

use crate::common::{Api, etag, send};
use reqwest::Method;
use selfservice_core::access::Verb;
use serde_json::{Value, json};

const FOLDERS: [&str; 5] = ["environments", "hostgroups", "services", "event_handlers", "hosts"];

/// A definition of each kind.
fn new(folder: &str) -> Value {
    match folder {
        "environments" => json!({"name": "lab", "colour": "blue"}),
        "hostgroups" => json!({"name": "lab", "services": ["os"]}),
        "services" => json!({"name": "lab", "handlers": ["ok", "echo"], "vars": {"port": "1"}}),
        "event_handlers" => json!({"name": "lab", "plugin": "ok", "arguments": ["", "$HOSTADDRESS$"]}),
        _ => {
            json!({"name": "lab", "address": "10.0.0.9", "environments": {"staging": null}, "hostgroups": ["web"]})
        }
    }
}

#[tokio::test]
async fn an_object_lives_from_post_to_delete() {
    let api = Api::start();
    let token = api.token(api.world.root, Verb::Admin);
    for folder in FOLDERS {
        let made = send(&token, Method::POST, &format!("/{folder}"), None, &new(folder)).await;
        assert_eq!(made.status(), 201, "{folder}: {}", made.text().await.unwrap());
        let path = made.headers()["location"].to_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        let first = etag(&made);
        let made: Value = made.json().await.unwrap();
        for (field, value) in new(folder).as_object().unwrap() {
            assert_eq!(made["definition"][field], *value, "{folder}: {field}");
        }
        let read = send(&token, Method::GET, &path, None, &Value::Null).await;
        assert_eq!((read.status().as_u16(), etag(&read)), (200, first.clone()));
        assert_eq!(read.json::<Value>().await.unwrap(), made);

        let mut changed = made["definition"].clone();
        changed["description"] = json!("changed");
        assert_eq!(send(&token, Method::PUT, &path, None, &changed).await.status(), 428, "{folder}");
        let done = send(&token, Method::PUT, &path, Some(&first), &changed).await;
        assert_eq!(done.status(), 200, "{folder}: {}", done.text().await.unwrap());
        let second = etag(&done);
        assert_ne!(first, second);
        let late = send(&token, Method::PUT, &path, Some(&first), &made["definition"]).await;
        assert_eq!(late.status(), 412, "{folder}");
        let late: Value = late.json().await.unwrap();
        assert!(late["detail"].as_str().unwrap().contains("has been changed since you read it"), "{late}");

        assert_eq!(send(&token, Method::DELETE, &path, None, &Value::Null).await.status(), 428);
        assert_eq!(send(&token, Method::DELETE, &path, Some(&first), &Value::Null).await.status(), 412);
        assert_eq!(send(&token, Method::DELETE, &path, Some(&second), &Value::Null).await.status(), 204);
        assert_eq!(send(&token, Method::GET, &path, None, &Value::Null).await.status(), 404);
        assert_eq!(send(&token, Method::PUT, &path, Some(&second), &changed).await.status(), 404);
    }
    let audit = api
        .database
        .sql("SELECT count(*), count(DISTINCT action), string_agg(DISTINCT identity, '') FROM audit WHERE action NOT LIKE '%.refuse'");
    assert_eq!(audit, "15|15|token");
}

#[tokio::test]
async fn what_is_wrong_is_told_field_by_field() {
    let api = Api::start();
    let root = api.person(api.world.root);
    let cases = [
        (
            "/environments",
            json!({"name": "production"}),
            "name",
            "Another environment is called 'production' already.",
        ),
        (
            "/hosts",
            json!({"name": "x", "aliases": ["a", "@b"]}),
            "aliases.1",
            "The alias '@b' must not begin with '@'.",
        ),
        (
            "/hosts",
            json!({"name": "x", "hostgroups": ["none"]}),
            "hostgroups.0",
            "There is no host group 'none', or you may not see it.",
        ),
        (
            "/event_handlers",
            json!({"name": "x", "plugin": "ok", "arguments": ["$PATHH$"]}),
            "arguments.0",
            "the macro $PATHH$ is not known",
        ),
    ];
    for (path, body, field, text) in cases {
        let answer = root.post(path, &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body["errors"][field].as_str().is_some_and(|told| told.contains(text)), "{answer:?}");
    }
    for body in
        [json!({"name": "x", "id": 1}), json!({"name": "x", "state": "ok"}), json!({"name": 1}), json!([])]
    {
        let answer = root.post("/hosts", &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.detail().starts_with("The JSON body is not understood: "), "{answer:?}");
    }
    assert_eq!(api.count("SELECT count(*) FROM hosts"), 3);
}

#[tokio::test]
async fn what_a_body_names_twice_is_refused() {
    let api = Api::start();
    let root = api.person(api.world.root);
    let task = api.queued().await;
    let ids = format!("\"host_id\": {}, \"service_id\": {}", api.world.web_1, api.world.os);
    let bodies = [
        ("/hosts".to_owned(), r#"{"name": "a", "environments": {"staging": null}, "name": "b"}"#.to_owned()),
        (
            "/hosts".to_owned(),
            r#"{"name": "a", "environments": {"staging": null, "staging": "web"}}"#.to_owned(),
        ),
        ("/services".to_owned(), r#"{"name": "a", "vars": {"x": "1", "x": "2"}}"#.to_owned()),
        (
            "/plans".to_owned(),
            format!(
                "{{{ids}, \"handler_id\": {}, \"parameters\": {{\"text\": \"a\", \"text\": \"b\"}}}}",
                api.world.echo
            ),
        ),
        (
            "/tasks".to_owned(),
            format!(
                "{{{ids}, \"handler_id\": {0}, \"handler_id\": {0}, \"parameters\": {{}}, \"request_key\": \"{task}\"}}",
                api.world.ok
            ),
        ),
        ("/session".to_owned(), r#"{"name": "alice", "name": "root", "password": "x"}"#.to_owned()),
        (format!("/tasks/{task}/cancel"), r#"{"a": {}, "a": {}}"#.to_owned()),
    ];
    for (path, body) in bodies {
        let answer = root.post_text(&path, &body).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.detail().contains("stands twice"), "{path}: {answer:?}");
    }
    assert_eq!(api.count("SELECT count(*) FROM hosts"), 3);
    assert_eq!(api.count("SELECT count(*) FROM tasks"), 1);
}

#[tokio::test]
async fn a_program_may_what_its_person_and_its_token_may() {
    let api = Api::start();
    let version = {
        let path = format!("/hosts/{}", api.world.web_1);
        etag(&send(&api.person(api.world.root), Method::GET, &path, None, &Value::Null).await)
    };
    let weak = api.token(api.world.root, Verb::Run);
    for (who, person, host) in [
        ("alice", api.person(api.world.alice), 403),
        ("dave", api.person(api.world.dave), 404),
        ("a token for runs", weak, 403),
    ] {
        for folder in FOLDERS {
            let id = api.count(&format!("SELECT min(id) FROM {folder}"));
            let expected = if folder == "hosts" { host } else { 404 };
            let path = format!("/{folder}/{id}");
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let answer = send(&person, method.clone(), &path, Some(&version), &new(folder)).await;
                assert_eq!(answer.status(), expected, "{method} {path} by {who}");
            }
            let made = send(&person, Method::POST, &format!("/{folder}"), None, &new(folder)).await;
            assert_eq!(made.status(), 404, "{folder} by {who}");
        }
    }
    assert_eq!(api.count("SELECT count(*) FROM hosts WHERE name = 'lab'"), 0);
}
