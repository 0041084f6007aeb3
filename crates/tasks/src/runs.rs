//! Plugins and who runs them, as the settings say.

use anyhow::Context as _;
use plugin_runner::{Launcher, LauncherError, Registry, Trust};
use selfservice_core::config::PluginSettings;
use std::os::unix::fs::MetadataExt as _;

/// The user and group that plugins run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub user: u32,
    pub group: u32,
}

impl Account {
    /// Who runs plugins: `launcher_user`, else the owner of the launcher's socket; `None` where a manager's own
    /// launcher stays the manager's user, whom nothing names.
    pub fn of_plugins(settings: &PluginSettings) -> anyhow::Result<Option<Self>> {
        if let Some(name) = &settings.launcher_user {
            return Self::named(name).map(Some);
        }
        let Some(socket) = &settings.launcher_socket else {
            return Ok(None);
        };
        let owner = socket.metadata().with_context(|| {
            format!(
                "while looking who owns the launcher's socket {}: does the launcher run?",
                socket.display()
            )
        })?;
        Ok(Some(Self { user: owner.uid(), group: owner.gid() }))
    }

    /// The account of this name.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let user = nix::unistd::User::from_name(name)
            .with_context(|| format!("while looking up the user {name}"))?
            .with_context(|| format!("there is no user named '{name}'"))?;
        Ok(Self { user: user.uid.as_raw(), group: user.gid.as_raw() })
    }
}

/// The plugins as the settings name them. In an installed tree the launcher refuses what its own user could write, so
/// the same is refused here where that user is known.
pub fn registry(settings: &PluginSettings) -> Registry {
    let account = Account::of_plugins(settings).ok().flatten();
    let trust = match account.filter(|_| settings.installed) {
        Some(account) => Trust::Installed { users: vec![account.user], groups: vec![account.group] },
        None => Trust::Checkout,
    };
    Registry::new(settings.directories.clone(), trust)
}

/// The launcher that the settings name, or one of our own.
pub fn launcher(settings: &PluginSettings) -> Result<Launcher, LauncherError> {
    match &settings.launcher_socket {
        Some(path) => Launcher::connect(path),
        None => Launcher::spawn(&settings.launcher, settings.launcher_arguments()),
    }
}
