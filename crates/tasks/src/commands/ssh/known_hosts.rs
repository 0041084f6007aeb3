//! The file of trusted host keys, as sshd(8) describes it under "`SSH_KNOWN_HOSTS` FILE FORMAT".

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;

/// One key of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// The name under which ssh looks it up: a name, an address, or `[address]:port`.
    pub name: String,
    kind: String,
    key: String,
}

impl HostKey {
    /// Reads `NAME TYPE KEY`, as ssh writes it.
    pub fn parse(line: &str) -> Option<Self> {
        let [name, kind, key] = <[&str; 3]>::try_from(line.split(' ').collect::<Vec<_>>()).ok()?;
        let plain = |c: char| c.is_ascii_graphic() && !"|@#,*?!".contains(c);
        let typed = kind.chars().all(|c| c.is_ascii_alphanumeric() || "-.@".contains(c));
        if name.is_empty() || kind.is_empty() || !name.chars().all(plain) || !typed {
            return None;
        }
        STANDARD.decode(key).ok()?;
        Some(Self { name: name.to_owned(), kind: kind.to_owned(), key: key.to_owned() })
    }

    /// As `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        let bytes = STANDARD.decode(&self.key).unwrap_or_default();
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes)))
    }

    /// The type, as `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.name, self.kind, self.key)
    }
}

/// Adds keys to the file; for those in `replaced` the lines of their old keys go. The file changes in one step, keeps
/// its mode and group, and two calls at once do not lose each other's keys.
pub fn change(path: &Path, added: &[HostKey], replaced: &[HostKey]) -> anyhow::Result<()> {
    let doing = || format!("while changing {}", path.display());
    let directory = path.parent().unwrap_or(Path::new("."));
    let lock = File::open(directory).with_context(doing)?;
    lock.lock().with_context(doing)?;
    let about = path.metadata().ok();
    let mut text = match &about {
        Some(_) => fs::read_to_string(path).with_context(doing)?,
        None => String::new(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for key in replaced {
        text = without(&text, &key.name).with_context(|| {
            format!(
                "the old key of {0} does not stand there under its plain name; 'ssh-keygen -R {0} -f {1}' removes it",
                key.name,
                path.display()
            )
        })?;
    }
    added.iter().chain(replaced).for_each(|key| text.push_str(&key.line()));
    let unfinished = path.with_extension("new");
    let _stale = fs::remove_file(&unfinished);
    let mut file =
        File::options().write(true).create_new(true).mode(0o600).open(&unfinished).with_context(doing)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
    // A new file is for the group that may enter the directory.
    let group = match &about {
        Some(about) => about.gid(),
        None => directory.metadata().with_context(doing)?.gid(),
    };
    chown(&unfinished, None, Some(group)).with_context(doing)?;
    let mode = about.map_or(0o644, |about| about.mode() & 0o777);
    fs::set_permissions(&unfinished, Permissions::from_mode(mode)).with_context(doing)?;
    fs::rename(&unfinished, path).with_context(doing)
}

/// The text without the plain keys of this name; `None` where there is none.
fn without(text: &str, name: &str) -> Option<String> {
    let mut found = false;
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let (names, rest) = line.split_once(' ').unwrap_or((line, ""));
        if names.starts_with(['#', '@']) || !names.split(',').any(|listed| listed == name) {
            kept.push_str(line);
            continue;
        }
        found = true;
        // Other names in the line keep their key.
        let others: Vec<&str> = names.split(',').filter(|listed| *listed != name).collect();
        if !others.is_empty() {
            kept.push_str(&format!("{} {rest}", others.join(",")));
        }
    }
    found.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILSMgr39IneCA+sIJ7gcA0Va3/WLzrPIxL8ND62QyKST";

    #[test]
    fn lines_are_read_strictly_and_fingerprints_are_those_of_ssh_keygen() {
        let key = HostKey::parse(&format!("[127.0.0.1]:2299 ssh-ed25519 {KEY}")).unwrap();
        assert_eq!(key.name, "[127.0.0.1]:2299");
        assert_eq!(key.fingerprint(), "SHA256:zMVcgVyjEyyuLQsC76rfwoKe65YfabJJTfIx2C9QH+U");
        for wrong in [
            "",
            "a b",
            "a,b ssh-rsa AAAA",
            "* ssh-rsa AAAA",
            "@cert-authority ssh-rsa AAAA",
            "a ssh-rsa ?",
            "a\tb x AAAA",
        ] {
            assert_eq!(HostKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_plain_keys_of_the_name_go() {
        let text = "# web\nweb,10.0.0.1 t K1\n@cert-authority web t K2\nweb t K3\nweb2 t K4\n";
        assert_eq!(
            without(text, "web").unwrap(),
            "# web\n10.0.0.1 t K1\n@cert-authority web t K2\nweb2 t K4\n"
        );
        assert_eq!(without(text, "db"), None);
    }
}
