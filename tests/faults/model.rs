//! What must be true of every task once all is well again, whatever was broken before: the rows, the history of their
//! changes, the output and the plugins' own oaths are compared.

use crate::daemon::processes;
use crate::desk::Desk;
use crate::witness::{Handler, Sworn};
use crate::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Every task must have ended so long after everything works again.
const RECOVERY: Duration = Duration::from_secs(180);
/// No process of an ended task may live longer.
const AFTERLIFE: Duration = Duration::from_secs(60);

/// So many broken promises are shown; often they have one cause.
const SHOWN: usize = 6;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Sentences, one for each promise that was broken.
    pub broken: Vec<String>,
    /// Tasks by their results; a late one counts as `late`, too.
    pub results: BTreeMap<String, usize>,
}

impl Findings {
    pub fn count(&self, result: &str) -> usize {
        self.results.get(result).copied().unwrap_or(0)
    }

    /// Fails the test where a promise was broken.
    pub fn assert_kept(&self) {
        assert!(self.broken.is_empty(), "{self}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results: Vec<_> =
            self.results.iter().map(|(result, count)| format!("{count} {result}")).collect();
        write!(f, "{}", results.join(", "))?;
        self.broken.iter().take(SHOWN).try_for_each(|sentence| write!(f, "\n  BROKEN: {sentence}"))?;
        match self.broken.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// One task as it stands in the database.
struct Row {
    id: Uuid,
    handler: Handler,
    state: String,
    result: String,
    exit_code: Option<i64>,
    text: String,
    late: bool,
    created: i64,
    output: String,
    has_gap: bool,
    history: Vec<Step>,
}

/// One change of a task.
#[derive(Debug, PartialEq)]
struct Step {
    old: (String, String, Option<i64>),
    new: (String, String, Option<i64>),
}

/// Waits for the end of all tasks and compares. The world must be healed.
pub fn check(world: &World, desk: &Desk<'_>) -> Findings {
    let mut findings = Findings::default();
    if !world.drained(RECOVERY) {
        findings.broken.push(format!("tasks that have not ended {RECOVERY:?} after everything works again"));
    }
    let rows = read(world);
    let sworn = world.witness.sworn();
    let known: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    for missing in desk.acknowledged().difference(&known) {
        findings.broken.push(format!("{missing} was acknowledged and is gone"));
    }
    for stranger in sworn.keys().filter(|id| !known.contains(id)) {
        findings.broken.push(format!("{stranger} ran, and no task has that id"));
    }
    for row in &rows {
        let sworn = sworn.get(&row.id).cloned().unwrap_or_default();
        let about = |why: String| format!("{} ({}, {:?}): {why}", row.id, row.result, row.text);
        findings.broken.extend(row.broken(&sworn).into_iter().map(about));
        *findings.results.entry(row.result.clone()).or_default() += 1;
        if row.late {
            *findings.results.entry("late".to_owned()).or_default() += 1;
        }
    }
    let ended: BTreeSet<Uuid> = rows.iter().filter(|row| row.state == "finished").map(|row| row.id).collect();
    findings.broken.extend(survivors(&ended));
    for daemon in world.all_daemons() {
        findings.broken.extend(daemon.surprises());
    }
    findings
}

/// Processes of these tasks that live on, after a time in which they may end.
pub fn survivors(tasks: &BTreeSet<Uuid>) -> Vec<String> {
    let deadline = Instant::now() + AFTERLIFE;
    loop {
        let found: Vec<String> = processes()
            .filter_map(|process| {
                let task = task_of(&process).filter(|task| tasks.contains(task))?;
                Some(format!("{} of {task} lives on", process.display()))
            })
            .collect();
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Of which task a process is, by its environment, or by the last argument of a witness that has shed that.
fn task_of(process: &Path) -> Option<Uuid> {
    let read = |name| std::fs::read(process.join(name)).unwrap_or_default();
    let (environment, arguments) = (read("environ"), read("cmdline"));
    let by_environment =
        environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"SELFSERVICE_TASK_UUID="));
    let last = arguments.strip_suffix(b"\0").and_then(|arguments| arguments.rsplit(|byte| *byte == 0).next());
    std::str::from_utf8(by_environment.or(last)?).ok()?.parse().ok()
}

impl Row {
    fn broken(&self, sworn: &Sworn) -> Vec<String> {
        let mut broken = Vec::new();
        let mut must = |kept: bool, otherwise: &str| {
            if !kept {
                broken.push(otherwise.to_owned());
            }
        };
        let not_started = self.text.starts_with("could not be started");
        let by_exit = matches!(self.result.as_str(), "ok" | "warning" | "critical" | "unknown" | "timed_out");
        must(sworn.begun <= 1, "its plugin was started more than once");
        must(sworn.ended <= sworn.begun, "its plugin ended more often than it began");
        must(!not_started || sworn.begun == 0, "its plugin was started, but that is denied");
        must(!by_exit || sworn.begun == 1, "it has an outcome, but its plugin was never started");
        must(self.created == 1, "its creation is not in the audit log exactly once");
        must(!self.has_gap, "its output has a gap");
        if self.result == "ok" {
            must(self.exit_code == Some(0), "it is OK without exit code 0");
            must(sworn.ended == 1, "it is OK, but its plugin did not reach its end");
            let rest = self.output.strip_prefix(&self.handler.output(self.id));
            must(rest.is_some(), "it is OK, but its output is not complete");
            must(
                rest.is_none_or(|rest| rest.starts_with("OK: exit code 0") && rest.lines().count() == 1),
                "it is OK, but the last line does not say so",
            );
        }
        // Nobody cancels, and no plugin fails: so a run that began and did not reach its end was cut off.
        let excused = matches!(self.result.as_str(), "ok" | "lost")
            || not_started
            || self.text == "ended because its manager was stopped";
        must(excused, "nothing that was broken leads to this result");
        must(self.late == self.is_late_by_history(), "late is not what its history says");
        broken.extend(self.history_broken());
        broken
    }

    fn is_late_by_history(&self) -> bool {
        self.history.iter().any(|step| step.old.1 == "lost")
    }

    /// The states allow few steps, and each epoch only writes what it claimed.
    fn history_broken(&self) -> Vec<String> {
        let mut last = None;
        let mut broken = Vec::new();
        for step in &self.history {
            let (old, new) = (&step.old, &step.new);
            let allowed = match (old.0.as_str(), new.0.as_str()) {
                ("", "queued") => last.is_none(),
                ("queued", "running") => new.2.is_some(),
                ("running", "queued") => new.2.is_none(),
                ("running", "finished") => old.2 == new.2,
                ("queued", "finished") => new.1 == "expired" || new.1 == "cancelled",
                // The real result of a lost task, once, by the manager that had it.
                ("finished", "finished") => old.1 == "lost" && new.1 != "lost" && old.2 == new.2,
                _ => false,
            };
            if !allowed || last.is_some_and(|last: &Step| last.new != *old) {
                broken.push(format!("its history has the step {step:?}"));
            }
            last = Some(step);
        }
        broken
    }
}

const ROWS: &str = "
SELECT json_build_object(
    'id', t.id, 'handler', t.handler_name, 'state', t.state, 'result', t.result, 'exit_code', t.exit_code,
    'text', t.result_text, 'late', t.late,
    'created', (SELECT count(*) FROM audit a WHERE a.task_id = t.id AND a.action = 'task.create'),
    'output', (SELECT convert_from(string_agg(l.bytes, ''::bytea ORDER BY l.byte_offset), 'UTF8')
               FROM logs l WHERE l.task_id = t.id),
    'has_gap', coalesce((SELECT max(l.byte_offset + octet_length(l.bytes)) <> sum(octet_length(l.bytes))
                         OR min(l.byte_offset) <> 0 FROM logs l WHERE l.task_id = t.id), false),
    'history', (SELECT json_agg(json_build_array(h.old_state, h.old_result, h.old_epoch,
                                                 h.new_state, h.new_result, h.new_epoch) ORDER BY h.n)
                FROM fault_history h WHERE h.task_id = t.id))
FROM tasks t ORDER BY t.id";

fn read(world: &World) -> Vec<Row> {
    world.server.sql(ROWS).lines().map(|line| row(&serde_json::from_str(line).unwrap())).collect()
}

fn row(value: &Value) -> Row {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = |step: &Value, at: usize| (text(&step[at]), text(&step[at + 1]), step[at + 2].as_i64());
    let steps = value["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    Row {
        id: text(&value["id"]).parse().unwrap(),
        handler: Handler::named(&text(&value["handler"])),
        state: text(&value["state"]),
        result: text(&value["result"]),
        exit_code: value["exit_code"].as_i64(),
        text: text(&value["text"]),
        late: value["late"] == true,
        created: value["created"].as_i64().unwrap_or(0),
        output: text(&value["output"]),
        has_gap: value["has_gap"] == true,
        history: steps.iter().map(|step| Step { old: status(step, 0), new: status(step, 3) }).collect(),
    }
}

/// The model must find what it is there for.
pub fn finds_what_is_broken() {
    let id = Uuid::now_v7();
    let step = |old: (&str, &str, Option<i64>), new: (&str, &str, Option<i64>)| {
        let own =
            |(state, result, epoch): (&str, &str, Option<i64>)| (state.to_owned(), result.to_owned(), epoch);
        Step { old: own(old), new: own(new) }
    };
    let good = || Row {
        id,
        handler: Handler::Prints,
        state: "finished".to_owned(),
        result: "ok".to_owned(),
        exit_code: Some(0),
        text: String::new(),
        late: false,
        created: 1,
        output: format!("{}OK: exit code 0, took 0.1 s\n", Handler::Prints.output(id)),
        has_gap: false,
        history: vec![
            step(("", "", None), ("queued", "", None)),
            step(("queued", "", None), ("running", "", Some(7))),
            step(("running", "", Some(7)), ("finished", "ok", Some(7))),
        ],
    };
    let once = Sworn { begun: 1, ended: 1 };
    assert_eq!(good().broken(&once), [""; 0]);
    let finds = |change: &dyn Fn(&mut Row), sworn: Sworn, sentence: &str| {
        let mut row = good();
        change(&mut row);
        let broken = row.broken(&sworn);
        assert!(broken.iter().any(|found| found.contains(sentence)), "{sentence}: {broken:?}");
    };
    finds(&|_| (), Sworn { begun: 2, ended: 2 }, "more than once");
    finds(&|_| (), Sworn { begun: 1, ended: 0 }, "did not reach its end");
    finds(&|_| (), Sworn::default(), "never started");
    finds(&|row| row.output = row.output.replace("line 7\n", ""), once.clone(), "not complete");
    finds(&|row| row.output.push_str("more\n"), once.clone(), "last line");
    finds(&|row| row.exit_code = None, once.clone(), "exit code");
    finds(&|row| row.created = 0, once.clone(), "audit");
    finds(&|row| row.has_gap = true, once.clone(), "gap");
    finds(&|row| row.late = true, once.clone(), "late");
    finds(&|row| row.result = "critical".to_owned(), once.clone(), "nothing that was broken");
    finds(&|row| row.text = "could not be started: x".to_owned(), once.clone(), "denied");
    finds(&|row| drop(row.history.remove(1)), once.clone(), "history");
    finds(
        &|row| row.history.push(step(("finished", "ok", Some(7)), ("finished", "critical", Some(7)))),
        once,
        "history",
    );
}
