//! Calls of the project's own command-line programs while a system is made ready.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::layout::{self, Layout};
use super::say;
use crate::process::ProcessSpec;

/// The oldest migration: where it is applied, the database was empty.
const FIRST_MIGRATION: &str = "20261122000001";
/// Exit code of our tools for "done, with warnings".
const DONE_WITH_WARNINGS: i32 = 1;

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

    /// Brings the tables up to date. A database that was empty gets the example inventory, once: afterwards it
    /// belongs to the people who edit it, and data that others have there already are left alone.
    pub fn migrate(&self, database: &str) -> Result<()> {
        let hash = layout::short_hash(database.as_bytes());
        // Kept until the example is loaded, so that an interruption does not lose it.
        let due = self.layout.var.join(format!("example_due.{hash:08x}"));
        let applied = self.call("tasks", &["migrate"], &[])?;
        if applied.contains(FIRST_MIGRATION) {
            fs::write(&due, "").with_context(|| format!("while writing {}", due.display()))?;
        }
        if due.exists() {
            self.load_example()?;
            fs::remove_file(&due).with_context(|| format!("while removing {}", due.display()))?;
        }
        Ok(())
    }

    fn load_example(&self) -> Result<()> {
        let directory = self.layout.example_directory();
        let entries =
            fs::read_dir(&directory).with_context(|| format!("while reading {}", directory.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
        files.sort();
        self.call("data_loader", &["apply"], &files).map(drop)
    }

    /// Makes sure that there is an administrator called `name`.
    pub fn ensure_admin(&self, name: &str) -> Result<()> {
        self.call("tasks", &["user", "add", name, "--admin", "--if-missing"], &[]).map(drop)
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
        let output = spec.output().with_context(|| format!("while starting {program}"))?;
        let remarks = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(DONE_WITH_WARNINGS) => say(remarks.trim()),
            _ => bail!("{program} {} failed: {}", arguments.join(" "), remarks.trim()),
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A call of one of our programs with `--settings`, in the directory of the system's data.
pub fn base_spec(layout: &Layout, program: &str, environment: &[(String, String)]) -> ProcessSpec {
    let settings = layout.settings();
    with_environment(ProcessSpec::new(layout.program(program)), &layout.var, environment)
        .arg("--settings")
        .arg(settings.to_string_lossy())
}

/// `spec` with the environment and working directory of every program of the system.
pub fn with_environment(
    spec: ProcessSpec,
    directory: &Path,
    environment: &[(String, String)],
) -> ProcessSpec {
    environment.iter().fold(spec.directory(directory), |spec, (name, value)| spec.env(name, value))
}
