//! Looks at `/proc`: which processes descend from this one, or belong to a launcher that is gone.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    pub threads: usize,
    pub zombie: bool,
}

/// The processes below this one, at one moment.
pub(super) struct Descendants {
    pub processes: HashMap<i32, Process>,
    own: i32,
}

/// In `/proc/PID/stat` the session is field 6 and the number of threads is field 20; see proc(5).
const THREADS_BEHIND_SESSION: usize = 13;
/// What a look learned is forgotten after this: process ids come around again, though not this soon.
const FOREIGN_FOR: Duration = Duration::from_secs(2);

/// Looks for descendants again and again. What once was no descendant never becomes one, so it is remembered and
/// not looked at again while its id is in use; that makes a look on a busy machine cheap.
#[derive(Default)]
pub(super) struct Watcher {
    foreign: HashSet<i32>,
    last: Option<Instant>,
}

impl Watcher {
    pub fn look(&mut self) -> Descendants {
        let own = Pid::this().as_raw();
        if self.last.replace(Instant::now()).is_none_or(|last| last.elapsed() > FOREIGN_FOR) {
            self.foreign.clear();
        }
        let ids = all_ids();
        let known: HashMap<i32, Process> = ids
            .iter()
            .filter(|id| !self.foreign.contains(id))
            .filter_map(|&id| Some((id, read_process(id)?)))
            .collect();
        let all = Descendants { processes: known, own };
        let ours: HashMap<i32, Process> = all
            .processes
            .iter()
            .filter(|(id, _)| all.root_of(**id).is_some())
            .map(|(id, process)| (*id, *process))
            .collect();
        // An id that could not be read belongs to a process that just ended: it may be anybody's next time.
        self.foreign.retain(|id| ids.contains(id));
        self.foreign.extend(all.processes.keys().filter(|id| !ours.contains_key(id)));
        Descendants { processes: ours, own }
    }
}

impl Descendants {
    /// The child of this process above `id` (or `id` itself); `None` for a process that does not descend.
    pub fn root_of(&self, id: i32) -> Option<i32> {
        let mut current = id;
        // Parents can't form a circle, but the picture was not taken in one moment.
        for _ in 0..=self.processes.len() {
            let parent = self.processes.get(&current)?.parent;
            if parent == self.own {
                return Some(current);
            }
            current = parent;
        }
        None
    }
}

/// The children of this process, ended ones included until they are collected. The kernel's list has no gaps here:
/// only this thread collects children, and it does not while it reads. `None` where the kernel keeps no such list.
pub(super) fn children() -> Option<Vec<i32>> {
    let list = fs::read_to_string("/proc/thread-self/children").ok()?;
    list.split_ascii_whitespace().map(|id| id.parse().ok()).collect()
}

/// The value of one variable in a process's environment as it was started; `None` when it has none, or when the
/// process may not be looked into.
pub(super) fn variable_of(id: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Where a process works; `None` when it may not be looked into.
pub(super) fn directory_of(id: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{id}/cwd")).ok()
}

/// Every living process that was started with `name` set to this directory, or that works below it, with
/// everything below these processes and in their sessions.
pub(super) fn marked(name: &str, directory: &Path) -> Vec<i32> {
    let all: HashMap<i32, Process> = all_ids()
        .into_iter()
        .filter_map(|id| Some((id, read_process(id)?)))
        .filter(|(id, process)| !process.zombie && *id != Pid::this().as_raw())
        .collect();
    let is_marked = |id: i32| {
        variable_of(id, name).is_some_and(|value| Path::new(&value) == directory)
            || directory_of(id).is_some_and(|works_in| works_in.starts_with(directory))
    };
    let mut found: HashSet<i32> = all.keys().copied().filter(|&id| is_marked(id)).collect();
    loop {
        let more: Vec<i32> = all
            .iter()
            .filter(|(id, process)| {
                !found.contains(id) && (found.contains(&process.parent) || found.contains(&process.session))
            })
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            return found.into_iter().collect();
        }
        found.extend(more);
    }
}

/// Sends a signal. A process that just ended, or that became another user, is skipped.
pub(super) fn send(id: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(id), signal);
}

/// Sends a signal to a whole process group, which no process can slip out of by starting another one meanwhile.
pub(super) fn send_to_group(group: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(group), signal);
}

fn all_ids() -> HashSet<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn read_process(id: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may contain anything, so fields are counted from its end.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let threads = fields.nth(THREADS_BEHIND_SESSION)?.parse().ok()?;
    Some(Process { parent, group, session, threads, zombie: matches!(state, "Z" | "X") })
}
