//! `[plugins]`

use super::database::seconds;
use super::ini::{IniError, IniFile, Section};
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
    /// What every plugin may use.
    pub limits: PluginLimits,
    /// An installed tree: plugins that the service users could change are refused.
    pub installed: bool,
    /// What other sections say to plugins, as `SELFSERVICE_*` variables by their full names.
    pub environment: Vec<(String, String)>,
}

/// What every plugin may use; 0 means no limit where it says so.
#[derive(Debug, Clone)]
pub struct PluginLimits {
    /// Data of one process, in MiB; 0: no limit.
    pub memory_mib: u32,
    /// Processes and threads of one run together.
    pub processes: u32,
    /// Open descriptors of one process.
    pub open_files: u32,
    /// Length of a file that a plugin writes, in MiB; 0: no limit.
    pub file_size_mib: u32,
    /// Processor time of one process, in seconds; 0: no limit but the time-out.
    pub cpu_seconds: u32,
    /// Programs with setuid, such as sudo, work in plugins.
    pub allow_setuid: bool,
    /// Plugins can neither signal nor look into processes outside of their run.
    pub separate_runs: bool,
}

impl PluginLimits {
    fn arguments(&self) -> Vec<OsString> {
        let options = [
            ("--max-memory-mib", self.memory_mib),
            ("--max-processes", self.processes),
            ("--max-open-files", self.open_files),
            ("--max-file-size-mib", self.file_size_mib),
            ("--max-cpu-seconds", self.cpu_seconds),
        ];
        let mut arguments: Vec<OsString> =
            options.iter().flat_map(|(name, value)| [(*name).into(), value.to_string().into()]).collect();
        if self.allow_setuid {
            arguments.push("--allow-setuid".into());
        }
        if !self.separate_runs {
            arguments.push("--no-separation".into());
        }
        arguments
    }

    fn read(section: &mut Section) -> Result<Self, IniError> {
        Ok(Self {
            memory_mib: section.number("max_memory_mib", 2048, 0..=1_048_576)?,
            processes: section.number("max_processes", 512, 8..=100_000)?,
            open_files: section.number("max_open_files", 1024, 64..=1_048_576)?,
            file_size_mib: section.number("max_file_size_mib", 1024, 0..=16_777_216)?,
            cpu_seconds: section.number("max_cpu_seconds", 0, 0..=86_400)?,
            allow_setuid: section.switch("allow_setuid", false)?,
            separate_runs: section.switch("separate_runs", true)?,
        })
    }
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
        arguments.extend(self.limits.arguments());
        arguments
    }

    /// What a manager and its launcher take from here when they start: keys and values.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let limits = &self.limits;
        vec![
            ("[plugins] directories", format!("{:?}", self.directories)),
            ("[plugins] launcher", self.launcher.display().to_string()),
            ("[plugins] launcher_socket", format!("{:?}", self.launcher_socket)),
            ("[plugins] launcher_user", format!("{:?}", self.launcher_user)),
            ("[plugins] work_directory", format!("{:?}", self.work_directory)),
            ("[plugins] output_limit_mib", self.output_limit.to_string()),
            ("[plugins] installed", self.installed.to_string()),
            ("[plugins] max_memory_mib", limits.memory_mib.to_string()),
            ("[plugins] max_processes", limits.processes.to_string()),
            ("[plugins] max_open_files", limits.open_files.to_string()),
            ("[plugins] max_file_size_mib", limits.file_size_mib.to_string()),
            ("[plugins] max_cpu_seconds", limits.cpu_seconds.to_string()),
            ("[plugins] allow_setuid", limits.allow_setuid.to_string()),
            ("[plugins] separate_runs", limits.separate_runs.to_string()),
        ]
    }

    pub(super) fn read(file: &mut IniFile, environment: Vec<(String, String)>) -> Result<Self, IniError> {
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
            limits: PluginLimits::read(&mut section)?,
            installed: section.switch("installed", true)?,
            environment,
        };
        section.finish()?;
        Ok(settings)
    }
}
