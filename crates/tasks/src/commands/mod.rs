//! One file per subcommand.

mod backup;
mod check_config;
mod doctor;
mod grant;
mod handler;
mod manager;
mod migrate;
mod plugin;
mod purge;
mod queue;
pub mod remote;
mod rescue;
mod schedule;
mod ssh;
mod token;
mod user;

use crate::context::Context;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum Command {
    /// Bring the database's tables up to date
    Migrate,
    /// Read settings, macros, plugins and handlers, and say what is wrong with them
    CheckConfig,
    /// Look at database, plugins, rights of files, clocks, disks, keys and the launcher, and say how to mend what is wrong;
    /// exit code 0: all is well, 1: warnings, 2: something does not work
    Doctor,
    /// Remove history that is older than `[retention]` says, and what has run out
    Purge,
    /// Write the whole database into one file, with `pg_dump`
    Backup(backup::BackupArguments),
    /// Read a backup into an empty database, or in the place of all that is there; tasks of its queue do not run
    Restore(backup::RestoreArguments),
    /// Users: add, list, disable, password, one-time link
    #[command(subcommand)]
    User(user::UserCommand),
    /// API tokens: add, list, revoke
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Rights: add, list, remove
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// The queue: list, show, cancel, retry
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Finish tasks that nobody will finish: lost ones and those that waited too long
    Rescue,
    /// Plugins managers: list, drain, resume
    #[command(subcommand)]
    Manager(manager::ManagerCommand),
    /// Event handlers: list, pause, resume
    #[command(subcommand)]
    Handler(handler::HandlerCommand),
    /// Plugins: list, test
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Schedules: list, run
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    Remote(remote::RemoteCommand),
    /// Signing in to other machines: key, trust
    #[command(subcommand)]
    Ssh(ssh::SshCommand),
}

impl Command {
    /// Does it, and gives the program's exit code.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Doctor => return doctor::run(context),
            Self::Purge => return purge::run(context),
            Self::CheckConfig => return check_config::run(context),
            Self::Plugin(command) => return command.run(context),
            Self::Ssh(command) => return command.run(context),
            Self::Remote(command) => return command.run(context.json()),
            Self::Migrate => migrate::run(context)?,
            Self::Backup(arguments) => arguments.run(context)?,
            Self::Restore(arguments) => arguments.run(context)?,
            Self::User(command) => command.run(context)?,
            Self::Token(command) => command.run(context)?,
            Self::Grant(command) => command.run(context)?,
            Self::Queue(command) => command.run(context)?,
            Self::Rescue => rescue::run(context)?,
            Self::Manager(command) => command.run(context)?,
            Self::Handler(command) => command.run(context)?,
            Self::Schedule(command) => command.run(context)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
