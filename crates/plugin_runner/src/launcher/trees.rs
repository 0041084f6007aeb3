//! Which process belongs to which run. A process below a plugin's own process belongs to it. One that lost its
//! parent is a child of the launcher, which is a subreaper; its environment, its session or its working directory
//! tells its run, and one that shed them all belongs to whichever run was alive when it was first seen and ends
//! last.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use uuid::Uuid;

use super::limits::Census;
use super::processes::{Descendants, Watcher, children, directory_of, send, variable_of};
use super::run::Run;
use crate::command::RUN_VARIABLE;

/// How often children are looked at that may belong to no living run.
const STRAY_LOOK: Duration = Duration::from_secs(1);
/// How often the processes of the machine are counted while there are children.
const COUNT: Duration = Duration::from_millis(50);
const STRAY_LOOK_WHEN_ALONE: Duration = Duration::from_millis(20);
/// Strays that are still there after this can't be ended, for example because they run as another user.
const STRAYS_GIVEN_UP: Duration = Duration::from_secs(5);

pub(super) struct Trees {
    watcher: Watcher,
    census: Census,
    /// How many processes and threads a run may have.
    allowed: u32,
    /// How many the machine had at the last look, and the largest run.
    counted: Option<u64>,
    most_tasks: usize,
    next_count: Option<Instant>,
    /// The leaders of all runs, also of those whose leader has ended: its number is still their session's.
    leaders: HashMap<i32, Uuid>,
    /// Processes that nothing attributes, with the runs that were alive when they were first seen.
    strays: HashMap<i32, Vec<Uuid>>,
    living_leaders: usize,
    children: bool,
    next_stray_look: Option<Instant>,
    /// Since when only strays are left.
    strays_alone_since: Option<Instant>,
}

/// The living processes of one run.
#[derive(Default)]
pub(super) struct Tree {
    pub ids: Vec<i32>,
    /// Processes and threads.
    pub tasks: usize,
    /// Some of them are still in the group that the plugin's own process began with.
    pub has_leaders_group: bool,
}

/// The living processes of every run, at one moment.
#[derive(Default)]
pub(super) struct Members {
    of_runs: HashMap<Uuid, Tree>,
    of_nobody: Vec<i32>,
    nothing: Tree,
}

impl Members {
    pub fn of(&self, run: Uuid) -> &Tree {
        self.of_runs.get(&run).unwrap_or(&self.nothing)
    }

    /// Kills what belongs to runs that are over: it slipped through while its run was ended.
    pub fn end_strays(&self) {
        self.of_nobody.iter().for_each(|&id| send(id, Signal::SIGKILL));
    }
}

impl Trees {
    pub fn new(allowed: u32) -> Self {
        Self {
            watcher: Watcher::default(),
            census: Census::new(),
            allowed,
            counted: None,
            most_tasks: 0,
            next_count: None,
            leaders: HashMap::new(),
            strays: HashMap::new(),
            living_leaders: 0,
            children: false,
            next_stray_look: None,
            strays_alone_since: None,
        }
    }

    /// How many processes and threads the whole machine has; `None` where that is not known.
    pub fn tasks_of_the_machine(&self) -> Option<u64> {
        self.census.count()
    }

    pub fn leader_started(&mut self, pid: i32, run: Uuid) {
        self.leaders.insert(pid, run);
        self.living_leaders += 1;
        self.children = true;
    }

    /// The run whose leader this child was.
    pub fn leader_ended(&mut self, pid: i32) -> Option<Uuid> {
        let run = self.leaders.get(&pid).copied();
        self.living_leaders -= usize::from(run.is_some());
        run
    }

    pub fn forget(&mut self, leader: i32) {
        self.leaders.remove(&leader);
    }

    /// What the kernel said when ended children were collected.
    pub fn children_exist(&mut self, exist: bool) {
        self.children = exist;
        let alone = self.children && self.living_leaders == 0;
        self.strays_alone_since = alone.then(|| self.strays_alone_since.unwrap_or_else(Instant::now));
    }

    /// True when there are children that are no leaders, and it makes sense to go on ending them.
    pub fn has_strays(&self) -> bool {
        self.strays_alone_since.is_some_and(|since| since.elapsed() < STRAYS_GIVEN_UP)
    }

    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        let due =
            self.next_stray_look.unwrap_or(now + STRAY_LOOK).min(self.next_count.unwrap_or(now + COUNT));
        self.children.then(|| if self.has_strays() { due.min(now + STRAY_LOOK_WHEN_ALONE) } else { due })
    }

    pub fn is_look_due(&mut self, now: Instant) -> bool {
        self.has_strays()
            || (self.children && self.next_stray_look.is_none_or(|due| now >= due))
            || (self.children && self.may_have_too_many(now))
    }

    /// Whether a run may have grown beyond the allowed number since the last look, judged by the whole machine's number,
    /// which is much cheaper than a look. Asked again and again, it counts only now and then.
    fn may_have_too_many(&mut self, now: Instant) -> bool {
        if self.next_count.is_some_and(|due| now < due) {
            return false;
        }
        self.next_count = Some(now + COUNT);
        let (Some(before), Some(counted)) = (self.counted, self.census.count()) else {
            return false;
        };
        let largest = u64::try_from(self.most_tasks).unwrap_or(u64::MAX);
        counted.saturating_sub(before).saturating_add(largest) > u64::from(self.allowed)
    }

    /// True when every child of this process leads a run that lives: then nothing is left of any other run, since
    /// whatever a leader leaves behind became our child before its own end could be collected. Much cheaper than a
    /// look at all processes, and enough for the usual plugin. False also where the kernel does not list children.
    pub fn only_leaders_live(&self, runs: &HashMap<Uuid, Run>) -> bool {
        let lives = |run: &Uuid| runs.get(run).is_some_and(Run::leader_lives);
        !self.children
            || children().is_some_and(|children| {
                children.iter().all(|child| self.leaders.get(child).is_some_and(lives))
            })
    }

    /// Looks at all processes; for nothing when the kernel has said that there are no children.
    pub fn look(&mut self, runs: &HashMap<Uuid, Run>) -> Members {
        self.next_stray_look = Some(Instant::now() + STRAY_LOOK);
        self.counted = self.census.count();
        if !self.children {
            self.strays.clear();
            return Members::default();
        }
        let all = self.watcher.look();
        self.strays.retain(|id, _| all.processes.contains_key(id));
        let owners = self.owners(&all, runs);
        let mut members = Members::default();
        for (&id, process) in &all.processes {
            if process.zombie {
                continue;
            }
            match all.root_of(id).and_then(|root| owners.get(&root).copied().flatten()) {
                Some(run) => {
                    let tree = members.of_runs.entry(run).or_default();
                    tree.ids.push(id);
                    tree.tasks += process.threads;
                    tree.has_leaders_group |= self.leaders.get(&process.group) == Some(&run);
                }
                None => members.of_nobody.push(id),
            }
        }
        self.most_tasks = members.of_runs.values().map(|tree| tree.tasks).max().unwrap_or(0);
        members
    }

    /// The run of every child of the launcher; `None` for one whose run is over.
    fn owners(&mut self, all: &Descendants, runs: &HashMap<Uuid, Run>) -> HashMap<i32, Option<Uuid>> {
        let roots = all.processes.iter().filter(|(id, _)| all.root_of(**id) == Some(**id));
        let mut owners = HashMap::new();
        for (&id, process) in roots {
            let living_leader =
                self.leaders.get(&id).filter(|run| runs.get(run).is_some_and(Run::leader_lives)).copied();
            let owner = living_leader.map_or_else(|| self.owner_of_orphan(id, process.session, runs), Some);
            owners.insert(id, owner);
        }
        owners
    }

    fn owner_of_orphan(&mut self, id: i32, session: i32, runs: &HashMap<Uuid, Run>) -> Option<Uuid> {
        let by_environment = || variable_of(id, RUN_VARIABLE).and_then(|value| Uuid::parse_str(&value).ok());
        let by_directory = || {
            let works_in = directory_of(id)?;
            runs.values().find(|run| works_in.starts_with(&run.directory)).map(|run| run.id)
        };
        let by_session = self.leaders.get(&session).copied();
        if let Some(run) = by_environment().or(by_session).or_else(by_directory) {
            return runs.contains_key(&run).then_some(run);
        }
        let candidates = self.strays.entry(id).or_insert_with(|| runs.keys().copied().collect());
        candidates.retain(|run| runs.contains_key(run));
        // With several candidates it is given to one that still runs, as long as there is one.
        let running = candidates.iter().find(|run| runs.get(run).is_some_and(Run::leader_lives));
        running.or(candidates.first()).copied()
    }
}
