//! Settings and macros as people write them, from real files.

use selfservice_core::config::{MacroFile, Settings};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The complaint about these settings, without the directory's name.
    fn refused(&self, text: &str, mode: u32) -> String {
        let path = self.write("settings.ini", text, mode);
        let error = Settings::read(&path, None).unwrap_err().to_string();
        error.replace(&format!("{}/", self.0.path().display()), "")
    }

    fn refused_macros(&self, text: &str, mode: u32) -> String {
        let path = self.write("macros.ini", text, mode);
        MacroFile::read(&path).unwrap_err().to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc").join(name)
}

#[test]
fn the_sample_says_what_the_defaults_are() {
    let files = Files::new();
    let sample = Settings::read(&sample("settings.ini"), None).unwrap();
    let empty = Settings::read(&files.write("settings.ini", "", 0o644), None).unwrap();
    assert_eq!(format!("{:?}", sample.web), format!("{:?}", empty.web));
    assert_eq!(format!("{:?}", sample.manager), format!("{:?}", empty.manager));
    assert_eq!(format!("{:?}", sample.plugins), format!("{:?}", empty.plugins));
    assert_eq!(format!("{:?}", sample.ssh), format!("{:?}", empty.ssh));
    assert_eq!(sample.database.connection_string("x"), empty.database.connection_string("x"));
    assert_eq!((sample.log_filter, sample.macros), (empty.log_filter, empty.macros));
    assert_eq!(sample.scheduler.time_zone, empty.scheduler.time_zone);
    assert_eq!(sample.scheduler.programs, empty.scheduler.programs);
    assert!(
        empty.web.listen.ip().is_loopback(),
        "nobody else reaches an installation that was not configured"
    );
}

#[test]
fn the_sample_of_the_macros_loads_and_holds_no_secret() {
    assert!(MacroFile::read(&sample("macros.ini")).unwrap().secrets.is_empty());
}

#[test]
fn a_wrong_file_is_refused_with_file_line_section_and_key() {
    let files = Files::new();
    for (text, complaint) in [
        (
            "[wed]\n",
            "settings.ini:1: section [wed] is not known; allowed are database, web, manager, ssh, plugins, ",
        ),
        (
            "[web]\nlisten = 127.0.0.1:8080\nlissten = x\n",
            "settings.ini:3: [web] has no key 'lissten'; allowed are ",
        ),
        ("[web]\nlisten = 8080\n", "settings.ini:2: [web] listen = '8080' is wrong: must be ADDRESS:PORT"),
        ("[web]\nbase_path = selfservice/\n", "settings.ini:2: [web] base_path = 'selfservice/' is wrong"),
        (
            "[web]\npublic_url = example.net/x\n",
            "settings.ini:2: [web] public_url = 'example.net/x' is wrong",
        ),
        (
            "[web]\n\nframe_ancestors = https://a *\n",
            "settings.ini:3: [web] frame_ancestors: '*' is not an origin",
        ),
        (
            "[manager]\nslots = 0\n",
            "settings.ini:2: [manager] slots = 0 is wrong: must be a whole number from 1 to 10000",
        ),
        (
            "[manager]\nslots = many\n",
            "settings.ini:2: [manager] slots = 'many' is wrong: must be a whole number",
        ),
        (
            "[manager]\nheartbeat_seconds = 20\nlease_seconds = 30\n",
            "settings.ini:3: [manager] lease_seconds = 30 must be",
        ),
        (
            "[plugins]\ninstalled = perhaps\n",
            "settings.ini:2: [plugins] installed = 'perhaps' is wrong: must be true or false",
        ),
        (
            "[ssh]\nhost_keys = no\n",
            "settings.ini:2: [ssh] host_keys = 'no' is wrong: must be strict or accept-new",
        ),
        (
            "[ssh]\njump_host = -oProxyCommand=id\n",
            "settings.ini:2: [ssh] jump_host = '-oProxyCommand=id' is wrong",
        ),
        ("[ssh]\nuser = a b\n", "settings.ini:2: [ssh] user = 'a b' is wrong"),
        (
            "[scheduler]\ntime_zone = Mars\n",
            "settings.ini:2: [scheduler] time_zone = 'Mars' is wrong: must be an IANA",
        ),
        ("[cron]\na = 61 * * * *  tasks purge\n", "settings.ini:2: [cron] a: '61' is no minute"),
        ("[programs]\na = rm -rf /\n", "settings.ini:2: [programs] a: 'rm' is not one of our programs"),
        ("[programs]\n-a = tasks purge\n", "settings.ini:2: [programs] -a: the name"),
        ("[programs]\na =\n", "settings.ini:2: [programs] a"),
        (
            "[load_intervals]\ncmdb = 0\n",
            "settings.ini:2: [load_intervals] cmdb = '0' is wrong: must be hours, a whole number from 1 to 8784",
        ),
        ("[cron]\na = 1 * * * *  rm -rf /\n", "settings.ini:2: [cron] a: 'rm' is not one of our programs"),
    ] {
        let refused = files.refused(text, 0o644);
        assert!(refused.starts_with(complaint), "{refused}");
    }
    assert!(
        Settings::read(Path::new("/nowhere/settings.ini"), None)
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn files_with_secrets_must_not_be_readable_by_others() {
    let files = Files::new();
    let url = "[database]\nurl = postgres://u:p@h/db\n";
    let refused = files.refused(url, 0o644);
    assert!(
        refused.starts_with("settings.ini: holds a database password and may be read by others (mode 0644)"),
        "{refused}"
    );
    assert!(Settings::read(&files.write("settings.ini", url, 0o640), None).is_ok());
    let secret = "[secrets]\nTOKEN = hunter2-hunter2\n";
    assert!(files.refused_macros(secret, 0o604).contains("holds secrets and may be read by others"));
    let macros = MacroFile::read(&files.write("macros.ini", secret, 0o600)).unwrap();
    assert!(!format!("{macros:?}").contains("hunter2"));
}

#[test]
fn the_url_of_the_environment_wins() {
    let files = Files::new();
    let path = files.write("settings.ini", "[database]\nurl = postgres://file/db\n", 0o644);
    let settings = Settings::read(&path, Some("postgres://environment/db".to_owned())).unwrap();
    assert!(settings.database.connection_string("x").starts_with("postgres://environment/db?"));
}

#[test]
fn macros_are_named_like_macros_and_secrets_are_long_enough_to_mask() {
    let files = Files::new();
    for (text, complaint) in [
        ("[macros]\nuser1 = x\n", "macros.ini:2: [macros] user1 is not a macro name"),
        (
            "[macros]\nHOSTADDRESS = x\n",
            "macros.ini:2: [macros] HOSTADDRESS is a macro that Nagios defines itself",
        ),
        (
            "[secrets]\nTOKEN = true\n",
            "macros.ini:2: [secrets] TOKEN is too short: it can be masked only with 6",
        ),
        (
            "[macros]\nA = 1\n\n[secrets]\n; the server's\nTOKEN = Success\n",
            "macros.ini:6: [secrets] TOKEN is a common word or a repeated character: masking it would hide",
        ),
        (
            "[secrets]\nTOKEN = xxxxxxxx\n",
            "macros.ini:2: [secrets] TOKEN is a common word or a repeated character",
        ),
        ("[macros]\nA = 1\n[secrets]\nA = 1234567\n", "macros.ini:4: [secrets] A stands in [macros] already"),
        (
            "[secret]\nA = 1234567\n",
            "macros.ini:1: section [secret] is not known; allowed are macros, secrets",
        ),
    ] {
        let refused = files.refused_macros(text, 0o600);
        assert!(refused.starts_with(complaint), "{refused}");
    }
}
