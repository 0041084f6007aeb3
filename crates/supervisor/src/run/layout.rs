//! Where everything lies: in the checkout for an ordinary user, in an installed tree for root.
//!
//! Root must not run the daemons as root, and the users who run them may be unable to enter the checkout (a clone
//! below `/root`, a private temporary directory). So for root the tree of an installation is laid out elsewhere.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;

use super::accounts::Accounts;
use crate::account::Account;
use crate::postgres::{SOCKET_PATH_LIMIT, socket_path};

const SBIN: [&str; 7] = [
    "web_gui",
    "plugins_manager",
    "plugin_launcher",
    "schedulerd",
    "plugin_http",
    "plugin_jenkins",
    "plugin_sql",
];
const EXAMPLE: &str = "etc/example";
/// What plugins read beside their arguments: people edit it, so it is copied only where it is missing.
const STATEMENTS: &str = "sql";
const NETWORKS: &str = "http.ini";
const BIN: [&str; 3] = ["tasks", "data_loader", "influxdata"];

/// All directories of one running system.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The checkout: samples of the settings, example inventory, plugins.
    pub checkout: PathBuf,
    /// Settings that people edit.
    pub etc: PathBuf,
    /// Our own plugins.
    pub plugins: PathBuf,
    /// Data, logs and what only matters while the programs run.
    pub var: PathBuf,
    /// Sockets and locks; short enough for a socket's path.
    pub run: PathBuf,
    /// Who runs the programs, when root runs us.
    pub accounts: Option<Accounts>,
    sbin: PathBuf,
    bin: PathBuf,
}

impl Layout {
    /// Lays everything out: in `<checkout>/var` for an ordinary user, below `root_home` (or, without it,
    /// `/var/lib/selfservice-run/<name of the checkout>`) for root. `programs` holds the programs as built.
    pub fn prepare(checkout: &Path, programs: &Path, root_home: Option<&Path>) -> Result<Self> {
        let checkout =
            fs::canonicalize(checkout).with_context(|| format!("while opening {}", checkout.display()))?;
        ensure!(
            checkout.join("etc/settings.ini").is_file(),
            "{} is not a checkout: etc/settings.ini is missing",
            checkout.display()
        );
        match Accounts::find_or_create()? {
            None => Self::in_checkout(checkout, programs),
            Some(accounts) => Self::installed(checkout, programs, root_home, accounts),
        }
    }

    fn in_checkout(checkout: PathBuf, programs: &Path) -> Result<Self> {
        let var = checkout.join("var");
        make_directory(&var, 0o700, None, None)?;
        for name in ["etc", "etc/ssh", "log", "work", "run"] {
            make_directory(&var.join(name), 0o700, None, None)?;
        }
        let layout = Self {
            etc: var.join("etc"),
            plugins: checkout.join("plugins"),
            run: short_run_directory(var.join("run"))?,
            accounts: None,
            sbin: programs.to_path_buf(),
            bin: programs.to_path_buf(),
            checkout,
            var,
        };
        ensure!(
            !has_space(&layout.plugins),
            "the path {} has a space in it, which the list of plugin directories in settings.ini can't hold; move the checkout",
            layout.checkout.display()
        );
        Ok(layout)
    }

    fn installed(
        checkout: PathBuf,
        programs: &Path,
        home: Option<&Path>,
        accounts: Accounts,
    ) -> Result<Self> {
        let home = home.map_or_else(|| default_root_home(&checkout), Path::to_path_buf);
        let layout = Self {
            etc: home.join("etc"),
            plugins: home.join("plugins"),
            var: home.join("var"),
            run: home.join("var/run"),
            sbin: home.join("sbin"),
            bin: home.join("bin"),
            accounts: Some(accounts.clone()),
            checkout,
        };
        fs::create_dir_all(&home).with_context(|| format!("while creating {}", home.display()))?;
        for directory in [&home, &layout.sbin, &layout.bin, &layout.plugins, &layout.var, &layout.run] {
            make_directory(directory, 0o755, None, None)?;
        }
        let service = Some(accounts.service.gid);
        // Plugins may pass through to what is theirs, and list nothing.
        make_directory(&layout.etc, 0o751, None, service)?;
        make_directory(&layout.ssh_directory(), 0o750, None, Some(accounts.plugin.gid))?;
        make_directory(&layout.etc.join(STATEMENTS), 0o755, None, None)?;
        make_directory(&layout.example_directory(), 0o755, None, None)?;
        make_directory(&layout.log_directory(), 0o750, None, service)?;
        make_directory(&layout.spool_directory(), 0o700, Some(&accounts.service), service)?;
        make_directory(&layout.work_directory(), 0o750, Some(&accounts.plugin), service)?;
        make_directory(&layout.launcher_directory(), 0o750, Some(&accounts.plugin), service)?;
        layout.copy_tree(programs)?;
        Ok(layout)
    }

    fn copy_tree(&self, programs: &Path) -> Result<()> {
        for (names, directory) in [(SBIN.as_slice(), &self.sbin), (BIN.as_slice(), &self.bin)] {
            for name in names {
                copy_if_changed(&programs.join(name), &directory.join(name), 0o755)?;
            }
        }
        copy_files(&self.checkout.join("plugins"), &self.plugins)?;
        self.copy_samples()?;
        copy_files(&self.checkout.join(EXAMPLE), &self.example_directory())
    }

    fn copy_samples(&self) -> Result<()> {
        let samples = self.checkout.join("etc");
        let statements = fs::read_dir(samples.join(STATEMENTS)).into_iter().flatten().flatten();
        let statements = statements.map(|entry| Path::new(STATEMENTS).join(entry.file_name()));
        for name in statements.chain([PathBuf::from(NETWORKS)]) {
            let (from, to) = (samples.join(&name), self.etc.join(&name));
            if from.is_file() && !to.exists() {
                copy_if_changed(&from, &to, 0o644)?;
            }
        }
        Ok(())
    }

    /// The example inventory, where the programs can read it.
    pub fn example_directory(&self) -> PathBuf {
        if self.accounts.is_some() { self.etc.join("example") } else { self.checkout.join(EXAMPLE) }
    }

    /// Where the manager keeps output and results while the database is away; it makes it where it is missing.
    pub fn spool_directory(&self) -> PathBuf {
        self.var.join("spool")
    }

    /// The file whose lock says that this system runs.
    pub fn instance_lock(&self) -> PathBuf {
        self.run.join("instance.lock")
    }

    /// The file whose lock every daemon holds, so that a daemon of a killed `make run` is noticed.
    pub fn daemons_lock(&self) -> PathBuf {
        self.run.join("daemons.lock")
    }

    /// Path of one of our programs.
    pub fn program(&self, name: &str) -> PathBuf {
        if SBIN.contains(&name) { self.sbin.join(name) } else { self.bin.join(name) }
    }

    /// The settings file of this system.
    pub fn settings(&self) -> PathBuf {
        self.etc.join("settings.ini")
    }

    /// The macro file of this system.
    pub fn macros(&self) -> PathBuf {
        self.etc.join("macros.ini")
    }

    /// The keys with which plugins sign in to other machines.
    pub fn ssh_directory(&self) -> PathBuf {
        self.etc.join("ssh")
    }

    /// The directory of the log files.
    pub fn log_directory(&self) -> PathBuf {
        self.var.join("log")
    }

    /// Where the runs of plugins get their private directories.
    pub fn work_directory(&self) -> PathBuf {
        self.var.join("work")
    }

    /// The launcher's socket.
    pub fn launcher_socket(&self) -> PathBuf {
        self.launcher_directory().join("launcher.sock")
    }

    /// The data directory of the private PostgreSQL.
    pub fn postgres_data(&self) -> PathBuf {
        self.var.join("postgres")
    }

    /// The directory of the private PostgreSQL's socket.
    pub fn postgres_socket_directory(&self) -> PathBuf {
        self.run.join("pg")
    }

    /// Who runs the programs that reach the database; `None` for ourselves.
    pub fn service(&self) -> Option<&Account> {
        self.accounts.as_ref().map(|accounts| &accounts.service)
    }

    /// Who runs the launcher; `None` for ourselves.
    pub fn plugin(&self) -> Option<&Account> {
        self.accounts.as_ref().map(|accounts| &accounts.plugin)
    }

    fn launcher_directory(&self) -> PathBuf {
        if self.accounts.is_some() { self.run.join("launcher") } else { self.run.clone() }
    }
}

/// `run` itself where sockets in it have short enough paths, otherwise a directory of ours in `/tmp` whose name
/// follows from `run`, so that the next start finds the same.
fn short_run_directory(run: PathBuf) -> Result<PathBuf> {
    if socket_path(&run.join("pg")).as_os_str().len() <= SOCKET_PATH_LIMIT {
        return Ok(run);
    }
    let short = PathBuf::from(format!(
        "/tmp/selfservice-{}-{:08x}",
        geteuid(),
        short_hash(run.as_os_str().as_bytes())
    ));
    make_directory(&short, 0o700, None, None)?;
    let about = fs::symlink_metadata(&short)?;
    if !about.is_dir() || about.uid() != geteuid().as_raw() {
        bail!("{} belongs to somebody else; remove it", short.display());
    }
    Ok(short)
}

fn default_root_home(checkout: &Path) -> PathBuf {
    let name = checkout.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }
    };
    let name: String = name.chars().take(30).map(plain).collect();
    PathBuf::from(format!(
        "/var/lib/selfservice-run/{name}-{:08x}",
        short_hash(checkout.as_os_str().as_bytes())
    ))
}

/// FNV-1a: the same in every version of this program, which the standard library's hashes do not promise.
pub fn short_hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn has_space(path: &Path) -> bool {
    path.to_string_lossy().contains(char::is_whitespace)
}

fn make_directory(path: &Path, mode: u32, owner: Option<&Account>, group: Option<u32>) -> Result<()> {
    let make = || {
        if !path.is_dir() {
            DirBuilder::new().mode(mode).create(path)?;
        }
        chown(path, owner.map(|owner| owner.uid), group)?;
        fs::set_permissions(path, Permissions::from_mode(mode))
    };
    make().with_context(|| format!("while creating the directory {}", path.display()))
}

/// Copies the files of a directory (not what lies deeper). What vanished from it vanishes from the copy.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(to).with_context(|| format!("while reading {}", to.display()))?;
    for old in entries.flatten().filter(|old| !from.join(old.file_name()).exists()) {
        fs::remove_file(old.path()).with_context(|| format!("while removing {}", old.path().display()))?;
    }
    for entry in fs::read_dir(from).with_context(|| format!("while reading {}", from.display()))? {
        let path = entry?.path();
        let (Some(name), Ok(about)) = (path.file_name(), fs::metadata(&path)) else {
            continue;
        };
        if about.is_file() {
            copy_if_changed(&path, &to.join(name), about.mode() & 0o111 | 0o644)?;
        }
    }
    Ok(())
}

/// Copies a file unless the copy is as long and as new. The copy takes the place of the old one in one step, so
/// that a running program keeps its own.
fn copy_if_changed(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let copy = || {
        let source = fs::metadata(from)?;
        let present = fs::metadata(to).ok();
        if present.is_some_and(|present| present.len() == source.len() && present.mtime() >= source.mtime()) {
            return Ok(());
        }
        let unfinished = to.with_extension("new");
        fs::copy(from, &unfinished)?;
        fs::set_permissions(&unfinished, Permissions::from_mode(mode))?;
        fs::rename(&unfinished, to)
    };
    copy().with_context(|| format!("while copying {} to {}", from.display(), to.display()))
}
