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
mod privacy;
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
use tracing_subscriber::EnvFilter;

/// Claims queued tasks, has them run by the launcher, and writes their output and results.
///
/// SIGTERM and SIGINT stop it: it takes no new tasks, waits for its runs (`[manager] drain_seconds`), ends what is left
/// and records that. A second signal does not wait. SIGHUP lets it read settings and macros again; where a file is wrong
/// it says so in the log and keeps what it has.
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
    privacy::keep_memory_private().context("while closing this process to its user")?;
    let settings = Settings::load(arguments.settings.as_deref())?;
    let subscriber = tracing_subscriber::fmt()
        // A full disk under the log must not end a thread: what cannot be logged would be told with eprintln, which panics.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_env_filter(settings.log_filter.as_str())
        .with_filter_reloading();
    let handle = subscriber.reload_handle();
    subscriber.init();
    let set_log_filter = move |filter: &str| {
        let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    };
    let macros = settings.macro_file()?;
    manager::Manager::build(&settings, macros, Box::new(set_log_filter)).context("while starting")?.run()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Arguments::command().debug_assert();
    }
}
