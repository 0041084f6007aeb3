//! Certificates: a server that cannot prove who it is gets no request, no password and no statement.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use test_support::certificates::Authority;
use test_support::{FaultyProxy, MariaDb, TestDatabase};

use crate::couchbase_server::Couchbase;
use crate::database::{Database, postgresql_plugin};
use crate::http_server::Server;
use crate::jenkins_server::{Behaviour, Jenkins};
use crate::run::{Ended, Plugin};
use crate::tls_front::{TlsFront, Upstream};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// Two authorities, of which the plugins are told to trust one.
struct Trust {
    directory: TempDir,
    ours: Authority,
    foreign: Authority,
}

impl Trust {
    fn new() -> Self {
        let trust = Self {
            directory: tempfile::tempdir().unwrap(),
            ours: Authority::new("ours"),
            foreign: Authority::new("foreign"),
        };
        fs::write(trust.path().join("ours.pem"), trust.ours.pem()).unwrap();
        trust
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ca_file(&self) -> [String; 2] {
        ["--ca-file".to_owned(), self.path().join("ours.pem").display().to_string()]
    }

    /// The options that show a certificate of this authority.
    fn client(&self, authority: &Authority) -> [String; 4] {
        let (certificate, key) = authority.issue(&["client.example"]).write(self.path(), "client");
        let text = |path: std::path::PathBuf| path.display().to_string();
        ["--client-cert".to_owned(), text(certificate), "--client-key".to_owned(), text(key)]
    }
}

fn refused(ended: &Ended, what: &str) {
    assert_eq!(ended.code, 3, "{what}: {ended:?}");
    // "certificate" where the plugin refuses the server's, an alert where the server refuses the plugin's.
    let said = ended.text().to_lowercase();
    assert!(said.contains("certificate") || said.contains("alert"), "{what}: {ended:?}");
}

/// Tries every kind of certificate before a server; `plugin` gets its host and port.
fn only_a_proof_counts(upstream: &Upstream, plugin: impl Fn(&str, u16) -> Plugin) {
    let trust = Trust::new();
    let good = TlsFront::start(&trust.ours.issue(&NAMES), None, upstream.clone());
    for host in NAMES {
        let ended = plugin(host, good.port).args(trust.ca_file()).run();
        assert_eq!(ended.code, 0, "{host}: {ended:?}");
    }
    let reached = good.reached();
    assert!(reached > 0);
    refused(&plugin("127.0.0.1", good.port).run(), "not one of the system's authorities");
    assert_eq!(good.reached(), reached);
    for (what, identity) in [
        ("another name", trust.ours.issue(&["other.example", "127.0.0.2"])),
        ("expired", trust.ours.issue_expired(&NAMES)),
        ("another authority", trust.foreign.issue(&NAMES)),
    ] {
        let front = TlsFront::start(&identity, None, upstream.clone());
        refused(&plugin("127.0.0.1", front.port).args(trust.ca_file()).run(), what);
        assert_eq!(front.reached(), 0, "{what}");
    }
    let strict = TlsFront::start(&trust.ours.issue(&NAMES), Some(&trust.ours), upstream.clone());
    let shown = |more: &[String]| plugin("127.0.0.1", strict.port).args(trust.ca_file()).args(more).run();
    refused(&shown(&[]), "no client certificate");
    refused(&shown(&trust.client(&trust.foreign)), "a foreign client certificate");
    assert_eq!(strict.reached(), 0);
    let ended = shown(&trust.client(&trust.ours));
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn upstream(url: &str) -> Upstream {
    Upstream::Tcp(url.strip_prefix("http://").unwrap().parse().unwrap())
}

#[test]
fn http_believes_certificates_only() {
    let server = Server::start();
    only_a_proof_counts(&upstream(&server.url), |host, port| {
        crate::http::plugin(&format!("https://{host}:{port}/"))
            .args(["--allow-network", "::1", "--bearer-secret", "TOKEN"])
            .env("SELFSERVICE_SECRET_TOKEN", "token")
    });
    assert!(server.requests().iter().all(|request| request.header("Authorization") == Some("Bearer token")));
}

#[test]
fn jenkins_believes_certificates_only() {
    let jenkins = Jenkins::start(Behaviour::default());
    only_a_proof_counts(&upstream(&jenkins.url), |host, port| {
        crate::jenkins::signed_in(&format!("https://{host}:{port}")).args(["--job", "restart", "--check"])
    });
    assert_eq!(jenkins.trigger_requests(), 0);
}

#[test]
fn postgresql_believes_certificates_only() {
    let database = TestDatabase::new();
    only_a_proof_counts(&Upstream::Postgresql(socket(&database)), |host, port| {
        postgresql_plugin(&database, host, port).args(["--tls", "verify", "--statement", "SELECT 1"])
    });
}

#[test]
fn couchbase_believes_certificates_only() {
    let couchbase = Couchbase::start();
    only_a_proof_counts(&upstream(&couchbase.server.url), |host, port| {
        crate::sql_couchbase::plugin(host, port).args(["--tls", "verify", "--statement", "SELECT RAW 7"])
    });
}

fn socket(database: &TestDatabase) -> std::path::PathBuf {
    let directory = database.sql("SHOW unix_socket_directories");
    Path::new(&directory).join(format!(".s.PGSQL.{}", database.sql("SHOW port")))
}

/// MariaDB makes its handshake in the middle of its protocol, so it shows the certificates itself.
#[test]
fn mysql_believes_certificates_only() {
    let trust = Trust::new();
    fs::set_permissions(trust.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let show = |identity: &test_support::certificates::Identity| {
        let (certificate, key) = identity.write(trust.path(), "server");
        // The server is another user.
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        [("cert", certificate), ("key", key)]
    };
    let mut options = Vec::from(show(&trust.ours.issue(&NAMES)));
    options.push(("ca", trust.path().join("ours.pem")));
    let options: Vec<String> =
        options.iter().map(|(name, path)| format!("--ssl-{name}={}", path.display())).collect();
    let server = MariaDb::start(&options).unwrap();
    server.sql(
        "CREATE USER open@'%' IDENTIFIED BY 'password' REQUIRE SSL; \
         CREATE USER strict@'%' IDENTIFIED BY 'password' REQUIRE X509",
    );
    let run = |host: &str, user: &str, more: &[String]| {
        Plugin::new("sql.sh")
            .args(["--engine", "mysql", "--host", host, "--port", &server.port.to_string(), "--user", user])
            .args(["--password-secret", "PASSWORD", "--statement", "SELECT 1", "--tls", "verify"])
            .env("SELFSERVICE_SECRET_PASSWORD", "password")
            .args(more)
            .run()
    };
    for host in NAMES {
        let ended = run(host, "open", &trust.ca_file());
        assert_eq!(ended.code, 0, "{host}: {ended:?}");
    }
    refused(&run("127.0.0.1", "open", &[]), "not one of the system's authorities");
    let shown = |authority| [&trust.ca_file()[..], &trust.client(authority)].concat();
    assert_eq!(run("127.0.0.1", "strict", &shown(&trust.ours)).code, 0);
    for more in [trust.ca_file().to_vec(), shown(&trust.foreign)] {
        assert_eq!(run("127.0.0.1", "strict", &more).code, 3);
    }
    for (what, identity) in [
        ("another name", trust.ours.issue(&["other.example"])),
        ("expired", trust.ours.issue_expired(&NAMES)),
        ("another authority", trust.foreign.issue(&NAMES)),
    ] {
        show(&identity);
        server.sql("FLUSH SSL");
        refused(&run("127.0.0.1", "open", &trust.ca_file()), what);
    }
}

#[test]
fn a_server_that_offers_no_tls_gets_no_password() {
    let Database::Mysql(mysql) = Database::mysql() else {
        unreachable!("it was just made");
    };
    let postgresql = TestDatabase::new();
    let proxy = FaultyProxy::before_server(socket(&postgresql), "");
    for plugin in [
        mysql.plugin("127.0.0.1", MariaDb::shared().port),
        postgresql_plugin(&postgresql, "127.0.0.1", proxy.port()),
    ] {
        let ended = plugin.args(["--tls", "verify", "--statement", "SELECT 1"]).run();
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.first_line().contains("no connection: "), "{ended:?}");
    }
}

#[test]
fn a_certificate_needs_tls_and_its_key() {
    let sql = || {
        Plugin::new("sql.sh").args([
            "--engine",
            "mysql",
            "--host",
            "::1",
            "--user",
            "u",
            "--statement",
            "SELECT 1",
        ])
    };
    for more in [&["--client-cert", "x"][..], &["--client-cert", "x", "--client-key", "y"]] {
        let ended = sql().args(more).run();
        assert_eq!((ended.code, ended.text().lines().count()), (3, 1), "{ended:?}");
    }
    let ended = sql().args(["--tls", "verify", "--ca-file", "/no/such/file"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
}
