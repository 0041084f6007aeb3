//! Schedules in the browser: made, seen, run at once, switched off and deleted by those who administer everything.

use crate::common::Gui;
use std::sync::LazyLock;

const FORM: [(&str, &str); 14] = [
    ("enabled", "yes"),
    ("program", ""),
    ("name", "look at the web"),
    ("expression", "*/5 * * * MON-FRI"),
    ("time_zone", "Europe/Berlin"),
    ("host", ""),
    ("hostgroup", "web"),
    ("service", "os"),
    ("handler", "echo"),
    ("parameters", "text = a = b\ncount=2"),
    ("missed", "all"),
    ("most_missed", "4"),
    ("jitter_seconds", "30"),
    ("overlap", "allow"),
];

static LONG: LazyLock<String> = LazyLock::new(|| "x".repeat(1001));

fn form_with(other: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let kept = FORM.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
    kept.copied().chain(other.iter().copied()).collect()
}

#[tokio::test]
async fn a_schedule_is_made_shown_asked_for_and_deleted() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    assert!(root.page("/schedules").await.contains("There is no schedule"));
    assert!(root.page("/schedules/new").await.contains("value=\"UTC\""));
    let made = root.send("/schedules/new", &FORM).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let path = made.header("location").to_owned();
    assert_eq!(
        gui.database.sql(
            "SELECT name, expression, time_zone, hosts_id, missed, most_missed, jitter_seconds, overlap, parameters, enabled, \
                 users_id, next_at > now() FROM schedules"
        ),
        format!(
            "look at the web|*/5 * * * MON-FRI|Europe/Berlin||all|4|30|allow|{{\"text\": \"a = b\", \"count\": \"2\"}}|t|{}|t",
            gui.world.root
        )
    );
    for shown in [root.page("/schedules").await, root.page(&path).await] {
        assert!(shown.contains("echo on the hosts of web (os)"), "{shown}");
        assert!(shown.contains("*/5 * * * MON-FRI"), "{shown}");
    }
    let pressed = root.send(&format!("{path}/run"), &[]).await;
    assert_eq!(pressed.status, 303);
    assert!(root.page(&path).await.contains("A run was asked for"));
    assert_eq!(gui.database.sql("SELECT run_requested_by FROM schedules"), "root");
    assert_eq!(root.send(&format!("{path}/disable"), &[]).await.status, 303);
    assert!(root.page(&path).await.contains("switched off"));
    assert_eq!(root.send(&format!("{path}/enable"), &[]).await.status, 303);
    assert_eq!(gui.database.sql("SELECT enabled, next_at > now() FROM schedules"), "t|t");
    assert_eq!(root.send(&format!("{path}/delete"), &[]).await.header("location"), "/schedules");
    assert_eq!(root.get(&path).await.status, 404);
    assert_eq!(
        gui.database.sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit"),
        "schedule.add schedule.run schedule.disable schedule.enable schedule.remove"
    );
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let cases = [
        (form_with(&[("expression", "61 * * * *")]), "&#39;61&#39; is no minute"),
        (form_with(&[("time_zone", "Europe/Atlantis")]), "is no IANA time zone"),
        (form_with(&[("host", "web-1")]), "ame either a host or a host group"),
        (form_with(&[("hostgroup", "nope")]), "There is no host group &#39;nope&#39;"),
        (form_with(&[("handler", "")]), "Name the event handler"),
        (form_with(&[("jitter_seconds", "4000")]), "must be from 0 to 3600"),
        (form_with(&[("most_missed", "many")]), "This must be a whole number"),
        (form_with(&[("parameters", "nothing")]), "must be: name = value"),
        (form_with(&[("missed", "never")]), "is not one of skip, once, all"),
        (form_with(&[("name", "")]), "he name"),
        (form_with(&[("hostgroup", "web\0")]), "There is no host group &#39;web\\0&#39;"),
        (form_with(&[("service", "o\0s")]), "There is no service &#39;o\\0s&#39;"),
        (form_with(&[("handler", "\0x")]), "There is no event handler &#39;\\0x&#39;"),
        (form_with(&[("parameters", "text=a\0")]), "must not contain a NUL character"),
        (form_with(&[("reason", "a\u{202e}b")]), "must not contain the character U+202E"),
        (form_with(&[("reason", &LONG)]), "must not be longer than 1000 characters"),
    ];
    for (form, sentence) in cases {
        let answer = root.send("/schedules/new", &form).await;
        assert_eq!(answer.status, 400, "{sentence}");
        assert!(answer.text.contains(sentence), "{sentence}: {}", answer.text);
        assert!(
            answer.text.contains("value=\"look at the web\"") || sentence == "he name",
            "what was typed stays"
        );
    }
    assert_eq!(gui.database.sql("SELECT count(*) FROM schedules"), "0");
    assert_eq!(root.send("/schedules/new", &FORM).await.status, 303);
    let again = root.send("/schedules/new", &FORM).await;
    assert!(again.text.contains("There is a schedule of that name already"), "{}", again.text);
}

#[tokio::test]
async fn a_schedule_is_changed_unless_somebody_was_quicker() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    let path = root.send("/schedules/new", &FORM).await.header("location").to_owned();
    let edit = format!("{path}/edit");
    let page = root.page(&edit).await;
    for kept in [
        "value=\"look at the web\"",
        "text = a = b",
        "value=\"Europe/Berlin\"",
        "name=\"version\" value=\"1\"",
    ] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    let changed = form_with(&[
        ("version", "1"),
        ("expression", "@daily"),
        ("hostgroup", ""),
        ("host", "web-2"),
        ("enabled", ""),
    ]);
    assert_eq!(root.send(&edit, &changed).await.header("location"), path);
    assert_eq!(
        gui.database
            .sql("SELECT expression, hostgroups_id, hosts_id, enabled, next_at, revision FROM schedules"),
        format!("@daily||{}|f||2", gui.world.web_2)
    );
    let late = root.send(&edit, &form_with(&[("version", "1"), ("name", "mine")])).await;
    assert_eq!(late.status, 409);
    for wanted in
        ["Save mine over it", "value=\"mine\"", "Stored by now", "@daily", "name=\"version\" value=\"2\""]
    {
        assert!(late.text.contains(wanted), "{wanted}: {}", late.text);
    }
    let wrong = root.send(&edit, &form_with(&[("version", "2"), ("expression", "61 * * * *")])).await;
    assert!(wrong.status == 400 && wrong.text.contains("name=\"version\" value=\"2\""), "{}", wrong.text);
    assert_eq!(root.send(&edit, &form_with(&[("version", "2")])).await.status, 303);
    assert_eq!(gui.database.sql("SELECT enabled, next_at > now(), revision FROM schedules"), "t|t|3");
    assert_eq!(gui.signed_in(gui.world.alice).send(&edit, &form_with(&[("version", "3")])).await.status, 404);
}

#[tokio::test]
async fn a_program_is_chosen_from_the_settings_and_never_typed() {
    let gui = Gui::with_settings(vec![("programs", "nightly purge = tasks purge --days 30".to_owned())]);
    let root = gui.signed_in(gui.world.root);
    assert!(root.page("/schedules/new").await.contains("nightly purge: tasks purge --days 30"));
    let alone = [("hostgroup", ""), ("service", ""), ("handler", ""), ("parameters", "")];
    let program =
        |name: &'static str, kept: usize| form_with(&[&[("program", name)], &alone[..kept]].concat());
    for (form, sentence) in [
        (program("tasks purge --days 0", 4), "There is no program &#39;tasks purge --days 0&#39;"),
        (program("nightly purge", 3), "leave them empty, or the program"),
        (program("nightly purge", 0), "leave them empty, or the program"),
    ] {
        let refused = root.send("/schedules/new", &form).await;
        assert!(refused.status == 400 && refused.text.contains(sentence), "{sentence}: {}", refused.text);
    }
    let made = root.send("/schedules/new", &program("nightly purge", 4)).await;
    assert_eq!(made.status, 303, "{}", made.text);
    assert!(root.page(made.header("location")).await.contains("nightly purge: tasks purge --days 30"));
    assert_eq!(gui.database.sql("SELECT program, command, hosts_id FROM schedules"), "nightly purge|{}|");
}

#[tokio::test]
async fn a_line_of_the_settings_can_be_run_and_not_changed() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    gui.database.sql(
        "INSERT INTO schedules (source, name, name_key, expression, time_zone, command, seen_at) \
         VALUES ('settings', 'purge', 'purge', '@daily', 'UTC', '{tasks,purge}', now()); \
         INSERT INTO schedule_runs (name, slot, finished_at, exit_code, outcome) \
         VALUES ('purge', '2026-11-24 03:37Z', now(), 1, 'exit code 1')",
    );
    let id = gui.database.sql("SELECT id FROM schedules");
    let shown = root.page(&format!("/schedules/{id}")).await;
    for wanted in
        ["tasks purge", "A line of settings.ini", "exit code 1", "Warnings", "2026-11-24 03:37:00 UTC"]
    {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    for verb in ["enable", "disable", "delete"] {
        assert_eq!(root.send(&format!("/schedules/{id}/{verb}"), &[]).await.status, 404, "{verb}");
    }
    assert_eq!(root.send(&format!("/schedules/{id}/run"), &[]).await.status, 303);
    assert_eq!(gui.database.sql("SELECT run_requested_by, enabled FROM schedules"), "root|t");
}

#[tokio::test]
async fn only_those_who_administer_everything_find_schedules() {
    let gui = Gui::start();
    let root = gui.signed_in(gui.world.root);
    assert_eq!(root.send("/schedules/new", &FORM).await.status, 303);
    let id = gui.database.sql("SELECT id FROM schedules");
    let alice = gui.signed_in(gui.world.alice);
    assert!(!alice.page("/").await.contains("/schedules"));
    for path in ["/schedules".to_owned(), "/schedules/new".to_owned(), format!("/schedules/{id}")] {
        assert_eq!(alice.get(&path).await.status, 404, "{path}");
    }
    for verb in ["run", "enable", "disable", "delete"] {
        assert_eq!(alice.send(&format!("/schedules/{id}/{verb}"), &[]).await.status, 404, "{verb}");
    }
    assert_eq!(alice.send("/schedules/new", &form_with(&[("name", "other")])).await.status, 404);
    let mut forged = root;
    "x".clone_into(&mut forged.csrf_token);
    assert_eq!(forged.send(&format!("/schedules/{id}/run"), &[]).await.status, 403);
    assert_eq!(gui.database.sql("SELECT count(*), max(run_requested_by) FROM schedules"), "1|");
}
