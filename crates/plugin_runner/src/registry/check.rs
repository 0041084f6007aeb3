//! The checks of one plugin. They look at the file that was opened, not at a name that could mean another one a moment
//! later: the directory is opened first, and the file in it without following a link.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use sha2::{Digest as _, Sha256};

use super::seen::{Seen, Witness};
use super::{Digest, Registry, Trust};

const WORLD_WRITABLE: u32 = 0o002;
const GROUP_WRITABLE: u32 = 0o020;
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;
/// The kernel reads no more of a script's first line.
const FIRST_LINE_BYTES: usize = 256;
/// Reading a longer file would keep everybody else waiting.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// What a check gives beside its witnesses.
pub(super) struct Checked {
    pub file: PathBuf,
    pub sha256: Digest,
}

impl Registry {
    /// Checks the file behind `path`, which is an entry of `directory`, and notes what decided about it. The error is
    /// the end of a sentence.
    pub(super) fn check(
        &self,
        directory: &Path,
        path: &Path,
        witnesses: &mut Vec<Witness>,
        digests: &mut HashMap<PathBuf, (Seen, Digest)>,
    ) -> Result<Checked, String> {
        let resolve = |error: io::Error| format!("can't be resolved: {error}");
        let place = path.canonicalize().map_err(resolve)?;
        let (Some(home), Some(name)) = (place.parent(), place.file_name()) else {
            return Err("is no regular file".to_owned());
        };
        if !self.is_named(home) {
            return Err(format!("is a link to {}, which is in no plugin directory", place.display()));
        }
        let entry = fs::symlink_metadata(path).map_err(resolve)?;
        witnesses.push(Witness::entry(path.to_owned(), &entry));
        if !entry.is_symlink() && !entry.is_file() {
            return Err("is no regular file".to_owned());
        }
        let (file, metadata) = open_in(home, name)?;
        if entry.is_symlink() {
            witnesses.push(Witness::entry(place.clone(), &metadata));
        } else if Seen::from(&entry) != Seen::from(&metadata) {
            return Err("was changed while it was checked".to_owned());
        }
        if metadata.mode() & EXECUTABLE == 0 {
            return Err("is not executable; chmod +x makes it so".to_owned());
        }
        self.check_writers("it", &metadata)?;
        self.check_owner(home, &metadata)?;
        witnesses.push(self.directory(directory)?);
        if entry.is_symlink() {
            witnesses.push(self.directory(home)?);
        }
        check_first_line(&file).map_err(|error| error.unwrap_or_else(unreadable))?;
        let sha256 = match digests.get(&place) {
            Some((seen, digest)) if *seen == Seen::from(&metadata) => *digest,
            _ => digest(&file, &metadata)?,
        };
        if Seen::from(&metadata).is_settled() {
            digests.insert(place.clone(), (Seen::from(&metadata), sha256));
        }
        Ok(Checked { file: place, sha256 })
    }

    /// Checks who may write a directory, and in an installed tree also those above it.
    fn directory(&self, path: &Path) -> Result<Witness, String> {
        let looked = |path: &Path| path.metadata().map_err(|error| format!("can't be checked: {error}"));
        let metadata = looked(path)?;
        self.check_writers("its directory", &metadata)?;
        if let Trust::Installed { .. } = self.trust {
            let place = path.canonicalize().map_err(|error| format!("can't be checked: {error}"))?;
            for above in place.ancestors().skip(1) {
                let metadata = looked(above)?;
                // Where a directory is sticky, as /tmp is, nobody can take away what is another's.
                if metadata.mode() & STICKY == 0 || metadata.mode() & WORLD_WRITABLE == 0 {
                    self.check_writers(&format!("the directory {}", above.display()), &metadata)?;
                }
            }
        }
        Ok(Witness::directory(path.to_owned(), &metadata))
    }

    fn check_writers(&self, what: &str, metadata: &Metadata) -> Result<(), String> {
        if metadata.mode() & WORLD_WRITABLE != 0 {
            return Err(format!("is refused: everybody can write {what}"));
        }
        if let Trust::Installed { users, groups } = &self.trust {
            let by_group = metadata.mode() & GROUP_WRITABLE != 0 && groups.contains(&metadata.gid());
            if users.contains(&metadata.uid()) || by_group {
                return Err(format!("is refused: the services themselves can write {what}"));
            }
        }
        Ok(())
    }

    /// A hard link may stand in a trusted directory and be the file of anybody.
    fn check_owner(&self, home: &Path, metadata: &Metadata) -> Result<(), String> {
        if matches!(self.trust, Trust::Checkout) || metadata.uid() == 0 {
            return Ok(());
        }
        let owner = home.metadata().map_err(|error| format!("can't be checked: {error}"))?.uid();
        if metadata.uid() == owner {
            return Ok(());
        }
        Err(format!(
            "is refused: it belongs to user id {}, who is neither root nor the owner of its directory",
            metadata.uid()
        ))
    }
}

/// Opens an entry of a directory for reading, without following a link and without waiting at a FIFO.
fn open_in(directory: &Path, name: &OsStr) -> Result<(File, Metadata), String> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .and_then(|directory| openat(&directory, name, flags, Mode::empty()));
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::ELOOP) => return Err("was changed while it was checked".to_owned()),
        Err(Errno::ENXIO) => return Err("is no regular file".to_owned()),
        Err(error) => return Err(unreadable(error.into())),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is no regular file".to_owned());
    }
    Ok((file, metadata))
}

fn unreadable(error: io::Error) -> String {
    format!("can't be read, so it can't be checked: {error}")
}

/// Reads the whole file. It must be the same before and after: who writes meanwhile is told to try again.
fn digest(file: &File, before: &Metadata) -> Result<Digest, String> {
    if before.len() > MAX_FILE_BYTES {
        return Err(format!("has {} bytes; {MAX_FILE_BYTES} are allowed", before.len()));
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut reader = file;
    loop {
        match reader.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    let after = file.metadata().map_err(unreadable)?;
    if Seen::from(&after) != Seen::from(before) {
        return Err("was changed while it was checked".to_owned());
    }
    Ok(hasher.finalize().into())
}

/// A script whose interpreter is missing fails with "no such file", which sends people looking for the script. The
/// error is the end of a sentence, or what reading gave.
fn check_first_line(file: &File) -> Result<(), Result<String, io::Error>> {
    let Some(line) = first_line(file).map_err(Err)? else {
        return Ok(());
    };
    if line.ends_with(b"\r") {
        return Err(Ok("has Windows line ends; its first line must end with a line feed alone".to_owned()));
    }
    let interpreter = line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    let exists = interpreter.metadata().is_ok_and(|metadata| metadata.permissions().mode() & EXECUTABLE != 0);
    if exists {
        return Ok(());
    }
    Err(Ok(format!("needs the interpreter {}, which is not there", interpreter.display())))
}

/// What stands behind `#!`, or `None` for a file that is no script.
fn first_line(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut start = vec![0; FIRST_LINE_BYTES];
    let length = file.read_at(&mut start, 0)?;
    start.truncate(length);
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(line.strip_prefix(b"#!").map(<[u8]>::to_vec))
}

/// Whether somebody meant this file to be a plugin, whatever keeps it from being one.
pub(super) fn looks_like_plugin(path: &Path) -> bool {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {
            let is_script = || File::open(path).and_then(|file| first_line(&file));
            metadata.mode() & EXECUTABLE != 0 || is_script().is_ok_and(|line| line.is_some())
        }
        Ok(_) => false,
        // A link to nowhere.
        Err(_) => true,
    }
}
