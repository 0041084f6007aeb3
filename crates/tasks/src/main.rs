//! The maintenance command line. Exit codes: 0 done, 1 done with warnings, 2 refused or failed; `plugin test` ends as
//! the plugin did, `remote run` and `remote follow` as the task did.

mod commands;
mod context;
mod runs;

use clap::Parser;
use commands::{Command, remote};
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
    let (done, failed) = match arguments.command {
        // On a machine that only asks there are no settings.
        Command::Remote(command) => (command.run(arguments.json), remote::FAILED),
        command => {
            let context = Context::new(arguments.settings.as_deref(), arguments.json);
            (context.and_then(|context| command.run(&context)), 2)
        }
    };
    done.unwrap_or_else(|error| {
        // Where standard error is closed too, the exit code still tells.
        let _ = writeln!(std::io::stderr(), "tasks: {error:#}");
        ExitCode::from(failed)
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
