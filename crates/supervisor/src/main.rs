//! `selfservice_run`: what `make run` starts.

use std::io::{self, Write};

use anyhow::Context;
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use supervisor::PrivatePostgres;

/// Runs Self Service Manager out of a checkout, with a PostgreSQL of its own.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts an empty throw-away PostgreSQL, prints its URL and stops it at Ctrl-C
    Database,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Some(Command::Database) => throw_away_database(),
        None => Ok(()),
    }
}

fn throw_away_database() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("while catching signals")?;
    let postgres = PrivatePostgres::temporary(None)?;
    writeln!(io::stdout(), "{}", postgres.url("postgres"))?;
    signals.forever().next();
    postgres.stop();
    Ok(())
}
