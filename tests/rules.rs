//! The rules of `docs/ARCHITECTURE.md` that a compiler does not check: directions of dependencies, and what may be done
//! where.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Rust files below `directory` as (path from the root, text without test modules at the end of the file).
fn sources(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                waiting.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry.path()).unwrap();
                let program = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
                found.push((entry.path().strip_prefix(root()).unwrap().display().to_string(), program));
            }
        }
    }
    assert!(!found.is_empty(), "{directory} has no Rust files");
    found
}

/// Crate folder -> names of its normal dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates
        .map(|path| {
            let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
            let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
            let names = section
                .lines()
                .take_while(|line| !line.starts_with('['))
                .filter_map(|line| line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()))
                .map(str::to_owned);
            (path.file_name().unwrap().to_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

fn offenders(directories: &[&str], patterns: &[&str], allowed: &[&str]) -> Vec<String> {
    directories
        .iter()
        .flat_map(|directory| sources(directory))
        .filter(|(path, _)| !allowed.iter().any(|allowed| path.starts_with(allowed)))
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| {
                    let code = line.trim_start();
                    !code.starts_with("//") && patterns.iter().any(|pattern| code.contains(pattern))
                })
                .map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

const PROGRAMS: [&str; 5] = ["data_loader", "plugins_manager", "schedulerd", "tasks", "web_gui"];

#[test]
fn no_program_imports_another_program() {
    for (name, uses) in dependencies() {
        let wrong: Vec<_> = uses.iter().filter(|used| PROGRAMS.contains(&used.as_str())).collect();
        assert!(wrong.is_empty(), "{name} depends on the program {wrong:?}");
    }
}

#[test]
fn test_support_is_only_a_dev_dependency() {
    for (name, uses) in dependencies() {
        assert!(!uses.contains(&"test_support".to_owned()), "{name} ships test_support");
    }
}

#[test]
fn plugin_runner_knows_nothing_of_the_database_and_core_nothing_of_us() {
    let mut all = dependencies();
    // In a release it is empty.
    all.remove("failpoint");
    let ours = |name: &str| {
        all[name].iter().any(|used| all.contains_key(used) || used == "selfservice_core" || used == "diesel")
    };
    assert!(!ours("plugin_runner"), "{:?}", all["plugin_runner"]);
    let core: Vec<_> = all["core"].iter().filter(|used| all.contains_key(*used)).collect();
    assert!(core.is_empty(), "core depends on {core:?}");
}

#[test]
fn diesel_and_sql_stay_in_core() {
    for (name, uses) in dependencies() {
        let wrong = uses.iter().any(|used| used.starts_with("diesel") || used == "pq-sys" || used == "r2d2");
        assert!(
            // What sql.sh speaks to are other people's databases.
            !wrong || matches!(name.as_str(), "core" | "plugins" | "test_support"),
            "{name} uses the database by itself"
        );
    }
    let sql = ["\"SELECT ", "\"INSERT INTO", "\"UPDATE ", "\"DELETE FROM", "sql_query("];
    let found = offenders(
        &["crates"],
        &sql,
        &[
            "crates/core/",
            "crates/plugins/src/sql/",
            // The query language of InfluxDB.
            "crates/data_loader/src/source/influxdb.rs",
            "crates/test_support/",
            "crates/supervisor/src/postgres/",
        ],
    );
    let found: Vec<_> = found.into_iter().filter(|line| !line.contains("/tests/")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_the_queue_moves_a_task_between_states() {
    let patterns = ["UPDATE tasks", "insert_into(tasks::table)", "update(tasks::table"];
    let found = offenders(&["crates/core/src"], &patterns, &["crates/core/src/queue/"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn actix_and_templates_stay_in_web_gui_and_only_it_is_async() {
    for (name, uses) in dependencies() {
        let wrong = uses.iter().any(|used| used.starts_with("actix") || used == "askama" || used == "tokio");
        assert!(
            !wrong || matches!(name.as_str(), "web_gui" | "test_support"),
            "{name} uses the web's libraries"
        );
    }
    let found =
        offenders(&["crates"], &["async fn", "async move"], &["crates/web_gui/", "crates/test_support/"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn processes_are_started_and_the_environment_is_read_in_few_places() {
    let starts = offenders(
        &["crates"],
        &["Command::new(", "posix_spawn"],
        &[
            "crates/plugin_runner/",
            "crates/plugins/src/sql/oracle.rs",
            "crates/supervisor/",
            "crates/schedulerd/",
            "crates/test_support/",
            "crates/tasks/tests/",
            "crates/data_loader/tests/",
            "crates/failpoint/tests/",
            "crates/web_gui/tests/",
        ],
    );
    let starts: Vec<_> = starts.into_iter().filter(|line| !line.contains("clap::Command")).collect();
    assert!(starts.is_empty(), "{starts:#?}");
    let reads = offenders(
        &["crates"],
        &["env::var(", "env::var_os(", "env::vars("],
        // A plugin is told what to do by its environment.
        &[
            "crates/core/src/config/",
            "crates/plugins/src/environment.rs",
            "crates/test_support/",
            "crates/failpoint/",
        ],
    );
    let reads: Vec<_> =
        reads.into_iter().filter(|line| !line.contains("/main.rs:") && !line.contains("/tests/")).collect();
    assert!(reads.is_empty(), "{reads:#?}");
}

#[test]
fn there_is_no_shell_in_front_of_a_command() {
    // The list of what is refused as a plugin names shells too.
    let found = offenders(
        &["crates"],
        &["\"sh\"", "\"/bin/sh\"", "\"bash\""],
        &["crates/core/src/interpreters.rs", "crates/test_support/"],
    );
    let found: Vec<_> = found.into_iter().filter(|line| !line.contains("/tests/")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// What is not an `Endpoint` would be in no document, and in no table of rights.
#[test]
fn every_address_of_the_gui_is_an_endpoint() {
    let found = offenders(
        &["crates/web_gui/src"],
        &[
            "web::resource(",
            "web::scope(",
            "web::method(",
            "web::get()",
            "web::post()",
            ".route(",
            ".service(",
        ],
        &["crates/web_gui/src/endpoint.rs"],
    );
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn mains_are_tables_of_contents() {
    for name in ["plugins_manager", "schedulerd", "web_gui"] {
        let text = fs::read_to_string(root().join(format!("crates/{name}/src/main.rs"))).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap();
        assert!(program.lines().count() <= 60, "{name}/src/main.rs has {} lines", program.lines().count());
    }
}

#[test]
fn every_link_between_our_documents_leads_somewhere() {
    let mut documents: Vec<PathBuf> =
        fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for document in
        documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    {
        let text = fs::read_to_string(document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", document.display());
        }
    }
}
