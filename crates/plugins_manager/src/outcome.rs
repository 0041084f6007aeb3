//! What the end of a run means: result, words for people, and the last line of the log.

use plugin_runner::Outcome;
use selfservice_core::models::tasks::TaskResult;
use std::time::Duration;

/// The end of a run in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The result.
    pub result: TaskResult,
    /// The plugin's exit code, where it exited by itself.
    pub exit_code: Option<i32>,
    /// A few words, where the result's own word does not say it all.
    pub text: Option<String>,
}

/// Why a run was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelledBy {
    /// A person, by name.
    Person(String),
    /// This manager, because it stops.
    Manager,
}

impl Verdict {
    /// Judges how the run ended. Exit codes as the Nagios plugin guidelines define them: 0 OK, 1 WARNING, 2 CRITICAL,
    /// 3 UNKNOWN; anything else has failed, never passed.
    pub fn of(outcome: &Outcome, cancelled_by: Option<&CancelledBy>) -> Self {
        match outcome {
            Outcome::Exit(code) => Self::of_code(*code),
            Outcome::Signal(number) => {
                Self::failed(format!("ended by signal {number}{}", signal_name(*number)))
            }
            Outcome::TimedOut { after } => Self {
                result: TaskResult::TimedOut,
                exit_code: None,
                text: Some(format!("timed out after {} s", after.as_secs())),
            },
            Outcome::Cancelled => match cancelled_by {
                Some(CancelledBy::Person(name)) => Self {
                    result: TaskResult::Cancelled,
                    exit_code: None,
                    text: Some(format!("cancelled by {name}")),
                },
                _ => Self::failed("ended because its manager was stopped".to_owned()),
            },
            Outcome::OverLimit(limit) => Self::failed(format!("ended: {limit}")),
            Outcome::NotStarted(why) => Self::failed(format!("could not be started: {why}")),
            Outcome::Rejected(why) => Self::rejected(why),
            Outcome::Lost(why) => Self { result: TaskResult::Lost, exit_code: None, text: Some(why.clone()) },
        }
    }

    /// A task that was refused just before its start.
    pub fn rejected(why: &str) -> Self {
        Self { result: TaskResult::Rejected, exit_code: None, text: Some(why.to_owned()) }
    }

    /// A task that was cancelled after it was claimed, but before anything was started.
    pub fn cancelled_before_start(by: &str) -> Self {
        let text = format!("cancelled by {by} before it started");
        Self { result: TaskResult::Cancelled, exit_code: None, text: Some(text) }
    }

    fn of_code(code: i32) -> Self {
        let (result, text) = match code {
            0 => (TaskResult::Ok, None),
            1 => (TaskResult::Warning, None),
            2 => (TaskResult::Critical, None),
            3 => (TaskResult::Unknown, None),
            126 => (
                TaskResult::Failed,
                Some("exit code 126: a command in the plugin could not be executed".to_owned()),
            ),
            127 => {
                (TaskResult::Failed, Some("exit code 127: a command in the plugin was not found".to_owned()))
            }
            code => (TaskResult::Failed, Some(format!("exit code {code} is none of 0 to 3"))),
        };
        Self { result, exit_code: Some(code), text }
    }

    fn failed(text: String) -> Self {
        Self { result: TaskResult::Failed, exit_code: None, text: Some(text) }
    }

    /// The last line of the log, so that the log alone tells the story. `left` counts processes that could not be
    /// ended.
    pub fn last_line(&self, elapsed: Option<Duration>, left: usize) -> String {
        let word = self.result.as_str().replace('_', " ").to_uppercase();
        let detail = match (&self.text, self.exit_code) {
            (Some(text), _) => format!(": {text}"),
            (None, Some(code)) => format!(": exit code {code}"),
            (None, None) => String::new(),
        };
        let took = elapsed.map_or(String::new(), |elapsed| format!(", took {:.1} s", elapsed.as_secs_f64()));
        let tree = match (left, self.result) {
            (0, TaskResult::Cancelled | TaskResult::TimedOut) => ", all its processes have ended".to_owned(),
            (0, _) => String::new(),
            (1, _) => ", 1 process could not be ended".to_owned(),
            (left, _) => format!(", {left} processes could not be ended"),
        };
        format!("{word}{detail}{took}{tree}")
    }
}

fn signal_name(number: i32) -> &'static str {
    match number {
        1 => " (HUP)",
        2 => " (INT)",
        6 => " (ABRT)",
        8 => " (FPE)",
        9 => " (KILL): a person ended it, or the system for want of memory",
        11 => " (SEGV)",
        13 => " (PIPE)",
        15 => " (TERM)",
        24 => " (XCPU): it used more processor time than max_cpu_seconds allows",
        25 => " (XFSZ): it wrote a longer file than max_file_size_mib allows",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exit_code_zero_is_ok() {
        for code in 0..=255 {
            let verdict = Verdict::of(&Outcome::Exit(code), None);
            let expected = match code {
                0 => TaskResult::Ok,
                1 => TaskResult::Warning,
                2 => TaskResult::Critical,
                3 => TaskResult::Unknown,
                _ => TaskResult::Failed,
            };
            assert_eq!((verdict.result, verdict.exit_code), (expected, Some(code)));
        }
        let others = [
            Outcome::Signal(15),
            Outcome::TimedOut { after: Duration::from_secs(1) },
            Outcome::Cancelled,
            Outcome::OverLimit(String::new()),
            Outcome::NotStarted(String::new()),
            Outcome::Rejected(String::new()),
            Outcome::Lost(String::new()),
        ];
        assert!(others.iter().all(|outcome| Verdict::of(outcome, None).result != TaskResult::Ok));
    }

    #[test]
    fn the_last_line_tells_the_story() {
        let line = |outcome: Outcome, by: Option<CancelledBy>, left| {
            Verdict::of(&outcome, by.as_ref()).last_line(Some(Duration::from_millis(1234)), left)
        };
        assert_eq!(line(Outcome::Exit(0), None, 0), "OK: exit code 0, took 1.2 s");
        for (code, said) in [
            (4, "exit code 4 is none of 0 to 3"),
            (126, "exit code 126: a command in the plugin could not be executed"),
            (127, "exit code 127: a command in the plugin was not found"),
        ] {
            assert_eq!(line(Outcome::Exit(code), None, 0), format!("FAILED: {said}, took 1.2 s"));
        }
        assert_eq!(
            line(Outcome::TimedOut { after: Duration::from_secs(120) }, None, 0),
            "TIMED OUT: timed out after 120 s, took 1.2 s, all its processes have ended"
        );
        assert_eq!(
            line(Outcome::Cancelled, Some(CancelledBy::Person("alice".into())), 2),
            "CANCELLED: cancelled by alice, took 1.2 s, 2 processes could not be ended"
        );
        assert_eq!(
            line(Outcome::Cancelled, Some(CancelledBy::Manager), 0),
            "FAILED: ended because its manager was stopped, took 1.2 s"
        );
        assert_eq!(line(Outcome::Signal(6), None, 0), "FAILED: ended by signal 6 (ABRT), took 1.2 s");
        assert_eq!(
            line(Outcome::Signal(25), None, 0),
            "FAILED: ended by signal 25 (XFSZ): it wrote a longer file than max_file_size_mib allows, took 1.2 s"
        );
        assert_eq!(
            line(Outcome::OverLimit("more than 512 processes".into()), None, 0),
            "FAILED: ended: more than 512 processes, took 1.2 s"
        );
    }
}
