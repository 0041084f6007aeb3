//! `[plugins]`

use super::database::seconds;
use super::ini::{IniError, IniFile};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Where plugins are and how they are run.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// Plugins are looked up here, the first directory that has the name wins.
    pub directories: Vec<PathBuf>,
    /// `PATH` of every plugin.
    pub path: String,
    /// The `plugin_launcher` program, for a manager that starts its own.
    pub launcher: PathBuf,
    /// Socket of a launcher that runs as a service of its own; `None`: the manager starts one.
    pub launcher_socket: Option<PathBuf>,
    /// The user that a launcher of the manager's own becomes; only where the manager runs as root.
    pub launcher_user: Option<String>,
    /// Where each run gets its private directory; `None`: the launcher's default below `/tmp`.
    pub work_directory: Option<PathBuf>,
    /// From TERM to KILL.
    pub grace: Duration,
    /// Output kept per task, in bytes; then the head and the tail.
    pub output_limit: u64,
    /// An installed tree: plugins that the service users could change are refused.
    pub installed: bool,
}

impl PluginSettings {
    /// The arguments of a `plugin_launcher` that a program starts for itself with these settings.
    pub fn launcher_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        for directory in &self.directories {
            arguments.extend(["--plugin-dir".into(), directory.into()]);
        }
        if let Some(directory) = &self.work_directory {
            arguments.extend(["--work-dir".into(), directory.into()]);
        }
        if let Some(user) = &self.launcher_user {
            arguments.extend(["--user".into(), user.into()]);
        }
        if self.installed {
            arguments.push("--installed".into());
        }
        arguments
    }

    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("plugins");
        let settings = Self {
            directories: section
                .words("directories", "/usr/local/manager/plugins /usr/lib/nagios/plugins")?
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            path: section.value(
                "path",
                "/usr/local/bin:/usr/bin:/bin".to_owned(),
                "directories separated by ':'",
            )?,
            launcher: section.value(
                "launcher",
                PathBuf::from("/usr/local/manager/sbin/plugin_launcher"),
                "the path of plugin_launcher",
            )?,
            launcher_socket: section.optional("launcher_socket", "a path")?,
            launcher_user: section.optional("launcher_user", "a user name")?,
            work_directory: section.optional("work_directory", "a directory")?,
            grace: seconds(section.number("grace_seconds", 10, 1..=600)?),
            output_limit: u64::from(section.number("output_limit_mib", 64, 3..=4096)?) * 1024 * 1024,
            installed: section.switch("installed", true)?,
        };
        section.finish()?;
        Ok(settings)
    }
}
