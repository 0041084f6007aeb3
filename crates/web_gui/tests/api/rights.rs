//! Users, teams, grants, sessions, tokens and the audit log by the JSON API.

use crate::common::{Api, etag, send};
use reqwest::{Method, Response};
use selfservice_core::access::Verb;
use serde_json::{Value, json};

/// The path of what was made, behind `/api/v1`.
fn made_at(response: &Response) -> String {
    response.headers()["location"].to_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned()
}

#[tokio::test]
async fn users_and_teams_live_from_post_to_delete() {
    let api = Api::start();
    let root = api.token(api.world.root, Verb::Admin);
    let user = json!({"name": "erin", "display_name": "Erin", "administrator": true});
    let made = send(&root, Method::POST, "/users", None, &user).await;
    assert_eq!(made.status(), 201);
    let (path, version) = (made_at(&made), etag(&made));
    let made: Value = made.json().await.unwrap();
    let expected = json!({"name": "erin", "display_name": "Erin", "administrator": true, "disabled": false, "teams": []});
    assert_eq!(made["definition"], expected);

    let team =
        send(&root, Method::POST, "/teams", None, &json!({"name": "oncall", "members": ["erin", "bob"]}))
            .await;
    assert_eq!(team.status(), 201);
    let (team_path, team_version) = (made_at(&team), etag(&team));
    let late =
        send(&root, Method::PUT, &path, Some(&version), &json!({"name": "erin", "administrator": false}))
            .await;
    assert_eq!(late.status(), 412, "the team has changed the user");
    let version = etag(&send(&root, Method::GET, &path, None, &Value::Null).await);
    assert_eq!(send(&root, Method::PUT, &path, None, &user).await.status(), 428);
    let changed =
        send(&root, Method::PUT, &path, Some(&version), &json!({"name": "erin", "administrator": false}))
            .await;
    assert_eq!(changed.status(), 200);
    let version = etag(&changed);
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(changed["definition"]["teams"], json!(["oncall"]), "what is absent stays");
    assert_eq!(changed["definition"]["administrator"], false);

    let listed = root.get("/users?query=eri").await;
    assert_eq!(
        (&listed.body["users"][0]["name"], &listed.body["users"][0]["teams"]),
        (&json!("erin"), &json!(["oncall"]))
    );
    assert_eq!(listed.body["users"].as_array().unwrap().len(), 1);
    let first = root.get("/users?limit=2").await;
    assert_eq!(first.body["next"], "bob");
    let second = root.get("/users?limit=2&after=bob").await;
    assert_eq!(second.body["users"][0]["name"], "carol");
    assert_eq!(root.get("/teams").await.body["teams"][0]["members"], 2);

    assert_eq!(
        send(&root, Method::DELETE, &team_path, Some(&team_version), &Value::Null).await.status(),
        204
    );
    assert_eq!(send(&root, Method::DELETE, &path, Some(&version), &Value::Null).await.status(), 412);
    let version = etag(&send(&root, Method::GET, &path, None, &Value::Null).await);
    assert_eq!(send(&root, Method::DELETE, &path, Some(&version), &Value::Null).await.status(), 204);
    assert_eq!(send(&root, Method::GET, &path, None, &Value::Null).await.status(), 404);
}

#[tokio::test]
async fn nothing_of_a_user_is_set_that_is_not_theirs_to_set() {
    let api = Api::start();
    let root = api.person(api.world.root);
    for field in ["id", "password", "password_hash", "created_at", "grants", "state"] {
        let answer = root.post("/users", &json!({"name": "erin", field: "x"})).await;
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
        let answer = root.post("/tokens", &json!({"name": "x", "verb": "see", "days": 1, field: "x"})).await;
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
        let answer = root.post("/grants", &json!({"user": "bob", "verb": "see", field: "x"})).await;
        assert_eq!(answer.status, 400, "{field}: {answer:?}");
    }
    assert_eq!(api.count("SELECT count(*) FROM users"), 5);
    assert_eq!(api.count("SELECT count(*) FROM grants"), 4);
    let id = api.world.root;
    let version = etag(&send(&root, Method::GET, &format!("/users/{id}"), None, &Value::Null).await);
    let own = json!({"name": "root", "administrator": false});
    let refused = send(&root, Method::PUT, &format!("/users/{id}"), Some(&version), &own).await;
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["errors"]["administrator"].as_str().unwrap().contains("from yourself"), "{refused}");
    let refused = send(&root, Method::DELETE, &format!("/users/{id}"), Some(&version), &Value::Null).await;
    assert_eq!(refused.status(), 409);
}

#[tokio::test]
async fn grants_are_given_found_and_taken() {
    let api = Api::start();
    let root = api.token(api.world.root, Verb::Admin);
    let grant = json!({"user": "dave", "verb": "run", "environment": "production", "handler": "slow"});
    let given = send(&root, Method::POST, "/grants", None, &grant).await;
    assert_eq!(given.status(), 201);
    let path = made_at(&given);
    let given: Value = given.json().await.unwrap();
    assert_eq!(given["text"], "run for user dave in production with slow");
    assert_eq!(root.get(&path).await.body, given);
    assert_eq!(root.get("/grants?user=dave").await.body, json!({"grants": [given], "next": null}));
    let again = root.post("/grants", &grant).await;
    assert_eq!((again.status.as_u16(), again.detail()), (409, "This right exists already."));
    let wrong = root
        .post("/grants", &json!({"user": "nobody", "team": "none", "verb": "see", "environment": "moon"}))
        .await;
    assert_eq!(wrong.status, 400);
    for field in ["user", "team", "environment"] {
        assert!(wrong.body["errors"][field].is_string(), "{field}: {wrong:?}");
    }
    let all = root.get("/grants?limit=2").await;
    let next = all.body["next"].as_i64().unwrap();
    assert_eq!(
        root.get(&format!("/grants?limit=9&after={next}")).await.body["grants"].as_array().unwrap().len(),
        3
    );
    let dave = api.person(api.world.dave);
    assert_eq!(dave.get("/popup?host=web-1").await.status, 200);
    assert_eq!(send(&root, Method::DELETE, &path, None, &Value::Null).await.status(), 204);
    assert_eq!(dave.get("/popup?host=web-1").await.status, 404);
    assert_eq!(send(&root, Method::DELETE, &path, None, &Value::Null).await.status(), 404);
    let own = api.count(&format!("SELECT id FROM grants WHERE users_id = {}", api.world.root));
    let kept = send(&root, Method::DELETE, &format!("/grants/{own}"), None, &Value::Null).await;
    assert_eq!(kept.status(), 409);
}

#[tokio::test]
async fn the_doors_of_rights_are_closed_to_all_others() {
    let api = Api::start();
    api.database.sql(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
         WHERE u.name = 'dave'",
    );
    let before = api.database.sql("SELECT string_agg(g::text, ' ' ORDER BY id) FROM grants g");
    let (root, bob) = (api.world.root, api.world.bob);
    let grant = api.count("SELECT min(id) FROM grants");
    let people = [
        ("alice", api.person(api.world.alice)),
        ("dave, who administers both environments", api.person(api.world.dave)),
        ("a token for runs of an administrator", api.token(root, Verb::Run)),
    ];
    for (who, person) in &people {
        let doors = [
            (Method::GET, "/users".to_owned(), Value::Null),
            (Method::GET, "/teams".to_owned(), Value::Null),
            (Method::GET, "/grants".to_owned(), Value::Null),
            (Method::GET, format!("/grants/{grant}"), Value::Null),
            (Method::GET, "/audit".to_owned(), Value::Null),
            (Method::GET, format!("/users/{bob}"), Value::Null),
            (Method::GET, format!("/users/{bob}/sessions"), Value::Null),
            (Method::GET, format!("/users/{bob}/tokens"), Value::Null),
            (Method::POST, "/users".to_owned(), json!({"name": "mallory", "administrator": true})),
            (Method::POST, "/teams".to_owned(), json!({"name": "mine", "members": ["dave"]})),
            (Method::POST, "/grants".to_owned(), json!({"user": "dave", "verb": "admin"})),
            (Method::DELETE, format!("/grants/{grant}"), Value::Null),
            (Method::DELETE, format!("/users/{bob}/sessions"), Value::Null),
            (Method::PUT, format!("/users/{bob}/password"), json!({"password": "long enough for it"})),
        ];
        for (method, path, body) in doors {
            let answer = send(person, method.clone(), &path, None, &body).await;
            assert_eq!(answer.status(), 404, "{method} {path} by {who}");
        }
        let put =
            send(person, Method::PUT, &format!("/users/{bob}"), Some("\"x\""), &json!({"name": "bob"})).await;
        assert_eq!(put.status(), 404, "by {who}");
    }
    assert_eq!(api.database.sql("SELECT string_agg(g::text, ' ' ORDER BY id) FROM grants g"), before);
    assert_eq!(api.count("SELECT count(*) FROM users"), 5);
}

#[tokio::test]
async fn sessions_and_tokens_are_their_owners() {
    let api = Api::start();
    let (alice, bob) = (api.person(api.world.alice), api.person(api.world.bob));
    let mine = alice.get("/sessions").await;
    assert_eq!(mine.body["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(mine.body["sessions"][0]["present"], true);
    let theirs = bob.get("/sessions").await.body["sessions"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/sessions/{theirs}");
    assert_eq!(send(&alice, Method::DELETE, &path, None, &Value::Null).await.status(), 404);
    assert_eq!(bob.get("/sessions").await.status, 200);

    let made =
        send(&alice, Method::POST, "/tokens", None, &json!({"name": "ci", "verb": "run", "days": 7})).await;
    assert_eq!(made.status(), 201);
    let path = made_at(&made);
    let made: Value = made.json().await.unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("selfservice_pat_"), "{made}");
    let listed = alice.get("/tokens").await;
    assert_eq!(listed.body["tokens"][0]["name"], "ci");
    assert!(listed.body["tokens"][0].get("secret").is_none(), "told once");
    let much = alice.post("/tokens", &json!({"name": "ci", "verb": "admin", "days": 7})).await;
    assert!(much.body["errors"]["verb"].as_str().unwrap().contains("reach up to 'run'"), "{much:?}");
    assert_eq!(send(&bob, Method::DELETE, &path, None, &Value::Null).await.status(), 404);
    assert_eq!(bob.get("/tokens").await.body, json!({"tokens": []}));

    let root = api.person(api.world.root);
    let listed = root.get(&format!("/users/{}/tokens", api.world.alice)).await;
    assert_eq!(listed.body["tokens"][0]["name"], "ci");
    assert_eq!(send(&root, Method::DELETE, &path, None, &Value::Null).await.status(), 204);
    let listed = root.get(&format!("/users/{}/sessions", api.world.bob)).await;
    assert_eq!(listed.body["sessions"][0]["id"], theirs.as_str());
    let all = format!("/users/{}/sessions", api.world.bob);
    assert_eq!(send(&root, Method::DELETE, &all, None, &Value::Null).await.status(), 204);
    assert_eq!(bob.get("/sessions").await.status, 401);
    let password = format!("/users/{}/password", api.world.bob);
    let set = send(&root, Method::PUT, &password, None, &json!({"password": "long enough for it"})).await;
    assert_eq!(set.status(), 204);
    let short = send(&root, Method::PUT, &password, None, &json!({"password": "short"})).await;
    assert_eq!(short.status(), 400);
    // A token that leaked must not become somebody who signs in.
    let token = api.token(api.world.root, Verb::Admin);
    let set = send(&token, Method::PUT, &password, None, &json!({"password": "long enough for it"})).await;
    assert_eq!(set.status(), 403);
}

#[tokio::test]
async fn a_program_asks_why() {
    let api = Api::start();
    let bob = api.person(api.world.bob);
    let answer = bob.get("/rights?host=both&handler=slow").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.body["may_run"], &answer.body["others"]), (&json!(false), &Value::Null));
    assert_eq!(answer.body["run"]["missing_in"], json!(["production", "staging"]));
    assert_eq!(answer.body["run"]["grants"][0]["lacks"], json!(["verb"]));
    assert_eq!(answer.body["see"]["granted"], true);
    assert_eq!(answer.body["see"]["grants"][0]["counts_in"], json!(["production"]));
    let root = api.person(api.world.root);
    let answer = root.get("/rights?host=both&handler=slow&user=carol").await;
    assert_eq!((&answer.body["user"], &answer.body["others"]), (&json!("carol"), &json!(["root"])));
    let hidden = bob.get("/rights?host=web-2").await;
    assert_eq!(hidden.status, 400);
    assert!(hidden.body["errors"]["host"].is_string(), "{hidden:?}");
    assert_eq!(bob.get("/rights?host=web-1&colour=red").await.status, 400);
}

#[tokio::test]
async fn the_log_comes_in_pages() {
    let api = Api::start();
    api.database.sql("INSERT INTO audit (actor, identity, action, object) SELECT 'many', 'system', 'x.y', n::text FROM generate_series(1, 5) n");
    let root = api.token(api.world.root, Verb::Admin);
    let mut objects = Vec::new();
    let mut after = String::new();
    loop {
        let page = root.get(&format!("/audit?actor=many&limit=2&after={after}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        for entry in page.body["entries"].as_array().unwrap() {
            objects.push(entry["object"].as_str().unwrap().to_owned());
        }
        match page.body["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(objects, ["5", "4", "3", "2", "1"]);
    let none = root.get("/audit?until=2020-01-01T00:00:00Z").await;
    assert_eq!(none.body, json!({"entries": [], "next": null}));
    for wrong in ["after=x", "from=yesterday", "limit=0", "limit=201", "actor=%00"] {
        assert_eq!(root.get(&format!("/audit?{wrong}")).await.status, 400, "{wrong}");
    }
}
