//! The system users of an installation, made when they are missing. Only root needs them.

use anyhow::{Context, Result, bail};

use super::say;
use crate::account::{self, Account};
use crate::process::ProcessSpec;

/// Who runs what when root runs us.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Runs every program that reaches the database.
    pub service: Account,
    /// Runs the launcher and with it the plugins; can't read our settings or reach the database.
    pub plugin: Account,
}

impl Accounts {
    /// The accounts, or `None` when an ordinary user runs us: then everything is theirs.
    pub fn find_or_create() -> Result<Option<Self>> {
        if !account::is_root() {
            return Ok(None);
        }
        Ok(Some(Self {
            service: find_or_create("selfservice")?,
            plugin: find_or_create("selfservice-plugin")?,
        }))
    }
}

fn find_or_create(name: &str) -> Result<Account> {
    if let Some(account) = Account::find(name).with_context(|| format!("while looking up user {name}"))? {
        return Ok(account);
    }
    say(&format!("Creating the system user {name} (the programs do not run as root)."));
    let arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"];
    let useradd =
        ProcessSpec::new("/usr/sbin/useradd").args(arguments).args(["--shell", "/usr/sbin/nologin", name]);
    let output = useradd.env("PATH", "/usr/sbin:/usr/bin:/bin").output().context("while starting useradd")?;
    if !output.status.success() {
        bail!("useradd could not create user {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Account::find(name)?.with_context(|| format!("user {name} is missing although useradd succeeded"))
}
