//! `settings.ini` and `macros.ini` of this system: made from the samples, never overwritten; only values that
//! we wrote ourselves follow when the private server or the port moves.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::ini_text::IniText;
use super::layout::Layout;
use super::network;

/// The one database of a private server.
pub const PRIVATE_DATABASE: &str = "selfservice";
const PRIVATE_URL_START: &str = "postgresql://selfservice@/selfservice?host=%2F";
const OWN_URL_MACRO: &str = "SELFSERVICE_URL";
/// Where an installation lies, which is no place for the files of this system.
const INSTALLATION: &str = "/usr/local/manager/";
const NAGIOS_PLUGINS: &str = "/usr/lib/nagios/plugins";

/// What we need to know of the settings. The programs check the file as a whole and name what is wrong in it.
pub struct RunSettings {
    /// The database somebody chose in the file; `None` for the private one.
    pub chosen_database: Option<String>,
    /// Where `web_gui` listens.
    pub listen: SocketAddr,
    /// The address for people, without a slash at the end.
    pub public_url: String,
}

impl RunSettings {
    /// Makes the files where they are missing, then reads them. `private_url` is the private server's.
    pub fn prepare(layout: &Layout, private_url: &str) -> Result<Self> {
        let sample = layout.checkout.join("etc/settings.ini");
        copy_sample(layout, &sample, &layout.settings(), |ini| set_own_values(ini, layout, private_url))?;
        follow_a_move(layout)?;
        change(layout, &layout.settings(), |ini| set_later_paths(ini, layout))?;
        let settings = Self::read(layout)?;
        let macros = layout.checkout.join("etc/macros.ini");
        copy_sample(layout, &macros, &layout.macros(), |ini| set_macros(ini, settings.listen))?;
        if settings.chosen_database.is_none() {
            change(layout, &layout.settings(), |ini| ini.set("database", "url", private_url))?;
        }
        Ok(settings)
    }

    /// Reads the files as they are.
    pub fn read(layout: &Layout) -> Result<Self> {
        let path = layout.settings();
        let ini = read(&path)?;
        let url = ini.get("database", "url").unwrap_or_default();
        let listen = ini.get("web", "listen").unwrap_or("127.0.0.1:8080");
        let listen = listen.parse().with_context(|| {
            format!(
                "{}: [web] listen = \"{listen}\" is not an address with a port, such as 127.0.0.1:8080",
                path.display()
            )
        })?;
        let public_url = ini.get("web", "public_url").map_or_else(|| local_url(listen), str::to_owned);
        let private = url.is_empty() || url.starts_with(PRIVATE_URL_START);
        Ok(Self { chosen_database: (!private).then(|| url.to_owned()), listen, public_url })
    }

    /// Takes another port where somebody else has ours. An address that a person chose is not changed.
    pub fn make_sure_of_port(&mut self, layout: &Layout) -> Result<()> {
        if network::is_free(self.listen) {
            return Ok(());
        }
        if !self.listen.ip().is_loopback() || self.public_url != local_url(self.listen) {
            bail!(
                "{} is taken by another program; change [web] listen in {}",
                self.listen,
                layout.settings().display()
            );
        }
        let old_url = std::mem::take(&mut self.public_url);
        self.listen = network::free_address().context("while looking for a free port")?;
        self.public_url = local_url(self.listen);
        change(layout, &layout.settings(), |ini| set_address(ini, self.listen))?;
        change(layout, &layout.macros(), |ini| {
            if ini.get("macros", OWN_URL_MACRO) == Some(&old_url) {
                set_macros(ini, self.listen);
            }
        })
    }
}

/// The directories in which plugins are looked for, as the settings name them.
pub fn plugin_directories(layout: &Layout) -> Result<Vec<String>> {
    let ini = read(&layout.settings())?;
    let directories = ini.get("plugins", "directories").unwrap_or_default();
    Ok(directories.split_whitespace().map(str::to_owned).collect())
}

fn set_own_values(ini: &mut IniText, layout: &Layout, private_url: &str) {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    ini.set("database", "url", private_url);
    if let Some(listen) = ini.get("web", "listen").and_then(|listen| listen.parse().ok()) {
        set_address(ini, listen);
    }
    ini.set("plugins", "directories", &format!("{} {NAGIOS_PLUGINS}", shown(&layout.plugins)));
    ini.set("plugins", "launcher", &shown(&layout.program("plugin_launcher")));
    ini.set("plugins", "launcher_socket", &shown(&layout.launcher_socket()));
    ini.set("plugins", "work_directory", &shown(&layout.work_directory()));
    ini.set("plugins", "installed", if layout.accounts.is_some() { "true" } else { "false" });
    ini.set("files", "macros", &shown(&layout.macros()));
}

/// Paths that an older version did not know, or left as the sample has them: without ours, those of an installation count.
fn set_later_paths(ini: &mut IniText, layout: &Layout) {
    for (section, key, path) in [
        ("ssh", "directory", layout.ssh_directory()),
        ("manager", "spool_directory", layout.spool_directory()),
    ] {
        if ini.get(section, key).is_none_or(|value| value.starts_with(INSTALLATION)) {
            ini.set(section, key, &path.to_string_lossy());
        }
    }
}

/// A checkout that was moved since the settings were written: what they say of its old place is true of the new
/// one. It is recognised by a macro file that is gone from where we had put it.
fn follow_a_move(layout: &Layout) -> Result<()> {
    let Ok(macros) = layout.macros().strip_prefix(&layout.checkout).map(Path::to_path_buf) else {
        return Ok(());
    };
    let path = layout.settings();
    let text = fs::read_to_string(&path).with_context(|| format!("while reading {}", path.display()))?;
    let written = IniText::new(&text).get("files", "macros").map(PathBuf::from).unwrap_or_default();
    let old_place =
        written.to_string_lossy().strip_suffix(&*format!("/{}", macros.display())).map(str::to_owned);
    match old_place {
        Some(old) if !old.is_empty() && !written.exists() => {
            write(layout, &path, &text.replace(&old, &layout.checkout.to_string_lossy()))
        }
        _ => Ok(()),
    }
}

/// The example inventory checks the program itself, by this address.
fn set_macros(ini: &mut IniText, listen: SocketAddr) {
    ini.set("macros", OWN_URL_MACRO, &local_url(listen));
    ini.set("macros", "SELFSERVICE_PORT", &listen.port().to_string());
}

fn set_address(ini: &mut IniText, listen: SocketAddr) {
    ini.set("web", "listen", &listen.to_string());
    ini.set("web", "public_url", &local_url(listen));
}

fn local_url(listen: SocketAddr) -> String {
    format!("http://{listen}")
}

fn copy_sample(layout: &Layout, sample: &Path, to: &Path, edit: impl FnOnce(&mut IniText)) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let mut ini = read(sample)?;
    edit(&mut ini);
    write(layout, to, &ini.text())
}

fn change(layout: &Layout, path: &Path, edit: impl FnOnce(&mut IniText)) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("while reading {}", path.display()))?;
    let mut ini = IniText::new(&text);
    edit(&mut ini);
    if ini.text() == text { Ok(()) } else { write(layout, path, &ini.text()) }
}

fn read(path: &Path) -> Result<IniText> {
    let text = fs::read_to_string(path).with_context(|| format!("while reading {}", path.display()))?;
    Ok(IniText::new(&text))
}

/// Writes beside and renames: an interruption leaves the old file or the new one. Nobody but us (for root: and
/// the group of the service) may read it, because people put passwords there.
fn write(layout: &Layout, path: &Path, text: &str) -> Result<()> {
    let write = || {
        let unfinished = path.with_extension("ini.new");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        if let Some(service) = layout.service() {
            chown(&unfinished, None, Some(service.gid))?;
            fs::set_permissions(&unfinished, Permissions::from_mode(0o640))?;
        }
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("while writing {}", path.display()))
}
