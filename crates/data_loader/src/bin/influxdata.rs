//! Loads hosts and services from InfluxDB. Exit codes: 0 done, 1 done with warnings, 2 refused or failed.

use clap::{Parser, Subcommand};
use data_loader::command_line::{self, Conclusion, Load, LoadFlags};
use data_loader::source::influxdb;
use data_loader::{Document, Mode, Problem, Take};
use selfservice_core::config::{MacroFile, Settings};
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::inventory::{self, Noun};
use std::path::PathBuf;
use std::process::ExitCode;

const PROGRAM: &str = "influxdata";

/// Loads hosts and services from the time series of InfluxDB 1.x or 2.x, as `[influxdata]` in the settings says.
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
    Plan(LoadFlags),
    /// Add and change what the series name, all of it or nothing
    Apply(LoadFlags),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command_line::exit_code(PROGRAM, run(arguments))
}

fn run(arguments: Arguments) -> anyhow::Result<Conclusion> {
    let settings = Settings::load(arguments.settings.as_deref())?;
    let macros = settings.macro_file()?;
    let pool = Pool::new(&settings.database.for_long_work(), PROGRAM);
    let (mode, mut flags) = match arguments.command {
        Command::Plan(flags) => (Mode::Plan, flags),
        Command::Apply(flags) => (Mode::Apply, flags),
    };
    flags.source.get_or_insert_with(|| settings.influxdata.source.clone());
    let progress = command_line::progress(1);
    let document = read(&settings, &macros, &pool)?;
    progress.inc(1);
    let read = |take: &mut Take<'_>| {
        // Who wants no more says why.
        let _ = document.map_err(|problem| vec![problem])?.give(take);
        Ok(())
    };
    let object = settings.influxdata.url.as_deref().unwrap_or_default();
    let load = Load { program: PROGRAM, object, mode, flags: &flags };
    load.run(&pool, &settings.loads, &macros, read, &progress)
}

/// Reads what the server says. Names that are no hosts yet need more than being named.
fn read(settings: &Settings, macros: &MacroFile, pool: &Pool) -> Result<Result<Document, Problem>, DbError> {
    let found = match influxdb::read(&settings.influxdata, &settings.loads, macros) {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    // PostgreSQL takes no NUL, and no host has one.
    let names: Vec<&str> = found.hosts().into_iter().filter(|name| !name.contains('\0')).collect();
    let present = pool.run(|connection| -> Result<_, DbError> {
        Ok(inventory::known(connection, Noun::Host, &names, &[])?)
    })?;
    Ok(Ok(found.into_document(&present.into_iter().map(|host| host.name).collect())))
}
