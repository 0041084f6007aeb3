//! The files of a private server: directories, their owner, initdb, the lock, and what a killed server left.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::io_error;
use super::{PORT, PostgresError, PostgresOptions, SUPERUSER, tool};
use crate::account::{self, Account};
use crate::postgres::binaries::Binaries;
use crate::process::ProcessSpec;

const SERVER_ACCOUNT: &str = "postgres";
/// What fits into a socket address, without the closing NUL.
pub const SOCKET_PATH_LIMIT: usize = 107;

/// The user who has to run the server: `postgres` when we are root, otherwise ourselves.
pub fn server_account() -> Result<Option<Account>, PostgresError> {
    if !account::is_root() {
        return Ok(None);
    }
    let account =
        Account::find(SERVER_ACCOUNT).map_err(io_error("can't look up a user for", "/etc/passwd"))?;
    account.map(Some).ok_or(PostgresError::NoAccount(SERVER_ACCOUNT))
}

/// Takes the lock of the data directory, which lies beside it. The server and everything it starts inherit
/// it, so holding it proves that no process of an earlier server is left; one that is just ending is waited for.
pub fn lock(data_dir: &Path, patience: Duration) -> Result<File, PostgresError> {
    let path = beside(data_dir, "lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&path).map_err(io_error("can't open", &path))?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(PostgresError::Running(data_dir.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(io_error("can't lock", &path)(source)),
        }
    }
}

/// Checks the way to both directories and makes the socket directory (its parent must exist).
pub fn make_socket_directory(
    options: &PostgresOptions,
    owner: Option<&Account>,
) -> Result<(), PostgresError> {
    let directory = &options.socket_dir;
    let socket = socket_path(directory);
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_LIMIT {
        return Err(PostgresError::SocketPathTooLong { path: socket, length });
    }
    let mode = if options.socket_group.is_some() { 0o750 } else { 0o700 };
    make_directory(directory, mode, owner)?;
    if options.socket_group.is_some() {
        chown(directory, None, options.socket_group)
            .map_err(io_error("can't set the group of", directory))?;
    }
    Ok(())
}

fn make_directory(path: &Path, mode: u32, owner: Option<&Account>) -> Result<(), PostgresError> {
    if !path.is_dir() {
        DirBuilder::new().mode(mode).create(path).map_err(io_error("can't create", path))?;
    }
    if let Some(owner) = owner {
        check_reachable(path, owner)?;
        owner.own(path).map_err(io_error("can't give away", path))?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io_error("can't set the mode of", path))
}

fn check_reachable(path: &Path, owner: &Account) -> Result<(), PostgresError> {
    let closed = owner.first_closed_parent(path).map_err(io_error("can't look at the way to", path))?;
    match closed {
        None => Ok(()),
        Some(closed) => {
            Err(PostgresError::Unreachable { user: owner.name.clone(), path: path.to_path_buf(), closed })
        }
    }
}

/// The major version that made the data directory, or `None` where it holds no complete cluster.
pub fn data_version(data_dir: &Path) -> Option<u32> {
    fs::read_to_string(data_dir.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// Makes the data directory. initdb works in a neighbour that takes the place of the data directory when it is
/// complete, so a half-filled one (killed, power lost) is never mistaken for data.
pub fn initialise(
    binaries: &Binaries,
    options: &PostgresOptions,
    owner: Option<&Account>,
) -> Result<(), PostgresError> {
    let unfinished = beside(&options.data_dir, "new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io_error("can't remove", &unfinished))?;
    }
    make_directory(&unfinished, 0o700, owner)?;
    let mut initdb = ProcessSpec::new(binaries.program("initdb"))
        .args(["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D"])
        .arg(unfinished.to_string_lossy())
        .env("PATH", "/usr/bin:/bin")
        .account(owner);
    if !options.durable {
        initdb = initdb.arg("--no-sync");
    }
    tool("initdb", initdb)?;
    fs::rename(&unfinished, &options.data_dir).map_err(io_error("can't create", &options.data_dir))
}

/// Removes what a killed server left behind. The caller holds the lock, so no server that we started runs;
/// one that was started by hand on our data directory is recognised by its working directory and refused.
pub fn clear_leftovers(options: &PostgresOptions) -> Result<(), PostgresError> {
    let pid_file = options.data_dir.join("postmaster.pid");
    if let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| first_number(&text)) {
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok();
        if works_in.is_some() && works_in == fs::canonicalize(&options.data_dir).ok() {
            return Err(PostgresError::Running(options.data_dir.clone()));
        }
    }
    let socket = socket_path(&options.socket_dir);
    for path in [pid_file, beside(&socket, "lock"), socket] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error("can't remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the server with this process id says in `postmaster.pid` that it takes connections.
pub fn is_ready(data_dir: &Path, pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(data_dir.join("postmaster.pid")) else {
        return false;
    };
    first_number(&text) == Some(pid) && text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

/// The socket in `directory`.
pub fn socket_path(directory: &Path) -> PathBuf {
    directory.join(format!(".s.PGSQL.{PORT}"))
}

/// The neighbour of `path` whose name has `.ending` added.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn first_number(text: &str) -> Option<i32> {
    text.lines().next()?.trim().parse().ok()
}
