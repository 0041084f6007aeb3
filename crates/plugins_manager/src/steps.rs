//! The steps of a run, as the plugin reports them, in the form that the API shows.

use chrono::{DateTime, Utc};
use plugin_runner::Progress;
use serde_json::{Value, json};

/// More steps are not kept: everybody who looks at the task gets all of them.
const MAX_STEPS: usize = 50;

#[derive(Debug, Clone)]
struct Step {
    name: String,
    note: Option<String>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    failed: bool,
}

/// What is known of a run's progress.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    steps: Vec<Step>,
    current: Option<usize>,
    percent: Option<i16>,
}

impl Steps {
    /// Takes in one report.
    pub fn take(&mut self, progress: &Progress, at: DateTime<Utc>) {
        if let Some(percent) = progress.percent {
            // The report is 0 to 100 already; rounding cannot leave that.
            #[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
            let percent = percent.round() as i16;
            self.percent = Some(percent);
        }
        if let Some(plan) = &progress.steps {
            let done = self.current.map_or(0, |current| current + 1);
            self.steps.truncate(done);
            let known: Vec<String> = self.steps.iter().map(|step| step.name.clone()).collect();
            self.steps
                .extend(plan.iter().filter(|name| !known.contains(name)).map(|name| Step::waiting(name)));
        }
        self.steps.truncate(MAX_STEPS);
        if let Some(name) = &progress.step {
            self.begin(name, at);
        }
        if let Some(step) = self.current.and_then(|current| self.steps.get_mut(current)) {
            step.note = progress.note.clone().or_else(|| step.note.take());
        }
    }

    fn begin(&mut self, name: &str, at: DateTime<Utc>) {
        if self.steps.len() >= MAX_STEPS && self.steps.iter().all(|step| step.name != name) {
            return;
        }
        let index = self.steps.iter().position(|step| step.name == name).unwrap_or_else(|| {
            let index = self.current.map_or(0, |current| current + 1);
            self.steps.insert(index, Step::waiting(name));
            index
        });
        if self.current == Some(index) {
            return;
        }
        for step in self.steps.iter_mut().take(index).filter(|step| step.started_at.is_some()) {
            step.finished_at.get_or_insert(at);
        }
        if let Some(step) = self.steps.get_mut(index) {
            step.started_at.get_or_insert(at);
            step.finished_at = None;
        }
        self.current = Some(index);
    }

    /// The run is over: the current step is done, or it is the one that failed.
    pub fn end(&mut self, well: bool, at: DateTime<Utc>) {
        if let Some(step) = self.current.and_then(|current| self.steps.get_mut(current)) {
            step.finished_at.get_or_insert(at);
            step.failed = !well;
        }
    }

    /// 0 to 100, if the plugin said so.
    pub fn percent(&self) -> Option<i16> {
        self.percent
    }

    /// As `tasks.steps` keeps them.
    pub fn json(&self) -> Value {
        self.steps.iter().map(Step::json).collect()
    }
}

impl Step {
    fn waiting(name: &str) -> Self {
        Self { name: name.to_owned(), note: None, started_at: None, finished_at: None, failed: false }
    }

    fn json(&self) -> Value {
        let state = match (self.started_at, self.finished_at) {
            _ if self.failed => "failed",
            (None, _) => "waiting",
            (Some(_), None) => "running",
            (Some(_), Some(_)) => "done",
        };
        let seconds = self.started_at.zip(self.finished_at).map(|(from, to)| (to - from).as_seconds_f64());
        json!({
            "name": self.name, "state": state, "note": self.note,
            "started_at": self.started_at, "seconds": seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(steps: &Steps) -> Vec<(String, String)> {
        let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
        steps
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|step| (text(step, "name"), text(step, "state")))
            .collect()
    }

    fn report(json: &str) -> Progress {
        Progress::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_plan_is_walked_through() {
        let mut steps = Steps::default();
        let at = Utc::now();
        steps.take(&report(r#"{"steps":["Drain","Restart","Check"]}"#), at);
        steps.take(&report(r#"{"step":"Drain"}"#), at);
        steps.take(&report(r#"{"step":"Restart","note":"waiting","percent":62.4}"#), at);
        let names = |a: &str, b: &str, c: &str| {
            vec![("Drain".into(), a.into()), ("Restart".into(), b.into()), ("Check".into(), c.into())]
        };
        assert_eq!(states(&steps), names("done", "running", "waiting"));
        assert_eq!(steps.percent(), Some(62));
        steps.end(false, at);
        assert_eq!(states(&steps), names("done", "failed", "waiting"));
    }

    #[test]
    fn steps_without_a_plan_follow_each_other() {
        let mut steps = Steps::default();
        for name in ["one", "two", "two", "three"] {
            steps.take(&report(&format!(r#"{{"step":"{name}"}}"#)), Utc::now());
        }
        let expected: Vec<(String, String)> = [("one", "done"), ("two", "done"), ("three", "running")]
            .map(|(a, b)| (a.into(), b.into()))
            .into();
        assert_eq!(states(&steps), expected);
    }

    #[test]
    fn a_plugin_that_invents_steps_without_end_is_not_followed() {
        let mut steps = Steps::default();
        for number in 0..1000 {
            steps.take(&report(&format!(r#"{{"step":"step {number}"}}"#)), Utc::now());
        }
        assert_eq!(states(&steps).len(), MAX_STEPS);
    }
}
