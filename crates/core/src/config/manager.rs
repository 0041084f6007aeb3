//! `[manager]`

use super::database::seconds;
use super::ini::{IniError, IniFile};
use std::path::PathBuf;
use std::time::Duration;

/// How a `plugins_manager` takes and runs tasks.
#[derive(Debug, Clone)]
pub struct ManagerSettings {
    /// Shown as the manager's name; empty: the machine's host name.
    pub name: String,
    /// Tasks that run at once.
    pub slots: u32,
    /// How often to look for work when no notification came.
    pub poll: Duration,
    /// How often the lease of running tasks is renewed.
    pub heartbeat: Duration,
    /// Without a heartbeat for so long a manager counts as gone, and its running tasks as lost.
    pub lease: Duration,
    /// How long a stopping manager waits for its runs before it cancels them.
    pub drain: Duration,
    /// A task that nobody took for so long expires.
    pub queue_life: Duration,
    /// It serves the hosts whose tags are all among these.
    pub tags: Vec<String>,
    /// Where output and results wait while the database is away.
    pub spool_directory: PathBuf,
    /// How many bytes may wait there.
    pub spool_limit: u64,
}

const DEFAULT_SPOOL: &str = "/usr/local/manager/var/spool";

impl ManagerSettings {
    /// What a manager takes from here when it starts: keys and values.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        vec![
            ("[manager] name", self.name.clone()),
            ("[manager] spool_directory", self.spool_directory.display().to_string()),
            ("[manager] spool_limit_mib", self.spool_limit.to_string()),
        ]
    }

    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("manager");
        let heartbeat = section.number("heartbeat_seconds", 5, 1..=300)?;
        let lease_line = section.line_of("lease_seconds");
        let lease = section.number("lease_seconds", 30, 2..=3600)?;
        if lease < heartbeat.saturating_mul(2) {
            return Err(section.error(
                lease_line,
                format!(
                    "[manager] lease_seconds = {lease} must be at least twice heartbeat_seconds ({heartbeat})"
                ),
            ));
        }
        let tags_line = section.line_of("tags");
        let tags = section.words("tags", "")?;
        for tag in &tags {
            crate::names::check(tag)
                .map_err(|why| section.error(tags_line, format!("[manager] the tag '{tag}' {why}")))?;
        }
        let settings = Self {
            name: section.value("name", String::new(), "a name")?,
            slots: section.number("slots", 16, 1..=10_000)?,
            poll: seconds(section.number("poll_seconds", 2, 1..=60)?),
            heartbeat: seconds(heartbeat),
            lease: seconds(lease),
            drain: seconds(section.number("drain_seconds", 30, 0..=86_400)?),
            queue_life: seconds(section.number("queue_minutes", 60, 1..=10_080)? * 60),
            spool_directory: section.value("spool_directory", PathBuf::from(DEFAULT_SPOOL), "a path")?,
            spool_limit: u64::from(section.number("spool_limit_mib", 1024, 1..=1_048_576)?) * 1024 * 1024,
            tags,
        };
        section.finish()?;
        Ok(settings)
    }
}
