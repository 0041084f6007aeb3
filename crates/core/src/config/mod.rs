//! Settings of all programs: `settings.ini` and `macros.ini`, one struct per section and file.
//!
//! A mistyped section, key or value stops the program with file, line, section and key. Nothing outside this module
//! and the `main` files reads the environment.

mod database;
mod influxdata;
mod ini;
mod loads;
mod macros_file;
mod manager;
mod plugins;
mod retention;
mod scheduler;
mod ssh;
mod web;

pub use database::DatabaseSettings;
pub use influxdata::{InfluxSettings, ServiceRule, TagUse};
pub use ini::IniError;
pub use loads::{LoadSettings, SOURCE_NAME, is_source_name};
pub use macros_file::{MacroFile, Secret, WeakSecret};
pub use manager::ManagerSettings;
pub use plugins::{PluginLimits, PluginSettings};
pub use retention::RetentionSettings;
pub use scheduler::{CronLine, MissedLines, Programs, SchedulerSettings};
pub use ssh::{HostKeys, SshSettings};
pub use web::{CookieMode, WebSettings};

use ini::IniFile;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where the programs look when neither `--settings` nor `SELFSERVICE_SETTINGS` names a file.
pub const DEFAULT_SETTINGS: &str = "/usr/local/manager/etc/settings.ini";
const DEFAULT_MACROS: &str = "/usr/local/manager/etc/macros.ini";

/// All sections of `settings.ini`. Each program passes on only the section that a part needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file they came from.
    pub path: PathBuf,
    /// `[database]`
    pub database: DatabaseSettings,
    /// `[web]`
    pub web: WebSettings,
    /// `[manager]`
    pub manager: ManagerSettings,
    /// `[plugins]`
    pub plugins: PluginSettings,
    /// `[ssh]`
    pub ssh: SshSettings,
    /// `[scheduler]` and `[cron]`
    pub scheduler: SchedulerSettings,
    /// `[retention]`
    pub retention: RetentionSettings,
    /// `[loads]`, `[load_intervals]` and `[load_commands]`
    pub loads: LoadSettings,
    /// `[influxdata]`, `[influxdata_services]` and `[influxdata_tags]`
    pub influxdata: InfluxSettings,
    /// `[log] filter`: a tracing filter such as `info,web_gui=debug`.
    pub log_filter: String,
    /// `[files] macros`
    pub macros: PathBuf,
}

impl Settings {
    /// Reads the file that `--settings` named (`asked`), else the one in `SELFSERVICE_SETTINGS`, else
    /// [`DEFAULT_SETTINGS`]. `DATABASE_URL` in the environment wins over `[database] url`.
    pub fn load(asked: Option<&Path>) -> Result<Self, IniError> {
        let path = asked
            .map(Path::to_owned)
            .or_else(|| environment("SELFSERVICE_SETTINGS").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_SETTINGS));
        Self::read(&path, environment("DATABASE_URL"))
    }

    /// Reads `path`; `database_url`, where given, wins over the file's.
    pub fn read(path: &Path, database_url: Option<String>) -> Result<Self, IniError> {
        let mut file = IniFile::read(path)?;
        let database = DatabaseSettings::read(&mut file, database_url)?;
        let web = WebSettings::read(&mut file)?;
        let manager = ManagerSettings::read(&mut file)?;
        let ssh = SshSettings::read(&mut file)?;
        let settings = Self {
            path: path.to_owned(),
            database,
            web,
            manager,
            plugins: PluginSettings::read(&mut file, ssh.environment())?,
            ssh,
            scheduler: SchedulerSettings::read(&mut file)?,
            retention: RetentionSettings::read(&mut file)?,
            loads: LoadSettings::read(&mut file)?,
            influxdata: InfluxSettings::read(&mut file)?,
            log_filter: read_log(&mut file)?,
            macros: read_files(&mut file)?,
        };
        file.finish()?;
        if settings.database.holds_password() {
            refuse_readable_by_others(path, "holds a database password")?;
        }
        Ok(settings)
    }

    /// Keys that differ in `other` and that a manager takes only when it starts.
    pub fn changed_for_a_restart(&self, other: &Self) -> Vec<&'static str> {
        let values = |settings: &Self| {
            [settings.database.values(), settings.manager.values(), settings.plugins.values()].concat()
        };
        let pairs = values(self).into_iter().zip(values(other));
        pairs.filter(|(own, new)| own.1 != new.1).map(|(own, _)| own.0).collect()
    }

    /// Reads the macro file that these settings name.
    pub fn macro_file(&self) -> Result<MacroFile, IniError> {
        MacroFile::read(&self.macros)
    }
}

fn read_log(file: &mut IniFile) -> Result<String, IniError> {
    let mut section = file.section("log");
    let filter = section.value("filter", "info".to_owned(), "a tracing filter")?;
    section.finish()?;
    Ok(filter)
}

fn read_files(file: &mut IniFile) -> Result<PathBuf, IniError> {
    let mut section = file.section("files");
    let macros = section.value("macros", PathBuf::from(DEFAULT_MACROS), "a path")?;
    section.finish()?;
    Ok(macros)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A file with real secrets that every account of the machine may read is refused.
fn refuse_readable_by_others(path: &Path, why: &str) -> Result<(), IniError> {
    let mode = std::fs::metadata(path)
        .map_err(|error| IniError::whole(path, format!("cannot be read: {error}")))?
        .permissions()
        .mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(IniError::whole(
        path,
        format!(
            "{why} and may be read by others (mode {:04o}); run: chmod 0640 {}",
            mode & 0o7777,
            path.display()
        ),
    ))
}
