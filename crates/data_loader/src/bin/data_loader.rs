//! Loads inventory from files, servers and programs, and writes it as one file. Exit codes: 0 done, 1 done with
//! warnings, 2 refused or failed.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use data_loader::command_line::{self, Conclusion, LoadFlags};
use data_loader::source::{Format, Input, Reader};
use data_loader::{Mode, Take, export};
use selfservice_core::config::Settings;
use selfservice_core::db::Pool;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const PROGRAM: &str = "data_loader";

/// Loads environments, host groups, hosts, services, event handlers, teams and grants, and writes them.
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
    Plan(LoadArguments),
    /// Add and change what the inputs name, all of it or nothing
    Apply(LoadArguments),
    /// Write the whole inventory as YAML that loads back to the same
    Export {
        /// Replace this file, instead of writing to standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Args)]
struct LoadArguments {
    /// Files, addresses (https://...) and lines of `[load_commands]` (command:NAME); together they are one inventory
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// What the inputs are written in [default: by their names]
    #[arg(long)]
    format: Option<Format>,
    /// The environment of hosts from inventories of other programs, which know of none
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Take grants, teams and event handlers from addresses and commands, too
    #[arg(long)]
    with_rights: bool,
    #[command(flatten)]
    flags: LoadFlags,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command_line::exit_code(PROGRAM, run(arguments))
}

fn run(arguments: Arguments) -> anyhow::Result<Conclusion> {
    let settings = Settings::load(arguments.settings.as_deref())?;
    let pool = Pool::new(&settings.database.for_long_work(), PROGRAM);
    match arguments.command {
        Command::Plan(arguments) => run_load(&settings, &pool, Mode::Plan, &arguments),
        Command::Apply(arguments) => run_load(&settings, &pool, Mode::Apply, &arguments),
        Command::Export { output } => run_export(&pool, output.as_deref()).map(|()| Conclusion::Done),
    }
}

fn run_load(
    settings: &Settings,
    pool: &Pool,
    mode: Mode,
    arguments: &LoadArguments,
) -> anyhow::Result<Conclusion> {
    let macros = settings.macro_file()?;
    let inputs: Vec<Input> = arguments.inputs.iter().map(|input| Input::from(input.as_str())).collect();
    let reader = Reader {
        settings: &settings.loads,
        macros: &macros,
        format: arguments.format,
        environment: arguments.environment.as_deref(),
        with_rights: arguments.with_rights,
    };
    let progress = command_line::progress(inputs.len());
    let load = command_line::Load {
        program: PROGRAM,
        object: &arguments.inputs.join(", "),
        mode,
        flags: &arguments.flags,
    };
    let read = |take: &mut Take<'_>| reader.read(&inputs, take, |_| progress.inc(1));
    load.run(pool, &settings.loads, &macros, read, &progress)
}

/// A file is replaced as a whole, so that nobody reads half of it.
fn run_export(pool: &Pool, output: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = output else {
        return Ok(export(pool, BufWriter::new(std::io::stdout().lock()))?);
    };
    command_line::replace(path, |file| Ok(export(pool, BufWriter::new(file))?))
        .with_context(|| format!("while writing {}", path.display()))
}
