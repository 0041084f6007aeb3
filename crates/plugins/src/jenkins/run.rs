//! One build from the trigger to its result.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use super::api::{Accepted, Api, ApiError, Build, Job};
use super::options::Options;
use super::phase::{Phase, Progressing};
use super::stop::Stop;
use crate::output;
use crate::progress::Progress;
use crate::verdict::{Failure, Report, Severity};

/// The plan that people see.
pub const STEPS: [&str; 4] = ["Trigger", "Queue", "Build", "Result"];

/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a trigger is tried that did not reach Jenkins.
const TRIGGER_ATTEMPTS: u32 = 3;

/// One run.
pub struct Run<'a> {
    pub api: &'a Api,
    pub options: &'a Options,
    pub phase: Progressing,
    pub progress: Progress,
}

/// The item in the queue, or the build where that was found first.
enum Begun {
    Item { item: u64, shared: bool },
    Build(u64),
}

impl Run<'_> {
    /// Everything, until the build has ended.
    pub fn run(&mut self) -> Result<Report, Failure> {
        let parameterized = check_parameters(self.options, &self.job()?)?;
        self.progress.step("Trigger", "");
        let begun = self.trigger(parameterized)?;
        let triggered = Instant::now();
        let (number, shared) = match begun {
            Begun::Build(number) => (number, false),
            Begun::Item { item, shared } => (self.wait_in_queue(item, triggered)?, shared),
        };
        let waited = triggered.elapsed();
        self.phase.set(Phase::Building { number, shared });
        output::line(&format!("build {number} has started: {}", self.api.page(number)));
        if !self.options.wait {
            let summary = format!(
                "{} build {number} has started | 'queue'={:.3}s",
                self.options.job,
                waited.as_secs_f64()
            );
            return Ok(Report::new(Severity::Ok, summary));
        }
        let build = self.follow(number)?;
        self.progress.step("Result", "");
        Ok(report(self.options, number, &build, waited))
    }

    /// The job as Jenkins knows it; asked again while Jenkins is out of reach.
    pub fn job(&self) -> Result<Job, Failure> {
        let api = self.api;
        self.patiently(|| api.job()).map_err(|error| refusal(&error))
    }

    /// Asks for the build. It is sent again only where Jenkins surely has not seen it.
    fn trigger(&self, parameterized: bool) -> Result<Begun, Failure> {
        let mut left = TRIGGER_ATTEMPTS;
        self.phase.begin()?;
        loop {
            left -= 1;
            match self.api.trigger(&self.options.parameters, parameterized) {
                Ok(Accepted::New(item)) => {
                    self.phase.set(Phase::Queued { item, shared: false });
                    output::line(&format!("triggered {}: queue item {item}", self.options.job));
                    return Ok(Begun::Item { item, shared: false });
                }
                Ok(Accepted::Already(item)) => {
                    self.phase.set(Phase::Queued { item, shared: true });
                    output::line(&format!(
                        "the same was waiting already: attached to queue item {item} of {}",
                        self.options.job
                    ));
                    return Ok(Begun::Item { item, shared: true });
                }
                Err(ApiError::Trouble(trouble))
                    if trouble.before_sending() && trouble.may_pass() && left > 0 =>
                {
                    output::note(&format!("{trouble}: once more, since Jenkins has seen nothing of it"));
                    thread::sleep(self.options.poll);
                }
                Err(error) => return self.after_failed_trigger(error),
            }
        }
    }

    fn after_failed_trigger(&self, error: ApiError) -> Result<Begun, Failure> {
        let refused = match &error {
            ApiError::Status { status, .. } => *status < 500,
            ApiError::Trouble(trouble) => trouble.before_sending(),
            ApiError::Strange(_) => false,
        };
        if refused {
            self.phase.set(Phase::Before);
            return Err(refusal(&error));
        }
        let unclear =
            format!("{error}; whether Jenkins took the request is not known, and it is not sent again");
        match self.find_ours() {
            Some(begun) => {
                output::line("the trigger got no clear answer, but its build was found by its parameter");
                Ok(begun)
            }
            None => Err(Failure::unknown(unclear)),
        }
    }

    /// Looks for the build that carries our id, for as long as Jenkins may need to show it.
    fn find_ours(&self) -> Option<Begun> {
        let ours = self.options.id_parameter.as_ref()?;
        let deadline = Instant::now() + self.options.patience.min(Duration::from_secs(30));
        while Instant::now() < deadline {
            if let Ok(Some(item)) = self.api.item_with(ours) {
                self.phase.set(Phase::Queued { item, shared: false });
                return Some(Begun::Item { item, shared: false });
            }
            if let Ok(Some(number)) = self.api.build_with(ours) {
                return Some(Begun::Build(number));
            }
            thread::sleep(self.options.poll);
        }
        None
    }

    /// Waits until the item is a build and gives its number.
    fn wait_in_queue(&mut self, item: u64, since: Instant) -> Result<u64, Failure> {
        let api = self.api;
        let mut pause = self.options.poll;
        let mut last_why = String::new();
        let mut vanished = None;
        loop {
            match self.patiently(|| api.queue_item(item)) {
                Ok(found) if found.cancelled => {
                    return Err(Failure::critical(format!(
                        "queue item {item} was cancelled on Jenkins; nothing was built"
                    )));
                }
                Ok(found) => {
                    if let Some(build) = found.executable {
                        return Ok(build.number);
                    }
                    let stuck = if found.stuck { " (stuck)" } else { "" };
                    let why = format!("{}{stuck}", output::one_line(&found.why.unwrap_or_default()));
                    self.progress.step("Queue", &why);
                    if why != last_why && !why.is_empty() {
                        output::line(&format!("waiting in the queue: {why}"));
                        pause = self.options.poll;
                    }
                    last_why = why;
                }
                // Jenkins keeps items for 5 minutes after they left the queue, less when it restarts.
                Err(error) if error.is_not_found() => {
                    if let Some(number) = self.patiently(|| api.build_of_item(item)).ok().flatten() {
                        return Ok(number);
                    }
                    let first = *vanished.get_or_insert_with(Instant::now);
                    if first.elapsed() >= self.options.patience.min(Duration::from_secs(30)) {
                        return Err(Failure::unknown(format!(
                            "queue item {item} has vanished and none of the last 50 builds came from it"
                        )));
                    }
                }
                Err(error) => return Err(self.out_of_reach(&error, &format!("queue item {item} waits"))),
            }
            if since.elapsed() >= self.options.queue_timeout {
                let limit = self.options.queue_timeout.as_secs();
                return Err(self.stop(&format!("no build within {limit} s in the queue")));
            }
            thread::sleep(pause);
            pause = (pause + pause / 4).min(LONGEST_PAUSE);
        }
    }

    /// Prints the console as it comes and gives the build's last state.
    fn follow(&mut self, number: u64) -> Result<Build, Failure> {
        let api = self.api;
        let started = Instant::now();
        let mut offset = 0;
        self.progress.step("Build", &format!("build {number}"));
        loop {
            let build = self.patiently(|| api.build(number));
            let build = build.map_err(|error| self.out_of_reach(&error, &self.going_on(number)))?;
            // After the state, so that what an ended build printed last is there.
            loop {
                let seen = Cell::new(0);
                let part = self.patiently(|| api.console(number, offset, &seen, output::bytes));
                let part = part.map_err(|error| self.out_of_reach(&error, &self.going_on(number)))?;
                let stands = part.next == offset;
                offset = part.next;
                if !build.has_ended() || !part.more || stands {
                    break;
                }
            }
            if build.has_ended() {
                return Ok(build);
            }
            if let Ok(estimated) = u64::try_from(build.estimated_duration)
                && let Some(percent) = (started.elapsed().as_secs() * 100_000).checked_div(estimated)
            {
                // A build that takes longer than usual is not done.
                self.progress.percent(percent.min(99));
            }
            if started.elapsed() >= self.options.timeout {
                let limit = self.options.timeout.as_secs();
                return Err(self.stop(&format!("the build took longer than {limit} s")));
            }
            thread::sleep(self.options.poll);
        }
    }

    fn going_on(&self, number: u64) -> String {
        format!("the build goes on: {}", self.api.page(number))
    }

    fn out_of_reach(&self, error: &ApiError, what_is_left: &str) -> Failure {
        let patience = self.options.patience.as_secs();
        Failure::unknown(format!("Jenkins gave no usable answer for {patience} s ({error}); {what_is_left}"))
    }

    fn stop(&self, why: &str) -> Failure {
        let Options { leave_running, grace, .. } = *self.options;
        Stop { api: self.api.clone(), phase: self.phase.clone(), leave_running, grace }.run(why)
    }

    /// Asks a question again until it is answered, or Jenkins was out of reach for too long.
    fn patiently<T>(&self, ask: impl Fn() -> Result<T, ApiError>) -> Result<T, ApiError> {
        let begun = Instant::now();
        let mut pause = self.options.poll;
        loop {
            match ask() {
                Err(error) if error.may_pass() && begun.elapsed() + pause < self.options.patience => {
                    output::note(&format!("{error}: asking again"));
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}

/// A refusal is certain, so it is critical; everything else leaves open what happened.
pub fn refusal(error: &ApiError) -> Failure {
    match error {
        ApiError::Status { status, .. } if *status < 500 => Failure::critical(error.to_string()),
        _ => Failure::unknown(error.to_string()),
    }
}

/// Whether the job takes parameters. Jenkins drops those that a job does not declare without a word, so they are
/// refused here.
pub fn check_parameters(options: &Options, job: &Job) -> Result<bool, Failure> {
    if job.buildable == Some(false) {
        return Err(Failure::critical(format!(
            "the job {} is disabled or is no job that can be built",
            options.job
        )));
    }
    let declared = job.parameters();
    let known = declared.clone().unwrap_or_default();
    match options.parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(declared.is_some()),
        Some((name, _)) if known.is_empty() => Err(Failure::unknown(format!(
            "the job {} takes no parameters, so '{name}' can't be given",
            options.job
        ))),
        Some((name, _)) => Err(Failure::unknown(format!(
            "the job {} has no parameter '{name}'; it has {}",
            options.job,
            known.join(", ")
        ))),
    }
}

fn report(options: &Options, number: u64, build: &Build, waited: Duration) -> Report {
    let result = build.result.as_deref().unwrap_or_default();
    let severity = match result {
        "SUCCESS" => Severity::Ok,
        "UNSTABLE" => Severity::Warning,
        "FAILURE" | "ABORTED" => Severity::Critical,
        _ => Severity::Unknown,
    };
    // Whole milliseconds, so nothing is lost in writing seconds.
    let (seconds, thousandths) = (build.duration / 1000, build.duration % 1000);
    Report::new(
        severity,
        format!(
            "{} build {number} ended as {result} after {seconds}.{thousandths:03} s | \
             'duration'={seconds}.{thousandths:03}s;;;0; 'queue'={:.3}s;;;0; 'number'={number}",
            options.job,
            waited.as_secs_f64()
        ),
    )
}
