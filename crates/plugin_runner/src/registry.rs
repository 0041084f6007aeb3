//! Finds and checks plugins. A plugin is a name and never a path: it is looked up in the named directories, the
//! first one that has it wins, and a link counts where it points, which must be in a named directory again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

const WORLD_WRITABLE: u32 = 0o002;
const GROUP_WRITABLE: u32 = 0o020;
const EXECUTABLE: u32 = 0o111;
/// The kernel reads no more of a script's first line.
const FIRST_LINE_BYTES: usize = 256;

/// A plugin that can't be used; each variant is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// The name could be read as a path or an option, or can't be a file's name.
    #[error("'{0}' is no plugin name: it must be a file name without '/', NUL or a leading '-'")]
    Name(String),
    /// No named directory has it.
    #[error("plugin '{name}' was not found in {directories}")]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The directories, separated by commas.
        directories: String,
    },
    /// It is there, and it can't be run.
    #[error("plugin '{name}' {problem}")]
    Unusable {
        /// The name that was asked for.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whose plugins may be trusted.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// A checkout or a test: nothing that everybody can write.
    #[default]
    Checkout,
    /// An installed system: neither what everybody nor what the services themselves can write.
    Installed {
        /// User ids of the services.
        users: Vec<u32>,
        /// Group ids of the services.
        groups: Vec<u32>,
    },
}

/// A plugin that was found and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// The named directory that has it, joined with its name: what it sees as its own name.
    pub path: PathBuf,
    /// The file that is run, with every link resolved.
    pub file: PathBuf,
}

/// The named directories and how far they are trusted.
#[derive(Debug, Clone)]
pub struct Registry {
    directories: Vec<PathBuf>,
    trust: Trust,
}

impl Registry {
    /// Keeps the directories in their order. They are looked at when a plugin is asked for, not here.
    pub fn new(directories: impl IntoIterator<Item = impl Into<PathBuf>>, trust: Trust) -> Self {
        Self { directories: directories.into_iter().map(Into::into).collect(), trust }
    }

    /// Finds the plugin of this name in the first directory that has the name, and checks it.
    ///
    /// # Errors
    /// The name is none, no directory has it, or the file can't be trusted or run.
    pub fn find(&self, name: &str) -> Result<Plugin, RegistryError> {
        if !is_plugin_name(name) {
            return Err(RegistryError::Name(name.escape_debug().to_string()));
        }
        let path = self
            .directories
            .iter()
            .map(|directory| directory.join(name))
            .find(|path| fs::symlink_metadata(path).is_ok());
        let Some(path) = path else {
            return Err(RegistryError::NotFound { name: name.to_owned(), directories: self.describe() });
        };
        match self.check(&path) {
            Ok(file) => Ok(Plugin { name: name.to_owned(), path, file }),
            Err(problem) => Err(RegistryError::Unusable { name: name.to_owned(), problem }),
        }
    }

    /// Every file that is a plugin or looks as if it should be one, by name, with what keeps it from being used. A file
    /// that is neither executable nor has a `#!` line is somebody's helper.
    pub fn survey(&self) -> Vec<(String, Result<Plugin, RegistryError>)> {
        let found = self.names().into_iter().map(|name| {
            let plugin = self.find(&name);
            (name, plugin)
        });
        found.filter(|(name, plugin)| plugin.is_ok() || self.looks_like_plugin(name)).collect()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .directories
            .iter()
            .filter_map(|directory| fs::read_dir(directory).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn looks_like_plugin(&self, name: &str) -> bool {
        let path = self.directories.iter().map(|directory| directory.join(name));
        let path = path.into_iter().find(|path| fs::symlink_metadata(path).is_ok());
        path.is_some_and(|path| match path.metadata() {
            Ok(metadata) if metadata.is_file() => {
                metadata.mode() & EXECUTABLE != 0 || first_line(&path).is_ok_and(|line| line.is_some())
            }
            Ok(_) => false,
            // A link to nowhere.
            Err(_) => true,
        })
    }

    fn describe(&self) -> String {
        let names: Vec<String> =
            self.directories.iter().map(|directory| directory.display().to_string()).collect();
        if names.is_empty() { "any directory: none is named".to_owned() } else { names.join(", ") }
    }

    /// Checks the file behind `path` and gives its place without links; the error is the end of a sentence.
    fn check(&self, path: &Path) -> Result<PathBuf, String> {
        let file = path.canonicalize().map_err(|error| format!("can't be resolved: {error}"))?;
        let home = file.parent().unwrap_or(Path::new("/"));
        if !self.is_named(home) {
            return Err(format!("is a link to {}, which is in no plugin directory", file.display()));
        }
        let metadata = file.metadata().map_err(|error| format!("can't be read: {error}"))?;
        if !metadata.is_file() {
            return Err("is no regular file".to_owned());
        }
        if metadata.mode() & EXECUTABLE == 0 {
            return Err("is not executable; chmod +x makes it so".to_owned());
        }
        self.check_writers("it", &metadata)?;
        for directory in [Some(home), path.parent()].into_iter().flatten() {
            let metadata = directory.metadata().map_err(|error| format!("can't be checked: {error}"))?;
            self.check_writers("its directory", &metadata)?;
        }
        check_first_line(&file)?;
        Ok(file)
    }

    fn is_named(&self, directory: &Path) -> bool {
        self.directories.iter().any(|named| named.canonicalize().is_ok_and(|named| named == directory))
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
}

fn is_plugin_name(name: &str) -> bool {
    let outside = name.is_empty() || name == "." || name == ".." || name.len() > 255;
    !outside
        && !name.starts_with('-')
        && !name.contains(|character: char| character == '/' || character.is_control())
}

/// A script whose interpreter is missing fails with "no such file", which sends people looking for the script.
fn check_first_line(file: &Path) -> Result<(), String> {
    let Some(line) = first_line(file).map_err(|error| format!("can't be read: {error}"))? else {
        return Ok(());
    };
    if line.ends_with(b"\r") {
        return Err("has Windows line ends; its first line must end with a line feed alone".to_owned());
    }
    let interpreter = line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(interpreter));
    let exists = interpreter.metadata().is_ok_and(|metadata| metadata.permissions().mode() & EXECUTABLE != 0);
    if exists {
        return Ok(());
    }
    Err(format!("needs the interpreter {}, which is not there", interpreter.display()))
}

/// What stands behind `#!`, or `None` for a file that is no script or that only its user may read.
fn first_line(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        opened => opened?,
    };
    let mut start = Vec::new();
    file.take(u64::try_from(FIRST_LINE_BYTES).map_err(io::Error::other)?).read_to_end(&mut start)?;
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(line.strip_prefix(b"#!").map(<[u8]>::to_vec))
}
