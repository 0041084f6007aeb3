//! Finds and checks plugins. A plugin is a name and never a path: it is looked up in the named directories, the
//! first one that has it wins, and a link counts where it points, which must be in a named directory again.
//!
//! What was found is remembered with everything that decided about it, so that finding it again costs a look at each
//! of these (usually the directory and the file) and no reading.

mod check;
mod seen;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use check::{Checked, looks_like_plugin};
use seen::{Seen, Witness};

/// The SHA-256 of a plugin's file.
pub type Digest = [u8; 32];

/// After this everything is looked at again, also what is not worth a look at every start, such as the directories
/// above the named one.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

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
    /// An installed system: neither what everybody nor what the services themselves can write, in directories of
    /// which the same holds up to the root; each file belongs to root or to the owner of its directory.
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
    /// Of the file's content when it was checked.
    pub sha256: Digest,
}

/// One entry of the named directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// The plugin's name.
    pub name: String,
    /// Of its content; `None` where it can't be used.
    pub sha256: Option<Digest>,
    /// A sentence that says why it can't be used.
    pub problem: Option<String>,
}

/// The named directories and how far they are trusted.
#[derive(Debug)]
pub struct Registry {
    directories: Vec<PathBuf>,
    trust: Trust,
    remembered: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    plugins: HashMap<String, Remembered>,
    /// Digests by file, which stay true as long as the file is the same.
    digests: HashMap<PathBuf, (Seen, Digest)>,
}

#[derive(Debug)]
struct Remembered {
    plugin: Plugin,
    witnesses: Vec<Witness>,
    since: Instant,
}

impl Registry {
    /// Keeps the directories in their order. They are looked at when a plugin is asked for, not here.
    pub fn new(directories: impl IntoIterator<Item = impl Into<PathBuf>>, trust: Trust) -> Self {
        let directories = directories.into_iter().map(Into::into).collect();
        Self { directories, trust, remembered: Mutex::default() }
    }

    /// Finds the plugin of this name in the first directory that has the name, and checks it.
    ///
    /// # Errors
    /// The name is none, no directory has it, or the file can't be trusted or run.
    pub fn find(&self, name: &str) -> Result<Plugin, RegistryError> {
        if !is_plugin_name(name) {
            return Err(RegistryError::Name(name.escape_debug().to_string()));
        }
        let mut memory = self.memory();
        if let Some(plugin) = memory.recall(name) {
            return Ok(plugin);
        }
        let mut witnesses = Vec::new();
        for directory in &self.directories {
            let path = directory.join(name);
            if fs::symlink_metadata(&path).is_err() {
                witnesses.push(Witness::absent(path));
                continue;
            }
            let Checked { file, sha256 } = self
                .check(directory, &path, &mut witnesses, &mut memory.digests)
                .map_err(|problem| RegistryError::Unusable { name: name.to_owned(), problem })?;
            let plugin = Plugin { name: name.to_owned(), path, file, sha256 };
            if witnesses.iter().all(Witness::is_settled) {
                let remembered = Remembered { plugin: plugin.clone(), witnesses, since: Instant::now() };
                memory.plugins.insert(name.to_owned(), remembered);
            }
            return Ok(plugin);
        }
        Err(RegistryError::NotFound { name: name.to_owned(), directories: self.describe() })
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

    /// What [`Registry::survey`] gives, to be told to others.
    pub fn examine(&self) -> Vec<Examined> {
        let examined = |(name, found)| match found {
            Ok(Plugin { sha256, .. }) => Examined { name, sha256: Some(sha256), problem: None },
            Err(error) => Examined { name, sha256: None, problem: Some(RegistryError::to_string(&error)) },
        };
        self.survey().into_iter().map(examined).collect()
    }

    fn looks_like_plugin(&self, name: &str) -> bool {
        let mut paths = self.directories.iter().map(|directory| directory.join(name));
        paths.find(|path| fs::symlink_metadata(path).is_ok()).is_some_and(|path| looks_like_plugin(&path))
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

    fn describe(&self) -> String {
        let names: Vec<String> =
            self.directories.iter().map(|directory| directory.display().to_string()).collect();
        if names.is_empty() { "any directory: none is named".to_owned() } else { names.join(", ") }
    }

    /// The named directory that is this one once links are resolved.
    fn is_named(&self, directory: &Path) -> bool {
        self.directories.iter().any(|named| named.canonicalize().is_ok_and(|named| named == directory))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The plugin as it was found, if nothing that decided about it has changed.
    fn recall(&mut self, name: &str) -> Option<Plugin> {
        let remembered = self.plugins.get(name)?;
        if remembered.since.elapsed() < REMEMBERED_FOR && remembered.witnesses.iter().all(Witness::holds) {
            return Some(remembered.plugin.clone());
        }
        self.plugins.remove(name);
        None
    }
}

fn is_plugin_name(name: &str) -> bool {
    let outside = name.is_empty() || name == "." || name == ".." || name.len() > 255;
    !outside
        && !name.starts_with('-')
        && !name.contains(|character: char| character == '/' || character.is_control())
}
