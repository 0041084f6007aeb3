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
