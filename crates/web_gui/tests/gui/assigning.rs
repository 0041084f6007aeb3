//! What one host has: services, host groups with a preview, and handlers of its own.

use crate::common::{Answer, Browser, Gui};

impl Browser {
    async fn press(&self, path: &str, name: &str) -> Answer {
        self.submit(path, &[("csrf_token", &self.csrf_token), ("name", name)]).await
    }

    /// A form without other fields.
    async fn act(&self, path: &str) -> Answer {
        self.submit(path, &[("csrf_token", &self.csrf_token)]).await
    }
}

/// The services of web-1 with their handlers, dropped ones in brackets.
fn effective(gui: &Gui) -> String {
    gui.database.sql(
        "SELECT s.name || CASE WHEN m.dropped THEN '[-]' ELSE '' END, \
                string_agg(h.name || CASE WHEN e.dropped THEN '[-]' WHEN e.direct THEN '!' ELSE '' END, ' ' ORDER BY e.position, h.name) \
         FROM services_members m JOIN services s ON s.id = m.services_id \
         LEFT JOIN events_handlers_members e ON e.services_members_id = m.id LEFT JOIN event_handlers h ON h.id = e.event_handlers_id \
         WHERE m.hosts_id = (SELECT id FROM hosts WHERE name = 'web-1') AND s.name <> 'os' GROUP BY 1 ORDER BY 1",
    )
}

/// Services `Disk` (ok, echo) and `Cache` (ok), both in the template of the new host group `linux`.
fn templates(gui: &Gui) {
    gui.database.sql(
        "INSERT INTO services (name, name_key) VALUES ('Disk', 'disk'), ('Cache', 'cache'); \
         INSERT INTO services_event_handlers (services_id, event_handlers_id, position) \
             SELECT s.id, h.id, h.id FROM services s, event_handlers h WHERE (s.name, h.name) IN (('Disk', 'ok'), ('Disk', 'echo'), ('Cache', 'ok')); \
         INSERT INTO hostgroups (name, name_key) VALUES ('linux', 'linux'); \
         INSERT INTO hostgroups_services SELECT g.id, s.id FROM hostgroups g, services s WHERE g.name = 'linux' AND s.name <> 'os'",
    );
}

fn id(gui: &Gui, table: &str, name: &str) -> String {
    gui.database.sql(&format!("SELECT id FROM {table} WHERE name = '{name}'"))
}

#[tokio::test]
async fn a_host_gets_services_by_itself_and_by_a_host_group_with_a_preview() {
    let gui = Gui::start();
    templates(&gui);
    let root = gui.signed_in(gui.world.root);
    let host = format!("/hosts/{}", gui.world.web_1);
    assert_eq!(root.press(&format!("{host}/services"), "Disk").await.status, 303);
    assert_eq!(effective(&gui), "Disk|ok echo");

    let preview = root.get(&format!("{host}/join?name=linux")).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(preview.text.contains("1 of 2 are added"), "{}", preview.text);
    let row = |name: &str| {
        preview.text.split(&format!(">{name}</a>")).nth(1).unwrap().split("</tr>").next().unwrap().to_owned()
    };
    assert!(row("Disk").contains("there already") && row("Cache").contains(">added<"), "{}", preview.text);
    assert_eq!(effective(&gui), "Disk|ok echo", "a preview changes nothing");

    assert_eq!(root.press(&format!("{host}/join"), "linux").await.status, 303);
    assert_eq!(effective(&gui), "Cache|ok\nDisk|ok echo");
    let page = root.get(&host).await.text;
    assert!(page.contains("this host; host group linux"), "{page}");
    let audit = gui.database.sql("SELECT string_agg(action || ' ' || object, '; ' ORDER BY id) FROM audit");
    assert_eq!(audit, "host.change web-1; host.change web-1");

    for (path, name, text) in [
        ("services", "Nothing", "There is no service &#39;Nothing&#39;, or you may not see it."),
        ("join", "nothing", "There is no host group &#39;nothing&#39;, or you may not see it."),
        ("join", "linux", "&#39;linux&#39; stands twice in hostgroups."),
    ] {
        let answer = root.press(&format!("{host}/{path}"), name).await;
        assert_eq!(answer.status, 400, "{path} {name}");
        assert!(answer.text.contains(text), "{}", answer.text);
    }
    assert_eq!(root.get(&format!("{host}/join?name=nothing")).await.status, 400);
    assert_eq!(root.get(&format!("{host}/join")).await.status, 400);
}

#[tokio::test]
async fn what_a_host_drops_stays_dropped_until_it_is_given_back() {
    let gui = Gui::start();
    templates(&gui);
    let root = gui.signed_in(gui.world.root);
    let host = format!("/hosts/{}", gui.world.web_1);
    root.press(&format!("{host}/join"), "linux").await;
    let (disk, cache) = (id(&gui, "services", "Disk"), id(&gui, "services", "Cache"));
    let (ok, danger) = (gui.world.ok, gui.world.danger);
    let on_disk = format!("{host}/services/{disk}");

    root.press(&format!("{on_disk}/handlers"), "danger").await;
    root.act(&format!("{on_disk}/handlers/{ok}/drop")).await;
    root.act(&format!("{host}/services/{cache}/drop")).await;
    assert_eq!(effective(&gui), "Cache[-]|ok\nDisk|ok[-] echo danger!");
    let page = root.get(&host).await.text;
    assert!(
        page.contains("Give back Cache")
            && page.contains("Give back ok")
            && page.contains("Take away danger"),
        "{page}"
    );
    let alice = gui.signed_in(gui.world.alice).get(&host).await.text;
    assert!(
        !alice.contains("Cache") && !alice.contains("Give back") && !alice.contains("Take away"),
        "{alice}"
    );

    // Neither the templates nor another change of the host bring it back.
    let group = id(&gui, "hostgroups", "linux");
    for template in [format!("/hostgroups/{group}/apply"), format!("/services/{disk}/apply")] {
        assert_eq!(root.act(&template).await.status, 303);
    }
    assert_eq!(effective(&gui), "Cache[-]|ok\nDisk|ok[-] echo danger!");
    let preview = root.get(&format!("{host}/join?name=linux")).await.text;
    assert!(preview.contains("dropped here, and stays so"), "{preview}");

    root.act(&format!("{on_disk}/handlers/{ok}/restore")).await;
    root.act(&format!("{host}/services/{cache}/restore")).await;
    root.act(&format!("{on_disk}/handlers/{danger}/drop")).await;
    assert_eq!(effective(&gui), "Cache|ok\nDisk|ok echo", "what is the host's own goes for good");
    root.act(&format!("{on_disk}/handlers/{danger}/drop")).await;
    let audit =
        gui.database.sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'host.%'");
    assert_eq!(
        audit,
        "host.change host.give_handler host.drop_handler host.drop_service host.restore_handler host.restore_service host.drop_handler",
        "doing it twice is as good as once"
    );

    // A dropped service that the host gets for itself is there again.
    root.act(&format!("{host}/services/{cache}/drop")).await;
    root.press(&format!("{host}/services"), "Cache").await;
    assert_eq!(effective(&gui), "Cache|ok\nDisk|ok echo");
}

#[tokio::test]
async fn others_assign_nothing() {
    let gui = Gui::start();
    templates(&gui);
    gui.database.sql(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
         WHERE u.name = 'carol' AND e.name = 'staging'",
    );
    let (host, os, ok) = (format!("/hosts/{}", gui.world.web_1), gui.world.os, gui.world.ok);
    let before = gui.database.sql(
        "SELECT md5(string_agg(t::text, '')) FROM (SELECT * FROM events_handlers_members ORDER BY id) t",
    );
    let posts = [
        format!("{host}/services"),
        format!("{host}/join"),
        format!("{host}/services/{os}/drop"),
        format!("{host}/services/{os}/restore"),
        format!("{host}/services/{os}/handlers"),
        format!("{host}/services/{os}/handlers/{ok}/drop"),
        format!("{host}/services/{os}/handlers/{ok}/restore"),
    ];
    for (user, status) in [(gui.world.alice, 403), (gui.world.carol, 404), (gui.world.dave, 404)] {
        let browser = gui.signed_in(user);
        for path in &posts {
            let fields = [("csrf_token", browser.csrf_token.as_str()), ("name", "ok")];
            let fields =
                if path.ends_with("drop") || path.ends_with("restore") { &fields[..1] } else { &fields[..] };
            let answer = browser.submit(path, fields).await;
            assert_eq!(answer.status, status, "{path} by {user}: {}", answer.text);
        }
        assert_eq!(browser.get(&format!("{host}/join?name=web")).await.status, status);
    }
    let root = gui.signed_in(gui.world.root);
    for path in &posts {
        assert_eq!(root.submit(path, &[("csrf_token", "wrong"), ("name", "ok")]).await.status, 403, "{path}");
        let nowhere = path.replace(&host, "/hosts/987654");
        assert_eq!(root.press(&nowhere, "ok").await.status, 404, "{nowhere}");
    }
    let after = gui.database.sql(
        "SELECT md5(string_agg(t::text, '')) FROM (SELECT * FROM events_handlers_members ORDER BY id) t",
    );
    assert_eq!((after, gui.database.sql("SELECT count(*) FROM services_members")), (before, "3".to_owned()));
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit WHERE action = 'host.change.refuse'"), "28");
}

#[tokio::test]
async fn an_administrator_of_a_part_gives_what_they_may_run_alone() {
    let gui = Gui::start();
    gui.database.sql(&format!(
        "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
             WHERE u.name = 'carol' AND e.name = 'staging'; \
         INSERT INTO services (name, name_key) VALUES ('Disk', 'disk'); \
         INSERT INTO services_members (hosts_id, services_id, direct) SELECT {}, id, true FROM services WHERE name = 'Disk'; \
         UPDATE event_handlers SET secrets = '{{TOKEN}}' WHERE name = 'danger'; \
         DELETE FROM events_handlers_members e USING services_members m \
             WHERE m.id = e.services_members_id AND m.hosts_id = {} AND e.event_handlers_id = {}",
        gui.world.web_2, gui.world.web_2, gui.world.slow
    ));
    let carol = gui.signed_in(gui.world.carol);
    let host = format!("/hosts/{}", gui.world.web_2);
    let disk = format!("{host}/services/{}", id(&gui, "services", "Disk"));
    let os = format!("{host}/services/{}", gui.world.os);
    let refused = |answer: Answer, what: &str| {
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
        assert!(answer.text.contains("only those give who administer everything"), "{what}: {}", answer.text);
    };
    // She sees 'slow' on the host 'both', and may run it there no more than anything else.
    refused(carol.press(&format!("{os}/handlers"), "slow").await, "what she runs nowhere");
    refused(carol.press(&format!("{disk}/handlers"), "danger").await, "what gets secrets");
    assert_eq!(carol.press(&format!("{disk}/handlers"), "echo").await.status, 303);

    // To take something away and give it back is no way to point it elsewhere.
    let danger = format!("{os}/handlers/{}", gui.world.danger);
    gui.database.sql("UPDATE events_handlers_members SET inherited = true, direct = false");
    assert_eq!(carol.act(&format!("{danger}/drop")).await.status, 303);
    refused(carol.act(&format!("{danger}/restore")).await, "a handler that gets secrets");
    gui.database.sql("UPDATE events_handlers_members SET dropped = false");
    gui.database.sql(
        "INSERT INTO hostgroups_services SELECT g.id, s.id FROM hostgroups g, services s WHERE g.name = 'web' AND s.name = 'os'; \
         INSERT INTO services_members_hostgroups SELECT m.id, g.id FROM services_members m JOIN services s ON s.id = m.services_id, hostgroups g \
         WHERE g.name = 'web' AND s.name = 'os'",
    );
    assert_eq!(carol.act(&format!("{os}/drop")).await.status, 303);
    refused(carol.act(&format!("{os}/restore")).await, "a service with such a handler");
    refused(carol.press(&format!("{host}/services"), "os").await, "the same service as one of its own");
    let dropped = "SELECT m.dropped, m.direct FROM services_members m WHERE m.hosts_id = (SELECT id FROM hosts WHERE name = 'web-2') \
                   AND m.services_id = (SELECT id FROM services WHERE name = 'os')";
    assert_eq!(gui.database.sql(dropped), "t|f");
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit WHERE action = 'host.change.refuse'"), "5");
    let root = gui.signed_in(gui.world.root);
    gui.database.sql(
        "INSERT INTO services (name, name_key) VALUES ('Ledger', 'ledger'); \
         INSERT INTO hostgroups_services SELECT g.id, s.id FROM hostgroups g, services s WHERE g.name = 'web' AND s.name = 'Ledger'",
    );
    for (browser, shown) in [(&carol, false), (&root, true)] {
        let preview = browser.get(&format!("{host}/join?name=web")).await;
        assert_eq!(
            (preview.status.as_u16(), preview.text.contains("Ledger")),
            (200, shown),
            "{}",
            preview.text
        );
    }
    assert_eq!(root.act(&format!("{os}/restore")).await.status, 303);
    assert_eq!(gui.database.sql(dropped), "f|f");
}
