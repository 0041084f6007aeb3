//! The maintenance command line. Exit codes: 0 done, 1 done with warnings, 2 refused or failed; `plugin test` ends as
//! the plugin did.

mod commands;
mod context;
mod runs;

use clap::Parser;
use commands::Command;
use context::Context;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Maintains Self Service Manager: tables, settings, users, tokens, rights, the queue and plugins.
#[derive(Parser)]
#[command(name = "tasks", version)]
struct Arguments {
    /// The settings file [default: `$SELFSERVICE_SETTINGS`, else /usr/local/manager/etc/settings.ini]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Context::new(arguments.settings.as_deref(), arguments.json)
        .and_then(|context| arguments.command.run(&context));
    done.unwrap_or_else(|error| {
        // Where standard error is closed too, the exit code still tells.
        let _ = writeln!(std::io::stderr(), "tasks: {error:#}");
        ExitCode::from(2)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Arguments::command().debug_assert();
    }
}
