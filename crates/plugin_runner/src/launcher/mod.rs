//! The launcher: a small process that starts plugins, owns their process trees, and outlives nobody. It is a
//! subreaper, so whatever a plugin leaves behind becomes its child; it has one thread and one poll loop; when a
//! connection closes, every tree of that connection is ended.

mod home;
mod keeper;
mod limits;
mod processes;
mod removal;
mod run;
mod separation;
mod server;
mod setup;
mod spares;
mod start;
mod trees;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::registry::{Registry, Trust};
pub use crate::sys::landlock_version;

/// Starts plugins and owns their process trees. A plugins manager talks to it over a packet socket; when the
/// connection closes, everything that was started over it is ended.
#[derive(Debug, Parser)]
#[command(name = "plugin_launcher", version)]
pub struct Options {
    /// Listen on this path
    #[arg(long, value_name = "PATH", required_unless_present = "inherit_fd", conflicts_with = "inherit_fd")]
    pub socket: Option<PathBuf>,
    /// Serve this one connected socket, and exit when it closes
    #[arg(long, value_name = "NUMBER")]
    pub inherit_fd: Option<i32>,
    /// A directory with plugins; may be given several times, the first one that has a name wins
    #[arg(long = "plugin-dir", value_name = "DIR", required = true)]
    pub plugin_dirs: Vec<PathBuf>,
    /// Where the runs' private directories are made [default: /tmp/selfservice-plugins-UID]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// This user may connect, besides root; may be given several times [default: the launcher's own user]
    #[arg(long = "allow-user", value_name = "NAME")]
    pub allow_users: Vec<String>,
    /// Become this user before anything else; needed when started as root
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Refuse plugins that the launcher's user or a --service-user could write
    #[arg(long)]
    pub installed: bool,
    /// A user of the services, for --installed; may be given several times
    #[arg(long = "service-user", value_name = "NAME", requires = "installed")]
    pub service_users: Vec<String>,
    /// What every plugin may use
    #[command(flatten)]
    pub limits: limits::Limits,
    /// Let plugins gain privileges by programs with setuid or capabilities, such as sudo and `check_icmp`
    #[arg(long)]
    pub allow_setuid: bool,
    /// Let plugins signal and look into every process of the launcher's user, other runs among them; so does
    /// --allow-setuid
    #[arg(long)]
    pub no_separation: bool,
}

/// Serves until the inherited socket closes, or until TERM or INT when listening. The caller's process becomes the
/// launcher's keeper and must have one thread; it ends with the code that is given.
///
/// # Errors
/// The options can't be carried out: an unknown user, root without `--user`, a socket or directory that can't be
/// used. What goes wrong with a single plugin is reported to its runner.
pub fn serve(options: &Options) -> anyhow::Result<ExitCode> {
    limits::offer_to_the_kernel();
    setup::become_user(options.user.as_deref())?;
    let registry = Registry::new(options.plugin_dirs.clone(), trust(options)?);
    setup::harden(options.allow_setuid)?;
    if let keeper::Role::Keeper(code) = keeper::split(options.inherit_fd)? {
        return Ok(code);
    }
    let signals = setup::watch_signals(options.inherit_fd.is_some())?;
    options.limits.take_on()?;
    let source = match (&options.socket, options.inherit_fd) {
        (Some(path), _) => server::Source::Listening(setup::listen(path, &options.allow_users)?),
        (None, number) => server::Source::Inherited(setup::inherit(number)?),
    };
    let separation = separation::Separation::prepare(!options.no_separation, options.allow_setuid)?;
    let home =
        home::Home::prepare(options.work_dir.as_deref()).context("while preparing the work directory")?;
    let ground = server::Ground { home, separation, limits: options.limits.clone() };
    server::Server::new(source, registry, signals, ground)?.run()?;
    Ok(ExitCode::SUCCESS)
}

fn trust(options: &Options) -> anyhow::Result<Trust> {
    if !options.installed {
        return Ok(Trust::Checkout);
    }
    let mut users = vec![nix::unistd::geteuid().as_raw()];
    let mut groups: Vec<u32> = nix::unistd::getgroups()?.into_iter().map(nix::unistd::Gid::as_raw).collect();
    groups.push(nix::unistd::getegid().as_raw());
    for name in &options.service_users {
        let user = setup::user_named(name)?;
        users.push(user.uid.as_raw());
        groups.push(user.gid.as_raw());
    }
    Ok(Trust::Installed { users, groups })
}
