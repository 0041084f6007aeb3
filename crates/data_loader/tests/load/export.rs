//! What was exported loads back to the same.
use crate::loader::{Loader, OPTIONS};
use data_loader::{Options, export};

const INVENTORY: &str = r#"
environments:
  - {name: production, colour: red, minimum_risk: normal, description: "true"}
  - {name: "no"}
hostgroups:
  - {name: web, services: [Disk, Pages]}
hosts:
  - name: web-1
    address: 10.0.0.1
    description: "two lines\n  and: a # colon\n\n"
    aliases: [web-1.example.com, "1"]
    vars: {Port: 8080, EMPTY: "", NULLISH: "~", YES: "yes", QUOTE: "'\"\\", LONG: "a very long value that is longer than eighty characters, so that a writer might like to fold it somewhere"}
    environments: {production: web, "no": }
    hostgroups: [web]
    services: [Own]
    dropped_services: [Pages]
    handlers: {Disk: [Mend, Own]}
    dropped_handlers: {Disk: [Look]}
    tags: [dmz, "5"]
    max_running: 3
  - {name: web-2, hostgroups: [web]}
services:
  - {name: Disk, handlers: [Look, Clean], vars: {A: "1e3"}}
  - {name: Pages, handlers: [Look]}
  - {name: Own, description: " spaces "}
event_handlers:
  - {name: Look, plugin: look.sh, arguments: [--port, $_HOSTPORT$, "", "- x", "{a}"], risk: read-only, tags: [look]}
  - name: Clean
    plugin: clean.sh
    runbook_url: https://example.com/
    max_running: 2
    enabled: false
    timeout_seconds: 7
    parameters: [{name: days, type: integer, minimum: 1, maximum: 9, default: "3"}, {name: what, type: choice, choices: ["1", no], required: false}]
  - {name: Mend, plugin: mend.sh, reason_required: true, repeatable: true, empty_macros: true}
  - {name: Own, plugin: own.sh, description: "\u00fcber \u2028 lines"}
teams:
  - {name: oncall, members: [dana]}
grants:
  - {team: oncall, environment: production, handler: Look, verb: run}
  - {user: dana, hostgroup: web, tag: look, verb: see}
  - {user: dana, verb: admin}
"#;

const USER: &str = "INSERT INTO users (name, name_key) VALUES ('dana', 'dana')";

/// What counts, without ids.
const EFFECTIVE: &str = "SELECT string_agg(x::text, E'\\n' ORDER BY x::text) FROM (
    SELECT h.name, s.name, m.direct, m.dropped, v.name, e.direct, e.inherited, e.dropped, \
           rank() OVER (PARTITION BY m.id ORDER BY e.position) \
    FROM services_members m JOIN hosts h ON h.id = m.hosts_id JOIN services s ON s.id = m.services_id \
    LEFT JOIN events_handlers_members e ON e.services_members_id = m.id \
    LEFT JOIN event_handlers v ON v.id = e.event_handlers_id) x";

fn exported(loader: &Loader) -> String {
    let mut text = Vec::new();
    export(loader.database.pool(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn an_export_loads_back_to_the_same_into_an_empty_database() {
    let first = Loader::new();
    first.database.sql(USER);
    first.apply(INVENTORY);
    let text = exported(&first);
    assert_eq!(
        first.apply_with(&text, Options { take_over: true, ..OPTIONS }),
        "nothing to change\n",
        "{text}"
    );
    let second = Loader::new();
    second.database.sql(USER);
    second.apply(&text);
    assert_eq!(exported(&second), text);
    assert_eq!(second.database.sql(EFFECTIVE), first.database.sql(EFFECTIVE));
    assert_eq!(second.apply(&text), "nothing to change\n");
}

#[test]
fn an_export_brings_back_what_was_changed_and_emptied() {
    let loader = Loader::new();
    loader.database.sql(USER);
    loader.apply(INVENTORY);
    let (text, effective) = (exported(&loader), loader.database.sql(EFFECTIVE));
    loader.apply(
        "hosts: [{name: web-1, vars: {X: 1}, aliases: [x], dropped_services: [], dropped_handlers: {}, handlers: {}, \
          tags: [], max_running: 0}, {name: web-2, environments: {production: }, services: [Own]}]\n\
         services: [{name: Pages, handlers: [Clean]}]\n",
    );
    assert_ne!(loader.database.sql(EFFECTIVE), effective);
    loader.apply(&text);
    assert_eq!(exported(&loader), text);
    assert_eq!(loader.database.sql(EFFECTIVE), effective);
}

#[test]
fn an_export_is_in_an_order_that_people_can_read() {
    let loader = Loader::new();
    loader.apply("hosts: [{name: b}, {name: a, environments: {lab: }}]\nenvironments: [{name: lab}]");
    assert_eq!(
        exported(&loader),
        "# The inventory of Self Service Manager: data_loader export\n\
         \n\
         environments:\n\
         - name: lab\n  description: \"\"\n  colour: grey\n  minimum_risk: read-only\n\
         \n\
         hosts:\n\
         - name: a\n  address: a\n  description: \"\"\n  aliases: []\n  vars: {}\n  environments:\n    lab: null\n  \
         hostgroups: []\n  services: []\n  dropped_services: []\n  handlers: {}\n  dropped_handlers: {}\n  tags: []\n  \
         max_running: 0\n\
         - name: b\n  address: b\n  description: \"\"\n  aliases: []\n  vars: {}\n  environments: {}\n  hostgroups: []\n  \
         services: []\n  dropped_services: []\n  handlers: {}\n  dropped_handlers: {}\n  tags: []\n  max_running: 0\n"
    );
}
