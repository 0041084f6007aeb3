//! Somebody who administers a part of the hosts only: what they do stays within it.

use crate::common::{Api, Person};
use reqwest::{Method, Response};
use selfservice_core::db::DbError;
use selfservice_core::models::inventory;
use serde_json::{Value, json};
use std::sync::mpsc;

/// Lets `user` administer the row `name` of `environments` or `hostgroups`, and nothing else.
fn administers(api: &Api, user: &str, table: &str, name: &str) {
    api.database.sql(&format!(
        "INSERT INTO grants (users_id, {table}_id, verb) SELECT u.id, t.id, 'admin' FROM users u, {table} t \
         WHERE u.name = '{user}' AND t.name = '{name}'"
    ));
}

async fn put(person: &Person, path: &str, body: &Value) -> (u16, Value) {
    let version = person.request(Method::GET, path).send().await.unwrap();
    let version =
        version.headers().get("etag").map_or("\"0\"", |version| version.to_str().unwrap()).to_owned();
    let request = person.request(Method::PUT, path).header("if-match", version);
    told(request.json(body).send().await.unwrap()).await
}

async fn told(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Everything that a host is, and what is effective on it.
fn hosts(api: &Api) -> String {
    let tables = [
        "hosts",
        "host_aliases",
        "environments_members",
        "hostgroups_members",
        "services_members",
        "events_handlers_members",
    ];
    let rows = tables.map(|table| {
        api.database.sql(&format!("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"))
    });
    rows.join(" ")
}

#[tokio::test]
async fn what_finds_a_host_elsewhere_is_taken() {
    let api = Api::start();
    administers(&api, "carol", "environments", "staging");
    api.database.sql(
        "INSERT INTO hosts (name, name_key, address) VALUES ('db-9', 'db-9', '10.0.0.9'); \
         INSERT INTO environments_members (environments_id, hosts_id) SELECT e.id, h.id FROM environments e, hosts h \
         WHERE e.name = 'production' AND h.name = 'db-9'",
    );
    let (carol, root) = (api.person(api.world.carol), api.person(api.world.root));
    let path = format!("/hosts/{}", api.world.web_2);
    let before = hosts(&api);
    for (field, value) in [
        ("aliases", "WEB-1"),
        ("aliases", "Web-1.example.NET"),
        ("aliases", "web-1.example.net:9100"),
        ("aliases", "db-9.elsewhere.example"),
        ("aliases", "10.0.0.9"),
        ("aliases", "10.0.0.9:22"),
        ("aliases", "both"),
        ("address", "web-1"),
        ("address", "WEB-1.example.net."),
        ("address", "10.0.0.9"),
        ("address", "::ffff:a00:9"),
        ("name", "web-1"),
        ("name", "w\u{435}b-1"),
        ("name", "db-9.example.net"),
    ] {
        let (said, field_of_error) = match field {
            "aliases" => (json!([value]), "aliases.0"),
            _ => (json!(value), field),
        };
        let mut change = json!({"name": "web-2"});
        change[field] = said.clone();
        let mut new = json!({"name": "new", "environments": {"staging": null}});
        new[field] = said;
        let changed = put(&carol, &path, &change).await;
        let made = carol.post("/hosts", &new).await;
        for (status, body) in [changed, (made.status.as_u16(), made.body)] {
            let text = body["errors"][field_of_error].as_str().unwrap_or_default();
            assert!(status == 400 && text.contains("is taken"), "{field} {value}: {status} {body}");
            for known in ["'web-1'", "'db-9'", "'web-1.example.net'"] {
                assert!(!text.contains(known) || known == format!("'{value}'"), "{field} {value}: {text}");
            }
        }
    }
    api.database.sql(
        "INSERT INTO workers (id, name, version, slots, alive_until) VALUES (gen_random_uuid(), 'ops-1', '', 1, now())",
    );
    for address in [
        "ops-1",
        "OPS-1.example.net",
        "localhost",
        "127.0.0.1",
        "2130706433",
        "10.9",
        "root@db-9",
        "169.254.169.254",
        "db-9#",
    ] {
        let (status, body) = put(&carol, &path, &json!({"name": "web-2", "address": address})).await;
        assert!(status == 400 && body["errors"]["address"].is_string(), "{address}: {status} {body}");
    }
    assert_eq!(hosts(&api), before);

    // Whoever administers everything may, and what is there already hinders nobody.
    let shared = json!({"name": "web-2", "aliases": ["web-1.example.net"], "address": "10.0.0.9"});
    assert_eq!(put(&root, &path, &shared).await.0, 200);
    let more = json!({
        "name": "web-2", "description": "by carol", "aliases": ["web-1.example.net", "mine"], "address": "10.0.0.9"
    });
    assert_eq!(put(&carol, &path, &more).await.0, 200);
    let own = json!({"name": "web-3", "aliases": ["mine", "web-2"], "environments": {"staging": null}});
    let made = carol.post("/hosts", &own).await;
    assert_eq!(made.status, 201, "a name of a host that is theirs: {made:?}");
}

#[tokio::test]
async fn how_a_host_is_reached_is_not_for_them_to_choose() {
    let api = Api::start();
    administers(&api, "carol", "environments", "staging");
    let carol = api.person(api.world.carol);
    api.database.sql("UPDATE hosts SET tags = '{dmz}', vars = '{\"port\": \"1\"}' WHERE name = 'web-2'");
    let path = format!("/hosts/{}", api.world.web_2);
    let before = hosts(&api);
    for (field, value) in [
        ("tags", json!([])),
        ("tags", json!(["dmz", "production"])),
        ("vars", json!({})),
        ("vars", json!({"port": "2"})),
        ("vars", json!({"port": "1", "jump": "db-9"})),
    ] {
        let mut change = json!({"name": "web-2"});
        change[field] = value.clone();
        let (status, body) = put(&carol, &path, &change).await;
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(status == 403 && detail.contains("who administer everything"), "{field}: {status} {body}");
        if value != json!([]) && value != json!({}) {
            let mut new = json!({"name": "new", "environments": {"staging": null}});
            new[field] = value;
            assert_eq!(carol.post("/hosts", &new).await.status, 403, "{field} of a new host");
        }
    }
    assert_eq!(hosts(&api), before);
    assert_eq!(api.count("SELECT count(*) FROM audit WHERE action = 'host.change.refuse'"), 8);
    let same = json!({"name": "web-2", "tags": ["dmz"], "vars": {"port": "1"}, "address": "10.0.0.7", "max_running": 1});
    assert_eq!(put(&carol, &path, &same).await.0, 200);
}

#[tokio::test]
async fn a_host_gets_no_handler_that_they_may_not_give() {
    let api = Api::start();
    administers(&api, "carol", "environments", "staging");
    // 'restart-db' is effective on web-1 in production, and on 'both', where carol may run nothing.
    api.database.sql(
        "INSERT INTO services (name, name_key) VALUES ('db', 'db'), ('cache', 'cache'), ('plain', 'plain'); \
         INSERT INTO hostgroups (name, name_key) VALUES ('dbs', 'dbs'); \
         INSERT INTO event_handlers (name, name_key, plugin) VALUES ('restart-db', 'restart-db', 'ok'); \
         INSERT INTO services_event_handlers (services_id, event_handlers_id, position) \
             SELECT s.id, h.id, h.id FROM services s, event_handlers h \
             WHERE (s.name, h.name) IN (('db', 'ok'), ('db', 'restart-db'), ('cache', 'ok'), ('cache', 'echo')); \
         INSERT INTO hostgroups_services SELECT g.id, s.id FROM hostgroups g, services s WHERE g.name = 'dbs' AND s.name = 'db'; \
         INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE g.name = 'dbs' AND h.name = 'both'; \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s \
             WHERE h.name IN ('web-1', 'both') AND s.name IN ('db', 'cache', 'plain'); \
         INSERT INTO events_handlers_members (services_members_id, event_handlers_id, position, inherited) \
             SELECT m.id, t.event_handlers_id, t.position, true FROM services_members m \
             JOIN services_event_handlers t USING (services_id)",
    );
    let carol = api.person(api.world.carol);
    let path = format!("/hosts/{}", api.world.web_2);
    let before = hosts(&api);
    let ways = [
        json!({"name": "web-2", "services": ["os", "db"]}),
        json!({"name": "web-2", "hostgroups": ["web", "dbs"]}),
    ];
    for change in ways {
        let (status, body) = put(&carol, &path, &change).await;
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(
            status == 403 && detail.contains("only those give who administer everything"),
            "{status} {body}"
        );
        assert!(!detail.contains("restart-db"), "{detail}");
        let mut new = change;
        new["name"] = json!("new");
        new["environments"] = json!({"staging": null});
        assert_eq!(carol.post("/hosts", &new).await.status, 403, "{new}");
    }
    assert_eq!(hosts(&api), before, "what was refused is undone");
    assert_eq!(api.count("SELECT count(*) FROM audit WHERE action = 'host.change.refuse'"), 4);

    // 'ok' and 'echo' are effective on web-2 already, and with them comes another service.
    let cache = json!({"name": "web-2", "services": ["os", "cache", "plain"]});
    assert_eq!(put(&carol, &path, &cache).await.0, 200);
    let new = json!({"name": "new", "environments": {"staging": null}, "services": ["cache"]});
    assert_eq!(carol.post("/hosts", &new).await.status, 201);

    // A grant for that handler makes the difference.
    api.database.sql(
        "INSERT INTO grants (users_id, environments_id, event_handlers_id, verb) SELECT u.id, e.id, h.id, 'run' \
         FROM users u, environments e, event_handlers h \
         WHERE u.name = 'carol' AND e.name = 'production' AND h.name = 'restart-db'",
    );
    let db = json!({"name": "web-2", "services": ["os", "db"]});
    assert_eq!(put(&carol, &path, &db).await.0, 200);
}

#[tokio::test]
async fn a_handler_with_secrets_is_not_theirs_to_point() {
    let api = Api::start();
    administers(&api, "carol", "environments", "staging");
    api.database.sql(
        "INSERT INTO services (name, name_key) VALUES ('cache', 'cache'); \
         INSERT INTO services_event_handlers (services_id, event_handlers_id, position) \
             SELECT s.id, h.id, 1 FROM services s, event_handlers h WHERE s.name = 'cache' AND h.name = 'ok'; \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s \
             WHERE h.name = 'both' AND s.name = 'cache'; \
         UPDATE event_handlers SET parameters = '[{\"name\": \"password\", \"type\": \"secret\"}]' WHERE name = 'ok'",
    );
    let carol = api.person(api.world.carol);
    let path = format!("/hosts/{}", api.world.web_2);
    for kept in ["typed by a person", "kept in macros.ini"] {
        for (field, value) in [("address", "10.6.6.6"), ("name", "evil"), ("description", "evil")] {
            let mut change = json!({"name": "web-2"});
            change[field] = json!(value);
            let (status, body) = put(&carol, &path, &change).await;
            let detail = body["detail"].as_str().unwrap_or_default();
            assert!(status == 403 && detail.contains("gets secrets"), "{kept}, {field}: {status} {body}");
        }
        api.database
            .sql("UPDATE event_handlers SET secrets = '{TOKEN}', parameters = '[]' WHERE name = 'ok'");
    }
    // Though it is effective on web-2, it comes there by no other service, and to no other host.
    let more = json!({"name": "web-2", "services": ["os", "cache"]});
    assert_eq!(put(&carol, &path, &more).await.0, 403);
    for service in ["os", "cache"] {
        let new = json!({"name": service, "environments": {"staging": null}, "services": [service]});
        let expected = if service == "cache" { 403 } else { 201 };
        assert_eq!(carol.post("/hosts", &new).await.status, expected, "{service}");
    }
    assert_eq!(put(&carol, &path, &json!({"name": "web-2", "max_running": 2})).await.0, 200);
    let root = api.person(api.world.root);
    assert_eq!(put(&root, &path, &json!({"name": "web-2", "address": "10.0.0.8"})).await.0, 200);
}

#[tokio::test]
async fn a_change_says_only_what_changes() {
    let api = Api::start();
    administers(&api, "carol", "environments", "staging");
    let carol = api.person(api.world.carol);
    let path = format!("/hosts/{}", api.world.web_2);
    let (status, body) = put(&carol, &path, &json!({"name": "web-2", "description": "by carol"})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["definition"]["environments"], json!({"staging": null}));
    assert_eq!(body["definition"]["hostgroups"], json!(["web"]));
    for group in ["web-1", "nothing"] {
        let stands = json!({"name": "web-2", "environments": {"staging": group}});
        let new = json!({"name": "new", "environments": {"staging": group}});
        let (status, body) = put(&carol, &path, &stands).await;
        assert!(status == 400 && body["errors"]["environments.0"].is_string(), "{status} {body}");
        assert_eq!(carol.post("/hosts", &new).await.status, 400);
    }
    let stands = json!({"name": "web-2", "environments": {"staging": "web"}});
    assert_eq!(put(&carol, &path, &stands).await.0, 200);
}

#[tokio::test]
async fn the_first_host_of_a_part_is_made_by_its_administrator() {
    let api = Api::start();
    api.database.sql(
        "INSERT INTO environments (name, name_key) VALUES ('lab', 'lab'), ('other', 'other'); \
         INSERT INTO hostgroups (name, name_key) VALUES ('lab hosts', 'lab hosts'), ('others', 'others')",
    );
    administers(&api, "dave", "environments", "lab");
    administers(&api, "bob", "hostgroups", "lab hosts");
    let (dave, bob) = (api.person(api.world.dave), api.person(api.world.bob));
    let made = dave.post("/hosts", &json!({"name": "lab-1", "environments": {"lab": null}})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = bob.post("/hosts", &json!({"name": "lab-2", "hostgroups": ["lab hosts"]})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let elsewhere = [
        dave.post("/hosts", &json!({"name": "lab-3", "environments": {"other": null}})).await,
        bob.post("/hosts", &json!({"name": "lab-3", "hostgroups": ["lab hosts", "others"]})).await,
    ];
    for answer in elsewhere {
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body["errors"].to_string().contains("or you may not see it"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_deleted_leaves_groups_of_its_administrator_only() {
    let api = Api::start();
    administers(&api, "bob", "hostgroups", "web");
    api.database.sql(
        "INSERT INTO hostgroups (name, name_key) VALUES ('db', 'db'); \
         INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE g.name = 'db' AND h.name = 'web-2'",
    );
    let bob = api.person(api.world.bob);
    let path = format!("/hosts/{}", api.world.web_2);
    let read = bob.request(Method::GET, &path).send().await.unwrap();
    let delete = bob.request(Method::DELETE, &path).header("if-match", read.headers()["etag"].clone());
    let (status, body) = told(delete.send().await.unwrap()).await;
    assert!(status == 403 && body["detail"].as_str().unwrap().contains("each host group"), "{status} {body}");
    assert_eq!(api.count("SELECT count(*) FROM audit WHERE action = 'host.change.refuse'"), 1);
    api.database.sql(
        "DELETE FROM hostgroups_members USING hostgroups g WHERE g.id = hostgroups_id AND g.name = 'db'",
    );
    let read = bob.request(Method::GET, &path).send().await.unwrap();
    let delete = bob.request(Method::DELETE, &path).header("if-match", read.headers()["etag"].clone());
    assert_eq!(delete.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn nobody_waits_for_a_load() {
    let api = Api::start();
    let (root, dave) = (api.person(api.world.root), api.person(api.world.dave));
    let path = format!("/hosts/{}", api.world.web_2);
    let change = json!({"name": "web-2", "description": "changed"});
    let (is_held, held) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let pool = api.database.pool().clone();
    let load = std::thread::spawn(move || {
        pool.transaction(|connection| {
            is_held.send(inventory::try_lock_all(connection)?).unwrap();
            ends.recv().unwrap();
            Ok::<_, DbError>(())
        })
        .unwrap();
    });
    assert!(held.recv().unwrap());
    let request =
        root.request(Method::PUT, &path).header("if-match", "\"0\"").json(&change).send().await.unwrap();
    assert_eq!(request.headers()["retry-after"], "10");
    let (status, body) = told(request).await;
    assert!(
        status == 503 && body["detail"].as_str().unwrap().contains("A load changes the inventory"),
        "{body}"
    );
    assert_eq!(put(&dave, &path, &change).await.0, 404, "who may not do it hears of no load");
    end.send(()).unwrap();
    load.join().unwrap();

    let writers = (0..8).map(|number| {
        let new = json!({"name": format!("new-{number}"), "environments": {"staging": null}});
        let root = api.person(api.world.root);
        async move { root.post("/hosts", &new).await.status.as_u16() }
    });
    let answers = futures_util::future::join_all(writers).await;
    assert_eq!(answers, [201; 8], "editors wait for each other");
}
