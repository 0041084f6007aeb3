//! Event handlers for those who write them: what a command becomes on a host, and what the handler has been.

use crate::common::Gui;

#[tokio::test]
async fn a_command_is_shown_with_the_origin_of_every_value() {
    let gui = Gui::with_settings(vec![]);
    gui.database.sql(&format!(
        "UPDATE hosts SET vars = '{{\"sshuser\": \"ops\"}}' WHERE id = {}; \
         UPDATE event_handlers SET arguments = '{{$_HOSTSSHUSER$@$HOSTADDRESS$,--text=$_PARAMTEXT$,$_SERVICEPORT$,$PATHH$,$ENVIRONMENTNAME$ $_TASKUSER$}}', \
             secrets = '{{TOKEN}}' WHERE id = {}",
        gui.world.web_1, gui.world.echo
    ));
    let root = gui.signed_in(gui.world.root);
    let path = format!("/event_handlers/{}/try", gui.world.echo);
    let empty = root.get(&path).await;
    assert!(empty.status == 200 && !empty.text.contains("Becomes"), "{}", empty.text);
    let shown = root.get(&format!("{path}?host=web-1&service=os&parameter.text=%3Cb%3E")).await.text;
    for part in [
        "ops@127.0.0.1",
        "variable &#39;sshuser&#39; of the host web-1",
        "address of the host web-1",
        "--text=&#60;b&#62;",
        "parameter &#39;text&#39; of the run",
        "The macro $_SERVICEPORT$ has no value here.",
        "variable &#39;port&#39; of the service os",
        "The macro $PATHH$ is not known.",
        "nothing gives it a value",
        "production root",
        "environments of the host web-1",
        "who asks for the run",
        "<code>SELFSERVICE_SECRET_TOKEN</code>",
        "••••••",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let wrong =
        root.get(&format!("{path}?host=nothing&service=none&parameter.count=10&parameter.text=x")).await.text;
    for part in [
        "There is no host &#39;nothing&#39;.",
        "There is no service &#39;none&#39;.",
        "This field must be a whole number from 0 to 9.",
        "value=\"10\"",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM tasks"), "0");
    for user in [gui.world.alice, gui.world.dave] {
        let browser = gui.signed_in(user);
        assert_eq!(browser.get(&format!("{path}?host=web-1")).await.status, 404);
        assert_eq!(browser.get(&format!("/event_handlers/{}/revisions", gui.world.echo)).await.status, 404);
    }
}

#[tokio::test]
async fn a_handler_goes_back_to_an_older_revision() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let path = format!("/event_handlers/{}", gui.world.echo);
    root.save(root.form(&format!("{path}/edit")).await.set("timeout_seconds", "31").set("tags", "night"))
        .await;
    root.save(
        root.form(&format!("{path}/edit")).await.set("arguments", "--more").set("timeout_seconds", "32"),
    )
    .await;
    root.save(root.form(&format!("{path}/edit")).await.set("name", "echo two").set("max_running", "5")).await;
    let handler = || {
        gui.database.sql("SELECT name, revision, timeout_seconds, max_running, array_length(arguments, 1) FROM event_handlers WHERE plugin = 'echo'")
    };
    assert_eq!(handler(), "echo two|3|32|5|4");
    let page = root.get(&format!("{path}/revisions")).await.text;
    assert!(page.contains("Revision 3 (in use)") && page.contains("Revision 2"), "{page}");
    let newest = page.split("Revision 3").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(
        newest.contains("timeout seconds")
            && newest.contains("<pre>31</pre>")
            && newest.contains("<pre>32</pre>"),
        "{newest}"
    );
    assert!(newest.contains("--more") && !newest.contains("night"), "{newest}");

    let version = |page: &str| {
        page.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let seen = version(&page);
    let token = [("csrf_token", root.csrf_token.as_str()), ("version", &seen)];
    let back = format!("{path}/revisions/2/restore");
    assert_eq!(gui.signed_in(gui.world.alice).submit(&back, &token).await.status, 403, "another one's token");
    let alice = gui.signed_in(gui.world.alice);
    assert_eq!(
        alice.submit(&back, &[("csrf_token", &alice.csrf_token), ("version", &seen)]).await.status,
        404
    );
    assert_eq!(root.submit(&back, &token).await.status, 303);
    assert_eq!(handler(), "echo two|4|31|5|3", "name and limit are no part of a revision");
    let late = root.submit(&format!("{path}/revisions/3/restore"), &token).await;
    assert!(late.status == 409 && late.text.contains("Somebody has changed the handler"), "{}", late.text);
    assert_eq!(handler(), "echo two|4|31|5|3", "what the reader did not see is not undone");
    assert_eq!(root.submit(&format!("{path}/revisions/99/restore"), &token).await.status, 404);
    let authors = gui.database.sql(
        "SELECT string_agg(revision || ' ' || author, ', ' ORDER BY revision) FROM event_handler_revisions",
    );
    assert_eq!(authors, "2 root, 3 root, 4 root");
}
