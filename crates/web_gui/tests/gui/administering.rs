//! Forms that only those may send who may change everything: draining managers, pausing handlers.

use crate::common::{Answer, Gui};
use crate::reading::task;
use reqwest::Method;

/// Rows of the audit log besides those of sessions.
fn audit(gui: &Gui) -> String {
    gui.database.sql(
        "SELECT string_agg(concat_ws(' ', actor, action, object, detail ->> 'reason'), '; ' ORDER BY id) FROM audit \
         WHERE action NOT LIKE 'session.%'",
    )
}

#[tokio::test]
async fn a_manager_is_drained_and_resumed() {
    let gui = Gui::start();
    let id = gui.manager("eu-1", "{dmz}");
    let draining = || gui.database.sql("SELECT draining FROM workers");
    let root = gui.signed_in(gui.world.root);
    let page = root.page("/managers").await;
    for part in ["Alive", "eu-1", "0 of 8 slots", "<span class=\"tag\">dmz</span>", "1.2.3"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains(&format!("action=\"/managers/{id}/drain\"")), "{page}");

    let done = root.send(&format!("/managers/{id}/drain"), &[]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/managers"));
    assert_eq!(draining(), "t");
    let page = root.page("/managers").await;
    assert!(page.contains("Draining") && page.contains("Every plugins manager is being drained."), "{page}");
    assert!(!page.contains("/drain\""), "what is drained cannot be drained: {page}");
    assert_eq!(
        root.send(&format!("/managers/{id}/drain"), &[]).await.status,
        303,
        "twice is as good as once"
    );

    let done = root.send(&format!("/managers/{id}/resume"), &[]).await;
    assert_eq!((done.status.as_u16(), draining().as_str()), (303, "f"));
    assert_eq!(audit(&gui), "root manager.drain eu-1; root manager.resume eu-1");

    gui.database.sql("UPDATE workers SET alive_until = now()");
    let late = root.send(&format!("/managers/{id}/drain"), &[]).await;
    assert_eq!(late.status, 409);
    assert!(late.text.contains("The manager eu-1 has ended already."), "{}", late.text);
    let page = root.page("/managers").await;
    assert!(page.contains("Gone") && !page.contains("/drain\""), "{page}");
}

#[tokio::test]
async fn a_handler_is_paused_with_a_reason_and_resumed() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let path = format!("/event_handlers/{}", gui.world.echo);
    let paused =
        || gui.database.sql("SELECT paused_by, paused_reason FROM event_handlers WHERE name = 'echo'");
    for nothing in ["", "  ", "\u{202e}evil"] {
        assert_eq!(
            root.send(&format!("{path}/pause"), &[("reason", nothing)]).await.status,
            400,
            "{nothing:?}"
        );
    }
    assert_eq!(
        root.send(&format!("{path}/pause"), &[]).await.status,
        400,
        "the reason is a part of the form"
    );
    assert_eq!(paused(), "|");

    let done = root.send(&format!("{path}/pause"), &[("reason", " it <b>breaks</b> web-1 ")]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, path.as_str()));
    assert_eq!(paused(), "root|it <b>breaks</b> web-1");
    let bob = gui.signed_in(gui.world.bob);
    for reader in [&root, &bob] {
        let page = reader.page(&path).await;
        assert!(page.contains("Paused by root since"), "{page}");
        assert!(page.contains("it &#60;b&#62;breaks"), "{page}");
        assert!(reader.page("/event_handlers").await.contains("Paused"));
    }
    root.send(&format!("{path}/pause"), &[("reason", "another")]).await;
    assert_eq!(paused(), "root|it <b>breaks</b> web-1", "the first reason stays");

    let done = root.send(&format!("{path}/resume"), &[]).await;
    assert_eq!((done.status.as_u16(), paused().as_str()), (303, "|"));
    assert!(!root.page(&path).await.contains("Paused"));
    assert_eq!(audit(&gui), "root handler.pause echo it <b>breaks</b> web-1; root handler.resume echo");
}

#[tokio::test]
async fn others_have_no_buttons_and_find_nothing_there() {
    let gui = Gui::start();
    let id = gui.manager("eu-1", "{}");
    // The right to administrate a part of the inventory is no right over managers, which serve all of it.
    gui.database.sql(&format!(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT {}, id, 'admin' FROM environments WHERE name = 'production'",
        gui.world.dave
    ));
    let forms = [
        format!("/managers/{id}/drain"),
        format!("/managers/{id}/resume"),
        format!("/event_handlers/{}/pause", gui.world.echo),
        format!("/event_handlers/{}/resume", gui.world.echo),
    ];
    let missing = gui.signed_in(gui.world.alice).get("/no/such/page").await;
    for user in [gui.world.alice, gui.world.bob, gui.world.dave] {
        let browser = gui.signed_in(user);
        let handler = browser.page(&format!("/event_handlers/{}", gui.world.echo)).await;
        assert!(!handler.contains("/pause\""), "{handler}");
        let managers = browser.page("/managers").await;
        assert!(!managers.contains("/drain\""), "{managers}");
        for form in &forms {
            let answer = browser.send(form, &[("reason", "because")]).await;
            assert_eq!(answer.status, 404, "{form}: {}", answer.text);
            let nowhere = form
                .replace(&id, "00000000-0000-4000-8000-000000000000")
                .replace(&gui.world.echo.to_string(), "987654");
            let unknown = browser.send(&nowhere, &[("reason", "because")]).await;
            assert_eq!(
                (unknown.status, unknown.text),
                (missing.status, answer.text),
                "{form}: nobody learns what there is"
            );
        }
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM workers WHERE draining"), "0");
    assert_eq!(gui.database.sql("SELECT count(*) FROM event_handlers WHERE paused_at IS NOT NULL"), "0");
    let refused =
        gui.database.sql("SELECT count(*), count(DISTINCT action) FROM audit WHERE action LIKE '%.refuse'");
    assert_eq!(refused, "24|4");
}

#[tokio::test]
async fn the_forms_need_the_token_of_the_session_and_a_page_of_ours() {
    let gui = Gui::start();
    let id = gui.manager("eu-1", "{}");
    let root = gui.signed_in(gui.world.root);
    let other = gui.signed_in(gui.world.root);
    for path in [format!("/managers/{id}/drain"), format!("/event_handlers/{}/pause", gui.world.echo)] {
        for token in ["", "wrong", &other.csrf_token] {
            let answer = root.submit(&path, &[("csrf_token", token), ("reason", "because")]).await;
            assert_eq!(answer.status, 403, "{path} with {token:?}");
        }
        let fields = [("csrf_token", root.csrf_token.as_str()), ("reason", "because")];
        let foreign = root
            .bare(Method::POST, &path)
            .header("sec-fetch-site", "cross-site")
            .header("origin", "https://evil.example");
        assert_eq!(Answer::of(foreign.form(&fields)).await.status, 403, "{path}");
        assert_eq!(root.submit(&path, &[("reason", "because")]).await.status, 400, "{path}");
        assert_eq!(gui.browser().submit(&path, &fields).await.status, 401, "{path}");
        let read = root.get(&path).await;
        assert_eq!((read.status.as_u16(), read.header("allow")), (405, "POST"), "{path}");
    }
    for path in [
        "/managers/1/drain",
        "/managers/00000000-0000-4000-8000-000000000000/drain",
        "/event_handlers/987654/resume",
    ] {
        assert_eq!(root.send(path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM workers WHERE draining"), "0");
    assert_eq!(gui.database.sql("SELECT count(*) FROM event_handlers WHERE paused_at IS NOT NULL"), "0");
}

#[tokio::test]
async fn a_host_says_who_serves_it() {
    let gui = Gui::start();
    gui.database.sql("UPDATE hosts SET tags = '{dmz}', max_running = 2 WHERE name = 'web-1'");
    let alice = gui.signed_in(gui.world.alice);
    let path = format!("/hosts/{}", gui.world.web_1);
    let page = alice.page(&path).await;
    assert!(page.contains("No plugins manager is running."), "{page}");
    gui.manager("plain", "{}");
    let page = alice.page(&path).await;
    assert!(page.contains("No plugins manager serves web-1: none has the tag dmz."), "{page}");
    assert!(
        page.contains("no manager that is alive") && page.contains("2 of all handlers together"),
        "{page}"
    );
    let id = gui.manager("fenced", "{dmz,lab}");
    let page = alice.page(&path).await;
    assert!(
        page.contains("fenced") && !page.contains("plain") && !page.contains("No plugins manager"),
        "{page}"
    );
    gui.database.sql(&format!("UPDATE workers SET draining = true WHERE id = '{id}'"));
    let page = alice.page(&path).await;
    assert!(page.contains("Every plugins manager that serves web-1 is being drained."), "{page}");
}

#[tokio::test]
async fn the_tasks_of_one_manager_are_listed() {
    let gui = Gui::start();
    let id = gui.manager("eu-1", "{}");
    task(&gui, gui.world.ok).await;
    gui.database.sql(&format!(
        "UPDATE tasks SET state = 'running', workers_id = '{id}', epoch = 1, started_at = now(), lease_until = now() + interval '1 hour'"
    ));
    let root = gui.signed_in(gui.world.root);
    for (query, there) in
        [("manager=eu-1&state=running", true), ("manager=eu-2", false), ("manager=eu-1&state=queued", false)]
    {
        assert_eq!(root.page(&format!("/tasks?{query}")).await.contains(">ok</a>"), there, "{query}");
    }
}
