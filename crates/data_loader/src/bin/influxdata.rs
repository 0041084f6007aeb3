//! Loads hosts and services from InfluxDB. Exit codes: 0 done, 1 done with warnings, 2 refused or failed.

use clap::{Parser, Subcommand};
use data_loader::command_line::{self, Conclusion, Load, LoadFlags};
use data_loader::source::influxdb;
use data_loader::{Mode, Take};
use selfservice_core::config::Settings;
use selfservice_core::db::Pool;
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
    let read = |take: &mut Take<'_>| {
        let document = influxdb::read(&settings.influxdata, &settings.loads, &macros)
            .map_err(|problem| vec![problem])?;
        progress.inc(1);
        // Who wants no more says why.
        let _ = document.give(take);
        Ok(())
    };
    let object = settings.influxdata.url.as_deref().unwrap_or_default();
    let load = Load { program: PROGRAM, object, mode, flags: &flags };
    load.run(&pool, &settings.loads, &macros, read, &progress)
}
