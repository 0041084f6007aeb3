//! `tasks backup` and `tasks restore`

use crate::context::{Context, note};
use anyhow::{Context as _, bail};
use clap::Args;
use plugin_runner::Tool;
use selfservice_core::db::health::ServerHealth;
use selfservice_core::db::{environment, migrations};
use selfservice_core::models::schedule_runs::database_time;
use selfservice_core::queue::AFTER_RESTORE;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The name of a backup in a directory: ours alone are counted and removed.
const NAME_START: &str = "selfservice-";
const NAME_END: &str = ".dump";

#[derive(Args)]
pub struct BackupArguments {
    /// The file to write; it must not be there yet
    #[arg(required_unless_present = "directory", conflicts_with = "directory")]
    file: Option<PathBuf>,
    /// Write a file with the time in its name into this directory
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Keep so many of our backups in the directory, and remove older ones
    #[arg(long, value_name = "NUMBER", requires = "directory", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keep: Option<u32>,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// A file that 'tasks backup' wrote
    file: PathBuf,
    /// Replace everything that is in the database, whose name has to be given here
    #[arg(long, value_name = "DATABASE")]
    replace: Option<String>,
}

impl BackupArguments {
    /// Writes beside the file and renames, so that a file of that name is whole.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        let file = self.target(context)?;
        if file.exists() {
            bail!("{} is there already; a backup overwrites nothing", file.display());
        }
        let variables = variables(context)?;
        let unfinished = Unfinished::create(&file)?;
        let to: OsString = ["--file=".as_ref(), unfinished.0.as_os_str()].into_iter().collect();
        let arguments = ["--format=custom", "--no-owner", "--no-privileges"].map(OsString::from);
        let arguments = arguments.into_iter().chain([to]).collect();
        Tool { program: "pg_dump", arguments, environment: &variables }.run().context(INSTALL)?;
        check(&unfinished.0)?;
        unfinished.finish(&file)?;
        let bytes = file.metadata().with_context(|| format!("while looking at {}", file.display()))?.len();
        let removed = match (&self.directory, self.keep) {
            (Some(directory), Some(keep)) => remove_old(directory, keep)?,
            _ => Vec::new(),
        };
        let text =
            format!("wrote {} ({bytes} bytes), and removed {} older ones", file.display(), removed.len());
        context.show(&serde_json::json!({ "file": file, "bytes": bytes, "removed": removed }), text)
    }

    fn target(&self, context: &Context) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let now = context.pool().run(|connection| -> anyhow::Result<_> { Ok(database_time(connection)?) })?;
        let directory = self.directory.as_deref().unwrap_or(Path::new("."));
        Ok(directory.join(format!("{NAME_START}{}{NAME_END}", now.format("%Y%m%dT%H%M%S%3fZ"))))
    }
}

const INSTALL: &str =
    "pg_dump, pg_restore and psql are in the package postgresql-client, which must be as new as the server";

/// A file that nobody else may read, removed unless it is finished: a backup holds hashes of passwords and all output.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(file: &Path) -> anyhow::Result<Self> {
        let mut name = file.file_name().context("the backup's path names no file")?.to_owned();
        name.push(".unfinished");
        let path = file.with_file_name(name);
        let doing = || format!("while creating {}", path.display());
        // One that was left by a killed backup is in nobody's way.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(doing);
            }
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(doing)?;
        Ok(Self(path))
    }

    fn finish(&self, file: &Path) -> anyhow::Result<()> {
        let sync = || {
            File::open(&self.0)?.sync_all()?;
            fs::rename(&self.0, file)?;
            File::open(
                file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            )?
            .sync_all()
        };
        sync().with_context(|| format!("while finishing {}", file.display()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It was renamed where this fails.
        let _ = fs::remove_file(&self.0);
    }
}

/// Reads the table of contents, as a restore will.
fn check(file: &Path) -> anyhow::Result<()> {
    let arguments = vec!["--list".into(), file.into()];
    let listed = Tool { program: "pg_restore", arguments, environment: &[] }.run().context(INSTALL)?;
    if !String::from_utf8_lossy(&listed).contains(" TABLE DATA public tasks ") {
        bail!("{} holds no table of ours: is [database] url the right one?", file.display());
    }
    Ok(())
}

fn remove_old(directory: &Path, keep: u32) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("while reading {}", directory.display()))?;
    let mut backups: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(NAME_START) && name.ends_with(NAME_END)
        })
        .map(|entry| entry.path())
        .collect();
    // The time in the name sorts them.
    backups.sort();
    let spare = backups.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    backups.truncate(spare);
    for old in &backups {
        fs::remove_file(old).with_context(|| format!("while removing {}", old.display()))?;
    }
    Ok(backups)
}

fn variables(context: &Context) -> anyhow::Result<Vec<(String, String)>> {
    let url = context.settings.database.connection_string("tasks");
    environment(&url).map_err(|why| anyhow::anyhow!("[database] url: {why}"))
}

impl RestoreArguments {
    /// Everything happens in one transaction, in which the queue of the backup is laid to rest before anybody sees it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        check(&self.file)?;
        let variables = variables(context)?;
        let (tables, database) = context.pool().run(|connection| -> anyhow::Result<_> {
            let health = ServerHealth::look(connection)?;
            Ok((health.tables, health.database))
        })?;
        let empty_first = match &self.replace {
            Some(name) if *name == database => "DROP SCHEMA public CASCADE; CREATE SCHEMA public;",
            Some(name) => bail!("--replace names '{name}', but [database] url leads to '{database}'"),
            None if tables > 0 => bail!(
                "the database '{database}' has tables; restore into an empty one, or replace all that is there with \
                 --replace {database}"
            ),
            None => "",
        };
        let read = Tool {
            program: "pg_restore",
            arguments: vec![
                "--no-owner".into(),
                "--no-privileges".into(),
                "--file=-".into(),
                self.file.clone().into(),
            ],
            environment: &[],
        };
        let apply = Tool {
            program: "psql",
            arguments: ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
                .map(OsString::from)
                .into(),
            environment: &variables,
        };
        let begin = format!("BEGIN;\nSET client_min_messages = warning;\n{empty_first}\n");
        read.pipe(&apply, &begin, &format!("\n{AFTER_RESTORE}\nCOMMIT;\n")).context(INSTALL)?;
        let pending =
            context.pool().run(|connection| -> anyhow::Result<_> { Ok(migrations::pending(connection)?) })?;
        if pending {
            note("The backup is of an older version: run 'tasks migrate' before the programs start.")?;
        }
        note(
            "Tasks that waited or ran in the backup were ended and will not run; everybody signs in again, and API \
             tokens are made anew. Look through users, teams and grants: what was taken since the backup is back.",
        )?;
        let text = format!("restored {} into {database}", self.file.display());
        context
            .show(&serde_json::json!({ "file": self.file, "database": database, "migrate": pending }), text)
    }
}
