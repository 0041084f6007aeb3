//! What holds for every bundled plugin.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Plugin, repository};

fn plugins() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(repository().join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap())
        // A link is another name for a plugin that is listed by its own.
        .filter(|entry| {
            entry.file_type().unwrap().is_file()
                && entry.metadata().unwrap().permissions().mode() & 0o111 != 0
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn all_plugins_of_the_handbook_are_there() {
    let wanted = [
        "demo_result.sh",
        "disk_usage.sh",
        "http.sh",
        "jenkins.sh",
        "load.sh",
        "sql.sh",
        "ssh.sh",
        "steps.sh",
    ];
    let there = plugins();
    for name in wanted {
        assert!(there.iter().any(|plugin| plugin == name), "{name} is missing or not executable");
    }
}

#[test]
fn help_is_printed_and_ends_with_ok() {
    for name in plugins() {
        let ended = Plugin::new(&name).args(["--help"]).run();
        assert_eq!(ended.code, 0, "{name}: {ended:?}");
        assert!(ended.first_line().starts_with(&format!("Usage: {name}")), "{name}: {ended:?}");
        assert_eq!(ended.stderr, "", "{name}");
    }
}

#[test]
fn bad_arguments_are_one_line_and_exit_3() {
    for name in plugins() {
        for bad in [&["--no-such-option", "x"][..], &["stray\nword"], &["--no-value"], &["@/etc/passwd"]] {
            let ended = Plugin::new(&name).args(bad).run();
            assert_eq!(ended.code, 3, "{name} {bad:?}: {ended:?}");
            assert_eq!(ended.text().lines().count(), 1, "{name} {bad:?}: {ended:?}");
            assert!(ended.first_line().starts_with("UNKNOWN - "), "{name} {bad:?}: {ended:?}");
            assert_eq!(ended.stderr, "", "{name} {bad:?}");
        }
    }
}

#[test]
fn a_missing_value_is_named() {
    for (name, option) in [
        ("http.sh", "--url"),
        ("jenkins.sh", "--job"),
        ("sql.sh", "--engine"),
        ("ssh.sh", "--host"),
        ("steps.sh", "--seconds"),
        ("disk_usage.sh", "--path"),
        ("load.sh", "--warning"),
        ("demo_result.sh", "--result"),
    ] {
        let ended = Plugin::new(name).args([option]).run();
        assert_eq!(ended.code, 3, "{name}");
        assert!(ended.first_line().contains(&format!("{option} needs a value")), "{ended:?}");
    }
}

#[test]
fn every_shell_script_is_shellcheck_clean() {
    let scripts = shell_scripts(&repository());
    assert!(scripts.iter().any(|path| path.ends_with("plugins/lib.sh")), "{scripts:?}");
    let checked = Command::new("shellcheck").current_dir(repository()).args(&scripts).output();
    let Ok(checked) = checked else {
        panic!("shellcheck is missing: install the package shellcheck (`make test` does)");
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// All *.sh of the repository; what is built, installed or hidden is not ours.
fn shell_scripts(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !["target", "var", "node_modules"].contains(&&*name) {
            found.extend(shell_scripts(&entry.path()));
        } else if kind.is_file() && name.ends_with(".sh") {
            found.push(entry.path());
        }
    }
    found
}
