//! `plugin_launcher`: starts plugins and owns their process trees; see [`plugin_runner::launcher`].

use std::process::ExitCode;

use clap::Parser;
use plugin_runner::launcher::{Options, serve};

fn main() -> anyhow::Result<ExitCode> {
    failpoint::listen!();
    tracing_subscriber::fmt()
        // A full disk under the log must not end a thread: what cannot be logged would be told with eprintln, which panics.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    serve(&Options::parse())
}
