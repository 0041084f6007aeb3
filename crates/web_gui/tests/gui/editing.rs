//! Making, changing and deleting in the browser: what is written, what is refused, and that nothing typed is lost.

use crate::common::{Answer, Browser, Gui};
use reqwest::Method;

/// Fields that stand in a form once a row.
const LISTS: &[&str] =
    &["aliases", "arguments", "hostgroups", "services", "handlers", "tags", "secrets", "members", "teams"];

/// A form as a browser has it before it: where it goes, and every field with its value, lists row by row.
#[derive(Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Reads the form of a page of ours.
    pub fn of(page: &str) -> Self {
        let form = page
            .split("<form class=\"editor\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{page}"))
            .split("</form>")
            .next()
            .unwrap();
        let action = attribute(form, "action").unwrap();
        let mut fields = Vec::new();
        for tag in form.split('<').skip(1) {
            let (head, text) = tag.split_once('>').unwrap();
            let Some(name) = attribute(head, "name") else {
                if head.starts_with("option ") && head.ends_with(" selected") {
                    let last: &mut (String, String) = fields.last_mut().unwrap();
                    last.1 = attribute(head, "value").unwrap();
                }
                continue;
            };
            if head.starts_with("textarea") {
                fields.push((name, decoded(text.trim_start_matches('\n'))));
            } else if head.starts_with("select") {
                fields.push((name, String::new()));
            } else if head.contains("type=\"checkbox\"") {
                fields.extend(head.contains(" checked").then(|| (name, "yes".to_owned())));
            } else if head.starts_with("input") {
                fields.push((name, attribute(head, "value").unwrap_or_default()));
            }
        }
        Self { action, fields }
    }

    /// Fills in a field, or the first empty row of a list.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let is_list = LISTS.contains(&name);
        let place = self.fields.iter_mut().find(|(key, old)| key == name && (!is_list || old.is_empty()));
        match place {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Empties every row of a list.
    pub fn clear(mut self, name: &str) -> Self {
        self.fields.iter_mut().filter(|(key, _)| key == name).for_each(|(_, value)| value.clear());
        self
    }

    /// Unticks a box.
    pub fn untick(mut self, name: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    Some(decoded(rest.split('"').next()?))
}

fn decoded(text: &str) -> String {
    let named = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    named.iter().fold(text.to_owned(), |text, (sign, character)| text.replace(sign, character))
}

impl Browser {
    pub async fn form(&self, path: &str) -> Form {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        Form::of(&answer.text)
    }

    pub async fn put(&self, form: &Form) -> Answer {
        Answer::of(self.ours(Method::POST, &form.action).form(&form.fields)).await
    }

    /// Sends the form, which must be accepted; gives the id of what it made or changed.
    pub async fn save(&self, form: Form) -> i64 {
        let answer = self.put(&form).await;
        assert_eq!(answer.status, 303, "{}: {}", form.action, answer.text);
        answer.header("location").rsplit('/').next().unwrap().parse().unwrap()
    }
}

const FOLDERS: [&str; 5] = ["environments", "hostgroups", "hosts", "services", "event_handlers"];

fn last_audit(gui: &Gui) -> String {
    gui.database.sql("SELECT actor, action, object, detail -> 'changes' FROM audit ORDER BY id DESC LIMIT 1")
}

/// Everything that editors write.
fn inventory(gui: &Gui) -> String {
    let tables = FOLDERS.iter().chain(&[
        "host_aliases",
        "hostgroups_members",
        "environments_members",
        "hostgroups_services",
        "services_event_handlers",
        "services_members",
        "services_members_hostgroups",
        "events_handlers_members",
        "event_handler_revisions",
    ]);
    let all = tables.map(|table| {
        gui.database.sql(&format!("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"))
    });
    all.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn everything_is_made_in_the_browser_and_ends_as_an_action_on_a_host() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let form = root.form("/environments/new").await;
    let form = form.set("name", "lab").set("colour", "blue").set("minimum_risk", "normal");
    let lab = root.save(form).await;
    assert_eq!(
        gui.database.sql(&format!("SELECT name, colour, minimum_risk FROM environments WHERE id = {lab}")),
        "lab|blue|normal"
    );
    let created = last_audit(&gui);
    assert!(created.starts_with("root|environment.create|lab|"), "{created}");
    assert!(created.contains(r#""colour": [null, "blue"]"#), "{created}");

    let form = root.form("/event_handlers/new").await;
    assert_eq!((form.value("enabled"), form.value("timeout_seconds")), (Some("yes"), Some("120")));
    let form = form
        .set("name", "Largest directories")
        .set("plugin", "largest.sh")
        .set("arguments", "--directory")
        .set("arguments", "$_PARAMdirectory$")
        .set("arguments", "\"\"")
        .set("parameter_name", "directory")
        .set("parameter_choices", "/var\r\n/home\r\n")
        .set("risk", "read-only")
        .set("timeout_seconds", "60");
    let mut form = form;
    form.fields
        .iter_mut()
        .filter(|(key, _)| key == "parameter_type")
        .for_each(|(_, kind)| *kind = "choice".into());
    let handler = root.save(form).await;
    let stored = gui.database.sql(&format!(
        "SELECT arguments, risk, timeout_seconds, enabled, parameters -> 0 -> 'choices' FROM event_handlers WHERE id = {handler}"));
    assert_eq!(stored, r#"{--directory,$_PARAMdirectory$,""}|read-only|60|t|["/var", "/home"]"#);
    assert_eq!(
        gui.database.sql(&format!(
            "SELECT author, revision FROM event_handler_revisions WHERE event_handlers_id = {handler}"
        )),
        "root|1"
    );

    let form = root.form("/services/new").await.set("name", "Disk").set("handlers", "Largest directories");
    let form = form.set("variable_name", "port").set("variable_value", "5432");
    root.save(form).await;
    let form = root.form("/hostgroups/new").await.set("name", "builders").set("services", "Disk");
    root.save(form).await;
    let form = root
        .form("/hosts/new")
        .await
        .set("name", "build-01")
        .set("address", "10.0.0.9")
        .set("aliases", "b1.example.net")
        .set("environment", "lab")
        .set("environment_hostgroup", "builders")
        .set("hostgroups", "builders")
        .set("tags", "dmz")
        .set("max_running", "2")
        .set("variable_name", "sshuser")
        .set("variable_value", "ops");
    let host = root.save(form).await;
    let page = root.get(&format!("/hosts/{host}")).await.text;
    for part in [
        "10.0.0.9",
        "b1.example.net",
        "host group builders",
        "Largest directories",
        "$_HOSTSSHUSER$",
        ">lab<",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let effective = gui.database.sql(&format!(
        "SELECT s.name, m.direct, h.name, e.inherited FROM services_members m JOIN services s ON s.id = m.services_id \
         JOIN events_handlers_members e ON e.services_members_id = m.id JOIN event_handlers h ON h.id = e.event_handlers_id \
         WHERE m.hosts_id = {host}"));
    assert_eq!(effective, "Disk|f|Largest directories|t");
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit WHERE action LIKE '%.create'"), "5");
}

#[tokio::test]
async fn an_editor_changes_what_they_touch_and_nothing_else() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    for path in ["hosts", "event_handlers", "services"] {
        let before = inventory(&gui);
        let id = gui.database.sql(&format!("SELECT id FROM {path} ORDER BY id LIMIT 1"));
        let form = root.form(&format!("/{path}/{id}/edit")).await;
        root.save(form).await;
        assert_eq!(inventory(&gui), before, "{path}: saving a form as it came changes nothing");
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit"), "0", "and leaves no trace");

    let path = format!("/hosts/{}/edit", gui.world.web_1);
    let form =
        root.form(&path).await.set("name", "web-01").set("description", "two\r\nlines").clear("aliases");
    root.save(form).await;
    let host = gui
        .database
        .sql(&format!("SELECT name, name_key, description FROM hosts WHERE id = {}", gui.world.web_1));
    assert_eq!(host, "web-01|web-01|two\nlines");
    assert_eq!(gui.database.sql("SELECT count(*) FROM host_aliases"), "0");
    let audit = last_audit(&gui);
    assert!(
        audit.contains(r#""name": ["web-1", "web-01"]"#)
            && audit.contains(r#""aliases": [["web-1.example.net"], []]"#),
        "{audit}"
    );
    assert!(!audit.contains("address"), "{audit}");

    let path = format!("/event_handlers/{}/edit", gui.world.echo);
    let form = root.form(&path).await.untick("enabled").set("max_running", "3");
    root.save(form).await;
    let handler = gui.database.sql("SELECT enabled, max_running, revision, parameters -> 1 ->> 'maximum' FROM event_handlers WHERE name = 'echo'");
    assert_eq!(handler, "f|3|2|9");
    let page = root.get("/event_handlers").await.text;
    assert!(
        page.contains("Disabled") && page.contains(">echo</a>"),
        "an administrator finds it again: {page}"
    );
}

/// A form, what is typed into it, and the complaint.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let before = inventory(&gui);
    let cases: &[Case] = &[
        ("/environments/new", &[("name", "")], "The name must not be empty."),
        ("/environments/new", &[("name", "-x")], "The name must not begin with &#39;-&#39;."),
        (
            "/environments/new",
            &[("name", "production")],
            "Another environment is called &#39;production&#39; already.",
        ),
        (
            "/environments/new",
            &[("name", "prоduction")],
            "The name looks like the environment &#39;production&#39;",
        ),
        ("/environments/new", &[("name", "x"), ("colour", "pink")], "allowed are red, orange"),
        ("/environments/new", &[("name", "x"), ("minimum_risk", "huge")], "The risk: "),
        (
            "/hostgroups/new",
            &[("name", "x"), ("services", "os"), ("services", "<b>")],
            "There is no service &#39;&#60;b&#62;&#39;, or you may not see it.",
        ),
        (
            "/hostgroups/new",
            &[("name", "x"), ("services", "os"), ("services", "os")],
            "&#39;os&#39; stands twice in services.",
        ),
        (
            "/services/new",
            &[("name", "x"), ("variable_name", "a b"), ("variable_value", "1")],
            "needs a name of letters, digits and &#39;_&#39;.",
        ),
        (
            "/services/new",
            &[("name", "x"), ("handlers", "nothing")],
            "There is no event handler &#39;nothing&#39;",
        ),
        (
            "/hosts/new",
            &[("name", "x"), ("address", "a b")],
            "The address must be a host name or an IP address.",
        ),
        (
            "/hosts/new",
            &[("name", "x"), ("aliases", "@y")],
            "The alias &#39;@y&#39; must not begin with &#39;@&#39;.",
        ),
        (
            "/hosts/new",
            &[("name", "x"), ("max_running", "0")],
            "&#39;0&#39; must be a whole number from 1 to",
        ),
        (
            "/hosts/new",
            &[("name", "x"), ("environment_hostgroup", "web")],
            "Choose the environment in which it stands as &#39;web&#39;.",
        ),
        (
            "/hosts/new",
            &[("name", "x"), ("environment", "staging"), ("environment_hostgroup", "web")],
            "which is not one of its hostgroups.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "../sh")],
            "must be the name of a file in a plugin directory, never a path.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "sh"), ("arguments", "$_PARAMx$")],
            "is an interpreter",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("arguments", "$PATHH$")],
            "the macro $PATHH$ is not known.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("timeout_seconds", "soon")],
            "&#39;soon&#39; must be a whole number from 1 to 86400.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("runbook_url", "javascript:alert(1)")],
            "must begin with https:// or http://.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("secrets", "NONE")],
            "The secret &#39;NONE&#39; does not stand under [secrets] in macros.ini.",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("parameter_name", "p"), ("parameter_pattern", "(")],
            "has a pattern that is not understood",
        ),
        (
            "/event_handlers/new",
            &[("name", "x"), ("plugin", "ok"), ("parameter_name", "p"), ("parameter_minimum", "few")],
            "The smallest number &#39;few&#39; must be a whole number.",
        ),
    ];
    for (path, fields, complaint) in cases {
        let empty = root.form(path).await;
        let form = fields.iter().fold(empty, |form, (name, value)| form.set(name, value));
        let answer = root.put(&form).await;
        assert_eq!(answer.status, 400, "{path} {fields:?}: {}", answer.text);
        let told = answer.text.matches(complaint).count();
        assert_eq!(told, 2, "{path} {fields:?}: above the form and beside the field: {}", answer.text);
        let again = Form::of(&answer.text);
        for (name, value) in *fields {
            assert!(
                again.fields.iter().any(|(key, kept)| key == name && kept == value),
                "{name} of {path}: {}",
                answer.text
            );
        }
    }
    assert_eq!(inventory(&gui), before);
    assert_eq!(gui.database.sql("SELECT count(*) FROM audit"), "0");
}

#[tokio::test]
async fn without_javascript_more_rows_are_asked_for_and_nothing_is_saved() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let form = root.form("/hosts/new").await.set("name", "x").set("aliases", "one").set("more", "rows");
    let answer = root.put(&form).await;
    assert_eq!(answer.status, 200);
    let again = Form::of(&answer.text);
    assert!(again.fields.iter().filter(|(name, _)| name == "aliases").count() > 5, "{}", answer.text);
    assert_eq!(again.value("aliases"), Some("one"));
    assert_eq!(gui.database.sql("SELECT count(*) FROM hosts"), "3");
}

#[tokio::test]
async fn a_form_takes_no_field_that_its_page_does_not_have() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let before = inventory(&gui);
    for folder in FOLDERS {
        let id = gui.database.sql(&format!("SELECT min(id) FROM {folder}"));
        for path in [format!("/{folder}/new"), format!("/{folder}/{id}/edit")] {
            for field in ["id", "revision", "name_key", "created_at", "state", "paused_by", "dropped"] {
                let answer = root.put(&root.form(&path).await.set(field, "1")).await;
                assert_eq!(answer.status, 400, "{path} {field}: {}", answer.text);
                assert!(
                    answer.text.contains(&format!("must not have the field &#39;{field}&#39;")),
                    "{}",
                    answer.text
                );
            }
            let mut twice = root.form(&path).await;
            twice.fields.push(("name".into(), "another".into()));
            assert_eq!(root.put(&twice).await.status, 400, "{path}");
        }
    }
    assert_eq!(inventory(&gui), before);
}

#[tokio::test]
async fn two_editors_at_once_never_overwrite_each_other_unseen() {
    let gui = Gui::start();
    let (first, second) = (gui.signed_in(gui.world.root), gui.signed_in(gui.world.root));
    let path = format!("/hosts/{}/edit", gui.world.web_1);
    let (one, two) = (first.form(&path).await, second.form(&path).await);
    first.save(one.set("description", "from the first").set("tags", "dmz")).await;
    let answer = second.put(&two.set("description", "from the second").set("max_running", "4")).await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("Somebody else has changed this"), "{}", answer.text);
    assert_eq!(answer.text.matches("Stored by now:").count(), 3, "description, tags, limit: {}", answer.text);
    assert!(
        answer.text.contains("<pre>from the first</pre>") && answer.text.contains("<pre>dmz</pre>"),
        "{}",
        answer.text
    );
    let stored = "SELECT description, tags, max_running FROM hosts WHERE name = 'web-1'";
    assert_eq!(gui.database.sql(stored), "from the first|{dmz}|");
    let again = Form::of(&answer.text);
    assert_eq!(again.value("description"), Some("from the second"));
    second.save(again.set("tags", "dmz")).await;
    assert_eq!(gui.database.sql(stored), "from the second|{dmz}|4", "who saw both may decide");

    // A load of a file, or a change of where it belongs, is a change like any other.
    let form = first.form(&path).await;
    gui.database.sql(&format!("DELETE FROM hostgroups_members WHERE hosts_id = {}", gui.world.web_1));
    assert_eq!(first.put(&form).await.status, 409);
    let handler = format!("/event_handlers/{}/edit", gui.world.ok);
    let form = first.form(&handler).await;
    gui.database.sql("UPDATE event_handlers SET timeout_seconds = 31 WHERE name = 'ok'");
    assert_eq!(first.put(&form).await.status, 409);
    let without = form.untick("version");
    assert_eq!(first.put(&without).await.status, 409, "a form without a version has seen nothing");
    let form = first.form(&handler).await;
    gui.database.sql("DELETE FROM event_handlers WHERE name = 'ok'");
    assert_eq!(first.put(&form).await.status, 404);
}

#[tokio::test]
async fn others_have_no_forms_and_change_nothing() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let before = inventory(&gui);
    let missing = gui.signed_in(gui.world.dave).get("/no/such/page").await.status;
    for folder in FOLDERS {
        let id = gui.database.sql(&format!("SELECT min(id) FROM {folder}"));
        let edit = root.form(&format!("/{folder}/{id}/edit")).await.set("description", "mine");
        let new = root.form(&format!("/{folder}/new")).await.set("name", "mine");
        let delete = Form { action: format!("/{folder}/{id}/delete"), fields: edit.fields[..2].to_vec() };
        assert_eq!(delete.fields[1].0, "version");
        for user in [gui.world.alice, gui.world.carol, gui.world.dave] {
            let browser = gui.signed_in(user);
            // Of a host that they see, they learn that they may not change it.
            let seen = folder == "hosts" && user == gui.world.alice;
            for form in [&edit, &new, &delete] {
                let mut form = form.clone();
                form.fields[0].1.clone_from(&browser.csrf_token);
                let status = browser.put(&form).await.status;
                let expected = if seen && form.action != "/hosts/new" { 403 } else { missing.as_u16() };
                assert_eq!(status, expected, "{} by {user}", form.action);
                let page = browser.get(&form.action).await;
                assert_eq!(page.status, expected, "{} by {user}", form.action);
            }
            let list = browser.get(&format!("/{folder}")).await.text;
            assert!(!list.contains("/new\""), "{list}");
            let page = browser.get(&format!("/{folder}/{id}")).await.text;
            assert!(!page.contains("/edit\"") && !page.contains("/delete\""), "{page}");
        }
        for token in ["", "wrong"] {
            let mut form = edit.clone();
            form.fields[0].1 = token.into();
            assert_eq!(root.put(&form).await.status, 403, "{folder} with the token {token:?}");
        }
        let foreign = root.bare(Method::POST, &edit.action).header("origin", "https://evil.example");
        assert_eq!(Answer::of(foreign.form(&edit.fields)).await.status, 403, "{folder}");
    }
    for path in ["/hostgroups/1/apply", "/services/1/apply"] {
        let alice = gui.signed_in(gui.world.alice);
        assert_eq!(alice.submit(path, &[("csrf_token", &alice.csrf_token)]).await.status, 404, "{path}");
    }
    assert_eq!(inventory(&gui), before);
    let refused = gui.database.sql("SELECT count(*) FROM audit WHERE action LIKE '%.refuse'");
    assert_eq!(refused, "47", "every refused form is in the log");
}

#[tokio::test]
async fn an_administrator_of_a_part_moves_hosts_within_it_alone() {
    let gui = Gui::start();
    let sql = |text: String| gui.database.sql(&text);
    for (who, place) in [("dave", "production"), ("carol", "staging")] {
        sql(format!(
            "INSERT INTO grants (users_id, environments_id, verb) SELECT u.id, e.id, 'admin' FROM users u, environments e \
             WHERE u.name = '{who}' AND e.name = '{place}'"
        ));
    }
    // bob administers the host group 'web' alone, wherever its hosts are.
    sql("INSERT INTO grants (users_id, hostgroups_id, verb) SELECT u.id, g.id, 'admin' FROM users u, hostgroups g WHERE u.name = 'bob'".into());
    sql("INSERT INTO hostgroups (name, name_key) VALUES ('db', 'db')".into());
    sql("INSERT INTO hostgroups_members SELECT g.id, h.id FROM hostgroups g, hosts h WHERE g.name = 'db' AND h.name = 'both'".into());
    let [dave, bob] = [gui.world.dave, gui.world.bob].map(|user| gui.signed_in(user));
    let web_1 = format!("/hosts/{}/edit", gui.world.web_1);

    dave.save(dave.form(&web_1).await.set("description", "by dave")).await;
    let both = format!("/hosts/{}/edit", gui.world.both);
    assert_eq!(dave.get(&both).await.status, 403, "it is in staging too");
    assert_eq!(dave.get(&format!("/hosts/{}/edit", gui.world.web_2)).await.status, 404);
    let refused = |answer: Answer, what: &str| {
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
        assert!(answer.text.contains("You have no right to administer hosts that are placed so"), "{what}");
    };
    let before = inventory(&gui);
    let form = dave.form(&web_1).await;
    // staging is no environment that dave sees.. except by 'both'.
    refused(
        dave.put(&form.clone().set("environment", "staging")).await,
        "into an environment that is not theirs",
    );
    refused(dave.put(&form.clone().clear("environment")).await, "out of their last environment");
    let new = dave.form("/hosts/new").await.set("name", "new-1");
    refused(dave.put(&new.clone().set("environment", "staging")).await, "a new host elsewhere");
    refused(dave.put(&new).await, "a new host nowhere");
    let form = bob.form(&web_1).await;
    refused(bob.put(&form.clone().set("hostgroups", "db")).await, "into a group that is not theirs");
    refused(bob.put(&form.clear("hostgroups")).await, "out of the group by which it is theirs");
    assert_eq!(inventory(&gui), before);

    let made = dave.form("/hosts/new").await.set("name", "new-2").set("environment", "production");
    let id = dave.save(made.set("hostgroups", "web")).await;
    let form = bob.form(&format!("/hosts/{id}/edit")).await.set("description", "by bob");
    bob.save(form).await;
    for path in ["/environments/new", "/hostgroups/new", "/services/new", "/event_handlers/new"] {
        assert_eq!(dave.get(path).await.status, 404, "{path}: hosts share it");
    }
    let delete = dave.get(&format!("/hosts/{id}/delete")).await;
    assert_eq!(delete.status, 200, "{}", delete.text);
}

#[tokio::test]
async fn deleting_says_first_what_hangs_on_it() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    gui.database.sql("INSERT INTO hostgroups_services SELECT g.id, s.id FROM hostgroups g, services s");
    let schedule = "INSERT INTO schedules (source, name, name_key, expression, time_zone, hosts_id, hostgroups_id, services_id, \
            event_handlers_id, users_id) \
        SELECT 'gui', n::text, n::text, '0 4 * * *', 'UTC', CASE n WHEN 2 THEN NULL ELSE (SELECT max(id) FROM hosts) END, \
            CASE n WHEN 2 THEN (SELECT min(id) FROM hostgroups) END, (SELECT min(id) FROM services), \
            (SELECT min(id) FROM event_handlers), (SELECT id FROM users WHERE name = 'dave') \
        FROM generate_series(1, 2) n WHERE n = 1 OR EXISTS (SELECT 1 FROM hostgroups)";
    gui.database.sql(schedule);
    let users = root.page(&format!("/users/{}/delete", gui.world.dave)).await;
    assert!(users.contains("Schedules with their rights that go with them"), "{users}");
    let version = |page: &str| page.split("name=\"version\" value=\"").nth(1).unwrap()[..32].to_owned();
    let told: &[(&str, &[&str])] = &[
        (
            "environments",
            &["Hosts that leave it", "Hosts that are in no other environment", "Grants that name it"],
        ),
        ("hostgroups", &["Hosts that leave it", "Services in its template", "Schedules that name it"]),
        ("event_handlers", &["Hosts that lose it", "Schedules that name it"]),
        ("hosts", &["Services on it", "Schedules that name it", "Environments that it leaves"]),
        ("services", &["Hosts that lose it", "Schedules that name it"]),
    ];
    for (folder, parts) in told {
        // The last host is in an environment that is not deleted here.
        let end = if *folder == "hosts" { "max" } else { "min" };
        let id = gui.database.sql(&format!("SELECT {end}(id) FROM {folder}"));
        let path = format!("/{folder}/{id}/delete");
        gui.database.sql("DELETE FROM schedules");
        gui.database.sql(schedule);
        let page = root.get(&path).await.text;
        for part in *parts {
            assert!(page.contains(part), "{folder}: {part}: {page}");
        }
        let old = [("csrf_token", root.csrf_token.as_str()), ("version", "0")];
        let stale = root.submit(&path, &old).await;
        assert_eq!(stale.status, 409, "{}", stale.text);
        let version = version(&page);
        let fields = [("csrf_token", root.csrf_token.as_str()), ("version", &version)];
        let done = root.submit(&path, &fields).await;
        assert_eq!(
            (done.status.as_u16(), done.header("location")),
            (303, format!("/{folder}").as_str()),
            "{}",
            done.text
        );
        assert_eq!(gui.database.sql(&format!("SELECT count(*) FROM {folder} WHERE id = {id}")), "0");
        assert_eq!(root.submit(&path, &fields).await.status, 404, "it is gone");
    }
    assert_eq!(
        gui.database.sql(
            "SELECT count(*) FROM audit WHERE action LIKE '%.delete' AND detail -> 'was' ->> 'name' = object"
        ),
        "5"
    );
}

#[tokio::test]
async fn a_host_with_a_task_that_waits_is_not_deleted() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    crate::reading::task(&gui, gui.world.ok).await;
    for (folder, id) in
        [("hosts", gui.world.web_1), ("services", gui.world.os), ("event_handlers", gui.world.ok)]
    {
        let path = format!("/{folder}/{id}/delete");
        let page = root.get(&path).await.text;
        let version = page.split("name=\"version\" value=\"").nth(1).unwrap()[..32].to_owned();
        let fields = [("csrf_token", root.csrf_token.as_str()), ("version", &version)];
        let answer = root.submit(&path, &fields).await;
        assert_eq!(answer.status, 409, "{path}");
        assert!(answer.text.contains("One of its tasks waits or runs."), "{}", answer.text);
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM hosts"), "3");
}

#[tokio::test]
async fn a_template_is_applied_when_somebody_says_so() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let group = gui.database.sql("SELECT id FROM hostgroups");
    for name in ["Disk", "Cache"] {
        root.save(root.form("/services/new").await.set("name", name).set("handlers", "ok")).await;
    }
    // web-1 has the service already, for itself.
    root.save(root.form(&format!("/hosts/{}/edit", gui.world.web_1)).await.set("services", "Disk")).await;
    let form = root
        .form(&format!("/hostgroups/{group}/edit"))
        .await
        .set("services", "Disk")
        .set("services", "Cache");
    root.save(form).await;
    let effective = || {
        gui.database.sql(
        "SELECT h.name, s.name, m.direct, o.hostgroups_id IS NOT NULL FROM services_members m JOIN hosts h ON h.id = m.hosts_id \
         JOIN services s ON s.id = m.services_id LEFT JOIN services_members_hostgroups o ON o.services_members_id = m.id \
         WHERE s.name <> 'os' ORDER BY 1, 2")
    };
    assert_eq!(effective(), "web-1|Disk|t|f", "the template alone has changed");
    let path = format!("/hostgroups/{group}");
    let page = root.get(&path).await.text;
    assert!(page.contains("2 hosts have") && page.contains("Apply to 2 hosts"), "{page}");
    assert!(page.contains("<span class=\"dim\">has already</span> Disk"), "{page}");
    assert!(page.contains("<span class=\"dim\">gets</span> Cache, Disk"), "{page}");
    let bob = gui.signed_in(gui.world.bob).get(&path).await.text;
    assert!(!bob.contains("Not applied yet"), "{bob}");

    let token = [("csrf_token", root.csrf_token.as_str())];
    assert_eq!(root.submit(&format!("{path}/apply"), &token).await.status, 303);
    assert_eq!(effective(), "web-1|Cache|f|t\nweb-1|Disk|t|t\nweb-2|Cache|f|t\nweb-2|Disk|f|t");
    assert_eq!(gui.database.sql("SELECT count(*) FROM events_handlers_members WHERE inherited"), "4");
    assert!(!root.get(&path).await.text.contains("Not applied yet"));
    let audit = gui.database.sql(
        "SELECT action, object, detail -> 'copies' ->> 'services_added' FROM audit ORDER BY id DESC LIMIT 1",
    );
    assert_eq!(audit, "hostgroup.apply|web|3");

    // A handler more for the service: its hosts are told, and get it when somebody says so.
    let disk = gui.database.sql("SELECT id FROM services WHERE name = 'Disk'");
    root.save(root.form(&format!("/services/{disk}/edit")).await.set("handlers", "echo")).await;
    let page = root.get(&format!("/services/{disk}")).await.text;
    assert!(
        page.contains("Apply to 2 hosts") && page.contains("<span class=\"dim\">gets</span> echo"),
        "{page}"
    );
    root.submit(&format!("/services/{disk}/apply"), &token).await;
    assert_eq!(gui.database.sql("SELECT count(*) FROM events_handlers_members WHERE inherited"), "6");

    // The service leaves the template: it goes where nothing else brings it.
    root.save(root.form(&format!("/hostgroups/{group}/edit")).await.clear("services")).await;
    let page = root.get(&path).await.text;
    assert!(
        page.contains("<span class=\"dim\">loses</span> Cache")
            && page.contains("<span class=\"dim\">keeps</span> Disk"),
        "{page}"
    );
    root.submit(&format!("{path}/apply"), &token).await;
    assert_eq!(effective(), "web-1|Disk|t|f");
}
