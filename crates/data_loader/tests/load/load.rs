//! YAML files: what they say, what is refused, and what templates bring.
use crate::loader::{Loader, OPTIONS};
use data_loader::Mode;
use selfservice_core::config::MacroFile;
use std::path::{Path, PathBuf};

const INVENTORY: &str = "
environments:
  - {name: production, colour: red, minimum_risk: normal}
hostgroups:
  - {name: web, services: [Disk, Pages]}
  - {name: all, services: [Disk]}
hosts:
  - name: web-1
    address: 10.0.0.1
    aliases: [web-1.example.com]
    vars: {Port: 8080}
    environments: {production: web}
    hostgroups: [web, all]
    services: [Own]
services:
  - {name: Disk, handlers: [Look, Clean]}
  - {name: Pages, handlers: [Look]}
  - {name: Own}
event_handlers:
  - {name: Look, plugin: look.sh, arguments: [--port, $_HOSTPORT$], risk: read-only}
  - {name: Clean, plugin: clean.sh}
teams:
  - {name: oncall}
grants:
  - {team: oncall, environment: production, handler: Look, verb: run}
";

const COUNTS: &str = "SELECT (SELECT count(*) FROM hosts), (SELECT count(*) FROM services), \
    (SELECT count(*) FROM event_handlers), (SELECT count(*) FROM services_members), \
    (SELECT count(*) FROM events_handlers_members), (SELECT count(*) FROM grants), (SELECT count(*) FROM audit)";

const EFFECTIVE: &str = "SELECT s.name, m.direct, m.dropped, coalesce(string_agg(g.name, ',' ORDER BY g.name), '') \
    FROM services_members m JOIN services s ON s.id = m.services_id \
    LEFT JOIN services_members_hostgroups o ON o.services_members_id = m.id \
    LEFT JOIN hostgroups g ON g.id = o.hostgroups_id GROUP BY 1, 2, 3 ORDER BY 1";

const HANDLERS: &str = "SELECT s.name, string_agg(h.name || CASE WHEN e.dropped THEN '!' ELSE '' END, ',' ORDER BY e.position) \
    FROM events_handlers_members e JOIN event_handlers h ON h.id = e.event_handlers_id \
    JOIN services_members m ON m.id = e.services_members_id JOIN services s ON s.id = m.services_id \
    GROUP BY 1 ORDER BY 1";

#[test]
fn a_second_load_changes_nothing_and_a_plan_writes_nothing() {
    let loader = Loader::new();
    let plan = loader.load(INVENTORY, Mode::Plan).unwrap().to_string();
    assert_eq!(loader.database.sql(COUNTS), "0|0|0|0|0|0|0");
    assert_eq!(loader.apply(INVENTORY), plan, "the plan told what was done");
    assert!(plan.contains("added host web-1\n"), "{plan}");
    assert_eq!(loader.database.sql(COUNTS), "1|3|2|3|3|1|3");
    let tables = "SELECT (SELECT json_agg(x) FROM (TABLE hosts) x), (SELECT json_agg(x) FROM (TABLE services_members) x), \
        (SELECT json_agg(x) FROM (TABLE events_handlers_members) x), (SELECT json_agg(x) FROM (TABLE event_handlers) x)";
    let before = loader.database.sql(tables);
    assert_eq!(loader.apply(INVENTORY), "nothing to change\n");
    assert_eq!(loader.database.sql(tables), before);
    assert_eq!(loader.database.sql("SELECT count(*) FROM audit WHERE action = 'inventory.load'"), "1");
    assert_eq!(loader.database.sql("SELECT vars->>'Port' FROM hosts"), "8080");
}

#[test]
fn templates_are_copied_with_their_origins() {
    let loader = Loader::new();
    loader.apply(INVENTORY);
    assert_eq!(loader.database.sql(EFFECTIVE), "Disk|f|f|all,web\nOwn|t|f|\nPages|f|f|web");
    assert_eq!(loader.database.sql(HANDLERS), "Disk|Look,Clean\nPages|Look");

    let report = loader.apply("hostgroups: [{name: web, services: [Own]}]");
    assert!(report.contains("changed host group web (services)"), "{report}");
    assert_eq!(loader.database.sql(EFFECTIVE), "Disk|f|f|all\nOwn|t|f|web", "Pages lost its last origin");

    loader.apply("hosts: [{name: web-1, services: [], hostgroups: [web]}]");
    assert_eq!(loader.database.sql(EFFECTIVE), "Own|f|f|web");

    loader.apply("services: [{name: Own, handlers: [Clean, Look]}]");
    assert_eq!(loader.database.sql(HANDLERS), "Own|Clean,Look", "in the engineer's order");
    loader.apply("services: [{name: Own, handlers: [Look]}]");
    assert_eq!(loader.database.sql(HANDLERS), "Own|Look");
}

#[test]
fn what_was_dropped_on_a_host_stays_dropped() {
    let loader = Loader::new();
    loader.apply(INVENTORY);
    loader.database.sql(
        "UPDATE services_members SET dropped = true WHERE services_id = (SELECT id FROM services WHERE name = 'Pages'); \
         UPDATE events_handlers_members SET dropped = true \
         WHERE event_handlers_id = (SELECT id FROM event_handlers WHERE name = 'Clean')",
    );
    loader.apply("services: [{name: Disk, handlers: [Clean, Look]}]");
    loader.apply("hostgroups: [{name: all, services: [Disk, Pages]}]");
    assert_eq!(loader.database.sql(EFFECTIVE), "Disk|f|f|all,web\nOwn|t|f|\nPages|f|t|all,web");
    assert_eq!(loader.database.sql(HANDLERS), "Disk|Clean!,Look\nPages|Look");
}

#[test]
fn what_a_host_has_of_its_own_outlives_the_template() {
    let loader = Loader::new();
    loader.apply(INVENTORY);
    loader.database.sql(
        "UPDATE events_handlers_members SET direct = true \
         WHERE event_handlers_id = (SELECT id FROM event_handlers WHERE name = 'Clean')",
    );
    loader.apply("services: [{name: Disk, handlers: [Look]}]");
    assert_eq!(loader.database.sql(HANDLERS), "Disk|Look,Clean\nPages|Look");
    assert_eq!(loader.database.sql("SELECT inherited FROM events_handlers_members WHERE direct"), "f");
}

#[test]
fn what_is_not_named_is_left_alone() {
    let loader = Loader::new();
    loader.apply(INVENTORY);
    let report = loader.apply("hosts: [{name: web-1, description: First}]");
    assert_eq!(report, "changed host web-1 (description)\nnothing added; 1 host changed\n");
    assert_eq!(loader.database.sql("SELECT address, description FROM hosts"), "10.0.0.1|First");
    assert_eq!(loader.database.sql("SELECT count(*) FROM host_aliases"), "1");
}

#[test]
fn a_changed_handler_gets_a_revision() {
    let loader = Loader::new();
    loader.apply(INVENTORY);
    loader.apply(
        "event_handlers: [{name: Clean, plugin: clean.sh, timeout_seconds: 5, runbook_url: 'https://x/'}]",
    );
    assert_eq!(
        loader.database.sql(
            "SELECT r.revision, r.author, r.definition->>'timeout_seconds', r.definition->>'runbook_url' \
             FROM event_handler_revisions r JOIN event_handlers h ON h.id = r.event_handlers_id \
             WHERE h.name = 'Clean' ORDER BY 1"
        ),
        "1|data_loader|120|\n2|data_loader|5|https://x/"
    );
    assert_eq!(loader.database.sql("SELECT revision FROM event_handlers WHERE name = 'Clean'"), "2");
}

#[test]
fn mistakes_are_named_with_file_and_line_and_nothing_is_done() {
    let loader = Loader::new();
    let text =
        format!("{INVENTORY}  - {{verb: see}}\n  - {{team: nobody, environment: produktion, verb: see}}\n");
    assert_eq!(
        loader.refused(&text),
        [
            "inventory.yaml:26: a grant needs either 'user' or 'team'",
            "inventory.yaml:27: a grant names the team 'nobody', which neither these files nor the database have",
            "inventory.yaml:27: a grant names the environment 'produktion', which neither these files nor the database have",
        ]
    );
    assert_eq!(loader.database.sql(COUNTS), "0|0|0|0|0|0|0");
}

#[test]
fn each_bad_value_is_refused_with_its_reason() {
    let loader = Loader::new();
    for (text, reason) in [
        (
            "hosts:\n - name: -oProxyCommand=x\n   address: a",
            "2: the host name '-oProxyCommand=x' must not begin with '-'",
        ),
        ("hosts:\n - name: a\n   address: '@file'", "2: host 'a': the address must not begin with '@'"),
        (
            "hosts:\n - name: a b",
            "2: host 'a b': the name is its address too, and it must be a host name or an IP address",
        ),
        ("hosts:\n - name: a\n   aliases: [-x]", "2: host 'a': the alias '-x' must not begin with '-'"),
        ("hosts:\n - name: a\n   colour: red", "3: unknown field `colour`"),
        ("hosts:\n - name: a\n   vars: {a b: 1}", "2: host 'a': the variable 'a b' needs a name"),
        ("hosts:\n - name: a\n   vars: {x: \"\\0\"}", "2: host 'a': the variable 'x' must not contain a NUL"),
        ("hosts:\n - name: a\n - name: a", "3: the host 'a' stands at inventory.yaml:2 already"),
        ("hosts:\n - name: a\n   name: b", "3: duplicate mapping key `name`"),
        ("hosts:\n - name: !!python/name:os.system a", "2: unsupported tag"),
        (
            "environments:\n - name: a\n   colour: pink",
            "2: environment 'a': the colour 'pink' is not known; allowed are red,",
        ),
        (
            "environments:\n - name: a\n   minimum_risk: high",
            "3: unknown variant `high`, expected one of read-only,",
        ),
        (
            "event_handlers:\n - {name: a, plugin: ../x}",
            "2: event handler 'a': the plugin '../x' must be the name",
        ),
        (
            "event_handlers:\n - {name: a, plugin: bash, arguments: [-o, pipefail, $HOSTNAME$]}",
            "2: event handler 'a': the plugin 'bash' is an interpreter with options before its script",
        ),
        (
            "event_handlers:\n - {name: a, plugin: x, arguments: [$PATHH$]}",
            "2: event handler 'a': the argument '$PATHH$' cannot be used: the macro $PATHH$ is not known",
        ),
        (
            "event_handlers:\n - {name: a, plugin: x, arguments: [$_PARAMx$]}",
            "2: event handler 'a': the argument '$_PARAMx$' cannot be used",
        ),
        (
            "event_handlers:\n - {name: a, plugin: x, secrets: [KEY]}",
            "2: event handler 'a': the secret 'KEY' does not stand under [secrets]",
        ),
        (
            "event_handlers:\n - {name: a, plugin: x, timeout_seconds: 0}",
            "2: event handler 'a': timeout_seconds is 0; allowed is 1 to 86400",
        ),
        (
            "event_handlers:\n - {name: a, plugin: x, parameters: [{name: p, type: choice}]}",
            "2: event handler 'a': the parameter 'p' needs 'choices'",
        ),
        (
            "services:\n - {name: a, handlers: [Nope]}",
            "2: service 'a' names the event handler 'Nope', which neither",
        ),
        ("a: [", "1: "),
    ] {
        let complaints = loader.refused(text);
        let start = format!("inventory.yaml:{reason}");
        assert!(complaints.iter().any(|one| one.starts_with(&start)), "{start}\n{complaints:#?}");
    }
    assert_eq!(loader.database.sql(COUNTS), "0|0|0|0|0|0|0");
}

#[test]
fn names_that_look_alike_are_refused_in_files_and_against_the_database() {
    let loader = Loader::new();
    let complaints = loader.refused("hosts:\n - name: web-1\n - name: w\u{435}b-1");
    assert!(
        complaints[0].starts_with("inventory.yaml:3: the host name 'w\u{435}b-1' looks like 'web-1'"),
        "{complaints:?}"
    );
    loader.apply("hosts: [{name: web-1}]");
    let complaints = loader.refused("hosts: [{name: WEB-1}]");
    assert!(complaints[0].contains("looks like the host 'web-1' that exists already"), "{complaints:?}");
}

#[test]
fn small_files_cannot_become_large_ones() {
    let loader = Loader::new();
    let mut bomb = String::from("hosts:\n - name: a\n   aliases: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = level - 1;
        bomb.push_str(&format!(" - &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
    }
    assert_eq!(loader.refused(&bomb).len(), 1);
    let deep = format!("hosts: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(loader.refused(&deep).len(), 1);
}

#[test]
fn users_that_do_not_exist_are_passed_over_with_a_warning() {
    let loader = Loader::new();
    let text = "teams: [{name: oncall, members: [dana]}]\ngrants: [{user: dana, verb: see}]";
    let report = loader.load(text, Mode::Apply).unwrap();
    assert_eq!(report.warnings.len(), 2);
    assert_eq!(loader.database.sql("SELECT count(*) FROM grants"), "0");
    loader.database.sql("INSERT INTO users (name, name_key) VALUES ('dana', 'dana')");
    let report = loader.load(text, Mode::Apply).unwrap();
    assert!(report.warnings.is_empty());
    assert_eq!(
        report.to_string(),
        "changed team oncall (members)\nadded grant see for user dana\n1 grant added; 1 team changed\n"
    );
}

#[test]
fn several_files_are_one_inventory() {
    let loader = Loader::new();
    let first = loader.file("a.yaml", "services: [{name: Disk, handlers: [Look]}]");
    let second = loader.file("b.yaml", "event_handlers: [{name: Look, plugin: look.sh}]");
    let macros = MacroFile::default();
    assert!(loader.load_files(std::slice::from_ref(&first), &macros, OPTIONS).is_err());
    loader.load_files(&[first, second], &macros, OPTIONS).unwrap();
    assert!(loader.load_files(&[Path::new("/nowhere.yaml").to_owned()], &macros, OPTIONS).is_err());
}

#[test]
fn of_very_many_objects_the_first_are_told() {
    let loader = Loader::new();
    let hosts: Vec<String> = (1..=250).map(|number| format!("{{name: h{number:03}}}")).collect();
    let text = format!("hosts: [{}]", hosts.join(", "));
    let said = loader.apply(&text);
    assert!(said.contains("added host h200\n") && !said.contains("h201"), "{said}");
    assert!(
        said.ends_with(
            "added 50 more hosts (--report names all of them)\n250 hosts added; nothing changed\n"
        ),
        "{said}"
    );
}

#[test]
fn a_mistake_that_many_make_is_told_of_some_of_them() {
    let loader = Loader::new();
    let hosts: Vec<String> =
        (1..=3000).map(|number| format!(" - {{name: h{number}, services: [Nope]}}\n")).collect();
    let complaints = loader.refused(&format!("hosts:\n{}", hosts.concat()));
    assert_eq!(complaints.len(), 20);
    let last = "inventory.yaml:21: host 'h20' names the service 'Nope', which neither these files nor the database have; \
                2980 more do so";
    assert_eq!(complaints[19], last);
    let complaints = loader.refused(&format!("hosts:\n{}", hosts.concat().replace("name: h", "name: -")));
    assert_eq!(complaints.len(), 1001);
    assert!(
        complaints[1000].ends_with("there are more mistakes than are told here"),
        "{:?}",
        complaints[1000]
    );
    assert_eq!(loader.database.sql(COUNTS), "0|0|0|0|0|0|0");
}

#[test]
fn the_source_may_be_named_last() {
    let loader = Loader::new();
    let hosts: Vec<String> = (1..=6000).map(|number| format!(" - {{name: h{number}}}\n")).collect();
    loader.apply(&format!("hosts:\n{}source: cmdb\n", hosts.concat()));
    let sources = "SELECT DISTINCT x.sources, x.set_by FROM hosts_sources x";
    assert_eq!(loader.database.sql(sources), "{cmdb}|{}");
    loader.apply("services: [{name: Disk, description: x}]\nsource: cmdb\n");
    assert_eq!(
        loader.database.sql("SELECT sources, set_by FROM services_sources"),
        "{cmdb}|{\"description\": \"cmdb\"}"
    );
}

#[test]
fn the_example_inventory_is_right() {
    let loader = Loader::new();
    let etc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc");
    let macros = MacroFile::read(&etc.join("macros.ini")).unwrap();
    let files: Vec<PathBuf> = ["access", "event_handlers", "inventory"]
        .iter()
        .map(|name| etc.join(format!("example/{name}.yaml")))
        .collect();
    let report = loader.load_files(&files, &macros, OPTIONS).unwrap();
    assert!(report.warnings.is_empty() && !report.is_unchanged());
    assert!(loader.load_files(&files, &macros, OPTIONS).unwrap().is_unchanged());
    assert_eq!(loader.database.sql("SELECT count(DISTINCT address) FROM hosts"), "1");
}

#[test]
fn tags_and_limits_are_loaded_kept_and_taken_away() {
    let loader = Loader::new();
    let state = "SELECT (SELECT string_agg(h.name || ' ' || h.tags::text || ' ' || coalesce(h.max_running, -1), ', ') FROM hosts h), \
        (SELECT max_running || ' ' || revision FROM event_handlers)";
    loader.apply(
        "hosts: [{name: db-1, tags: [dmz, eu], max_running: 2}]\n\
         event_handlers: [{name: Look, plugin: look.sh, max_running: 3}]\n",
    );
    assert_eq!(loader.database.sql(state), "db-1 {dmz,eu} 2|3 1");
    assert_eq!(
        loader.apply("hosts: [{name: db-1, tags: [dmz, eu], max_running: 2}]\n"),
        "nothing to change\n"
    );
    loader.apply("hosts: [{name: db-1, description: big}]\n");
    assert_eq!(loader.database.sql(state), "db-1 {dmz,eu} 2|3 1", "what is not said stays");
    let said = loader.apply(
        "hosts: [{name: db-1, tags: [], max_running: 0}]\n\
         event_handlers: [{name: Look, plugin: look.sh, max_running: 4}]\n",
    );
    assert!(said.contains("max_running, tags") && said.contains("Look"), "{said}");
    assert_eq!(loader.database.sql(state), "db-1 {} -1|4 1", "another limit is no other command");
    loader.apply("event_handlers: [{name: Look, plugin: see.sh}]\n");
    assert_eq!(
        loader.database.sql("SELECT max_running IS NULL, revision FROM event_handlers"),
        "t|2",
        "a handler is always given as a whole"
    );
    let definition = loader.database.sql("SELECT definition FROM event_handler_revisions WHERE revision = 2");
    assert!(!definition.contains("paused") && !definition.contains("max_running"), "{definition}");
    let complaints = loader.refused(
        "hosts: [{name: db-1, tags: [a b, x, x], max_running: -1}]\n\
         event_handlers: [{name: Look, plugin: look.sh, max_running: 0}]\n",
    );
    for complaint in [
        "the tag 'a b' must be one word",
        "'x' stands twice in tags",
        "max_running is -1; allowed is 1 or more, or 0 for no limit",
        "event handler 'Look': max_running is 0; allowed is 1 or more",
    ] {
        assert!(complaints.iter().any(|line| line.contains(complaint)), "{complaint}: {complaints:#?}");
    }
}
