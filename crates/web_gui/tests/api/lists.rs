//! Lists: pages, filters, and nothing of what the reader may not see.

use crate::common::{Answer, Api};
use serde_json::{Value, json};

fn names(answer: &Answer, list: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = answer.body[list].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().or(row["id"].as_str()).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn hosts_come_in_pages_without_those_of_others() {
    let api = Api::start();
    api.database.sql(
        "INSERT INTO hosts (name, name_key, address) SELECT n, n, '10.0.0.' || i FROM (SELECT i, 'db-' || lpad(i::text, 3, '0') AS n FROM generate_series(1, 120) i) x; \
         INSERT INTO environments_members (environments_id, hosts_id) SELECT e.id, h.id FROM environments e, hosts h \
         WHERE e.name = CASE WHEN h.id % 2 = 0 THEN 'production' ELSE 'staging' END AND h.name LIKE 'db-%'",
    );
    let alice = api.person(api.world.alice);
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = alice.get(&format!("/hosts?limit=25&after={after}")).await;
        let page_names = names(&page, "hosts");
        assert!(page_names.len() <= 25);
        seen.extend(page_names);
        match page.body["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 62, "60 of the new ones, web-1 and both");
    assert!(seen.is_sorted());
    assert_eq!(names(&alice.get("/hosts?query=EXAMPLE.net").await, "hosts"), ["web-1"]);
    for query in ["%25", "_", "%5C", "%27%20OR%201%3D1--"] {
        let none: [&str; 0] = [];
        assert_eq!(names(&alice.get(&format!("/hosts?query={query}")).await, "hosts"), none, "{query}");
    }
    let browse = alice.get("/popup").await;
    assert_eq!(browse.body["kind"], "browse");
    assert_eq!(browse.body["hosts"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn tasks_are_listed_newest_first_and_filtered() {
    let api = Api::start();
    let world = &api.world;
    let root = api.person(world.root);
    let mut ids = Vec::new();
    for host in [world.web_1, world.web_2, world.both] {
        ids.push(root.post("/tasks", &api.check(host)).await.id().to_string());
    }
    ids.reverse();
    assert_eq!(names(&root.get("/tasks").await, "tasks"), ids);
    let first = root.get("/tasks?limit=2").await;
    assert_eq!(names(&first, "tasks"), ids[..2]);
    let next = first.body["next"].as_str().unwrap();
    let last = root.get(&format!("/tasks?limit=2&after={next}")).await;
    assert_eq!((names(&last, "tasks"), &last.body["next"]), (ids[2..].to_vec(), &Value::Null));
    let alice = api.person(world.alice);
    assert_eq!(names(&alice.get("/tasks").await, "tasks"), [ids[0].clone(), ids[2].clone()]);
    let count = async |query: &str| names(&root.get(&format!("/tasks?{query}")).await, "tasks").len();
    assert_eq!(count("host=WEB-1&handler=ok&service=os&requester=root&state=queued").await, 1);
    assert_eq!(count("host=").await, 3, "an empty field of a form restricts nothing");
    assert_eq!(count("from=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z").await, 3);
    for query in [
        "host=nothing",
        "handler=echo",
        "service=x",
        "requester=%27",
        "state=finished",
        "state=trouble",
        "state=timed_out",
        "from=2100-01-01T00:00:00Z",
        "until=2020-01-01T00:00:00Z",
    ] {
        assert_eq!(count(query).await, 0, "{query}");
    }
}

#[tokio::test]
async fn wrong_queries_are_refused_with_a_sentence() {
    let api = Api::start();
    let alice = api.person(api.world.alice);
    for (path, word) in [
        ("/hosts?limit=0", "'limit' must be a whole number from 1 to 200"),
        ("/hosts?limit=x", "not understood"),
        ("/hosts?sort=name", "sort"),
        ("/hosts?query=a%00b", "control"),
        ("/hosts?after=%00", "control"),
        ("/tasks?state=done", "'done' is none of queued, running, finished, trouble, ok"),
        ("/tasks?after=none", "'after'"),
        ("/tasks?from=yesterday", "not understood"),
        ("/tasks?requester=%00", "control"),
        ("/tasks?host=a&host=b", "host"),
        ("/popup?host=a&handler=b", "handler"),
    ] {
        let answer = alice.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.detail().contains(word), "{path}: {answer:?}");
    }
    let long = "x".repeat(201);
    assert_eq!(alice.get(&format!("/hosts?query={long}")).await.status, 400);
    assert_eq!(alice.get(&format!("/popup?host={long}")).await.status, 404);
    assert_eq!(json!(alice.get("/tasks?requester=%C2%85").await.status.as_u16()), 400);
}

#[tokio::test]
async fn each_kind_is_listed_by_name_searched_and_paged() {
    let api = Api::start();
    api.database.sql(
        "INSERT INTO environments (name, name_key) VALUES ('empty', 'empty');
         INSERT INTO hostgroups (name, name_key) VALUES ('database', 'database'), ('empty', 'empty');
         INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE g.name = 'database' AND h.name = 'web-1';
         INSERT INTO services (name, name_key) VALUES ('disk', 'disk'), ('empty', 'empty');
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT h.id, s.id, true FROM hosts h, services s
            WHERE h.name = 'web-1' AND s.name = 'disk';
         UPDATE event_handlers SET enabled = false WHERE name = 'slow'",
    );
    let (root, alice, dave) =
        (api.person(api.world.root), api.person(api.world.alice), api.person(api.world.dave));
    // Of the host groups, carol's web-2 is in `web` only.
    let carol = api.person(api.world.carol);
    for (list, all, seen, elsewhere) in [
        (
            "environments",
            &["empty", "production", "staging"][..],
            &["production", "staging"][..],
            &["production", "staging"][..],
        ),
        ("hostgroups", &["database", "empty", "web"], &["database", "web"], &["web"]),
        ("services", &["disk", "empty", "os"], &["disk", "os"], &["os"]),
        (
            "event_handlers",
            &["critical", "danger", "echo", "ok", "slow", "warning"],
            &["critical", "danger", "echo", "ok", "warning"],
            &["critical", "danger", "echo", "ok", "warning"],
        ),
    ] {
        assert_eq!(names(&root.get(&format!("/{list}")).await, list), all);
        assert_eq!(names(&alice.get(&format!("/{list}")).await, list), seen);
        assert_eq!(names(&carol.get(&format!("/{list}")).await, list), elsewhere);
        let none: [&str; 0] = [];
        assert_eq!(names(&dave.get(&format!("/{list}")).await, list), none);
        let first = root.get(&format!("/{list}?limit=2")).await;
        assert_eq!(
            (names(&first, list), &first.body["next"]),
            (vec![all[0].to_owned(), all[1].to_owned()], &json!(all[1]))
        );
        let rest = root.get(&format!("/{list}?limit=200&after={}", all[1])).await;
        assert_eq!(
            (names(&rest, list), &rest.body["next"]),
            (all[2..].iter().map(|one| (*one).to_owned()).collect(), &Value::Null)
        );
        let last = all[all.len() - 1];
        assert_eq!(names(&root.get(&format!("/{list}?query={}", last.to_uppercase())).await, list), [last]);
        for query in ["%25", "_", "%27%20OR%201%3D1--"] {
            assert_eq!(
                names(&root.get(&format!("/{list}?query={query}")).await, list),
                none,
                "{list} {query}"
            );
        }
        for wrong in ["limit=0", "limit=201", "limit=x", "sort=name", "query=%00"] {
            assert_eq!(root.get(&format!("/{list}?{wrong}")).await.status, 400, "{list} {wrong}");
        }
    }
    let production = &alice.get("/environments?query=prod").await.body["environments"][0];
    assert_eq!(production["host_count"], 2);
    let worker = api.manager(8);
    let managers = dave.get("/managers").await;
    let manager = &managers.body["managers"][0];
    assert_eq!(
        (&manager["id"], &manager["state"], &manager["slots"]),
        (&json!(worker.id), &json!("alive"), &json!(8))
    );
}
