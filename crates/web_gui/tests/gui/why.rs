//! Why somebody may or may not do something, and the log of what was done.

use crate::common::Gui;

#[tokio::test]
async fn a_person_learns_what_is_missing() {
    let gui = Gui::start();
    let alice = gui.signed_in(gui.world.alice);
    let shown = alice.page("/rights?host=both&handler=slow").await;
    for part in [
        "alice may not run slow on both.",
        "No grant lets alice run it in staging: it takes one in each environment of the host.",
        "counts in production",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("Who may run it here"), "who else is for administrators: {shown}");
    assert!(!shown.contains("carol"), "{shown}");
    let shown = alice.page("/rights?host=web-1&handler=slow").await;
    assert!(shown.contains("alice may run slow on web-1."), "{shown}");
    let bob = gui.signed_in(gui.world.bob);
    let shown = bob.page("/rights?host=web-1&handler=slow").await;
    assert!(shown.contains("bob may not run slow on web-1."), "{shown}");
    assert!(shown.contains("allows only &#39;see&#39;, not &#39;run&#39;"), "a near miss is named: {shown}");

    let hidden = alice.page("/rights?host=web-2&handler=slow").await;
    let unknown = alice.page("/rights?host=no-such&handler=slow").await;
    assert!(hidden.contains("There is no host &#39;web-2&#39;, or you may not see it."), "{hidden}");
    assert_eq!(hidden.replace("web-2", ""), unknown.replace("no-such", ""), "nobody learns what there is");
    // Bob's grant is for every handler; one that nothing he sees has is none for him.
    let known = bob.page("/rights?host=web-1&handler=echo").await;
    assert!(known.contains("bob may not run echo on web-1."), "{known}");
    gui.database.sql(
        "DELETE FROM events_handlers_members WHERE event_handlers_id = (SELECT id FROM event_handlers WHERE name = 'echo')",
    );
    let hidden = bob.page("/rights?host=web-1&handler=echo").await;
    let unknown = bob.page("/rights?host=web-1&handler=no-such").await;
    assert!(hidden.contains("There is no event handler &#39;echo&#39;, or you may not see it."), "{hidden}");
    assert_eq!(hidden.replace("echo", ""), unknown.replace("no-such", ""));

    let other = alice.page("/rights?host=web-1&user=bob").await;
    assert!(other.contains("You may only ask about yourself, not about &#39;bob&#39;."), "{other}");
}

#[tokio::test]
async fn an_administrator_asks_about_anybody() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let shown = root.page("/rights?user=alice&host=web-1&handler=slow").await;
    for part in ["alice may run slow on web-1.", "Who may run it here", ">root</a>"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = root.page("/rights?user=bob&host=web-1").await;
    assert!(shown.contains("bob may see web-1.") && shown.contains("Who may see the host"), "{shown}");
    assert!(shown.contains("handler=danger"), "each handler leads to its own answer: {shown}");
    let shown = root.page("/rights?user=dave&host=web-1&handler=slow").await;
    assert!(shown.contains("dave has no grant at all"), "{shown}");
    gui.database.sql("UPDATE users SET disabled = true WHERE name = 'alice'");
    gui.database.sql("UPDATE event_handlers SET paused_at = now(), paused_by = 'root', paused_reason = 'it burns' WHERE name = 'slow'");
    let shown = root.page("/rights?user=alice&host=web-1&handler=slow").await;
    for part in ["alice is disabled", "slow is paused since", "it burns", "alice may not run slow"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    gui.database.sql("UPDATE event_handlers SET enabled = false WHERE name = 'ok'");
    let shown = root.page("/rights?host=web-1&handler=ok").await;
    assert!(shown.contains("The handler ok is disabled"), "{shown}");
    gui.database.sql("UPDATE services_members SET dropped = true");
    let shown = root.page("/rights?host=web-1&handler=echo").await;
    assert!(shown.contains("The handler echo is not assigned to any service of this host."), "{shown}");
    for (query, complaint) in [
        ("user=nobody&host=web-1", "There is no user &#39;nobody&#39;."),
        ("host=web-1&handler=none", "There is no event handler &#39;none&#39;"),
        ("host=web-1&service=none", "The host has no service &#39;none&#39;."),
    ] {
        assert!(root.page(&format!("/rights?{query}")).await.contains(complaint), "{query}");
    }
}

#[tokio::test]
async fn the_host_page_leads_to_the_answer() {
    let gui = Gui::start();
    let shown = gui.signed_in(gui.world.bob).page(&format!("/hosts/{}", gui.world.web_1)).await;
    assert!(shown.contains("href=\"/rights?host=web-1\""), "{shown}");
}

#[tokio::test]
async fn the_log_is_searched_by_time_person_action_and_object() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    gui.database.sql(
        "INSERT INTO audit (at, actor, identity, action, object, detail) VALUES \
         ('2026-01-01 10:00+00', 'alice', 'password', 'host.change', 'web-1', '{\"changes\": {\"address\": [\"a\", \"b\"]}}'), \
         ('2026-01-02 10:00+00', 'alice', 'token', 'handler.create', 'web-restart', '{}'), \
         ('2026-01-03 10:00+00', 'bob', 'password', 'task.create.refuse', '', '{}'); \
         INSERT INTO audit (at, actor, identity, action, object) SELECT '2025-06-01', 'many', 'system', 'x.y', n::text FROM generate_series(1, 120) n",
    );
    let objects = async |query: &str| {
        let shown = root.page(&format!("/audit?{query}")).await;
        ["some\">web-1", "some\">web-restart", "warning\">task.create.refuse"]
            .map(|sign| shown.contains(sign))
    };
    assert_eq!(objects("from=2026-01-01").await, [true, true, true]);
    assert_eq!(objects("actor=alice").await, [true, true, false]);
    assert_eq!(objects("action=host.change").await[..2], [true, false]);
    assert_eq!(objects("object=web-").await[..2], [true, true]);
    assert_eq!(objects("object=web-r").await[..2], [false, true]);
    assert_eq!(objects("from=2026-01-02&until=2026-01-02").await[..2], [false, true]);
    let shown = root.page("/audit?action=host.change").await;
    assert!(shown.contains("changes") && shown.contains("address"), "{shown}");

    let mut path = "/audit?actor=many".to_owned();
    let mut pages = Vec::new();
    for _ in 0..3 {
        let shown = root.get(&path).await.text;
        pages.push(shown.matches("class=\"narrow\">x.y").count());
        let Some(next) = shown.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(pages, [50, 50, 20], "every row once, though all have the same time");
    assert_eq!(root.get("/audit?after=x").await.status, 400);
    assert_eq!(root.get("/audit?from=yesterday").await.status, 400);
}
