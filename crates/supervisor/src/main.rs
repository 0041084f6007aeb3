//! `selfservice_run`: what `make run` starts.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use supervisor::PrivatePostgres;
use supervisor::run::{Interrupts, RunOptions, run};

/// Runs Self Service Manager out of a checkout, with a PostgreSQL of its own, until Ctrl-C.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The checkout to run
    #[arg(long, value_name = "DIR", default_value = ".")]
    checkout: PathBuf,
    /// Where the programs are [default: where this program is]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where root lays out the installed tree [default: /var/lib/selfservice-run/NAME]
    #[arg(long, value_name = "DIR")]
    root_home: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts an empty throw-away PostgreSQL, prints its URL and stops it at Ctrl-C
    Database,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Database) => throw_away_database(),
        None => options(arguments).and_then(run),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Nobody may be listening any more; the exit code says it as well.
    let _ = writeln!(io::stderr(), "{error:#}");
    ExitCode::FAILURE
}

fn options(arguments: Arguments) -> Result<RunOptions> {
    let here = std::env::current_exe().context("while looking for the other programs")?;
    let beside = here.parent().map(PathBuf::from).unwrap_or_default();
    Ok(RunOptions {
        checkout: arguments.checkout,
        programs: arguments.programs.unwrap_or(beside),
        root_home: arguments.root_home,
        database_url: environment("DATABASE_URL"),
        pg_bin: environment("PG_BIN").map(PathBuf::from),
        home: environment("HOME"),
    })
}

#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn throw_away_database() -> Result<()> {
    let interrupts = Interrupts::catch().context("while catching signals")?;
    let postgres = PrivatePostgres::temporary(environment("PG_BIN").map(PathBuf::from))?;
    writeln!(io::stdout(), "{}", postgres.url("postgres"))?;
    while interrupts.count() == 0 {
        interrupts.sleep(Duration::from_secs(3600));
    }
    postgres.stop();
    Ok(())
}
