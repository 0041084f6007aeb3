//! `[ssh]`

use super::database::seconds;
use super::ini::{IniError, IniFile};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How plugins sign in to other machines. Plugins get it as `SELFSERVICE_SSH_*`, so that the file itself stays closed
/// to them.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// Private keys, `known_hosts` and `scripts/`.
    pub directory: PathBuf,
    /// What happens to a host whose key is not known yet.
    pub host_keys: HostKeys,
    /// The remote user where a handler names none; `None`: the one who runs the plugins.
    pub user: Option<String>,
    /// The machine through which all others are reached: `[USER@]HOST[:PORT]`.
    pub jump_host: Option<String>,
    /// From the first packet to the end of the key exchange.
    pub connect_timeout: Duration,
}

/// What happens to a host whose key is not known yet. A changed key is refused in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeys {
    /// It is refused; `tasks ssh trust` makes it known.
    Strict,
    /// Its key is stored at the first connection.
    AcceptNew,
}

impl HostKeys {
    /// The word of the settings file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::AcceptNew => "accept-new",
        }
    }
}

impl FromStr for HostKeys {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Strict, Self::AcceptNew].into_iter().find(|known| known.as_str() == word).ok_or(())
    }
}

/// Letters, digits and `. _ : - @ [ ]`, beginning with a letter or digit: nothing that ssh could take for an option or
/// expand.
struct Plain(String);

impl FromStr for Plain {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-@[]".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        if begins && text.chars().all(plain) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl SshSettings {
    /// The variables that tell plugins of these settings.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            ("DIRECTORY", self.directory.display().to_string()),
            ("HOST_KEYS", self.host_keys.as_str().to_owned()),
            ("USER", text(&self.user)),
            ("JUMP_HOST", text(&self.jump_host)),
            ("CONNECT_TIMEOUT", self.connect_timeout.as_secs().to_string()),
        ]
        .map(|(name, value)| (format!("SELFSERVICE_SSH_{name}"), value))
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
    }

    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("ssh");
        let plain = |value: Option<Plain>| value.map(|Plain(text)| text);
        let settings = Self {
            directory: section.value(
                "directory",
                PathBuf::from("/usr/local/manager/etc/ssh"),
                "a directory",
            )?,
            host_keys: section.value("host_keys", HostKeys::Strict, "strict or accept-new")?,
            user: plain(section.optional("user", "a user name of letters, digits and . _ -")?),
            jump_host: plain(section.optional("jump_host", "[USER@]HOST[:PORT]")?),
            connect_timeout: seconds(section.number("connect_timeout_seconds", 10, 1..=300)?),
        };
        section.finish()?;
        Ok(settings)
    }
}
