//! Hosts and services from a real InfluxDB 1.x with points as Telegraf writes them, and from a stand-in that answers as
//! the API of 2.x is documented.

use crate::loader::{Loader, OPTIONS};
use crate::server::{Reply, Server};
use data_loader::source::influxdb;
use data_loader::{Document, LoadError, Mode, Options, Problem, Report};
use selfservice_core::config::{InfluxSettings, LoadSettings, MacroFile, Settings};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use test_support::InfluxDb;

/// The settings of a file; `url` and what else stands in `[influxdata]`, then other sections. Any name may become a host.
fn settings(loader: &Loader, url: &str, rest: &str) -> InfluxSettings {
    let file = loader.file("influxdata.ini", &format!("[influxdata]\nurl = {url}\nhosts = *\n{rest}\n"));
    Settings::read(&file, None).unwrap().influxdata
}

fn read(loader: &Loader, settings: &InfluxSettings) -> Result<Document, Problem> {
    let found = influxdb::read(settings, &loader.settings, &MacroFile::default())?;
    let present = loader.database.sql("SELECT coalesce(string_agg(name, ' '), '') FROM hosts");
    Ok(found.into_document(&present.split_whitespace().map(str::to_owned).collect()))
}

fn load(loader: &Loader, settings: &InfluxSettings, options: Options<'_>) -> Result<Report, LoadError> {
    loader.load_document(read(loader, settings), Options { source: Some(&settings.source), ..options })
}

/// Points with their time in seconds before now.
fn points(lines: &[(&str, u64)]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    lines.iter().map(|(line, ago)| format!("{line} {}\n", now - ago)).collect()
}

const HOSTS: &str = "SELECT h.name, coalesce((SELECT string_agg(s.name, ',' ORDER BY s.name) FROM services_members m \
    JOIN services s ON s.id = m.services_id WHERE m.hosts_id = h.id), ''), \
    coalesce((SELECT string_agg(g.name, ',') FROM hostgroups_members m JOIN hostgroups g ON g.id = m.hostgroups_id \
    WHERE m.hosts_id = h.id), ''), \
    coalesce((SELECT string_agg(e.name, ',') FROM environments_members m JOIN environments e ON e.id = m.environments_id \
    WHERE m.hosts_id = h.id), ''), h.vars FROM hosts h ORDER BY h.name";

#[test]
fn telegrafs_points_become_hosts_and_services() {
    let server = InfluxDb::start();
    server.create_database("telegraf");
    server.write(
        "telegraf",
        &points(&[
            ("cpu,cpu=cpu-total,host=web-1,dc=fra,role=web,env=production usage_idle=98.5,usage_user=1", 60),
            ("cpu,cpu=cpu0,host=web-1,dc=fra,role=web,env=production usage_idle=97", 60),
            ("disk,device=sda1,fstype=ext4,host=web-1,path=/,dc=fra,role=web,env=production used_percent=41.2,free=1i", 90),
            ("mem,host=web-1,dc=fra,role=web,env=production available=1i", 60),
            ("system,host=db-1,dc=ams load1=0.1,uptime_format=\"10:00\"", 3000),
            ("win\\ cpu\"x,host=db-1,dc=ams Percent=3", 30),
            ("cpu,host=gone,dc=fra usage_idle=1", 7200),
            ("cpu,dc=fra usage_idle=1", 60),
            ("cpu,host=-oProxyCommand\\=touch usage_idle=1", 60),
            ("cpu,host=WEB-1 usage_idle=1", 60),
        ]),
    );
    let loader = Loader::new();
    let mut settings = settings(
        &loader,
        &server.url(),
        "window_hours = 1\nenvironment = monitored\n[influxdata_services]\ncpu = CPU\nwin* = CPU\ndisk* = Disk\nmem =\n* = System\n\
         [influxdata_tags]\ndc = variable\nrole = hostgroup\nenv = environment",
    );
    let report = load(&loader, &settings, OPTIONS).unwrap();
    let expected =
        "db-1|CPU,System||monitored|{\"dc\": \"ams\"}\nweb-1|CPU,Disk|web|production|{\"dc\": \"fra\"}";
    assert_eq!(loader.database.sql(HOSTS), expected);
    let warnings = report.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings.iter().any(|warning| warning.contains("the host '-oProxyCommand=touch' is passed over")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|warning| warning.contains("looks like")), "{warnings:?}");
    assert_eq!(load(&loader, &settings, OPTIONS).unwrap().to_string(), "nothing to change\n");

    // db-1 falls silent: half of what this source brought.
    settings.window_hours = 1;
    let other = InfluxSettings { database: "other".to_owned(), ..settings.clone() };
    server.create_database("other");
    server.write(
        "other",
        &points(&[
            ("cpu,host=web-1,dc=fra,role=web,env=production usage_idle=98.5", 60),
            ("disk,host=web-1 free=1", 60),
        ]),
    );
    let pruning = Options { prune: true, ..OPTIONS };
    assert!(matches!(load(&loader, &other, pruning.clone()), Err(LoadError::Shrinks { .. })));
    assert_eq!(loader.database.sql(HOSTS), expected);
    load(&loader, &other, Options { allow_shrink: true, ..pruning.clone() }).unwrap();
    assert_eq!(loader.database.sql("SELECT string_agg(name, ' ') FROM hosts"), "web-1");

    // Services from a tag.
    settings.service_tag = Some("cpu".to_owned());
    settings.services.clear();
    let document = read(&loader, &settings).unwrap();
    let web = document.hosts.iter().find(|host| host.row.name == "web-1").unwrap();
    assert_eq!(web.row.services.as_deref().unwrap().join(" "), "cpu-total cpu0");

    // Nothing, an error and silence leave the inventory as it was.
    let before = loader.database.sql(HOSTS);
    let missing = InfluxSettings { database: "missing".to_owned(), ..settings.clone() };
    let said = read(&loader, &missing).unwrap_err().to_string();
    assert!(said.ends_with("has no measurements in the database 'missing'"), "{said}");
    server.create_database("empty");
    let empty = InfluxSettings { database: "empty".to_owned(), ..settings.clone() };
    assert!(matches!(load(&loader, &empty, pruning.clone()), Err(LoadError::Refused(_))));
    server.write("empty", &points(&[("cpu,host=web-1 usage_idle=1", 7200)]));
    assert!(matches!(load(&loader, &empty, pruning), Err(LoadError::Shrinks { .. })), "only old points");
    let mut impatient = loader.settings.clone();
    impatient.timeout = Duration::from_millis(300);
    server.freeze();
    let said = influxdb::read(&settings, &impatient, &MacroFile::default()).unwrap_err().to_string();
    assert!(said.contains("within the time-out"), "{said}");
    assert_eq!(loader.database.sql(HOSTS), before);
}

#[test]
fn a_name_becomes_a_host_only_where_a_pattern_says_so() {
    let server = Server::start(|request| {
        let series = ["web-1", "web-2.example.net", "collect.evil.example", "localhost", "127.1", "db-1"]
            .map(|host| {
                format!(r#"{{"name":"disk","tags":{{"host":"{host}"}},"columns":["time"],"values":[[1]]}}"#)
            });
        let answer = if request.contains("SHOW%20MEASUREMENTS") {
            r#"{"name":"measurements","columns":["name"],"values":[["disk"]]}"#.to_owned()
        } else {
            series.join(",")
        };
        Reply::Whole(200, format!(r#"{{"results":[{{"series":[{answer}]}}]}}"#))
    });
    let loader = Loader::new();
    loader.apply("hosts: [{name: db-1, services: []}]");
    let url = format!("http://{}", server.address);
    let with = |hosts: &str| {
        let words = hosts.split_whitespace().map(str::to_owned).collect();
        InfluxSettings { hosts: words, ..settings(&loader, &url, "") }
    };
    let report = load(&loader, &with(""), OPTIONS).unwrap();
    assert_eq!(loader.database.sql(HOSTS), "db-1|disk|||{}", "a present host gets its services");
    let [warning] = report.warnings().try_into().unwrap();
    let sentence = "names that are no hosts yet are passed over, no pattern of [influxdata] hosts fits '127.1', \
                    'collect.evil.example', 'localhost', 'web-1', 'web-2.example.net'";
    assert!(warning.ends_with(sentence), "{warning}");
    load(&loader, &with("web-* *.example.net"), OPTIONS).unwrap();
    assert_eq!(
        loader.database.sql("SELECT string_agg(name, ' ' ORDER BY name) FROM hosts"),
        "db-1 web-1 web-2.example.net"
    );
    let report = load(&loader, &with("*"), OPTIONS).unwrap();
    let [warning] = report.warnings().try_into().unwrap();
    assert!(warning.ends_with("or they lead to this machine: '127.1', 'localhost'"), "{warning}");
    assert_eq!(loader.database.sql("SELECT count(*) FROM hosts WHERE name = 'collect.evil.example'"), "1");
}

#[test]
fn all_answers_together_are_bounded() {
    let server = Server::start(|request| {
        let answer = if request.contains("SHOW%20MEASUREMENTS") {
            r#"{"columns":["name"],"values":[["a"],["b"],["c"],["d"],["e"],["f"]]}"#.to_owned()
        } else {
            format!(r#"{{"tags":{{"host":"{}"}}}}"#, "x".repeat(900))
        };
        Reply::Whole(200, format!(r#"{{"results":[{{"series":[{answer}]}}]}}"#))
    });
    let loader = Loader::new();
    let settings = settings(&loader, &format!("http://{}", server.address), "");
    let bounded = LoadSettings { max_bytes: 1024, ..loader.settings.clone() };
    let refused = influxdb::read(&settings, &bounded, &MacroFile::default()).unwrap_err().to_string();
    assert!(refused.contains("its answers together are larger than 4 times"), "{refused}");
    influxdb::read(&settings, &loader.settings, &MacroFile::default()).unwrap();
}

/// What 2.x documents for `GET /query`: a token in the header, the bucket by its mapping to `db`, and the same JSON.
fn version_2(request: &str) -> Reply {
    let answer = if request.contains("SHOW%20MEASUREMENTS") {
        r#"{"results":[{"statement_id":0,"series":[{"name":"measurements","columns":["name"],"values":[["cpu"]]}]}]}"#
    } else {
        r#"{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"web-1"},"columns":["time","last_usage_idle"],
            "values":[["2026-11-24T10:00:00Z",98.5]]}]}]}"#
    };
    Reply::Whole(200, answer.to_owned())
}

#[test]
fn version_2_is_asked_with_its_token() {
    let loader = Loader::new();
    let server = Server::start(version_2);
    let settings =
        settings(&loader, &format!("http://{}", server.address), "database = bucket\nsecret = INFLUX");
    let macros = loader.file("macros.ini", "[secrets]\nINFLUX = a-long-token-of-2x\n");
    std::fs::set_permissions(&macros, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let macros = MacroFile::read(&macros).unwrap();
    let document =
        influxdb::read(&settings, &loader.settings, &macros).unwrap().into_document(&BTreeSet::new());
    assert_eq!(document.hosts[0].row.services.as_deref().unwrap(), ["cpu"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(request.starts_with("GET /query?db=bucket&q="), "{request}");
        assert!(
            request.to_lowercase().contains("\r\nauthorization: token a-long-token-of-2x\r\n"),
            "{request}"
        );
    }
    let with_password = InfluxSettings { username: Some("reader".to_owned()), ..settings.clone() };
    influxdb::read(&with_password, &loader.settings, &macros).unwrap();
    // reader:a-long-token-of-2x
    assert!(
        server.requests()[2].contains("Basic cmVhZGVyOmEtbG9uZy10b2tlbi1vZi0yeA=="),
        "{:?}",
        server.requests()
    );
    let unknown = influxdb::read(&settings, &loader.settings, &MacroFile::default()).unwrap_err();
    assert!(unknown.to_string().contains("the secret 'INFLUX' does not stand under [secrets]"), "{unknown}");
}

#[test]
fn answers_that_are_not_whole_are_refused() {
    let loader = Loader::new();
    let whole = r#"{"series":[{"name":"x","columns":["name"],"values":[["cpu"]]}]"#;
    for (answer, reason) in [
        (Reply::Whole(401, r#"{"error":"unauthorized access"}"#.to_owned()), "answered with the status 401"),
        (
            Reply::Whole(200, r#"{"error":"engine is closed"}"#.to_owned()),
            "refused the query: engine is closed",
        ),
        (
            Reply::Whole(200, r#"{"results":[{"error":"no\u001bway"}]}"#.to_owned()),
            "refused the query: no\\u{1b}way",
        ),
        (
            Reply::Whole(200, format!(r#"{{"results":[{whole},"partial":true}}]}}"#)),
            "keeps a part of its answer back",
        ),
        (Reply::Whole(200, "{}".to_owned()), "there are no results"),
        (Reply::Whole(200, "[1]".to_owned()), "does not answer as InfluxDB does"),
        (Reply::Cut, ""),
        (Reply::Redirect("https://example.com/".to_owned()), "answered with the status 302"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let settings = settings(&loader, &format!("http://{}/", server.address), "");
        let said = read(&loader, &settings).unwrap_err().to_string();
        assert!(said.contains(reason), "{reason}: {said}");
    }
    let plain = settings(&loader, "http://192.0.2.1:8086", "secret = X");
    assert!(read(&loader, &plain).unwrap_err().to_string().contains("is asked over https only"));
    let plan = load(&loader, &plain, Options { mode: Mode::Plan, ..OPTIONS });
    assert!(matches!(plan, Err(LoadError::Refused(_))));
}
