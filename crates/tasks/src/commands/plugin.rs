//! `tasks plugin ...`: plugins are found, checked and run exactly as a plugins manager does it.

use crate::context::{Context, note};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use plugin_runner::{Event, Invocation, Launcher, Outcome, Registry, Runner, RunnerOptions, Stream, Trust};
use selfservice_core::config::PluginSettings;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

#[derive(Subcommand)]
pub enum PluginCommand {
    /// List the plugins of the directories that the settings name
    List,
    /// Run a plugin through the launcher, and end as it ended
    Test(TestArguments),
}

#[derive(Args)]
pub struct TestArguments {
    /// The plugin's name
    name: String,
    /// End it after so many seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Give it this secret of macros.ini; may be given several times
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    /// Its arguments, behind '--'; macros are not expanded
    #[arg(last = true)]
    arguments: Vec<String>,
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

fn list(context: &Context) -> anyhow::Result<()> {
    let plugins = registry(&context.settings.plugins).list();
    let rows: Vec<(String, String)> =
        plugins.into_iter().map(|plugin| (plugin.name, plugin.file.display().to_string())).collect();
    context.list(&rows, "no plugins were found", |(name, file)| format!("{name}  {file}"))
}

/// The plugins as the settings name them. Who may write them is checked by the launcher, which knows its user.
pub fn registry(settings: &PluginSettings) -> Registry {
    Registry::new(settings.directories.clone(), Trust::Checkout)
}

impl TestArguments {
    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let settings = &context.settings.plugins;
        let invocation = Invocation {
            run: Uuid::now_v7(),
            secrets: self.secrets(context)?,
            plugin: self.name,
            arguments: self.arguments,
            handler: "tasks plugin test".to_owned(),
            user: "tasks".to_owned(),
            timeout: Duration::from_secs(self.timeout),
            grace: settings.grace,
            path: settings.path.clone(),
            settings: settings.environment.clone(),
            ..Invocation::default()
        };
        let launcher = match &settings.launcher_socket {
            Some(path) => Launcher::connect(path)?,
            None => Launcher::spawn(&settings.launcher, settings.launcher_arguments())?,
        };
        let mut runner = Runner::new(launcher, RunnerOptions::default())?;
        runner.start(invocation.into_spec()?);
        exit_code(follow(&mut runner)?)
    }

    fn secrets(&self, context: &Context) -> anyhow::Result<Vec<(String, String)>> {
        let macros = context.settings.macro_file()?;
        self.secrets
            .iter()
            .map(|name| {
                let secret = macros.secrets.get(name).with_context(|| {
                    format!("there is no secret {name} in {}", context.settings.macros.display())
                })?;
                Ok((name.clone(), secret.expose().to_owned()))
            })
            .collect()
    }
}

/// Passes the output on until the run has ended.
fn follow(runner: &mut Runner) -> anyhow::Result<Outcome> {
    let mut outcome = None;
    let mut written = Ok(());
    while outcome.is_none() {
        runner.turn(Duration::from_secs(1), &mut |event| match event {
            Event::Output { stream, bytes, .. } if written.is_ok() => {
                written = match stream {
                    Stream::Stdout => std::io::stdout().write_all(&bytes),
                    Stream::Stderr => std::io::stderr().write_all(&bytes),
                };
            }
            Event::Finished { outcome: ended, .. } => outcome = Some(ended),
            _ => {}
        })?;
        if outcome.is_none() && written.is_err() {
            break;
        }
    }
    std::io::stdout().flush().and(written).context("while passing the plugin's output on")?;
    outcome.context("the launcher did not say how the plugin ended")
}

fn exit_code(outcome: Outcome) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Exit(code) => {
            note(format!("exit code {code}"))?;
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
        }
        other => bail!("{other}"),
    }
}
