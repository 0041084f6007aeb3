//! Runs the daily routine and the cron lines of the settings. Several of them may run against one database.

mod command;
mod routine;
mod scheduler;
mod stop;
mod timetable;

use anyhow::Context as _;
use clap::Parser;
use selfservice_core::config::Settings;
use std::path::PathBuf;

/// Runs the cron lines of the settings, each once at its time however many schedulers there are, and the routine:
/// rescue of lost tasks, expiry of waiting ones, removal of what has run out.
///
/// SIGTERM and SIGINT stop it; commands that run get 10 seconds to end, then TERM, then KILL.
#[derive(Debug, Parser)]
#[command(name = "schedulerd", version)]
struct Arguments {
    /// The settings file [default: `$SELFSERVICE_SETTINGS`, else /usr/local/manager/etc/settings.ini]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    failpoint::listen!();
    let arguments = Arguments::parse();
    let settings = Settings::load(arguments.settings.as_deref())?;
    tracing_subscriber::fmt()
        // A full disk under the log must not end a thread: what cannot be logged would be told with eprintln, which panics.
        .log_internal_errors(false)
        .with_env_filter(settings.log_filter.as_str())
        .with_writer(std::io::stderr)
        .init();
    let stop = stop::Stop::listen().context("while registering for signals")?;
    scheduler::Scheduler::build(&settings, stop).context("while starting")?.run();
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Arguments::command().debug_assert();
    }
}
