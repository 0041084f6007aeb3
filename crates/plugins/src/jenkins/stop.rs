//! Ending on Jenkins' side what we have begun there, and finding out whether it ended.

use std::thread;
use std::time::{Duration, Instant};

use super::api::{Api, ApiError};
use super::phase::{Phase, Progressing};
use crate::verdict::Failure;

/// How often Jenkins is asked whether the build has ended.
const LOOK: Duration = Duration::from_millis(250);

/// What there is to end, and how long that may take.
#[derive(Debug, Clone)]
pub struct Stop {
    pub api: Api,
    pub phase: Progressing,
    pub leave_running: bool,
    pub grace: Duration,
}

impl Stop {
    /// Ends queue item or build and gives the sentence about it. `why` begins that sentence.
    pub fn run(&self, why: &str) -> Failure {
        let deadline = Instant::now() + self.grace;
        // A Jenkins that does not answer holds nobody up.
        let within = Self { api: self.api.until(deadline), ..self.clone() };
        within.run_until(deadline, why)
    }

    fn run_until(&self, deadline: Instant, why: &str) -> Failure {
        match self.phase.stop(self.grace / 2) {
            Phase::Before | Phase::Stopped => {
                Failure::critical(format!("{why} before the job was triggered"))
            }
            Phase::Triggering => Failure::critical(format!(
                "{why} while the job was being triggered; whether Jenkins took the request is not known"
            )),
            Phase::Queued { item, .. } if self.leave_running => {
                Failure::critical(format!("{why}; queue item {item} was left alone"))
            }
            Phase::Building { number, .. } if self.leave_running => {
                Failure::critical(format!("{why}; the build goes on: {}", self.api.page(number)))
            }
            // An identical request of somebody else waits under the same item, and is theirs to cancel.
            Phase::Queued { item, shared: true } => Failure::critical(format!(
                "{why}; queue item {item} was left alone, because somebody else had asked for the same before"
            )),
            Phase::Building { number, shared: true } => Failure::critical(format!(
                "{why}; the build was left alone, because somebody else had asked for the same before: {}",
                self.api.page(number)
            )),
            Phase::Queued { item, shared: false } => self.end_item(item, why, deadline),
            Phase::Building { number, shared: false } => self.end_build(number, why, deadline),
        }
    }

    fn end_item(&self, item: u64, why: &str, deadline: Instant) -> Failure {
        let asked = self.api.cancel_item(item);
        loop {
            match self.api.queue_item(item) {
                Ok(found) if found.cancelled => {
                    return Failure::critical(format!("{why}; queue item {item} was cancelled, confirmed"));
                }
                // It left the queue before it could be cancelled.
                Ok(found) => {
                    if let Some(build) = found.executable {
                        return self.end_build(build.number, why, deadline);
                    }
                }
                Err(error) if error.is_not_found() => {
                    if let Ok(Some(number)) = self.api.build_of_item(item) {
                        return self.end_build(number, why, deadline);
                    }
                    return Failure::critical(format!(
                        "{why}; queue item {item} is gone and has become no build"
                    ));
                }
                Err(_) => {}
            }
            if Instant::now() + LOOK > deadline {
                return Failure::critical(format!(
                    "{why}; that queue item {item} was cancelled is not confirmed{}",
                    because(&asked)
                ));
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks the build to stop, and harder each time a third of the time has passed: only Pipelines know the harder ways.
    fn end_build(&self, number: u64, why: &str, deadline: Instant) -> Failure {
        let third = deadline.saturating_duration_since(Instant::now()) / 3;
        let mut asked = Ok(());
        for how in ["stop", "term", "kill"] {
            let mut answer = self.api.end_build(number, how);
            let until = (Instant::now() + third).min(deadline);
            loop {
                if let Ok(build) = self.api.build(number)
                    && build.has_ended()
                {
                    let result = build.result.unwrap_or_default();
                    return Failure::critical(format!(
                        "{why}; build {number} has ended as {result}, confirmed"
                    ));
                }
                if Instant::now() + LOOK > until {
                    break;
                }
                thread::sleep(LOOK);
                if answer.as_ref().is_err_and(ApiError::may_pass) {
                    answer = self.api.end_build(number, how);
                }
            }
            if how == "stop" || answer.is_ok() {
                asked = answer;
            }
        }
        Failure::critical(format!(
            "{why}; that build {number} has ended is not confirmed{}: {}",
            because(&asked),
            self.api.page(number)
        ))
    }
}

fn because(asked: &Result<(), ApiError>) -> String {
    asked.as_ref().err().map(|error| format!(" ({error})")).unwrap_or_default()
}
