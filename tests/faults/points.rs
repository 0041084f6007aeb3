//! Every point of the programs, and who passes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Passed by a manager that takes and runs tasks.
pub const MANAGER: &[&str] = &[
    "in_heartbeat",
    "before_rescue",
    "after_claim_commit",
    "before_start",
    "after_start",
    "on_output",
    "before_result_commit",
    "after_result_commit",
];
/// Passed by a manager that cannot reach its database, the last one when it can again.
pub const SPOOL: &[&str] = &[
    "in_spool_write",
    "before_spool_fsync",
    "before_spool_rename",
    "after_spool_rename",
    "before_spool_remove",
];
/// Passed by a manager that stops.
pub const STOPPING: &[&str] = &["in_give_back", "before_sign_off"];
pub const LAUNCHER: &[&str] = &["before_spawn", "after_spawn", "after_wait", "before_report"];
pub const SCHEDULER: &[&str] = &["in_rescue", "in_schedule_slot"];
pub const WEB: &[&str] = &["web_after_insert_before_commit", "web_after_commit_before_answer"];

pub fn all() -> impl Iterator<Item = &'static str> {
    [MANAGER, SPOOL, STOPPING, LAUNCHER, SCHEDULER, WEB].into_iter().flatten().copied()
}

/// The lists name exactly the points that are in the programs' source.
pub fn are_all_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
    let mut found = BTreeSet::new();
    let mut waiting: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("failpoint"))
        .map(|path| path.join("src"))
        .collect();
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                waiting.push(entry);
            } else if let Ok(text) = fs::read_to_string(&entry) {
                let names = text.split("failpoint!(\"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
    let listed: BTreeSet<String> = all().map(str::to_owned).collect();
    assert_eq!(found, listed);
    assert!(listed.len() >= 12);
}
