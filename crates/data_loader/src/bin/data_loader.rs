//! Loads inventory from files. Exit codes: 0 done, 1 done with warnings, 2 refused or failed.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use data_loader::{LoadError, Mode, load};
use selfservice_core::config::Settings;
use selfservice_core::db::Pool;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Loads environments, host groups, hosts, services, event handlers, teams and grants from YAML files.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The settings file [default: `$SELFSERVICE_SETTINGS`, else /usr/local/manager/etc/settings.ini]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell what 'apply' would do, and change nothing
    Plan(Files),
    /// Add and change what the files name, all of it or nothing
    Apply(Files),
}

#[derive(Args)]
struct Files {
    /// YAML files; together they are one inventory
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut stderr = std::io::stderr().lock();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Where standard error is closed too, the exit code still tells.
            let _ = match error.downcast_ref::<LoadError>() {
                Some(LoadError::Refused(problems)) => problems
                    .iter()
                    .try_for_each(|problem| writeln!(stderr, "{problem}"))
                    .and_then(|()| writeln!(stderr, "refused: {error}; nothing was changed")),
                _ => writeln!(stderr, "data_loader: {error:#}"),
            };
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(arguments.settings.as_deref())?;
    let macros = settings.macro_file()?;
    let pool = Pool::new(&settings.database.for_long_work(), "data_loader");
    let (mode, files) = match arguments.command {
        Command::Plan(files) => (Mode::Plan, files.files),
        Command::Apply(files) => (Mode::Apply, files.files),
    };
    let report = load(&pool, &macros, &files, mode)?;
    let mut stdout = std::io::stdout().lock();
    if mode == Mode::Plan {
        writeln!(stdout, "plan only, nothing is changed:").context("while writing the report")?;
    }
    write!(stdout, "{report}").context("while writing the report")?;
    let mut stderr = std::io::stderr().lock();
    for warning in &report.warnings {
        writeln!(stderr, "warning: {warning}").context("while writing the report")?;
    }
    Ok(ExitCode::from(u8::from(!report.warnings.is_empty())))
}
