//! Inventories in other forms than our YAML, those of other programs among them.

use crate::loader::{Loader, OPTIONS, read_hosts};
use data_loader::source::{Format, Input, Reader};
use data_loader::{LoadError, Mode, Options};
use selfservice_core::config::MacroFile;
use std::path::PathBuf;
use std::process::Command;

fn fixture(name: &str) -> Input {
    Input::File(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name))
}

/// Loads, loads again, and gives the warnings of the first time.
fn apply(loader: &Loader, inputs: &[Input], format: Option<Format>) -> Vec<String> {
    let load = || loader.load_inputs(inputs, format, OPTIONS).unwrap();
    let report = load();
    let again = load().to_string();
    assert_eq!(again, "nothing to change\n");
    report.warnings()
}

fn refused(loader: &Loader, inputs: &[Input], format: Option<Format>) -> String {
    match loader.load_inputs(inputs, format, OPTIONS) {
        Err(LoadError::Refused(problems)) => problems[0].to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

const HOSTS: &str = "SELECT h.name, h.address, coalesce((SELECT string_agg(g.name, ',' ORDER BY g.name) FROM hostgroups_members m \
    JOIN hostgroups g ON g.id = m.hostgroups_id WHERE m.hosts_id = h.id), ''), \
    coalesce((SELECT string_agg(s.name, ',' ORDER BY s.name) FROM services_members m JOIN services s ON s.id = m.services_id \
     WHERE m.hosts_id = h.id), ''), h.vars FROM hosts h ORDER BY h.name";

#[test]
fn json_says_what_yaml_says() {
    let loader = Loader::new();
    let text = r#"{"source": "cmdb", "environments": [{"name": "lab", "colour": "blue"}],
        "event_handlers": [{"name": "Look", "plugin": "look.sh", "parameters": [{"name": "p", "type": "text"}]}],
        "services": [{"name": "Disk", "handlers": ["Look"]}], "hostgroups": [{"name": "web", "services": ["Disk"]}],
        "hosts": [{"name": "h\u00fc\ud83d\ude00", "address": "::1", "environments": {"lab": "web"}, "hostgroups": ["web"]}],
        "teams": [{"name": "oncall"}], "grants": [{"team": "oncall", "verb": "see"}]}"#;
    let file = loader.file("inventory.json", text);
    assert!(apply(&loader, &[Input::File(file)], None).is_empty());
    assert_eq!(loader.database.sql(HOSTS), "hü😀|::1|web|Disk|{}");
    for (text, reason) in [
        (r#"{"hosts": [{"name": "a", "name": "b"}]}"#, "the key `name` stands twice"),
        ("{\"hosts\": [],\n \"hots\": []}", "bad.json:2: unknown field `hots`"),
        (r#"{"hosts": [{"name": "a", "vars": {"x": "1", "x": "2"}}]}"#, "the key `x` stands twice"),
        (&format!("{{\"hosts\": {}", "[".repeat(100_000)), "recursion limit"),
    ] {
        let file = loader.file("bad.json", text);
        let said = refused(&loader, &[Input::File(file)], None);
        assert!(said.contains(reason), "{said}");
    }
    let file = loader.file("bad.json", r#"{"hosts": [{"name": "a"}, {"name": "b", "address": "-x"}]}"#);
    let refused = loader.load_inputs(&[Input::File(file)], None, OPTIONS);
    let Err(LoadError::Refused(problems)) = refused else { panic!("not refused: {refused:?}") };
    assert!(problems[0].to_string().contains("bad.json: hosts[1]: host 'b': the address"), "{problems:?}");
}

#[test]
fn csv_has_a_kind_a_file_or_a_column_for_it() {
    let loader = Loader::new();
    let hosts = "name,address,environments,hostgroups,services,vars.Port,handlers,tags,max_running,description\n\
        web-1,10.0.0.1,production=web;lab,web,Own,8080,Disk=Clean;Disk=Look,dmz;eu,2,\"one, \"\"two\"\"\"\n\
        web-2,,,,[],,,,,\n";
    let rest = "kind,name,services,handlers,plugin,arguments,parameters,enabled,team,environment,verb\n\
        environments,production,,,,,,,,,\n\
        environments,lab,,,,,,,,,\n\
        hostgroups,web,Disk,,,,,,,,\n\
        services,Disk,,,,,,,,,\n\
        services,Own,,,,,,,,,\n\
        event_handlers,Look,,,look.sh,--port;$HOSTADDRESS$,,true,,,\n\
        event_handlers,Clean,,,clean.sh,\"[\"\"a;b\"\"]\",\"[{\"\"name\"\": \"\"p\"\", \"\"type\"\": \"\"text\"\"}]\",false,,,\n\
        teams,oncall,,,,,,,,,\n\
        grants,,,,,,,,oncall,lab,run\n";
    let inputs =
        [("hosts.csv", hosts), ("all.csv", rest)].map(|(name, text)| Input::File(loader.file(name, text)));
    assert!(apply(&loader, &inputs, None).is_empty());
    assert_eq!(
        loader.database.sql(HOSTS),
        "web-1|10.0.0.1|web|Disk,Own|{\"Port\": \"8080\"}\nweb-2|web-2|||{}"
    );
    assert_eq!(
        loader.database.sql(
            "SELECT name, arguments, enabled, jsonb_array_length(parameters) FROM event_handlers ORDER BY 1"
        ),
        "Clean|{a;b}|f|1\nLook|{--port,$HOSTADDRESS$}|t|0"
    );
    assert_eq!(
        loader.database.sql("SELECT description, tags, max_running FROM hosts WHERE name = 'web-1'"),
        "one, \"two\"|{dmz,eu}|2"
    );
    assert_eq!(loader.database.sql("SELECT count(*) FROM events_handlers_members WHERE direct"), "2");
    for (name, text, reason) in [
        ("hosts.csv", "name,adress\na,b\n", "hosts.csv:2: unknown field `adress`"),
        ("hosts.csv", "name\na\nb,c\n", "hosts.csv:3: CSV error"),
        ("hosts.csv", "name,name\na,b\n", "hosts.csv:1: the column 'name' stands twice"),
        (
            "hosts.csv",
            "name,max_running\na,many\n",
            "hosts.csv:2: column 'max_running': 'many' is no whole number",
        ),
        ("things.csv", "name\na\n", "things.csv:2: 'things' is no kind of object"),
    ] {
        let said = refused(&loader, &[Input::File(loader.file(name, text))], None);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn ansible_inventories_mean_the_same_in_each_of_their_forms() {
    let list = Command::new("/usr/bin/ansible-inventory")
        .args(["--list", "-i", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ansible/hosts.ini")])
        .env("HOME", "/nonexistent")
        .env("ANSIBLE_LOCAL_TEMP", std::env::temp_dir())
        .output()
        .unwrap();
    assert!(list.status.success(), "{list:?}");
    let expected = "alpha.example.com|192.0.2.50|atlanta,webservers||\
         {\"backup\": \"weekly\", \"ntp_server\": \"ntp.atlanta.example.com\", \"ansible_port\": \"2222\"}\n\
         db-a.example.com|db-a.example.com|atlanta,dbservers||\
         {\"note\": \"two words\", \"backup\": \"nightly\", \"ntp_server\": \"ntp.atlanta.example.com\", \"ansible_port\": \"5309\"}\n\
         db-b.example.com|db-b.example.com|atlanta,dbservers||\
         {\"note\": \"two words\", \"backup\": \"nightly\", \"ntp_server\": \"ntp.atlanta.example.com\", \"ansible_port\": \"5309\"}\n\
         mail.example.com|mail.example.com|||{}\n\
         one.example.com|one.example.com|atlanta,dbservers||{\"backup\": \"nightly\", \"ntp_server\": \"ntp.atlanta.example.com\"}";
    let www = "SELECT count(*) FROM hosts WHERE name LIKE 'www0%' AND vars ->> 'http_port' = '80'";
    let listed = Loader::new();
    let list = Input::File(listed.file("list.json", &String::from_utf8(list.stdout).unwrap()));
    for (input, format) in [
        (fixture("ansible/hosts.ini"), None),
        (fixture("ansible/hosts.yaml"), Some(Format::Ansible)),
        (list, None),
    ] {
        let loader = Loader::new();
        let warnings = apply(&loader, std::slice::from_ref(&input), format);
        assert!(
            warnings.iter().any(|warning| warning.contains("ansible_password may be secret")),
            "{warnings:?}"
        );
        let hosts = loader
            .database
            .sql(&HOSTS.replace("FROM hosts h ORDER", "FROM hosts h WHERE h.name NOT LIKE 'www%' ORDER"));
        assert_eq!(hosts, expected, "{input:?}");
        assert_eq!(loader.database.sql(www), "3", "{input:?}");
        assert_eq!(loader.database.sql("SELECT count(*) FROM environments_members"), "8", "{input:?}");
    }
}

#[test]
fn the_object_files_of_debians_nagios_are_an_inventory() {
    let loader = Loader::new();
    let names =
        ["commands", "contacts", "localhost", "printer", "switch", "templates", "timeperiods", "windows"];
    let inputs = names.map(|name| fixture(&format!("nagios4/{name}.cfg")));
    assert_eq!(apply(&loader, &inputs, None), Vec::<String>::new());
    assert_eq!(
        loader.database.sql(HOSTS),
        "hplj2605dn|192.168.1.30|network-printers|PING,Printer Status|{}\n\
         linksys-srw224p|192.168.1.253|switches|PING,Port 1 Bandwidth Usage,Port 1 Link Status,Uptime|{}\n\
         localhost|127.0.0.1|linux-servers|Current Load,Current Users,HTTP,PING,Root Partition,SSH,Swap Usage,Total Processes|{}\n\
         winserver|192.168.1.2|windows-servers|C:\\ Drive Space,CPU Load,Explorer,Memory Usage,NSClient++ Version,Uptime,W3SVC|{}"
    );
    assert_eq!(
        loader.database.sql("SELECT description FROM hostgroups WHERE name = 'switches'"),
        "Network Switches"
    );
}

#[test]
fn nagios_templates_groups_and_event_handlers_are_understood() {
    let loader = Loader::new();
    let cfg = "define host {\n name base\n register 0\n hostgroups all\n _RACK r1 ; a comment\n _SNMP_COMMUNITY public\n}\n\
        define host {\n use base\n host_name web-1\n address 10.0.0.1\n hostgroups +web\n _PORT 80\\\n80\n}\n\
        define host {\n use base\n host_name web-2\n hostgroups null\n}\n\
        define hostgroup {\n hostgroup_name all\n}\n\
        define hostgroup {\n hostgroup_name web\n members web-2\n}\n\
        define hostgroup {\n hostgroup_name everything\n hostgroup_members web\n}\n\
        define command {\n command_name restart\n command_line /usr/lib/nagios/eventhandlers/restart.sh -s $ARG1$ '$HOSTNAME$' $SERVICESTATE$\n}\n\
        define command {\n command_name shell\n command_line /bin/echo x | mail root\n}\n\
        define service {\n service_description HTTP\n hostgroup_name web\n event_handler restart!httpd\n}\n\
        define service {\n service_description SSH\n host_name *,!web-2\n event_handler shell\n}\n\
        define service {\n name unused\n service_description X\n host_name nobody\n register 0\n}\n";
    let warnings = apply(&loader, &[Input::File(loader.file("objects.cache", cfg))], None);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("the command 'shell' is passed over: it needs a shell ('|')"),
        "{warnings:?}"
    );
    assert_eq!(
        loader.database.sql(HOSTS),
        "web-1|10.0.0.1|all,everything,web|HTTP,SSH|{\"PORT\": \"8080\", \"RACK\": \"r1\"}\n\
         web-2|web-2|everything,web|HTTP|{\"RACK\": \"r1\"}"
    );
    assert_eq!(
        loader.database.sql("SELECT name, plugin, arguments, risk, empty_macros FROM event_handlers"),
        "restart httpd|restart.sh|{-s,httpd,$HOSTNAME$,$SERVICESTATE$}|normal|t"
    );
    assert_eq!(loader.database.sql("SELECT count(*) FROM events_handlers_members"), "2");
    for (text, reason) in [
        ("define host {\n host_name a\n", "bad.cfg:1: the definition is not closed"),
        ("define host {\n use nobody\n}\n", "bad.cfg:1: there is no template 'nobody'"),
        (
            "define host {\n name a\n use b\n}\ndefine host {\n name b\n use a\n}\n",
            "use each other in a circle",
        ),
        ("[section]\n", "bad.cfg:1: is no object of Nagios"),
    ] {
        let said = refused(&loader, &[Input::File(loader.file("bad.cfg", text))], None);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_template_that_is_named_often_is_looked_at_once() {
    let loader = Loader::new();
    let levels = (1..=30).map(|level| {
        let below = level - 1;
        format!("define host {{\n name t{level}\n use t{below},t{below}\n register 0\n}}\n")
    });
    let text = format!(
        "define host {{\n name t0\n address 10.0.0.1\n register 0\n}}\n{}\
         define host {{\n host_name h1\n use t30,t30\n}}\n",
        levels.collect::<String>()
    );
    apply(&loader, &[Input::File(loader.file("deep.cfg", &text))], None);
    assert_eq!(loader.database.sql("SELECT name, address FROM hosts"), "h1|10.0.0.1");
}

#[test]
fn prometheus_says_what_it_watches() {
    let loader = Loader::new();
    assert!(apply(&loader, &[fixture("prometheus/prometheus.yml")], Some(Format::Prometheus)).is_empty());
    assert_eq!(loader.database.sql(HOSTS), "localhost|localhost||node,prometheus|{}");

    let loader = Loader::new();
    loader.file(
        "targets-a.json",
        r#"[{"targets": ["10.0.0.1:9100", "[::1]:9100"], "labels": {"dc": "fra", "__x": "y"}}]"#,
    );
    loader.file("targets-b.yml", "- targets: ['web-1:80']\n  labels: {job: web}\n");
    let text = "scrape_configs:\n\
        - job_name: node\n  static_configs:\n  - targets: ['10.0.0.1:9200', ':80']\n    labels: {auth_token: x}\n  \
          file_sd_configs:\n  - files: ['targets-*', 'targets-b.yml']\n    refresh_interval: 5m\n  \
          relabel_configs:\n  - {source_labels: [__address__], target_label: instance}\n";
    let configuration = Input::File(loader.file("prometheus.yml", text));
    let warnings = apply(&loader, &[configuration], Some(Format::Prometheus));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("the relabel_configs of the job 'node' are not applied"), "{warnings:?}");
    assert!(warnings[1].contains("the target ':80' names no host"), "{warnings:?}");
    assert_eq!(
        loader.database.sql(HOSTS),
        "10.0.0.1|10.0.0.1||node|{\"dc\": \"fra\"}\n::1|::1||node|{\"dc\": \"fra\"}\nweb-1|web-1||web|{}"
    );
}

#[test]
fn sources_of_several_programs_live_beside_each_other() {
    let loader = Loader::new();
    loader
        .load_inputs(&[fixture("ansible/hosts.ini")], None, Options { source: Some("ansible"), ..OPTIONS })
        .unwrap();
    let targets =
        loader.file("sd.json", r#"[{"targets": ["one.example.com:9100"], "labels": {"job": "node"}}]"#);
    let options = Options { source: Some("prometheus"), prune: true, ..OPTIONS };
    loader.load_inputs(&[Input::File(targets)], None, options.clone()).unwrap();
    assert_eq!(
        loader.database.sql("SELECT sources, set_by ->> 'hostgroups', set_by ->> 'services' FROM hosts_sources x JOIN hosts h ON h.id = x.hosts_id \
                             WHERE h.name = 'one.example.com'"),
        "{ansible,prometheus}|ansible|prometheus"
    );
    let nothing = Input::File(loader.file("empty.json", "[]"));
    let plan =
        loader.load_inputs(&[nothing], None, Options { mode: Mode::Plan, allow_shrink: true, ..options });
    assert!(plan.unwrap().to_string().contains("released host one.example.com"));
}

#[test]
fn what_is_no_inventory_is_refused_without_harm() {
    let loader = Loader::new();
    let directory = loader.directory.path();
    let pipe = directory.join("pipe.yaml");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.join("zero.yaml")).unwrap();
    for (path, reason) in [
        (pipe, "pipe.yaml: cannot be read: it is no regular file"),
        (directory.join("zero.yaml"), "zero.yaml: cannot be read: it is no regular file"),
        (directory.to_owned(), "cannot be read: it is no regular file"),
        (loader.file("utf16.yaml", "\u{0}"), ""),
        (loader.file("inventory.txt", "hosts: []"), "cannot be told by its name what it is"),
        (loader.file("archive.zip", "PK\u{3}\u{4}"), "cannot be told by its name what it is"),
    ] {
        let said = refused(&loader, &[Input::File(path)], None);
        assert!(said.contains(reason), "{said}");
    }
    std::fs::write(directory.join("bytes.yaml"), b"hosts:\n - name: \xff\n").unwrap();
    let said = refused(&loader, &[Input::File(directory.join("bytes.yaml"))], None);
    assert!(said.ends_with("bytes.yaml:2: is not UTF-8 text"), "{said}");
    let bom = loader.file("bom.json", "\u{feff}{\"hosts\": [{\"name\": \"a\"}]}");
    let macros = MacroFile::default();
    let reader =
        |settings| Reader { settings, macros: &macros, format: None, environment: None, with_rights: false };
    assert_eq!(read_hosts(&reader(&loader.settings), Input::File(bom)).unwrap(), ["a"]);

    let mut small = loader.settings.clone();
    small.max_bytes = 1000;
    let large = loader.file("large.yaml", &format!("hosts: [] #{}", "x".repeat(1000)));
    let said = read_hosts(&reader(&small), Input::File(large)).unwrap_err();
    assert!(said.contains("it is larger than"), "{said}");
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts"), "0");
}
