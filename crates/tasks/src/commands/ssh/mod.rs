//! `tasks ssh ...`: what plugins need to sign in to other machines.

mod key;
mod known_hosts;
mod trust;

use crate::context::Context;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum SshCommand {
    /// Make the key with which plugins sign in, and print the line for `authorized_keys`
    Key(key::KeyArguments),
    /// Show the host keys of machines, ask, and make them known
    Trust(trust::TrustArguments),
}

impl SshCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Key(arguments) => arguments.run(context).map(|()| ExitCode::SUCCESS),
            Self::Trust(arguments) => arguments.run(context),
        }
    }
}
