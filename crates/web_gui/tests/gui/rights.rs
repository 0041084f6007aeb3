//! Users, teams and grants in the browser: what is made, what is refused, and that nobody locks themselves out.

use crate::common::{Answer, Gui};
use reqwest::Method;
use selfservice_core::db::DbError;
use selfservice_core::models::inventory;

/// Everything that decides who may do what.
fn rights(gui: &Gui) -> String {
    let tables = ["users", "teams", "teams_members", "grants"];
    let all = tables.map(|table| {
        gui.database.sql(&format!("SELECT t::text FROM {table} t ORDER BY t::text COLLATE \"C\""))
    });
    all.join("\n")
}

fn last_audit(gui: &Gui) -> String {
    gui.database.sql("SELECT actor, action, object FROM audit ORDER BY id DESC LIMIT 1")
}

#[tokio::test]
async fn a_person_gets_a_right_in_the_browser_and_has_it() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let form = root.form("/users/new").await.set("name", "erin").set("display_name", "Erin E.");
    let erin = root.save(form).await;
    assert_eq!(last_audit(&gui), "root|user.create|erin");
    let form = root.form("/teams/new").await.set("name", "oncall").set("members", "erin");
    let oncall = root.save(form).await;
    assert_eq!(
        gui.database.sql("SELECT u.name FROM teams_members m JOIN users u ON u.id = m.users_id"),
        "erin"
    );

    let form = root.form("/grants/new?team=oncall").await;
    assert_eq!(form.value("team"), Some("oncall"), "the address fills fields in");
    let form = form.set("verb", "run").set("environment", "staging").set("hostgroup", "web");
    let given = root.put(&form).await;
    assert_eq!((given.status.as_u16(), given.header("location")), (303, "/grants"), "{}", given.text);
    assert_eq!(last_audit(&gui), "root|grant.add|run for team oncall in staging on web");
    let listed = root.page("/grants?team=oncall").await;
    for part in [">oncall</a>", "see and run", "every handler", "hosts of web in staging"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert!(!listed.contains(">alice</a>"), "{listed}");

    let browser = gui.signed_in(erin);
    let hosts = browser.page("/hosts").await;
    assert!(hosts.contains(">web-2</a>") && !hosts.contains(">web-1</a>"), "{hosts}");
    let shown = root.page(&format!("/users/{erin}")).await;
    for part in ["Erin E.", "see and run", ">oncall</a>", "none was set", "session of"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = root.page(&format!("/teams/{oncall}")).await;
    assert!(shown.contains(">erin</a>") && shown.contains("hosts of web in staging"), "{shown}");

    let grant = gui.database.sql("SELECT max(id) FROM grants");
    let asked = root.page(&format!("/grants/{grant}/delete")).await;
    assert!(asked.contains("because they are in the team oncall") && asked.contains(">1<"), "{asked}");
    let taken = root.send(&format!("/grants/{grant}/delete"), &[("version", "")]).await;
    assert_eq!(taken.status, 303, "{}", taken.text);
    assert_eq!(last_audit(&gui), "root|grant.remove|run for team oncall in staging on web");
    assert!(!browser.page("/hosts").await.contains(">web-2</a>"), "it counts at once");

    let asked = root.page(&format!("/teams/{oncall}/delete")).await;
    assert!(asked.contains("Members that leave it"), "{asked}");
    let form = root.form(&format!("/users/{erin}/edit")).await.set("disabled", "yes");
    root.save(form).await;
    assert_eq!(browser.get("/hosts").await.status, 303, "a disabled user is signed out");
}

/// A form, what is typed into it, and the complaint.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[tokio::test]
async fn what_is_wrong_with_rights_stands_beside_its_field() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let before = rights(&gui);
    let cases: &[Case] = &[
        ("/users/new", &[("name", "alice")], "Another user is called &#39;alice&#39; already."),
        ("/users/new", &[("name", "Аlice")], "The name looks like the user &#39;alice&#39;"),
        ("/users/new", &[("name", "-oProxy")], "The name must not begin with &#39;-&#39;."),
        (
            "/users/new",
            &[("name", "erin"), ("display_name", "a\u{202e}b")],
            "The name that pages show must not",
        ),
        ("/users/new", &[("name", "erin"), ("teams", "none")], "There is no team &#39;none&#39;"),
        ("/teams/new", &[("name", "x"), ("members", "nobody")], "There is no user &#39;nobody&#39;"),
        ("/grants/new", &[("verb", "run")], "Name a user or a team."),
        ("/grants/new", &[("user", "alice"), ("team", "x")], "Name a user or a team, not both"),
        ("/grants/new", &[("user", "nobody")], "There is no user &#39;nobody&#39;."),
        (
            "/grants/new",
            &[("user", "alice"), ("environment", "moon")],
            "There is no environment &#39;moon&#39;.",
        ),
        (
            "/grants/new",
            &[("user", "alice"), ("handler", "ok"), ("tag", "x")],
            "Name a handler or a tag, not both.",
        ),
        ("/grants/new", &[("user", "alice"), ("verb", "own")], "&#39;own&#39; is not one of see, run, admin"),
        (
            "/grants/new",
            &[("user", "alice"), ("environment", "production"), ("verb", "run")],
            "This right exists already.",
        ),
    ];
    for (path, typed, complaint) in cases {
        let form = typed.iter().fold(root.form(path).await, |form, (name, text)| form.set(name, text));
        let refused = root.put(&form).await;
        assert_eq!(refused.status, 400, "{path} {typed:?}: {}", refused.text);
        assert!(refused.text.contains(complaint), "{complaint}: {}", refused.text);
        for (_, text) in typed.iter() {
            assert!(refused.text.contains(text), "{text} is lost: {}", refused.text);
        }
    }
    let form = root.form(&format!("/users/{}/edit", gui.world.alice)).await.set("name", "alicia");
    assert!(root.put(&form).await.text.contains("it must stay &#39;alice&#39;"));
    // Fields that the page does not have.
    for field in ["password_hash", "id", "created_at"] {
        let form = root.form(&format!("/users/{}/edit", gui.world.alice)).await.set(field, "1");
        assert_eq!(root.put(&form).await.status, 400, "{field}");
    }
    assert_eq!(rights(&gui), before);
}

#[tokio::test]
async fn two_editors_of_one_team_do_not_overwrite_each_other() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let team = root.save(root.form("/teams/new").await.set("name", "oncall").set("members", "alice")).await;
    let mine = root.form(&format!("/teams/{team}/edit")).await.set("members", "bob");
    let theirs = root.form(&format!("/teams/{team}/edit")).await.set("members", "carol");
    root.save(theirs).await;
    let late = root.put(&mine).await;
    assert_eq!(late.status, 409);
    assert!(late.text.contains("Somebody else has changed this since you opened it."), "{}", late.text);
    let members = "SELECT string_agg(u.name, ',' ORDER BY u.name) FROM teams_members m JOIN users u ON u.id = m.users_id";
    assert_eq!(gui.database.sql(members), "alice,carol");
    let deleted =
        root.send(&format!("/teams/{team}/delete"), &[("version", mine.value("version").unwrap())]).await;
    assert_eq!(deleted.status, 409, "{}", deleted.text);
}

#[tokio::test]
async fn nobody_locks_themselves_out() {
    let gui = Gui::start();
    let (root, id) = (gui.signed_in(gui.world.root), gui.world.root);
    let edit = format!("/users/{id}/edit");
    let grant = gui.database.sql(&format!("SELECT id FROM grants WHERE users_id = {id}"));
    let reason = "That would take from yourself the right to administer everything";
    let delete = async |path: &str| {
        let version = Gui::version(&root.get(&format!("{path}/delete")).await.text);
        root.send(&format!("{path}/delete"), &[("version", &version)]).await
    };
    let before = rights(&gui);
    let tries = [
        root.put(&root.form(&edit).await.untick("administrator")).await,
        root.put(&root.form(&edit).await.set("disabled", "yes")).await,
        root.send(&format!("/users/{id}/disable"), &[]).await,
        root.send(&format!("/grants/{grant}/delete"), &[("version", "")]).await,
        delete(&format!("/users/{id}")).await,
    ];
    for answer in tries {
        assert!(matches!(answer.status.as_u16(), 400 | 409), "{answer:?}");
        assert!(answer.text.contains(reason), "{}", answer.text);
    }
    assert_eq!(rights(&gui), before);

    // The same where a team brings the right.
    gui.database.sql(
        "INSERT INTO teams (name, name_key) VALUES ('keepers', 'keepers'); \
         INSERT INTO teams_members SELECT t.id, u.id FROM teams t, users u WHERE u.name = 'root'; \
         UPDATE grants SET users_id = NULL, teams_id = (SELECT id FROM teams) WHERE verb = 'admin'",
    );
    let team = gui.database.sql("SELECT id FROM teams");
    let before = rights(&gui);
    let tries = [
        root.put(&root.form(&format!("/teams/{team}/edit")).await.clear("members").set("name", "others"))
            .await,
        root.put(&root.form(&edit).await.clear("teams")).await,
        delete(&format!("/teams/{team}")).await,
    ];
    for answer in tries {
        assert!(matches!(answer.status.as_u16(), 400 | 409), "{answer:?}");
        assert!(answer.text.contains(reason), "{}", answer.text);
    }
    assert_eq!(rights(&gui), before, "the name is not changed either");
}

#[tokio::test]
async fn two_administrators_who_disable_each_other_leave_one() {
    let gui = Gui::start();
    gui.database.sql("INSERT INTO grants (users_id, verb) SELECT id, 'admin' FROM users WHERE name = 'dave'");
    let people = [gui.world.root, gui.world.dave];
    let administrators = "SELECT count(*) FROM grants g JOIN users u ON u.id = g.users_id WHERE verb = 'admin' AND NOT disabled";
    for _ in 0..5 {
        gui.database.sql("UPDATE users SET disabled = false");
        let browsers = people.map(|id| gui.signed_in(id));
        let both = browsers.into_iter().zip([people[1], people[0]]).map(|(browser, other)| {
            tokio::spawn(async move { browser.send(&format!("/users/{other}/disable"), &[]).await })
        });
        for one in both.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        assert_eq!(gui.database.sql(administrators), "1");
    }
}

#[tokio::test]
async fn who_may_not_change_everything_finds_nothing_here() {
    let gui = Gui::start();
    // The right to administer one environment is not the right to give rights.
    gui.database.sql(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
         WHERE u.name = 'dave' AND e.name = 'production'",
    );
    let before = rights(&gui);
    let (bob, grant) = (gui.world.bob, gui.database.sql("SELECT min(id) FROM grants"));
    let session = gui.database.sql(&format!(
        "INSERT INTO sessions (id, secret_hash, csrf_token, users_id, identity, address, user_agent, expires_at) \
         VALUES (gen_random_uuid(), 'x', 'x', {bob}, 'password', '', '', now() + interval '1 hour') RETURNING id"
    ));
    let session = session.lines().next().unwrap();
    for who in [gui.world.alice, gui.world.dave] {
        let browser = gui.signed_in(who);
        let start = browser.page("/").await;
        for entry in ["/users", "/teams", "/grants", "/audit"] {
            assert!(!start.contains(&format!("href=\"{entry}\"")), "the menu has {entry}");
            assert_eq!(browser.get(entry).await.status, 404, "{entry}");
        }
        for path in [
            format!("/users/{bob}"),
            format!("/users/{bob}/edit"),
            "/users/new".to_owned(),
            "/teams/new".to_owned(),
            "/grants/new".to_owned(),
            format!("/grants/{grant}/delete"),
        ] {
            assert_eq!(browser.get(&path).await.status, 404, "{path}");
        }
        let me = format!("/users/{who}");
        let forms: &[(String, Vec<(&str, &str)>)] = &[
            ("/grants/new".to_owned(), vec![("user", "dave"), ("verb", "admin")]),
            (format!("/grants/{grant}/delete"), vec![("version", "")]),
            ("/users/new".to_owned(), vec![("name", "mallory"), ("administrator", "yes")]),
            (format!("{me}/edit"), vec![("name", "dave"), ("administrator", "yes"), ("version", "x")]),
            (format!("/users/{bob}/password"), vec![("password", "long enough for it")]),
            (format!("/users/{bob}/disable"), vec![]),
            (format!("/users/{bob}/sessions/end"), vec![]),
            (format!("/users/{bob}/sessions/{session}/end"), vec![]),
            (format!("/account/sessions/{session}/end"), vec![]),
            ("/teams/new".to_owned(), vec![("name", "mine"), ("members", "dave")]),
        ];
        for (path, fields) in forms {
            let answer = browser.send(path, fields).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        }
    }
    assert_eq!(rights(&gui), before);
    assert_eq!(gui.database.sql("SELECT count(*) FROM sessions WHERE csrf_token = 'x'"), "1");
    let refused = gui.database.sql(
        "SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM audit WHERE action LIKE '%.refuse'",
    );
    assert_eq!(
        refused,
        "grant.add.refuse grant.remove.refuse session.revoke.refuse team.change.refuse user.change.refuse \
         user.disable.refuse user.password.refuse"
    );
}

#[tokio::test]
async fn a_load_of_the_inventory_does_not_keep_administrators_waiting() {
    let gui = Gui::start();
    let pool = gui.database.pool().clone();
    let root = gui.signed_in(gui.world.root);
    let form = root.form(&format!("/users/{}/edit", gui.world.bob)).await.set("disabled", "yes");
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (holds, held) = std::sync::mpsc::channel();
    let loading = std::thread::spawn(move || {
        let done = pool.transaction::<_, DbError>(|connection| {
            assert!(inventory::try_lock_all(connection)?);
            holds.send(()).unwrap();
            receiver.recv().unwrap();
            Ok(())
        });
        done.unwrap();
    });
    held.recv().unwrap();
    root.save(form).await;
    sender.send(()).unwrap();
    loading.join().unwrap();
    assert_eq!(gui.database.sql("SELECT disabled FROM users WHERE name = 'bob'"), "t");
}

#[tokio::test]
async fn somebody_made_anew_with_an_old_name_inherits_nothing() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    crate::reading::task(&gui, gui.world.ok).await;
    let path = format!("/users/{}", gui.world.alice);
    let version = Gui::version(&root.get(&format!("{path}/delete")).await.text);
    let busy = root.send(&format!("{path}/delete"), &[("version", &version)]).await;
    assert_eq!(busy.status, 409);
    assert!(busy.text.contains("One of its tasks waits or runs."), "{}", busy.text);
    gui.database.sql("UPDATE tasks SET state = 'finished', result = 'cancelled', finished_at = now()");
    let done = root.send(&format!("{path}/delete"), &[("version", &version)]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let again = root.save(root.form("/users/new").await.set("name", "alice")).await;
    assert_ne!(again, gui.world.alice);
    let alice = gui.signed_in(again);
    let tasks = alice.page("/tasks").await;
    assert!(tasks.contains("No task"), "{tasks}");
    let left = gui.database.sql(&format!(
        "SELECT (SELECT count(*) FROM grants WHERE users_id = {again}), (SELECT count(*) FROM tasks WHERE users_id = {again})"
    ));
    assert_eq!(left, "0|0");
}

#[tokio::test]
async fn names_are_text_wherever_they_stand() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let name = "<img src=x onerror=alert(1)>";
    let user = root.save(root.form("/users/new").await.set("name", name)).await;
    root.save(root.form("/teams/new").await.set("name", name).set("members", name)).await;
    let form = root.form("/grants/new").await.set("user", name).set("verb", "see");
    assert_eq!(root.put(&form).await.status, 303);
    gui.database.sql(&format!("UPDATE sessions SET user_agent = '{name}'"));
    let who = format!("/rights?host=web-1&user={}", "%3Cimg%20src=x%20onerror=alert(1)%3E");
    for path in ["/users", "/teams", "/grants", "/audit", "/account", &format!("/users/{user}"), &who] {
        let shown = root.page(path).await;
        assert!(!shown.contains("<img"), "{path}");
        assert!(shown.contains("&#60;img src=x"), "{path}: {shown}");
    }
}

#[tokio::test]
async fn gets_change_nothing() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let before = rights(&gui);
    for path in ["/users", "/teams", "/grants", "/grants/new", "/rights?host=web-1", "/audit", "/account"] {
        assert_eq!(Answer::of(root.bare(Method::GET, path)).await.status, 200, "{path}");
    }
    assert_eq!(rights(&gui), before);
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit"), "0");
}
