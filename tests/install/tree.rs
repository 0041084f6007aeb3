//! What an installation puts where, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use test_support::program;

const SERVER_PROGRAMS: [&str; 7] = [
    "web_gui",
    "plugins_manager",
    "plugin_launcher",
    "schedulerd",
    "plugin_http",
    "plugin_jenkins",
    "plugin_sql",
];
const TOOLS: [&str; 3] = ["tasks", "data_loader", "influxdata"];

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// An installation below a temporary directory; nothing outside of it is touched.
pub struct Installed {
    checkout: PathBuf,
    directory: TempDir,
    destination: PathBuf,
    prefix: String,
}

impl Installed {
    /// As a package is made: the usual paths below another root.
    pub fn packed() -> Self {
        Self::from(&repository())
    }

    /// The same from another checkout.
    pub fn from(checkout: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let destination = directory.path().join("root");
        let prefix = "/usr/local/manager".to_owned();
        Self { checkout: checkout.to_owned(), directory, destination, prefix }.installed()
    }

    /// With a prefix of its own, so that the paths that the units name are really there. A DESTDIR of `/` keeps it from
    /// making users.
    pub fn elsewhere() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let prefix = directory.path().join("manager").display().to_string();
        Self { checkout: repository(), directory, destination: PathBuf::from("/"), prefix }.installed()
    }

    fn installed(self) -> Self {
        let programs = self.directory.path().join("programs");
        fs::create_dir(&programs).unwrap();
        // Only that they come along matters; the real ones have a gigabyte.
        for name in SERVER_PROGRAMS.iter().chain(&TOOLS) {
            write(&programs.join(name), "#!/bin/sh\nexit 0\n", 0o755);
        }
        self.install();
        self
    }

    /// Installs, again where it is installed; gives what was said.
    pub fn install(&self) -> String {
        let output = self.make("install");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn make(&self, target: &str) -> Output {
        Command::new("make")
            .args(["--silent", "-C"])
            .arg(&self.checkout)
            .arg(target)
            .arg(format!("DESTDIR={}", self.destination.display()))
            .arg(format!("PREFIX={}", self.prefix))
            .arg(format!("LIBDIR={}", self.lib_name()))
            .arg(format!("PROGRAMS={}", self.directory.path().join("programs").display()))
            .output()
            .unwrap()
    }

    fn lib_name(&self) -> String {
        format!("{}/lib", self.prefix.rsplit_once('/').unwrap().0)
    }

    /// The installed tree.
    pub fn tree(&self) -> PathBuf {
        self.below_destination(&self.prefix)
    }

    /// Where systemd's files are.
    pub fn lib(&self) -> PathBuf {
        self.below_destination(&self.lib_name())
    }

    fn below_destination(&self, path: &str) -> PathBuf {
        self.destination.join(path.trim_start_matches('/'))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.tree().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o7777
}

#[test]
fn the_tree_is_the_one_of_the_documents() {
    let installed = Installed::packed();
    let tree = installed.tree();
    for name in SERVER_PROGRAMS {
        assert_eq!(mode(&tree.join("sbin").join(name)), 0o755, "{name}");
    }
    for name in
        ["bin/tasks", "bin/data_loader", "plugins/ssh.sh", "plugins/http.sh", "plugins/ansible_playbook.py"]
    {
        assert_eq!(mode(&tree.join(name)), 0o755, "{name}");
    }
    assert_eq!(mode(&tree.join("plugins/lib.sh")), 0o644);
    assert_eq!(fs::read_link(tree.join("plugins/Jenkins.sh")).unwrap(), Path::new("jenkins.sh"));
    for (name, wanted) in [
        ("etc", 0o751),
        ("etc/ssh", 0o750),
        ("etc/settings.ini", 0o640),
        ("etc/macros.ini", 0o640),
        ("etc/http.ini", 0o644),
        ("etc/example/inventory.yaml", 0o644),
        ("etc/sql/postgresql_sessions.sql", 0o644),
        ("www", 0o755),
        ("var/log", 0o750),
        ("var/spool", 0o700),
        ("var/work", 0o750),
        ("var/backup", 0o700),
    ] {
        assert_eq!(mode(&tree.join(name)), wanted, "{name}");
    }
    // Every program that the workspace builds is installed, but for those that serve its developers.
    let ours: Vec<String> = ["bin", "sbin"]
        .iter()
        .flat_map(|directory| fs::read_dir(tree.join(directory)).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let developers = ["bench", "bench_witness", "fault_witness", "selfservice_run"];
    for name in built_programs() {
        assert!(
            ours.contains(&name) || developers.contains(&name.as_str()),
            "{name} is built and not installed: see scripts/install.sh"
        );
    }
}

/// The programs of the workspace, by cargo's own list.
fn built_programs() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(repository().join("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let names: Vec<String> = packages
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"web_gui".to_owned()), "{names:?}");
    names
}

#[test]
fn every_sample_is_installed_and_nothing_else_of_etc() {
    let directory = tempfile::tempdir().unwrap();
    for part in ["Makefile", "etc", "plugins", "scripts", "systemd"] {
        let copied = Command::new("cp").arg("-a").arg(repository().join(part)).arg(directory.path()).status();
        assert!(copied.unwrap().success(), "{part}");
    }
    let etc = directory.path().join("etc");
    fs::create_dir_all(etc.join("ssh")).unwrap();
    for name in ["ssh/id_ed25519", "ca-key.pem", "example/real.yaml"] {
        write(&etc.join(name), "somebody's own", 0o600);
    }
    let installed = Installed::from(directory.path());
    let below = |etc: PathBuf| {
        let mut found = Vec::new();
        files(&etc, &mut found);
        let names = found.iter().map(|path| path.strip_prefix(&etc).unwrap().display().to_string());
        let mut names: Vec<String> = names.filter(|name| name != ".installed").collect();
        names.sort();
        names
    };
    let samples = below(repository().join("etc"));
    assert_eq!(below(installed.tree().join("etc")), samples, "see samples() in scripts/install.sh");
}

#[test]
fn a_directory_in_which_others_have_a_hand_is_not_worked_in() {
    let directory = tempfile::tempdir().unwrap();
    let private = |path: &Path| {
        let script =
            format!("set -eu; . {}/scripts/lib.sh; private_directory \"$1\"", repository().display());
        let output = Command::new("sh").args(["-c", &script, "sh"]).arg(path).output().unwrap();
        String::from_utf8(output.stderr).unwrap() + if output.status.success() { "" } else { "refused" }
    };
    let made = directory.path().join("a/b");
    assert_eq!(private(&made), "", "made where it was not there");
    for (mode, words) in [(0o775, "may be written by its group"), (0o757, "may be written by everybody")] {
        for changed in [&made, made.parent().unwrap()] {
            fs::set_permissions(changed, PermissionsExt::from_mode(mode)).unwrap();
            let said = private(&made);
            assert!(said.contains(words) && said.ends_with("refused"), "{said}");
            fs::set_permissions(changed, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
    fs::set_permissions(made.parent().unwrap(), PermissionsExt::from_mode(0o1777)).unwrap();
    assert_eq!(private(&made), "", "a sticky directory around it, as /tmp is");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&made, &link).unwrap();
    assert!(private(&link).contains("is a link"));
    assert!(private(Path::new("relative")).contains("must be an absolute path"));
}

#[test]
fn settings_name_the_prefix_and_are_understood_by_the_programs() {
    let installed = Installed::elsewhere();
    let settings = installed.read("etc/settings.ini");
    assert!(!settings.contains("/usr/local/manager"), "{settings}");
    assert!(settings.contains("\nlauncher_socket = /run/selfservice/launcher.sock\n"), "{settings}");
    let output = Command::new(program("tasks"))
        .arg("--settings")
        .arg(installed.tree().join("etc/settings.ini"))
        .args(["--json", "check-config"])
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .output()
        .unwrap();
    let said: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let complaints = said["complaints"].to_string();
    // The tree is right; the launcher and the database are not there, which is all that is wrong.
    assert!(!complaints.contains("macros.ini"), "{complaints}");
    assert!(!complaints.contains("manager/plugins"), "{complaints}");
}

#[test]
fn a_file_that_somebody_changed_is_kept_and_the_sample_put_beside_it() {
    let installed = Installed::packed();
    let settings = installed.tree().join("etc/settings.ini");
    let edited = installed.read("etc/settings.ini").replace("slots = 16", "slots = 3");
    write(&settings, &edited, 0o600);
    let said = installed.install();
    assert_eq!(installed.read("etc/settings.ini"), edited);
    assert_eq!(mode(&settings), 0o600);
    assert!(installed.read("etc/settings.ini.new").contains("slots = 16"));
    assert!(said.contains("etc/settings.ini, which somebody has changed"), "{said}");
    // It stays so however often this is done.
    installed.install();
    assert_eq!(installed.read("etc/settings.ini"), edited);
    // Where the person has gone back to the sample, nothing is left over.
    fs::copy(installed.tree().join("etc/settings.ini.new"), &settings).unwrap();
    installed.install();
    assert!(!installed.tree().join("etc/settings.ini.new").exists());
}

#[test]
fn a_file_that_nobody_changed_follows_the_version() {
    let installed = Installed::packed();
    // As an older version would have left it: other text, and its checksum in the list.
    let http = installed.tree().join("etc/http.ini");
    let old = "; an older sample\n";
    write(&http, old, 0o604);
    let sum = Command::new("sha256sum").arg(&http).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap().split(' ').next().unwrap().to_owned();
    let listed = installed.read("etc/.installed");
    let listed: String =
        listed
            .lines()
            .map(|line| {
                if line.ends_with("  http.ini") { format!("{sum}  http.ini\n") } else { format!("{line}\n") }
            })
            .collect();
    fs::write(installed.tree().join("etc/.installed"), listed).unwrap();
    installed.install();
    assert_eq!(
        installed.read("etc/http.ini"),
        fs::read_to_string(repository().join("etc/http.ini")).unwrap()
    );
    assert_eq!(mode(&http), 0o604, "its mode is somebody's choice");
}

#[test]
fn uninstalling_leaves_what_people_wrote_and_nothing_else() {
    let installed = Installed::packed();
    let tree = installed.tree();
    write(&tree.join("etc/macros.ini"), "[macros]\nUSER1 = /opt/checks\n", 0o640);
    write(&tree.join("etc/ssh/id_ed25519"), "a key", 0o600);
    write(&tree.join("plugins/own.sh"), "#!/bin/sh\n", 0o755);
    let output = installed.make("uninstall");
    assert!(output.status.success(), "{output:?}");
    let mut left = Vec::new();
    files(&tree, &mut left);
    left.sort();
    let wanted = ["etc/macros.ini", "etc/ssh/id_ed25519", "plugins/own.sh"].map(|name| tree.join(name));
    assert_eq!(left, wanted);
    let mut units = Vec::new();
    files(&installed.lib(), &mut units);
    assert_eq!(units, Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_left_of_an_installation_that_nobody_touched() {
    let installed = Installed::packed();
    assert!(installed.make("uninstall").status.success());
    assert!(!installed.tree().exists());
}

#[test]
fn a_program_that_was_not_built_stops_the_installation_before_anything_is_written() {
    let installed = Installed::packed();
    fs::remove_dir_all(installed.tree()).unwrap();
    fs::remove_file(installed.directory.path().join("programs/web_gui")).unwrap();
    let output = installed.make("install");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("web_gui is missing"), "{output:?}");
    assert!(!installed.tree().exists());
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}
