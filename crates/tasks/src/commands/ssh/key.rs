//! `tasks ssh key`

use crate::context::{Context, note};
use crate::runs::Account;
use anyhow::{Context as _, bail};
use clap::Args;
use plugin_runner::run_tool;
use selfservice_core::config::HostKeys;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct KeyArguments {
    /// The file in the ssh directory, for handlers that name it with --identity
    #[arg(long, default_value = "id_ed25519")]
    name: String,
    /// The user who runs plugins, where the settings do not tell
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
}

impl KeyArguments {
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = self.name.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
            bail!("'{name}' is no name for a key: use letters, digits and . _ -");
        }
        let settings = &context.settings;
        let account = match &self.owner {
            Some(owner) => Some(Account::named(owner)?),
            None => Account::of_plugins(&settings.plugins)?,
        };
        let place = Place::new(settings.ssh.directory.clone(), account)?;
        let file = place.directory.join(name);
        if file.exists() {
            note(format!("the key {} is there already", file.display()))?;
        } else {
            place.make_key(&file)?;
            note(format!("made the key {}", file.display()))?;
        }
        if settings.ssh.host_keys == HostKeys::AcceptNew {
            place.make_accepted_hosts()?;
        }
        let public = public_file(&file);
        let line =
            fs::read_to_string(&public).with_context(|| format!("while reading {}", public.display()))?;
        note("append this line to ~/.ssh/authorized_keys of the user to sign in as; on a jump host put")?;
        note("'restrict,port-forwarding' in the place of 'restrict':")?;
        crate::context::print(format!("restrict {}", line.trim_end()))
    }
}

fn public_file(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// The ssh directory and who may read it: where root makes it, it stays root's, and the group of those who run plugins
/// reads it. So a plugin can use a key and can change nothing.
struct Place {
    directory: PathBuf,
    account: Option<Account>,
}

impl Place {
    fn new(directory: PathBuf, account: Option<Account>) -> anyhow::Result<Self> {
        let own = nix::unistd::geteuid();
        if own.is_root() && account.is_none() {
            bail!("the settings do not tell who runs plugins; name the user with --owner");
        }
        if let Some(account) = account.filter(|account| !own.is_root() && account.user != own.as_raw()) {
            bail!("plugins run as the user with the id {}; call this as root or as that user", account.user);
        }
        let place = Self { directory, account: account.filter(|_| own.is_root()) };
        if !place.directory.is_dir() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o750).create(&place.directory).with_context(|| place.doing())?;
        }
        place.give_to_group(&place.directory, 0o750)?;
        Ok(place)
    }

    fn doing(&self) -> String {
        format!("while preparing {}", self.directory.display())
    }

    fn make_key(&self, file: &Path) -> anyhow::Result<()> {
        let comment = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let comment = format!("selfservice@{}", comment.unwrap_or_default());
        run_tool(
            "ssh-keygen",
            ["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f"]
                .map(std::ffi::OsStr::new)
                .into_iter()
                .chain([file.as_os_str()]),
        )?;
        // ssh refuses a key of the caller's own that others may read; one of root's it takes.
        self.give_to_group(file, if self.account.is_some() { 0o640 } else { 0o600 })?;
        self.give_to_group(&public_file(file), 0o644)
    }

    /// Plugins store accepted keys here, because `known_hosts` is not theirs to change.
    fn make_accepted_hosts(&self) -> anyhow::Result<()> {
        let path = self.directory.join("accepted_hosts");
        let Some(account) = self.account.filter(|_| !path.exists()) else {
            return Ok(());
        };
        fs::write(&path, "").with_context(|| self.doing())?;
        chown(&path, Some(account.user), Some(account.group)).with_context(|| self.doing())
    }

    fn give_to_group(&self, path: &Path, mode: u32) -> anyhow::Result<()> {
        if let Some(account) = self.account {
            chown(path, None, Some(account.group)).with_context(|| self.doing())?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode)).with_context(|| self.doing())
    }
}
