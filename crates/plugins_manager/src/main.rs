//! Claims queued tasks from PostgreSQL, has the launcher run them, and writes output and results.

mod active;
mod backlog;
mod batch;
mod executor;
mod log_writer;
mod manager;
mod message;
mod outcome;
mod output;
mod plan_check;
mod replay;
mod running;
mod shelf;
mod signals;
mod spool;
mod steps;

use anyhow::Context as _;
use clap::Parser;
use selfservice_core::config::Settings;
use std::path::PathBuf;

/// Claims queued tasks, has them run by the launcher, and writes their output and results.
///
/// SIGTERM and SIGINT stop it: it takes no new tasks, waits for its runs (`[manager] drain_seconds`), ends what is left
/// and records that. A second signal does not wait.
#[derive(Debug, Parser)]
#[command(name = "plugins_manager", version)]
struct Arguments {
    /// The settings file [default: `SELFSERVICE_SETTINGS`, then /usr/local/manager/etc/settings.ini]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    failpoint::listen!();
    let arguments = Arguments::parse();
    let settings = Settings::load(arguments.settings.as_deref())?;
    tracing_subscriber::fmt()
        .with_env_filter(settings.log_filter.as_str())
        .with_writer(std::io::stderr)
        .init();
    let macros = settings.macro_file()?;
    manager::Manager::build(&settings, macros).context("while starting")?.run()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Arguments::command().debug_assert();
    }
}
