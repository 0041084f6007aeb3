//! The `web_gui` program.

use anyhow::Context as _;
use clap::Parser;
use selfservice_core::config::Settings;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use web_gui::application::Application;

/// Serves the pages, the popup and the JSON API of Self Service Manager.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Settings file; without it the one that `SELFSERVICE_SETTINGS` names, then /usr/local/manager/etc/settings.ini
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    failpoint::listen!();
    let arguments = Arguments::parse();
    let settings = Settings::load(arguments.settings.as_deref())?;
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log_filter).context("[log] filter")?;
    tracing_subscriber::fmt()
        // A full disk under the log must not end a thread: what cannot be logged would be told with eprintln, which panics.
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Application::build(&settings)?.run_until_stopped().await
}
