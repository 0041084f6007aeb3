//! Calls of the project's own command-line programs while a system is made ready.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::layout::{self, Layout};
use crate::process::ProcessSpec;

/// Calls programs with the settings of one system and the account that its daemons have.
pub struct Tools<'a> {
    layout: &'a Layout,
    environment: &'a [(String, String)],
}

impl<'a> Tools<'a> {
    /// `environment` is what every program of the system gets.
    pub fn new(layout: &'a Layout, environment: &'a [(String, String)]) -> Self {
        Self { layout, environment }
    }

    /// Brings the tables up to date.
    pub fn migrate(&self) -> Result<()> {
        self.call("tasks", &["migrate"], &[]).map(drop)
    }

    /// Loads the example inventory, once: afterwards it belongs to the people who edit it. The note that it was
    /// done is kept with the data of the system, one for each database.
    pub fn load_example(&self, database: &str) -> Result<()> {
        let note = self.layout.var.join(format!(
            "example_loaded.{:08x}",
            layout::short_hash(database.as_bytes())
        ));
        if note.exists() {
            return Ok(());
        }
        let directory = self.layout.example_directory();
        let entries =
            fs::read_dir(&directory).with_context(|| format!("while reading {}", directory.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
        files.sort();
        self.call("data_loader", &["apply"], &files)?;
        fs::write(&note, "").with_context(|| format!("while writing {}", note.display()))
    }

    /// Makes sure that there is an administrator called `name`.
    pub fn ensure_admin(&self, name: &str) -> Result<()> {
        self.call("tasks", &["user", "add", name, "--admin", "--if-missing"], &[])
            .map(drop)
    }

    /// A new one-time link that signs `name` in.
    pub fn sign_in_link(&self, name: &str) -> Result<String> {
        self.call("tasks", &["user", "link", name], &[])
    }

    fn call(&self, program: &'static str, arguments: &[&str], files: &[PathBuf]) -> Result<String> {
        let spec = base_spec(self.layout, program, self.environment)
            .args(arguments.iter().copied())
            .args(files.iter().map(|file| file.to_string_lossy()))
            .account(self.layout.service());
        let output = spec
            .output()
            .with_context(|| format!("while starting {program}"))?;
        if !output.status.success() {
            let what = arguments.join(" ");
            bail!(
                "{program} {what} failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A call of one of our programs with `--settings`, in the directory of the system's data.
pub fn base_spec(layout: &Layout, program: &str, environment: &[(String, String)]) -> ProcessSpec {
    let settings = layout.settings();
    with_environment(
        ProcessSpec::new(layout.program(program)),
        &layout.var,
        environment,
    )
    .arg("--settings")
    .arg(settings.to_string_lossy())
}

/// `spec` with the environment and working directory of every program of the system.
pub fn with_environment(
    spec: ProcessSpec,
    directory: &Path,
    environment: &[(String, String)],
) -> ProcessSpec {
    environment
        .iter()
        .fold(spec.directory(directory), |spec, (name, value)| {
            spec.env(name, value)
        })
}
