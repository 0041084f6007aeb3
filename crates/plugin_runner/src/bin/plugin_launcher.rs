//! `plugin_launcher`: starts plugins and owns their process trees; see [`plugin_runner::launcher`].

use std::process::ExitCode;

use clap::Parser;
use plugin_runner::launcher::{Options, serve};

fn main() -> anyhow::Result<ExitCode> {
    failpoint::listen!();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    serve(&Options::parse())
}
