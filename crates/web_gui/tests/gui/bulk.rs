//! Several hosts at once: shown before, changed all or none.

use crate::common::Gui;

fn groups(gui: &Gui) -> String {
    gui.database.sql(
        "SELECT h.name, string_agg(g.name, ' ' ORDER BY g.name), h.vars FROM hosts h \
         LEFT JOIN hostgroups_members m ON m.hosts_id = h.id LEFT JOIN hostgroups g ON g.id = m.hostgroups_id \
         WHERE h.name LIKE 'web-%' GROUP BY 1, 3 ORDER BY 1",
    )
}

/// The versions that a page holds.
fn versions(page: &str) -> Vec<String> {
    let parts = page.split("name=\"version\" value=\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn many_hosts_are_changed_as_it_was_shown_or_not_at_all() {
    let gui = Gui::start();
    gui.database.sql("INSERT INTO hostgroups (name, name_key) VALUES ('linux', 'linux')");
    let root = gui.signed_in(gui.world.root);
    let (one, two) = (gui.world.web_1.to_string(), gui.world.web_2.to_string());
    let list = root.page("/hosts").await;
    assert!(
        list.contains("aria-label=\"Choose web-1\"") && list.contains("Change the chosen hosts"),
        "{list}"
    );
    let chosen = format!("/hosts/bulk?host={one}&host={two}");
    assert!(!root.page(&chosen).await.contains("What changes"), "nothing was asked for yet");
    let before = groups(&gui);
    let asked = format!("{chosen}&add_hostgroup=linux&remove_hostgroup=web&set_variable=rack&value=a%3Cb");
    let page = root.page(&asked).await;
    for told in [
        "joins the host group linux",
        "leaves the host group web",
        "has rack = &#39;a&#60;b&#39;",
        "2 of 2 hosts",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!(groups(&gui), before, "showing it changes nothing");
    let seen = versions(&page);
    let form = |versions: &[String]| {
        let mut form = vec![
            ("host", one.clone()),
            ("version", versions[0].clone()),
            ("host", two.clone()),
            ("version", versions[1].clone()),
        ];
        let fields = [
            ("add_hostgroup", "linux"),
            ("remove_hostgroup", "web"),
            ("set_variable", "rack"),
            ("value", "a<b"),
        ];
        form.extend(fields.map(|(name, value)| (name, value.to_owned())));
        form
    };
    let send = async |versions: &[String]| {
        let form = form(versions);
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        root.send("/hosts/bulk", &pairs).await
    };
    // Somebody changes the second host meanwhile: the first one stays as it is, too.
    gui.database.sql("UPDATE hosts SET description = 'other' WHERE name = 'web-2'");
    let late = send(&seen).await;
    assert_eq!(late.status, 409);
    assert!(
        late.text.contains("because of web-2: Somebody has changed it since you looked."),
        "{}",
        late.text
    );
    assert_eq!(groups(&gui), before);
    assert_eq!(
        gui.database.sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit"),
        "host.change.refuse"
    );
    let done = send(&versions(&late.text)).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/hosts"), "{}", done.text);
    assert_eq!(groups(&gui), "web-1|linux|{\"rack\": \"a<b\"}\nweb-2|linux|{\"rack\": \"a<b\"}");
    assert_eq!(
        gui.database
            .sql("SELECT string_agg(object, ' ' ORDER BY id) FROM audit WHERE action = 'host.change'"),
        "web-1 web-2"
    );
    let again = root.page(&asked).await;
    assert!(again.contains("nothing: it is so already") && versions(&again).is_empty(), "{again}");
}

#[tokio::test]
async fn what_cannot_be_done_on_one_host_is_done_on_none() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let (one, two) = (gui.world.web_1.to_string(), gui.world.web_2.to_string());
    let chosen = format!("/hosts/bulk?host={one}&host={two}");
    let page = root.page(&format!("{chosen}&add_service=nope")).await;
    assert!(page.contains("&#39;nope&#39;") && versions(&page).is_empty(), "no button: {page}");
    for (query, status) in [("", 400), ("?host=x", 404), ("?host=1&host=1", 400), ("?host=4711", 404)] {
        assert_eq!(root.get(&format!("/hosts/bulk{query}")).await.status, status, "{query}");
    }
    let forged = [("host", one.as_str()), ("version", "x"), ("host", &two), ("set_variable", "a")];
    assert_eq!(root.send("/hosts/bulk", &forged).await.status, 400, "a version is missing");
    let nul = [("host", one.as_str()), ("version", "x"), ("set_variable", "a\0")];
    assert_eq!(root.send("/hosts/bulk", &nul).await.status, 400);

    // Who administers production only: the other host is not theirs, so nothing is.
    gui.database.sql(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
         WHERE u.name = 'dave' AND e.name = 'production'",
    );
    let dave = gui.signed_in(gui.world.dave);
    let asked = format!("{chosen}&remove_hostgroup=web");
    let version = versions(&root.page(&asked).await);
    assert_eq!(dave.get(&asked).await.status, 404);
    let both = [
        ("host", one.as_str()),
        ("version", &version[0]),
        ("host", &two),
        ("version", &version[1]),
        ("remove_hostgroup", "web"),
    ];
    assert_eq!(dave.send("/hosts/bulk", &both).await.status, 404);
    // Out of what is theirs they move nothing, and what aims commands is not theirs either.
    let own = [("host", one.as_str()), ("version", &version[0])];
    for (field, told) in [
        (("remove_environment", "production"), "no right to administer hosts"),
        (("set_variable", "a"), "because of web-1"),
    ] {
        let refused = dave.send("/hosts/bulk", &[&own[..], &[field]].concat()).await;
        assert!(refused.status == 409 && refused.text.contains(told), "{field:?}: {}", refused.text);
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM hosts WHERE vars <> '{}'"), "0");
    assert_eq!(
        dave.send("/hosts/bulk", &[&own[..], &[("remove_hostgroup", "web")]].concat()).await.status,
        303
    );
    let left = "SELECT string_agg(h.name, ' ') FROM hosts h JOIN hostgroups_members m ON m.hosts_id = h.id";
    assert_eq!(gui.database.sql(left), "web-2");
    let alice = gui.signed_in(gui.world.alice);
    assert!(!alice.page("/hosts").await.contains("Choose web-1"));
    assert_eq!(alice.get(&format!("/hosts/bulk?host={one}")).await.status, 403);
}
