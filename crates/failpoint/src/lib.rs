//! Named points in the programs at which a fault test lets them die, stop, wait or fail.
//!
//! A point is armed by a file of its name in the directory that [`VARIABLE`] names, while the programs run. The process
//! that passes the point for the n-th time since then takes the file away, which makes it the only one that acts: a
//! program that is started again lives. Without the variable a point costs one look at a static; without
//! `debug_assertions` the macros are empty, so a release holds neither the points nor their names.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use std::{fs, io};

/// Names the directory in which points are armed. Only programs built with `debug_assertions` read it.
pub const VARIABLE: &str = "SELFSERVICE_FAILPOINTS";

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
static HITS: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// A point: `failpoint!("name")`, or `failpoint!("name", return Err(...))` where it can be made to fail.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::hit($name);
    };
    ($name:literal, $fail:expr) => {
        #[cfg(debug_assertions)]
        if $crate::hit($name) {
            $fail
        }
    };
}

/// Makes the points of this program work, where the environment asks for it. The first thing in a `main`.
#[macro_export]
macro_rules! listen {
    () => {
        #[cfg(debug_assertions)]
        $crate::listen();
    };
}

/// See [`listen!`].
pub fn listen() {
    if let Some(directory) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        // A second call is a mistake without consequences: the first directory counts.
        let _ = DIRECTORY.set(PathBuf::from(directory));
    }
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process gets SIGKILL.
    Kill,
    /// The process gets SIGSTOP, until somebody sends SIGCONT.
    Stop,
    /// The thread sleeps for so many milliseconds.
    Sleep(u64),
    /// The operation fails, where the point has a way to.
    Error,
}

/// A file that arms a point: `ACTION@N`, where the action is `kill`, `stop`, `sleep=MILLISECONDS` or `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What happens.
    pub action: Action,
    /// The how many-th time that one process passes the point, from 1.
    pub at: u32,
}

impl Rule {
    /// Arms the point in `directory`. A program never sees half a rule.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn arm(self, directory: &Path, point: &str) -> io::Result<()> {
        let new = directory.join(format!("{point}.new"));
        fs::write(&new, self.to_string())?;
        fs::rename(new, directory.join(point))
    }
}

/// Whether a point in `directory` was armed and has acted.
pub fn has_acted(directory: &Path, point: &str) -> bool {
    acted(directory, point).exists()
}

fn acted(directory: &Path, point: &str) -> PathBuf {
    directory.join(format!("{point}.acted"))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::Kill => write!(f, "kill")?,
            Action::Stop => write!(f, "stop")?,
            Action::Sleep(milliseconds) => write!(f, "sleep={milliseconds}")?,
            Action::Error => write!(f, "error")?,
        }
        write!(f, "@{}", self.at)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' must be kill, stop, sleep=MILLISECONDS or error, then @ and a number");
        let (action, at) = text.trim().split_once('@').ok_or_else(wrong)?;
        let action = match action.split_once('=') {
            None if action == "kill" => Action::Kill,
            None if action == "stop" => Action::Stop,
            None if action == "error" => Action::Error,
            Some(("sleep", milliseconds)) => Action::Sleep(milliseconds.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        let at = at.parse().ok().filter(|at| *at > 0).ok_or_else(wrong)?;
        Ok(Self { action, at })
    }
}

/// See [`failpoint!`]. True: the operation is to fail.
pub fn hit(point: &str) -> bool {
    DIRECTORY.get().is_some_and(|directory| hit_in(directory, point))
}

fn hit_in(directory: &Path, point: &str) -> bool {
    let armed = directory.join(point);
    let Some(rule) = fs::read_to_string(&armed).ok().and_then(|text| text.parse::<Rule>().ok()) else {
        return false;
    };
    if !is_due(&armed, rule.at) || fs::rename(&armed, acted(directory, point)).is_err() {
        return false;
    }
    rule.action.carry_out()
}

/// Counts a hit of an armed point. True: it is the one that was waited for.
fn is_due(armed: &Path, at: u32) -> bool {
    let mut hits = HITS.lock().unwrap_or_else(PoisonError::into_inner);
    let hits = hits.get_or_insert_default();
    let key = armed.to_string_lossy().into_owned();
    let count = hits.entry(key.clone()).or_insert(0);
    *count += 1;
    let due = *count >= at;
    if due {
        hits.remove(&key);
    }
    due
}

impl Action {
    fn carry_out(self) -> bool {
        match self {
            Self::Kill => drop(raise(SIGKILL)),
            Self::Stop => drop(raise(SIGSTOP)),
            Self::Sleep(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Self::Error => return true,
        }
        false
    }
}

// Linux's numbers. The C library is there in any case, so this crate needs no other one.
const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

// SAFETY: `raise` takes any number and touches no memory of ours.
unsafe extern "C" {
    safe fn raise(signal: i32) -> i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["kill@1", "stop@2", "sleep=250@3", "error@40"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in ["", "kill", "kill@0", "sleep@1", "sleep=x@1", "reboot@1"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_point_acts_once_at_its_turn_and_then_never_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let hits = |count: usize| (0..count).map(|_| hit_in(path, "here")).collect::<Vec<_>>();
        assert_eq!(hits(2), [false, false], "nothing is armed");
        Rule { action: Action::Error, at: 3 }.arm(path, "here").unwrap();
        assert!(!hit_in(path, "elsewhere"));
        assert_eq!(hits(5), [false, false, true, false, false]);
        assert!(has_acted(path, "here") && !has_acted(path, "elsewhere"));
        Rule { action: Action::Error, at: 1 }.arm(path, "here").unwrap();
        assert_eq!(hits(2), [true, false], "it can be armed again");
    }
}
