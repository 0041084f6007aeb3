//! Several sources and people on one inventory: whose a field is, what goes, and what may not go.
use crate::loader::{Loader, OPTIONS};
use data_loader::{LoadError, Mode, Options};
use selfservice_core::access::{Access, Verb};
use selfservice_core::config::MacroFile;
use selfservice_core::db::{DbError, PgConnection};
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::inventory::{self, Assignment, Editor, Noun, Stored, Target};
use selfservice_core::models::visible::Viewer;

fn from(source: &str) -> Options<'_> {
    Options { source: Some(source), ..OPTIONS }
}

fn pruning(source: &str) -> Options<'_> {
    Options { prune: true, ..from(source) }
}

fn hosts(names: impl IntoIterator<Item = u32>) -> String {
    let lines: Vec<String> = names.into_iter().map(|number| format!(" - name: h{number}\n")).collect();
    format!("hosts:\n{}", lines.concat())
}

const HOSTS: &str = "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM hosts";

/// Does something as dana, who may change everything, does it in the browser.
fn by_hand<T>(loader: &Loader, work: impl FnOnce(&mut PgConnection, Editor<'_>) -> T) -> T {
    let dana: i64 = loader
        .database
        .sql(
            "INSERT INTO users (name, name_key) VALUES ('dana', 'dana') ON CONFLICT DO NOTHING; \
             INSERT INTO grants (users_id, verb) SELECT id, 'admin' FROM users WHERE name = 'dana' ON CONFLICT DO NOTHING; \
             SELECT id FROM users WHERE name = 'dana'",
        )
        .parse()
        .unwrap();
    let done = loader.database.pool().transaction(|connection| {
        assert!(inventory::try_lock(connection)?);
        let access = Access::load(connection, dana, None)?;
        let editor = Editor { viewer: Viewer::new(dana, &access), access: &access, name: "dana" };
        Ok::<T, DbError>(work(connection, editor))
    });
    done.unwrap()
}

/// Changes an object as its page in the browser does.
fn edit(loader: &Loader, noun: Noun, name: &str, change: impl Fn(&mut inventory::Definition)) {
    let id = id_of(loader, noun.table(), name);
    by_hand(loader, |connection, editor| {
        let stored = Stored::find(connection, noun, id).unwrap().unwrap();
        let version = stored.version().unwrap();
        let mut definition = stored.definition;
        change(&mut definition);
        let target = Target::Present { id, version: &version };
        inventory::save(connection, &MacroFile::default(), editor, target, definition).unwrap();
    });
}

fn id_of(loader: &Loader, table: &str, name: &str) -> i64 {
    loader.database.sql(&format!("SELECT id FROM {table} WHERE name = '{name}'")).parse().unwrap()
}

#[test]
fn each_load_that_is_not_refused_is_remembered() {
    let loader = Loader::new();
    let loads = "SELECT coalesce(string_agg(source || ' ' || program || ' ' || object || ' ' || \
                 (loaded_at > now() - interval '1 hour'), ', '), '') FROM loads";
    loader.load_with(&hosts(1..=2), Options { mode: Mode::Plan, ..from("cmdb") }).unwrap();
    loader.load_with("hosts: [{name: -x}]", from("cmdb")).unwrap_err();
    assert_eq!(loader.database.sql(loads), "");
    loader.apply_with(&hosts(1..=2), from("cmdb"));
    loader.database.sql("UPDATE loads SET loaded_at = now() - interval '2 days', object = 'old'");
    let said = loader.apply_with(&hosts(1..=2), from("cmdb"));
    assert_eq!(said, "nothing to change\n");
    assert_eq!(
        loader.database.sql(loads),
        "cmdb data_loader inventory.yaml true",
        "also where nothing changed"
    );
}

#[test]
fn only_what_the_same_source_brought_is_removed() {
    let loader = Loader::new();
    loader.apply_with(&hosts(1..=10), from("cmdb"));
    loader.apply_with(&hosts([10, 11, 12]), from("nagios"));
    loader.database.sql("INSERT INTO hosts (name, name_key, address) VALUES ('h13', 'h13', 'h13')");
    loader.apply_with(&hosts(2..=9), from("cmdb"));
    assert!(loader.database.sql(HOSTS).starts_with("h1 h10 h11"), "without --prune nothing goes");
    let report = loader.apply_with(&hosts(2..=9), pruning("cmdb"));
    assert!(report.contains("removed host h1\n"), "{report}");
    assert!(report.contains("released host h10 (stays,"), "{report}");
    assert_eq!(loader.database.sql(HOSTS), "h10 h11 h12 h13 h2 h3 h4 h5 h6 h7 h8 h9");
    let again = loader.apply_with(&hosts(2..=9), pruning("cmdb"));
    assert_eq!(again, "nothing to change\n");
    // What was there before anybody named it was made by hand.
    loader.apply_with(&hosts(2..=9).replace("h9", "h13"), Options { allow_shrink: true, ..pruning("cmdb") });
    let nobody = loader.apply_with(&hosts(2..=8), Options { allow_shrink: true, ..pruning("cmdb") });
    assert!(nobody.contains("released host h13"), "{nobody}");
    assert!(loader.database.sql(HOSTS).contains("h13"));
}

#[test]
fn a_right_that_a_person_gave_stays_when_a_source_names_it_no_more() {
    let loader = Loader::new();
    loader.database.sql(
        "WITH dana AS (INSERT INTO users (name, name_key) VALUES ('dana', 'dana') RETURNING id) \
         INSERT INTO grants (users_id, verb) SELECT id, 'admin' FROM dana",
    );
    loader.apply_with("grants: [{user: dana, verb: admin}, {user: dana, verb: see}]", from("files"));
    let options = Options { allow_shrink: true, ..pruning("files") };
    loader.apply_with("grants: []", options);
    assert_eq!(loader.database.sql("SELECT verb FROM grants"), "admin");
}

#[test]
fn a_source_that_shrinks_too_much_is_refused() {
    let loader = Loader::new();
    loader.apply_with(&hosts(1..=10), from("cmdb"));
    let shrink = |text: &str, options: Options<'_>| match loader.load_with(text, options) {
        Err(LoadError::Shrinks { shrinks, report }) => (shrinks, report.to_string()),
        other => panic!("not refused: {other:?}"),
    };
    let (shrinks, report) = shrink(&hosts(1..=7), pruning("cmdb"));
    let sentence = "3 of 10 hosts that this source brought would go, and at most 20 % may at once ([loads] max_shrink_percent)";
    assert_eq!(shrinks, [sentence]);
    assert!(report.contains("removed host h8\n"), "{report}");
    shrink(&hosts(1..=7), Options { mode: Mode::Plan, ..pruning("cmdb") });
    shrink("hosts: []", pruning("cmdb"));
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts"), "10");
    loader.apply_with(&hosts(1..=8), pruning("cmdb"));
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts"), "8");
    loader.apply_with("hosts: []", Options { allow_shrink: true, ..pruning("cmdb") });
    assert_eq!(loader.database.sql(HOSTS), "");
}

#[test]
fn lists_that_are_emptied_are_a_shrinking_too() {
    let loader = Loader::new();
    let text = |services: &str| {
        let hosts: String = (1..=11).map(|n| format!(" - {{name: h{n}, services: {services}}}\n")).collect();
        format!("services: [{{name: A}}, {{name: B}}]\nhosts:\n{hosts}")
    };
    loader.apply_with(&text("[A, B]"), from("cmdb"));
    let refused = loader.load_with(&text("[A]"), from("cmdb"));
    let Err(LoadError::Shrinks { shrinks, .. }) = refused else { panic!("not refused: {refused:?}") };
    assert!(shrinks[0].starts_with("11 of 22 services of this source's hosts would go"), "{shrinks:?}");
    assert_eq!(loader.database.sql("SELECT count(*) FROM services_members"), "22");
    loader.apply_with(&text("[A]"), Options { allow_shrink: true, ..from("cmdb") });
    assert_eq!(loader.database.sql("SELECT count(*) FROM services_members"), "11");
}

#[test]
fn what_something_uses_is_not_removed_and_warned_of() {
    let loader = Loader::new();
    loader.apply_with(
        "environments: [{name: lab}]\nservices: [{name: Disk, handlers: [Look]}, {name: Idle}]\n\
         event_handlers: [{name: Look, plugin: look.sh}]\nhostgroups: [{name: web}]\nteams: [{name: oncall}]\n\
         grants: [{team: oncall, environment: lab, verb: run}]\n",
        from("base"),
    );
    loader.apply_with(
        "hosts: [{name: h1, environments: {lab: web}, hostgroups: [web], services: [Disk]}]",
        from("cmdb"),
    );
    loader.database.sql("INSERT INTO grants (teams_id, verb) SELECT id, 'see' FROM teams");
    let options = Options { allow_shrink: true, ..pruning("base") };
    let report = loader.load_with("teams: []", options).unwrap();
    let said = report.to_string();
    for removed in ["grant run for team oncall in lab", "service Idle"] {
        assert!(said.contains(&format!("removed {removed}\n")), "{removed}: {said}");
    }
    let warnings = report.warnings();
    for kept in
        ["environment 'lab'", "service 'Disk'", "event handler 'Look'", "host group 'web'", "team 'oncall'"]
    {
        let start = format!("the {kept} is not named any more and stays, because ");
        assert!(warnings.iter().any(|warning| warning.starts_with(&start)), "{kept}: {warnings:?}");
    }
    assert_eq!(loader.database.sql("SELECT count(*) FROM services_members"), "1");
    // A host that a schedule names stays, and the schedule with it.
    loader.database.sql(
        "INSERT INTO users (name, name_key) VALUES ('dana', 'dana'); \
         INSERT INTO schedules (source, name, name_key, expression, time_zone, hosts_id, services_id, event_handlers_id, users_id) \
         SELECT 'gui', 'x', 'x', '0 4 * * *', 'UTC', h.id, s.id, e.id, u.id FROM hosts h, services s, event_handlers e, users u \
         WHERE s.name = 'Disk'",
    );
    let gone = loader.load_with("hosts: []", Options { allow_shrink: true, ..pruning("cmdb") }).unwrap();
    let said = "the host 'h1' is not named any more and stays, because a schedule names it, or a task on it waits or runs";
    assert_eq!(gone.warnings(), [said]);
    loader.database.sql("DELETE FROM schedules");
    // When nothing uses them any more they go.
    loader.database.sql("DELETE FROM grants");
    loader.apply_with("hosts: []", Options { allow_shrink: true, ..pruning("cmdb") });
    loader.apply_with("teams: []", Options { allow_shrink: true, ..pruning("base") });
    let left = "SELECT (SELECT count(*) FROM environments) + (SELECT count(*) FROM services) + (SELECT count(*) FROM event_handlers) \
        + (SELECT count(*) FROM hostgroups) + (SELECT count(*) FROM teams) + (SELECT count(*) FROM hosts_sources) \
        + (SELECT count(*) FROM grants_sources)";
    assert_eq!(loader.database.sql(left), "0");
}

#[test]
fn a_field_that_was_set_by_hand_stays() {
    let loader = Loader::new();
    let text = "hosts: [{name: h1, address: 10.0.0.1, description: First, services: []}]";
    loader.apply_with(text, from("cmdb"));
    edit(&loader, Noun::Host, "h1", |definition| match definition {
        inventory::Definition::Host(host) => host.address = Some("10.9.9.9".to_owned()),
        other => panic!("no host: {other:?}"),
    });
    let report = loader.apply_with(&text.replace("First", "Second"), from("cmdb"));
    assert!(report.contains("changed host h1 (description)\n"), "{report}");
    assert!(report.contains("kept host h1 (address: set by hand)\n"), "{report}");
    let row = "SELECT address, description FROM hosts";
    assert_eq!(loader.database.sql(row), "10.9.9.9|Second");
    // As the source says it, it is nothing to tell of, and still the person's.
    let same = loader.apply_with("hosts: [{name: h1, address: 10.9.9.9}]", from("cmdb"));
    assert_eq!(same, "nothing to change\n");
    assert!(loader.apply_with(text, from("cmdb")).contains("kept host h1 (address"));
    let taken = loader.apply_with(text, Options { take_over: true, ..from("cmdb") });
    assert!(taken.contains("changed host h1 (address)"), "{taken}");
    loader.apply_with(&text.replace("10.0.0.1", "10.0.0.2"), from("cmdb"));
    assert_eq!(loader.database.sql("SELECT address FROM hosts"), "10.0.0.2");
}

#[test]
fn what_a_person_gave_or_dropped_on_one_host_stays_so() {
    let loader = Loader::new();
    let text = "event_handlers: [{name: Look, plugin: look.sh}, {name: Clean, plugin: clean.sh}]\n\
                services: [{name: Disk, handlers: [Look]}, {name: Mail}]\nhostgroups: [{name: web, services: [Mail]}]\n\
                hosts:\n - {name: h1, hostgroups: [web], services: [Disk], handlers: {Disk: [Clean]}, \
                dropped_handlers: {}, dropped_services: []}\n";
    loader.apply_with(text, from("cmdb"));
    let [host, disk, mail] = [("hosts", "h1"), ("services", "Disk"), ("services", "Mail")]
        .map(|(table, name)| id_of(&loader, table, name));
    let [look, clean] = ["Look", "Clean"].map(|name| id_of(&loader, "event_handlers", name));
    let effective = || {
        loader.database.sql(
            "SELECT string_agg(s.name || coalesce('/' || h.name, ''), ' ' ORDER BY s.name, h.name) FROM services_members m \
             JOIN services s ON s.id = m.services_id \
             LEFT JOIN events_handlers_members e ON e.services_members_id = m.id AND NOT e.dropped \
             LEFT JOIN event_handlers h ON h.id = e.event_handlers_id WHERE NOT m.dropped",
        )
    };
    assert_eq!(effective(), "Disk/Clean Disk/Look Mail");
    let assign = |assignment| {
        assert!(by_hand(&loader, |connection, editor| {
            inventory::assign(connection, editor, host, assignment).unwrap()
        }));
        let report = loader.apply_with(text, from("cmdb"));
        assert!(report.ends_with("nothing to change\n"), "{assignment:?}: {report}");
        report
    };
    let report = assign(Assignment::DropHandler { services_id: disk, event_handlers_id: look });
    assert!(report.contains("kept host h1 (dropped_handlers: set by hand)\n"), "{report}");
    assert_eq!(effective(), "Disk/Clean Mail");
    assign(Assignment::DropHandler { services_id: disk, event_handlers_id: clean });
    assert_eq!(effective(), "Disk Mail");
    assign(Assignment::DropService { services_id: mail });
    assert_eq!(effective(), "Disk");
    assign(Assignment::RestoreService { services_id: mail });
    assign(Assignment::GiveHandler { services_id: mail, event_handlers_id: clean });
    assert_eq!(effective(), "Disk Mail/Clean");
    assign(Assignment::DropService { services_id: disk });
    assert_eq!(effective(), "Mail/Clean");
    loader.apply_with(text, Options { take_over: true, ..from("cmdb") });
    assert_eq!(effective(), "Disk/Clean Disk/Look Mail");
}

#[test]
fn a_team_that_somebody_left_on_their_own_page_stays_left() {
    let loader = Loader::new();
    loader.database.sql("INSERT INTO users (name, name_key) VALUES ('erin', 'erin'), ('omar', 'omar')");
    let text = "teams: [{name: night, members: [erin, omar]}, {name: day, members: [omar]}]";
    loader.apply_with(text, from("cmdb"));
    edit(&loader, Noun::User, "erin", |definition| match definition {
        inventory::Definition::User(user) => user.teams = Some(vec!["day".to_owned()]),
        other => panic!("no user: {other:?}"),
    });
    let members = "SELECT string_agg(t.name || ' ' || u.name, ', ' ORDER BY t.name, u.name) FROM teams_members m \
                   JOIN teams t ON t.id = m.teams_id JOIN users u ON u.id = m.users_id";
    let report = loader.apply_with(text, from("cmdb"));
    assert!(report.contains("kept team night (members: set by hand)\n"), "{report}");
    assert!(report.contains("kept team day (members: set by hand)\n"), "{report}");
    assert_eq!(loader.database.sql(members), "day erin, day omar, night omar");
}

#[test]
fn a_right_that_a_person_took_is_not_given_again_before_a_person_gives_it() {
    let loader = Loader::new();
    loader.database.sql("INSERT INTO users (name, name_key) VALUES ('erin', 'erin')");
    let text = "environments: [{name: lab}]\n\
                grants: [{user: erin, environment: lab, verb: run}, {user: erin, verb: see}]\n";
    loader.apply_with(text, from("cmdb"));
    let grant = |verb: &str| {
        let id = loader.database.sql(&format!(
            "SELECT g.id FROM grants g JOIN users u ON u.id = g.users_id WHERE u.name = 'erin' AND verb = '{verb}'"
        ));
        id.parse::<i64>().ok()
    };
    let take = |verb: &str| {
        let id = grant(verb).unwrap();
        by_hand(&loader, |connection, editor| {
            let named = NamedGrant::find(connection, id).unwrap().unwrap();
            named.take(connection, editor.viewer).unwrap();
        });
    };
    take("run");
    let kept = "not given: grant run for user erin in lab (taken by hand)\nnothing to change\n";
    assert_eq!(loader.apply_with(text, from("cmdb")), kept);
    assert_eq!(loader.apply_with(text, from("high")), kept, "whoever brings it");
    assert!(grant("run").is_none() && grant("see").is_some());
    let planned = loader.load_with(text, Options { mode: Mode::Plan, ..from("cmdb") }).unwrap().to_json();
    let said = serde_json::json!([
        {"kind": "grant", "name": "run for user erin in lab", "field": "taken", "belongs_to": "hand"}
    ]);
    assert_eq!(planned["kept"], said);
    by_hand(&loader, |connection, editor| {
        let wanted = inventory::Grant {
            user: Some("erin".to_owned()),
            team: None,
            environment: Some("lab".to_owned()),
            hostgroup: None,
            handler: None,
            tag: None,
            verb: Verb::Run,
        };
        assert!(NamedGrant::give(connection, editor.viewer, &wanted).unwrap().is_some());
    });
    assert_eq!(loader.apply_with(text, from("cmdb")), "nothing to change\n");
    // What is taken over is the source's again.
    take("run");
    let taken_over = loader.apply_with(text, Options { take_over: true, ..from("cmdb") });
    assert!(taken_over.contains("added grant run for user erin in lab\n"), "{taken_over}");
    assert_eq!(loader.database.sql("SELECT count(*) FROM grants_taken"), "0");
    // What a source gave and names no more, nobody took.
    let less = "grants: [{user: erin, verb: see}]";
    loader.apply_with(less, Options { allow_shrink: true, ..pruning("cmdb") });
    loader.apply_with(less, Options { allow_shrink: true, ..pruning("high") });
    assert!(grant("run").is_none());
    loader.apply_with(text, from("cmdb"));
    assert!(grant("run").is_some());
}

#[test]
fn each_right_that_a_load_changes_stands_in_the_audit_log() {
    let loader = Loader::new();
    loader.database.sql("INSERT INTO users (name, name_key) VALUES ('erin', 'erin'), ('omar', 'omar')");
    let text = |members: &str, grants: &str| {
        format!("teams: [{{name: night, members: [{members}]}}]\ngrants: [{grants}]\n")
    };
    let options = || Options { allow_shrink: true, object: "people.yaml", ..pruning("cmdb") };
    let (see, admin) = ("{team: night, verb: see}", "{user: erin, verb: admin}");
    let rows = || {
        let rows = "SELECT string_agg(concat_ws(' ', actor, action, object, detail ->> 'joined', detail ->> 'left'), E'\\n' ORDER BY id) \
            FROM audit WHERE action <> 'inventory.load' AND detail ->> 'load' = 'people.yaml' AND detail ->> 'source' = 'cmdb'";
        loader.database.sql(rows)
    };
    loader.apply_with(&text("erin", see), options());
    let first = "data_loader team.create night [\"erin\"] []\ndata_loader grant.add see for team night";
    assert_eq!(rows(), first);
    loader.apply_with(&text("omar", &format!("{see}, {admin}")), options());
    loader.apply_with(&text("omar", see), options());
    loader.apply_with(&text("omar", see), options());
    let more = "data_loader team.change night [\"omar\"] [\"erin\"]\ndata_loader grant.add admin for user erin\n\
                data_loader grant.remove admin for user erin";
    assert_eq!(rows(), format!("{first}\n{more}"));
}

#[test]
fn the_higher_source_has_a_field_and_among_equals_the_last() {
    let loader = Loader::new();
    let address = |address: &str| format!("hosts: [{{name: h1, address: {address}}}]");
    let stands = || loader.database.sql("SELECT address FROM hosts");
    loader.apply_with(&address("10.0.0.1"), from("low"));
    loader.apply_with(&address("10.0.0.2"), from("other"));
    assert_eq!(stands(), "10.0.0.2", "the last of two that rank the same");
    loader.apply_with(&address("10.0.0.3"), from("high"));
    let report = loader.apply_with(&address("10.0.0.4"), from("low"));
    assert_eq!(report, "kept host h1 (address: 'high' ranks higher)\nnothing to change\n");
    assert_eq!(stands(), "10.0.0.3");
    // What a source says no more belongs to nobody.
    loader.apply_with("hosts: [{name: h1, description: x}]", from("high"));
    loader.apply_with(&address("10.0.0.4"), from("low"));
    assert_eq!(stands(), "10.0.0.4");
}

#[test]
fn an_event_handler_belongs_to_one_as_a_whole() {
    let loader = Loader::new();
    let text = "event_handlers: [{name: Look, plugin: look.sh, timeout_seconds: 5}]";
    loader.apply_with(text, from("high"));
    let report = loader.apply_with(&text.replace('5', "9"), from("low"));
    assert_eq!(report, "kept event handler Look (definition: 'high' ranks higher)\nnothing to change\n");
    assert_eq!(loader.apply_with(text, from("low")), "nothing to change\n");
    assert_eq!(loader.database.sql("SELECT timeout_seconds, revision FROM event_handlers"), "5|1");
    // The lower one names it: it stays when the higher one forgets it.
    loader.apply_with("teams: []", Options { allow_shrink: true, ..pruning("high") });
    loader.apply_with(&text.replace('5', "9"), from("low"));
    assert_eq!(loader.database.sql("SELECT timeout_seconds FROM event_handlers"), "9");
}

#[test]
fn the_source_is_named_by_the_command_line_the_file_or_the_settings() {
    let loader = Loader::new();
    let source = || loader.database.sql("SELECT array_to_string(sources, ' ') FROM hosts_sources");
    loader.apply("hosts: [{name: h1}]");
    assert_eq!(source(), "files");
    loader.apply("source: cmdb\nhosts: [{name: h1}]");
    assert_eq!(source(), "files cmdb");
    loader.apply_with("source: cmdb\nhosts: [{name: h1}]", from("nagios"));
    assert_eq!(source(), "files cmdb nagios");
    assert!(
        loader.refused("source: hand\nhosts: []")[0]
            .starts_with("inventory.yaml:1: the source 'hand' is wrong")
    );
    let first = loader.file("a.yaml", "source: a");
    let second = loader.file("b.yaml", "\nsource: b");
    let refused = loader.load_files(&[first, second], &MacroFile::default(), OPTIONS);
    let Err(LoadError::Refused(problems)) = refused else { panic!("not refused: {refused:?}") };
    assert!(problems[0].to_string().contains("b.yaml:2: the source is 'b' here and 'a' at"), "{problems:?}");
}

#[test]
fn a_refused_load_leaves_everything_as_it_was() {
    let loader = Loader::new();
    loader.apply_with(&hosts(1..=10), from("cmdb"));
    let tables = "SELECT (SELECT json_agg(x ORDER BY x.id) FROM hosts x), (SELECT json_agg(x ORDER BY x.hosts_id) FROM hosts_sources x), \
        (SELECT count(*) FROM audit)";
    let before = loader.database.sql(tables);
    assert!(loader.load_with(&hosts(1..=5), pruning("cmdb")).is_err());
    assert!(loader.load_with("hosts: [{name: h1, address: '-x'}]", from("cmdb")).is_err());
    loader.load_with(&hosts(1..=9), Options { mode: Mode::Plan, ..pruning("cmdb") }).unwrap();
    assert_eq!(loader.database.sql(tables), before);
}
