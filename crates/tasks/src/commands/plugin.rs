//! `tasks plugin ...`: plugins are found, checked and run exactly as a plugins manager does it.

use crate::context::{Context, note};
use crate::runs::{launcher, registry};
use anyhow::Context as _;
use chrono::Utc;
use clap::{Args, Subcommand};
use plugin_runner::output::Summary;
use plugin_runner::{Event, Invocation, Outcome, Plugin, Progress, RunSpec, Runner, RunnerOptions, Stream};
use selfservice_core::config::{MacroFile, Secret};
use selfservice_core::masking::Masker;
use selfservice_core::models::hosts::Host;
use selfservice_core::models::services::Service;
use selfservice_core::plan::Trial;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// Where a plugin says what it needs.
const HEAD_BYTES: u64 = 1024;
/// Who asks for a trial, for the plugin and for macros.
const REQUESTER: &str = "tasks";

#[derive(Subcommand)]
pub enum PluginCommand {
    /// List the plugins of the directories that the settings name, and say what keeps the others from being used
    List,
    /// Run a plugin through the launcher as a manager would, show what it gets and does, and end as it ended
    Test(TestArguments),
}

#[derive(Args)]
pub struct TestArguments {
    /// The plugin's name
    name: String,
    /// The host that it is tried for; macros in its arguments are filled in from the inventory
    #[arg(long)]
    host: Option<String>,
    /// The service on that host
    #[arg(long, requires = "host")]
    service: Option<String>,
    /// A parameter, for `$_PARAMname$` and the task on standard input; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// End it after so many seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Give it this secret of macros.ini; may be given several times
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    /// Its arguments, behind '--'; without --host, macros in them stay as they are
    #[arg(last = true)]
    arguments: Vec<String>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl PluginCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List => list(context).map(|()| ExitCode::SUCCESS),
            Self::Test(arguments) => arguments.run(context),
        }
    }
}

#[derive(Serialize)]
struct Listed {
    name: String,
    file: Option<String>,
    problem: Option<String>,
}

fn list(context: &Context) -> anyhow::Result<()> {
    let survey = registry(&context.settings.plugins).survey();
    let rows: Vec<Listed> = survey
        .into_iter()
        .map(|(name, plugin)| Listed {
            name,
            file: plugin.as_ref().ok().map(|plugin: &Plugin| plugin.file.display().to_string()),
            problem: match &plugin {
                Ok(plugin) => missing(plugin, &context.settings.plugins.path),
                Err(problem) => Some(problem.to_string()),
            },
        })
        .collect();
    context.list(&rows, "no plugins were found", |row| match (&row.file, &row.problem) {
        (_, Some(problem)) => format!("{}  not usable: {problem}", row.name),
        (file, None) => format!("{}  {}", row.name, file.as_deref().unwrap_or_default()),
    })
}

/// What the plugin names in a line `# Needs: PROGRAM, PROGRAM` and what is not there. Programs are looked for in the
/// `PATH` of plugins, and where `program.sh` looks for ours.
fn missing(plugin: &Plugin, path: &str) -> Option<String> {
    let mut head = Vec::new();
    File::open(&plugin.file).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let needs = head.lines().find_map(|line| line.strip_prefix("# Needs: "))?;
    let home = plugin.file.parent()?.parent()?;
    let places = path.split(':').map(PathBuf::from);
    let places: Vec<PathBuf> =
        places.chain(["sbin", "target/debug", "target/release"].map(|place| home.join(place))).collect();
    let executable =
        |file: &Path| file.metadata().is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0);
    let there = |name: &str| places.iter().any(|place| executable(&place.join(name)));
    let missing: Vec<&str> = needs.split(',').map(str::trim).filter(|name| !there(name)).collect();
    let named = missing.join(" and ");
    (!missing.is_empty()).then(|| format!("plugin '{}' needs {named}, which is not installed", plugin.name))
}

impl TestArguments {
    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let settings = &context.settings.plugins;
        let macros = context.settings.macro_file()?;
        let secrets = self.secrets(context, &macros)?;
        let masker = Masker::new(secrets.iter().map(|(_, secret)| secret));
        let spec = self.invocation(context, &macros, &secrets)?.into_spec()?;
        let mut trial = Shown::new(&self.name, &spec, masker, context.json());
        trial.show_command()?;
        let mut runner = Runner::new(launcher(settings)?, RunnerOptions::default())?;
        runner.start(spec);
        let (outcome, elapsed) = trial.follow(&mut runner)?;
        trial.show_end(context, &outcome, elapsed)?;
        Ok(exit_code(&outcome))
    }

    fn secrets(&self, context: &Context, macros: &MacroFile) -> anyhow::Result<Vec<(String, Secret)>> {
        self.secrets
            .iter()
            .map(|name| {
                let secret = macros.secrets.get(name).with_context(|| {
                    format!("there is no secret {name} in {}", context.settings.macros.display())
                })?;
                Ok((name.clone(), secret.clone()))
            })
            .collect()
    }

    fn invocation(
        &self,
        context: &Context,
        macros: &MacroFile,
        secrets: &[(String, Secret)],
    ) -> anyhow::Result<Invocation> {
        let settings = &context.settings.plugins;
        let id = Uuid::now_v7();
        let parameters: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        let mut invocation = Invocation {
            run: id,
            plugin: self.name.clone(),
            arguments: self.arguments.clone(),
            handler: "tasks plugin test".to_owned(),
            user: REQUESTER.to_owned(),
            timeout: Duration::from_secs(self.timeout),
            grace: settings.grace,
            path: settings.path.clone(),
            settings: settings.environment.clone(),
            secrets: secrets
                .iter()
                .map(|(name, secret)| (name.clone(), secret.expose().to_owned()))
                .collect(),
            parameters: parameters.clone(),
            ..Invocation::default()
        };
        if let Some(name) = &self.host {
            let trial = context
                .pool()
                .run(|connection| find_target(connection, name, self.service.as_deref(), parameters))?;
            let command = trial.command(macros, REQUESTER, &self.arguments, id, Utc::now())?;
            (invocation.arguments, invocation.nagios) = (command.argv, command.environment);
            invocation.environment = trial.environments();
            invocation.service = trial.service.map(|service| service.name).unwrap_or_default();
            invocation.host = trial.host.name;
        }
        Ok(invocation)
    }
}

fn find_target(
    connection: &mut selfservice_core::db::PgConnection,
    host: &str,
    service: Option<&str>,
    parameters: BTreeMap<String, String>,
) -> anyhow::Result<Trial> {
    let host = Host::named(connection, host)?.with_context(|| format!("there is no host '{host}'"))?;
    let placement = Host::placement(connection, host.id)?;
    let service = match service {
        Some(name) => {
            Some(Service::named(connection, name)?.with_context(|| format!("there is no service '{name}'"))?)
        }
        None => None,
    };
    Ok(Trial { host, placement, service, parameters })
}

/// What is shown of a trial, piece by piece as text, or as JSON at the end.
#[derive(Serialize)]
struct Shown {
    plugin: String,
    argv: Vec<String>,
    environment: Vec<(String, String)>,
    steps: Vec<Progress>,
    stdout: String,
    stderr: String,
    #[serde(skip)]
    maskers: [Masker; 2],
    #[serde(skip)]
    head: Vec<u8>,
    #[serde(skip)]
    quiet: bool,
}

#[derive(Serialize)]
struct Ended<'a> {
    #[serde(flatten)]
    shown: &'a Shown,
    result: &'a str,
    outcome: String,
    seconds: Option<f64>,
    summary: String,
    perfdata: Option<String>,
}

impl Shown {
    fn new(name: &str, spec: &RunSpec, masker: Masker, quiet: bool) -> Self {
        let mut environment = spec.masked_environment();
        environment.sort();
        Self {
            plugin: name.to_owned(),
            argv: spec.arguments().to_vec(),
            environment,
            steps: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
            maskers: [masker.clone(), masker],
            head: Vec::new(),
            quiet,
        }
    }

    fn note(&self, text: String) -> anyhow::Result<()> {
        if self.quiet { Ok(()) } else { note(text) }
    }

    fn show_command(&self) -> anyhow::Result<()> {
        self.note(format!("argv          {}", self.plugin))?;
        for argument in &self.argv {
            // Quoted, so that spaces and line ends show.
            self.note(format!("              {argument:?}"))?;
        }
        for (index, (name, value)) in self.environment.iter().enumerate() {
            let head = if index == 0 { "environment" } else { "" };
            self.note(format!("{head:<13} {name}={}", value.escape_debug()))?;
        }
        self.note(
            "              HOME, SELFSERVICE_PROGRESS and SELFSERVICE_LAUNCHER name private places"
                .to_owned(),
        )
    }

    /// Passes output and steps on until the run has ended.
    fn follow(&mut self, runner: &mut Runner) -> anyhow::Result<(Outcome, Option<Duration>)> {
        let mut end = None;
        let mut written = Ok(());
        while end.is_none() && written.is_ok() {
            runner.turn(Duration::from_secs(1), &mut |event| match event {
                Event::Output { stream, bytes, .. } if written.is_ok() => {
                    written = self.output(stream, &bytes)
                }
                Event::Progress { progress, .. } if written.is_ok() => written = self.step(progress),
                Event::Finished { outcome, elapsed, .. } => end = Some((outcome, elapsed)),
                _ => {}
            })?;
        }
        written?;
        let rest = self.maskers.each_mut().map(Masker::finish);
        for (stream, bytes) in [Stream::Stdout, Stream::Stderr].into_iter().zip(rest) {
            self.pass_on(stream, &bytes)?;
        }
        end.context("the launcher did not say how the plugin ended")
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> anyhow::Result<()> {
        let [stdout, stderr] = &mut self.maskers;
        let masker = if stream == Stream::Stdout { stdout } else { stderr };
        let bytes = masker.push(bytes);
        self.pass_on(stream, &bytes)
    }

    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) -> anyhow::Result<()> {
        if stream == Stream::Stdout {
            self.head.extend_from_slice(bytes);
            self.head.truncate(plugin_runner::output::MAX_SUMMARY_BYTES);
        }
        if self.quiet {
            let kept = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
            kept.push_str(&String::from_utf8_lossy(bytes));
            return Ok(());
        }
        let written = match stream {
            Stream::Stdout => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
            Stream::Stderr => std::io::stderr().write_all(bytes),
        };
        written.context("while passing the plugin's output on")
    }

    fn step(&mut self, progress: Progress) -> anyhow::Result<()> {
        if let Some(steps) = &progress.steps {
            self.note(format!("steps         {}", steps.join(", ")))?;
        }
        if let Some(step) = &progress.step {
            let remark = progress.note.as_ref().map(|remark| format!(": {remark}")).unwrap_or_default();
            self.note(format!("step          {step}{remark}"))?;
        }
        if let Some(percent) = progress.percent {
            self.note(format!("percent       {percent}"))?;
        }
        self.steps.push(progress);
        Ok(())
    }

    fn show_end(
        &self,
        context: &Context,
        outcome: &Outcome,
        elapsed: Option<Duration>,
    ) -> anyhow::Result<()> {
        let result = result_word(outcome);
        let summary = Summary::parse(&self.head);
        if self.quiet {
            let ended = Ended {
                shown: self,
                result,
                outcome: outcome.to_string(),
                seconds: elapsed.map(|elapsed| elapsed.as_secs_f64()),
                summary: summary.text,
                perfdata: summary.perfdata,
            };
            return context.show(&ended, "");
        }
        let seconds = elapsed.map(|elapsed| format!(", {:.2} s", elapsed.as_secs_f64())).unwrap_or_default();
        self.note(format!("result        {result} ({outcome}{seconds})"))?;
        self.note(format!("summary       {}", summary.text))?;
        summary.perfdata.map_or(Ok(()), |perfdata| self.note(format!("perfdata      {perfdata}")))
    }
}

/// The result that a manager would store.
fn result_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Exit(0) => "OK",
        Outcome::Exit(1) => "WARNING",
        Outcome::Exit(2) => "CRITICAL",
        Outcome::Exit(3) => "UNKNOWN",
        Outcome::TimedOut { .. } => "CRITICAL, timed out",
        Outcome::Cancelled => "cancelled",
        Outcome::Lost(_) => "lost",
        Outcome::Rejected(_) => "rejected",
        Outcome::Exit(_) | Outcome::Signal(_) | Outcome::NotStarted(_) | Outcome::OverLimit(_) => {
            "CRITICAL, failed"
        }
    }
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Exit(code) => ExitCode::from(u8::try_from(*code).unwrap_or(u8::MAX)),
        _ => ExitCode::from(2),
    }
}
