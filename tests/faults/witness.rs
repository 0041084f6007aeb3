//! What the plugins swear to: the file to which every run appends before it does anything, and the output that a
//! complete run has.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The handlers of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Ends at once.
    Quick,
    /// Prints lines for about a second.
    Prints,
    /// Sleeps for about a second.
    Sleeps,
    /// Sleeps, deaf to TERM, and leaves a daemon behind.
    Stubborn,
}

impl Handler {
    pub const ALL: [Self; 4] = [Self::Quick, Self::Prints, Self::Sleeps, Self::Stubborn];
    /// Lines of [`Handler::Prints`].
    const LINES: usize = 60;

    pub fn id(self) -> i64 {
        self as i64 + 1
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Prints => "prints",
            Self::Sleeps => "sleeps",
            Self::Stubborn => "stubborn",
        }
    }

    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|handler| handler.name() == name).expect("a handler of the inventory")
    }

    /// Arguments of the plugin, as in an array of PostgreSQL.
    pub fn arguments(self) -> String {
        match self {
            Self::Quick => "quick".to_owned(),
            Self::Prints => format!("prints,{},15", Self::LINES),
            Self::Sleeps => "sleeps,800".to_owned(),
            Self::Stubborn => "stubborn,800".to_owned(),
        }
    }

    /// What a complete run prints.
    pub fn output(self, task: Uuid) -> String {
        let lines = if self == Self::Prints { Self::LINES } else { 0 };
        let mut text: String = (0..lines).map(|number| format!("line {number}\n")).collect();
        text.push_str(&format!("end of {task}\n"));
        text
    }
}

/// The file.
pub struct Witness(PathBuf);

/// What one task's runs have sworn to.
#[derive(Debug, Default, Clone)]
pub struct Sworn {
    pub begun: usize,
    pub ended: usize,
}

impl Witness {
    /// An empty file to which plugins can append, whoever runs them.
    pub fn create(path: PathBuf) -> Self {
        File::create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn sworn(&self) -> BTreeMap<Uuid, Sworn> {
        let mut sworn: BTreeMap<Uuid, Sworn> = BTreeMap::new();
        for line in fs::read_to_string(&self.0).unwrap().lines() {
            let [task, _pid, word] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("the witness file has the line {line:?}");
            };
            let entry = sworn.entry(task.parse().unwrap()).or_default();
            match word {
                "begin" => entry.begun += 1,
                "end" => entry.ended += 1,
                _ => panic!("the witness file has the line {line:?}"),
            }
        }
        sworn
    }
}
