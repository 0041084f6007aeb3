//! Pages show what the reader may see, and nothing else.

use crate::common::{Answer, Browser, Gui};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LISTS: [&str; 6] = ["/hosts", "/environments", "/hostgroups", "/services", "/event_handlers", "/tasks"];

/// Addresses of things that a page links to, such as `/hosts/3`.
/// Links to things in the folder, not to forms.
fn links(page: &str, folder: &str) -> BTreeSet<String> {
    let start = format!("href=\"/{folder}/");
    let tails = page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap());
    let things =
        tails.filter(|tail| *tail != "new" && !tail.ends_with("/edit") && !tail.ends_with("/delete"));
    things.map(|tail| format!("/{folder}/{tail}")).collect()
}

async fn text(browser: &Browser, path: &str) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

/// Queues a task for `handler` on `web-1`, and gives its id.
pub async fn task(gui: &Gui, handler: i64) -> String {
    let alice = gui.signed_in(gui.world.alice);
    let body = json!({
        "host_id": gui.world.web_1, "service_id": gui.world.os, "handler_id": handler, "parameters": {},
        "reason": null, "nonce": null, "typed_host": null, "request_key": uuid::Uuid::new_v4(),
    });
    let request = alice.ours(Method::POST, "/api/v1/tasks").header("x-csrf-token", &alice.csrf_token);
    let answer = Answer::of(request.json(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let answer: Value = serde_json::from_str(&answer.text).unwrap();
    answer["task"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn lists_hold_what_belongs_to_hosts_that_the_reader_sees() {
    let gui = Gui::start();
    task(&gui, gui.world.ok).await;
    let host = |id: i64| format!("/hosts/{id}");
    let everything = BTreeSet::from([host(gui.world.web_1), host(gui.world.web_2), host(gui.world.both)]);
    let cases = [
        (gui.world.bob, BTreeSet::from([host(gui.world.web_1), host(gui.world.both)])),
        (gui.world.carol, BTreeSet::from([host(gui.world.web_2), host(gui.world.both)])),
        (gui.world.dave, BTreeSet::new()),
        (gui.world.root, everything),
    ];
    for (user, hosts) in cases {
        let browser = gui.signed_in(user);
        assert_eq!(links(&text(&browser, "/hosts").await, "hosts"), hosts, "user {user}");
        let environments = links(&text(&browser, "/environments").await, "environments");
        for environment in &environments {
            let members = links(&text(&browser, environment).await, "hosts");
            assert!(members.is_subset(&hosts) && !members.is_empty(), "{user}: {members:?}");
        }
        assert_eq!(environments.is_empty(), hosts.is_empty());
        for folder in ["hostgroups", "services"] {
            for page in links(&text(&browser, &format!("/{folder}")).await, folder) {
                assert!(links(&text(&browser, &page).await, "hosts").is_subset(&hosts), "{user}: {page}");
            }
        }
        let tasks = links(&text(&browser, "/tasks").await, "tasks").len();
        let sees_web_1 = hosts.contains(&host(gui.world.web_1));
        assert_eq!(tasks, usize::from(sees_web_1), "user {user}");
    }
}

#[tokio::test]
async fn what_is_not_yours_and_what_is_not_there_are_the_same() {
    let gui = Gui::start();
    let task = task(&gui, gui.world.ok).await;
    let (dave, root) = (gui.signed_in(gui.world.dave), gui.signed_in(gui.world.root));
    let id = |table: &str| gui.database.sql(&format!("SELECT min(id) FROM {table}"));
    let cases = [
        ("hosts", id("hosts")),
        ("environments", id("environments")),
        ("hostgroups", id("hostgroups")),
        ("services", id("services")),
        ("event_handlers", id("event_handlers")),
    ];
    let missing = dave.get("/hosts/987654321").await;
    assert_eq!(missing.status, 404);
    for (folder, id) in cases {
        let path = format!("/{folder}/{id}");
        assert_eq!(root.get(&path).await.status, 200, "{path}");
        for path in [path.as_str(), &format!("/{folder}/0")] {
            let answer = dave.get(path).await;
            assert_eq!((answer.status.as_u16(), &answer.text), (404, &missing.text), "{path}");
        }
        for path in
            [format!("{path}/"), format!("/{folder}/x%00"), format!("//{folder}"), format!("/{folder}/1;x=1")]
        {
            assert_eq!(dave.get(&path).await.status, 404, "{path}");
        }
    }
    assert_eq!(root.get(&format!("/tasks/{task}")).await.status, 200);
    for id in [task.as_str(), "00000000-0000-7000-8000-000000000000"] {
        let answer = dave.get(&format!("/tasks/{id}")).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (404, &missing.text), "{id}");
    }
    for page in LISTS.iter().chain(&["/", "/managers"]) {
        assert_eq!(gui.browser().get(page).await.status, 303, "{page} needs a sign-in");
        assert_eq!(dave.get(page).await.status, 200, "{page}");
    }
}

#[tokio::test]
async fn a_grant_for_one_handler_shows_that_handler_alone() {
    let gui = Gui::start();
    gui.database.sql(&format!(
        "INSERT INTO grants (users_id, environments_id, event_handlers_id, verb) \
         SELECT {}, id, {}, 'run' FROM environments WHERE name = 'production'",
        gui.world.dave, gui.world.echo
    ));
    let dave = gui.signed_in(gui.world.dave);
    let echo = BTreeSet::from([format!("/event_handlers/{}", gui.world.echo)]);
    assert_eq!(links(&text(&dave, "/event_handlers").await, "event_handlers"), echo);
    let page = text(&dave, &format!("/hosts/{}", gui.world.web_1)).await;
    assert_eq!(links(&page, "event_handlers"), echo);
    assert_eq!(dave.get(&format!("/event_handlers/{}", gui.world.danger)).await.status, 404);
    gui.database.sql("UPDATE event_handlers SET enabled = false");
    assert_eq!(dave.get(&format!("/event_handlers/{}", gui.world.echo)).await.status, 404);
}

#[tokio::test]
async fn rights_are_looked_at_anew_for_every_page() {
    let gui = Gui::start();
    let bob = gui.signed_in(gui.world.bob);
    let path = format!("/hosts/{}", gui.world.web_1);
    assert_eq!(bob.get(&path).await.status, 200);
    gui.database.sql(&format!("DELETE FROM grants WHERE users_id = {}", gui.world.bob));
    assert_eq!(bob.get(&path).await.status, 404);
    gui.database.sql(&format!(
        "INSERT INTO teams (name, name_key) VALUES ('ops', 'ops'); \
         INSERT INTO teams_members SELECT id, {} FROM teams; INSERT INTO grants (teams_id, verb) SELECT id, 'see' FROM teams",
        gui.world.bob
    ));
    assert_eq!(bob.get(&path).await.status, 200, "through a team");
}

#[tokio::test]
async fn a_task_page_tells_the_plan_and_who_asked() {
    let gui = Gui::start();
    let id = task(&gui, gui.world.ok).await;
    let page = text(&gui.signed_in(gui.world.bob), &format!("/tasks/{id}")).await;
    for part in
        ["alice", "Queued", "production", "identity: password", "30 s", "<pre class=\"command\">ok</pre>"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let start = text(&gui.signed_in(gui.world.bob), "/").await;
    assert!(start.contains("<b>1</b><span class=\"dim\">waiting</span>"), "{start}");
    assert!(start.contains("No plugins manager is running."), "{start}");
}

#[tokio::test]
async fn names_and_questions_are_text() {
    let gui = Gui::start();
    let evil = r#"<img src=x onerror="alert(1)">'"#;
    gui.database.sql(&format!(
        "UPDATE hosts SET name = $x${evil}$x$, description = $x${evil}$x$, address = $x${evil}$x$, \
             vars = jsonb_build_object('X', $x${evil}$x$::text) WHERE name = 'web-1'; \
         UPDATE environments SET name = $x${evil}$x$, description = $x${evil}$x$ WHERE name = 'production'; \
         UPDATE hostgroups SET name = $x${evil}$x$, description = $x${evil}$x$; \
         UPDATE services SET name = $x${evil}$x$, description = $x${evil}$x$; \
         UPDATE event_handlers SET name = $x${evil}$x$, description = $x${evil}$x$, arguments = ARRAY[$x${evil}$x$], \
             runbook_url = 'javascript:alert(1)' WHERE name = 'ok'; \
         UPDATE users SET display_name = $x${evil}$x$"
    ));
    let id = task(&gui, gui.world.ok).await;
    let root = gui.signed_in(gui.world.root);
    let shown = [
        format!("/hosts/{}", gui.world.web_1),
        format!("/services/{}", gui.world.os),
        format!("/event_handlers/{}", gui.world.ok),
        format!("/hosts/{}/edit", gui.world.web_1),
        format!("/hosts/{}/delete", gui.world.web_1),
        format!("/hosts/{}/join?name=%3Cimg%20src%3Dx", gui.world.web_1),
        format!("/services/{}/edit", gui.world.os),
        format!("/event_handlers/{}/edit", gui.world.ok),
        format!("/event_handlers/{}/delete", gui.world.ok),
        format!("/event_handlers/{}/revisions", gui.world.ok),
        format!("/event_handlers/{}/try?host=%3Cimg%20src%3Dx&service=%22onerror%3D%22", gui.world.ok),
        "/environments/1/edit".to_owned(),
        "/hostgroups/1/edit".to_owned(),
        "/environments/1".to_owned(),
        "/hostgroups/1".to_owned(),
        format!("/tasks/{id}"),
        "/".to_owned(),
        "/no/such/page".to_owned(),
        format!("/popup?host={}&theme=%22%3E%3Cscript%3E", "%3Cimg%20src%3Dx%20onerror%3D%22alert(1)%22%3E"),
        "/signin?next=%22%3E%3Cimg%20src%3Dx".to_owned(),
        "/signin/link?token=%22%3E%3Cimg%20src%3Dx".to_owned(),
    ];
    let asked = LISTS.map(|list| format!("{list}?query=%3Cimg%20src%3Dx&host=%3Cimg%20src%3Dx"));
    for path in shown.iter().map(String::as_str).chain(LISTS).chain(asked.iter().map(String::as_str)) {
        let page = root.get(path).await.text;
        assert!(!page.contains("<img") && !page.contains("onerror=\""), "{path}: {page}");
        assert!(!page.contains("href=\"javascript:"), "{path}");
    }
    let host = text(&root, &shown[0]).await;
    assert!(host.contains("&#60;img src=x"), "{host}");
}

#[tokio::test]
async fn what_no_name_holds_is_refused_with_a_sentence() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let inside =
        ["/environments/1".to_owned(), "/hostgroups/1".to_owned(), format!("/services/{}", gui.world.os)];
    let long = "x".repeat(201);
    let lists = LISTS.map(str::to_owned).into_iter().filter(|list| list != "/tasks").chain(inside);
    let fields = lists.flat_map(|list| ["query", "after"].map(|field| format!("{list}?{field}=")));
    let of_tasks = ["state", "host", "service", "handler", "requester", "after"];
    for asked in fields.chain(of_tasks.map(|field| format!("/tasks?{field}="))) {
        for (value, why) in [("a%00b", "control characters"), (&long, "longer than 200 characters")] {
            let answer = root.get(&format!("{asked}{value}")).await;
            assert_eq!(answer.status, 400, "{asked}{value}");
            assert!(answer.text.contains(why), "{asked}: {}", answer.text);
        }
    }
    for path in ["/popup?host=%00", "/signin?next=%00", "/signin/link?token=%00", "/?query=%00"] {
        assert_eq!(root.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_long_list_is_walked_page_by_page() {
    let gui = Gui::start();
    gui.database.sql(
        "INSERT INTO hosts (name, name_key, address) \
         SELECT 'node ' || n || ' & co', 'node ' || n || ' & co', '10.0.0.' || n FROM generate_series(1, 120) n",
    );
    let root = gui.signed_in(gui.world.root);
    let mut path = "/hosts?query=NODE".to_owned();
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    loop {
        let page = text(&root, &path).await;
        let rows = links(&page, "hosts");
        assert!(!rows.is_empty() && rows.is_disjoint(&seen), "{path}");
        seen.extend(rows);
        pages += 1;
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else {
            break;
        };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!((seen.len(), pages), (120, 3));
    let like = text(&root, "/hosts?query=%25").await;
    assert!(like.contains("No host matches."), "a sign of LIKE is only a sign: {like}");
}
