//! systemd's own judgement of the units, and that they name what is there.

use crate::tree::Installed;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn units(installed: &Installed) -> Vec<PathBuf> {
    let directory = installed.lib().join("systemd/system");
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut units: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    units.sort();
    units
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let installed = Installed::elsewhere();
    let units = units(&installed);
    assert!(units.len() >= 7, "{units:?}");
    let output = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// Drop-ins win over the unit itself: what a unit would take back in its own file stays taken.
#[test]
fn no_unit_sets_what_the_common_lines_set() {
    let installed = Installed::packed();
    let system = installed.lib().join("systemd/system");
    let keys = |path: PathBuf| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('=').map(|(key, _)| key.to_owned())).collect()
    };
    let common = keys(system.join("selfservice-.service.d/10-hardening.conf"));
    assert!(common.contains(&"PrivateUsers".to_owned()), "{common:?}");
    for unit in units(&installed) {
        let own = keys(unit.clone());
        let lost: Vec<&String> = own.iter().filter(|key| common.contains(key)).collect();
        assert!(lost.is_empty(), "{} sets {lost:?} without effect", unit.display());
    }
}

/// The exposure that `systemd-analyze security` gives, times ten.
fn exposure(unit: &PathBuf) -> u32 {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager"])
        .arg(unit)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let level = text.lines().find_map(|line| line.split("Overall exposure level for ").nth(1));
    let level = level.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_else(|| panic!("{text}"));
    let (whole, tenths) = level.split_once('.').unwrap_or((level, "0"));
    whole.parse::<u32>().unwrap() * 10 + tenths.parse::<u32>().unwrap()
}

#[test]
fn every_service_is_as_closed_as_was_promised() {
    let installed = Installed::elsewhere();
    let services = units(&installed);
    let services = services.iter().filter(|path| path.extension().is_some_and(|end| end == "service"));
    for unit in services {
        let name = unit.file_stem().unwrap().to_str().unwrap();
        // Both have to do with plugins, which are programs of others.
        let most = if matches!(name, "selfservice-manager" | "selfservice-launcher") { 25 } else { 15 };
        let exposure = exposure(unit);
        assert!(exposure <= most, "{name} has {exposure} tenths, {most} are allowed");
    }
}

#[test]
fn only_the_launcher_runs_as_the_user_of_the_plugins_and_nobody_as_root() {
    let installed = Installed::packed();
    for unit in units(&installed).iter().filter(|path| path.extension().is_some_and(|end| end == "service")) {
        let text = fs::read_to_string(unit).unwrap();
        let launcher = unit.ends_with("selfservice-launcher.service");
        let user = if launcher { "User=selfservice-plugin" } else { "User=selfservice" };
        assert!(text.lines().any(|line| line == user), "{}", unit.display());
        assert!(launcher || !text.contains("plugin_launcher"), "{}", unit.display());
    }
}

#[test]
fn systemd_makes_the_users_and_directories_that_the_units_name() {
    let installed = Installed::packed();
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("usr/local/manager/etc");
    fs::create_dir_all(&tree).unwrap();
    for name in ["settings.ini", "macros.ini"] {
        fs::write(tree.join(name), "").unwrap();
    }
    fs::create_dir(root.path().join("etc")).unwrap();
    let run = |program: &str, arguments: &[&str], file: &str| {
        let output = Command::new(program)
            .arg(format!("--root={}", root.path().display()))
            .args(arguments)
            .arg(installed.lib().join(file))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run("systemd-sysusers", &[], "sysusers.d/selfservice.conf");
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    for name in ["selfservice:", "selfservice-plugin:"] {
        assert!(users.lines().any(|line| line.starts_with(name) && line.ends_with("nologin")), "{users}");
    }
    // Giving directories to others takes root.
    if nix::unistd::geteuid().is_root() {
        run("systemd-tmpfiles", &["--create"], "tmpfiles.d/selfservice.conf");
        use std::os::unix::fs::PermissionsExt as _;
        for (name, mode) in [("etc/settings.ini", 0o640), ("etc/ssh", 0o750), ("var/spool", 0o700)] {
            let path = root.path().join("usr/local/manager").join(name);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode, "{name}");
        }
    }
}

#[test]
fn the_sample_for_cron_names_programs_and_times_that_exist() {
    let installed = Installed::packed();
    let text = fs::read_to_string(installed.tree().join("etc/cron.d/selfservice")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(|c: char| c == '*' || c.is_ascii_digit()));
    let mut count = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[..5].join(" ").parse::<selfservice_core::cron_expr::CronExpr>().unwrap();
        assert_eq!(words[5], "selfservice", "{line}");
        assert!(installed.tree().join("bin").join(words[6]).exists(), "{line}");
        count += 1;
    }
    assert!(count >= 2, "{text}");
}
