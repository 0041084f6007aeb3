//! Builds what a plugin gets, out of plain data: arguments, the fixed small environment, and the JSON line on its
//! standard input. Everything is checked here, before anything is started.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::registry::Digest;

/// The kernel allows no longer argument or environment entry (128 KiB with the final NUL).
pub const MAX_ARGUMENT_BYTES: usize = 128 * 1024 - 1;
/// All arguments and environment entries together, and the standard input by itself, may have this many bytes.
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;
/// A run may have this many arguments.
pub const MAX_ARGUMENTS: usize = 4096;

/// The variable by which every process of a run is recognised.
pub(crate) const RUN_VARIABLE: &str = "SELFSERVICE_TASK_UUID";
/// The variable that names the launcher's own directory, by which a later launcher finds leftovers.
pub(crate) const LAUNCHER_VARIABLE: &str = "SELFSERVICE_LAUNCHER";
/// Secrets are given under their names behind this.
const SECRET_PREFIX: &str = "SELFSERVICE_SECRET_";
/// The variable that names the progress FIFO.
pub(crate) const PROGRESS_VARIABLE: &str = "SELFSERVICE_PROGRESS";

/// A run that can't be made out of this data; the sentence says why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CommandError(String);

/// One run as plain data. [`Invocation::into_spec`] checks it.
#[derive(Clone, Default)]
pub struct Invocation {
    /// The task's id; every process of the run carries it in its environment.
    pub run: Uuid,
    /// The plugin's name, never a path.
    pub plugin: String,
    /// The SHA-256 of the plugin as it was approved, one for each version that counts; empty: whatever is there.
    pub approved: Vec<Digest>,
    /// The arguments behind the plugin's name, one element each.
    pub arguments: Vec<String>,
    /// The handler's name.
    pub handler: String,
    /// Who asked for the run.
    pub user: String,
    /// The host's environments, joined with commas when there are several.
    pub environment: String,
    /// The host's name.
    pub host: String,
    /// The service's name.
    pub service: String,
    /// After this the whole tree of the run is ended.
    pub timeout: Duration,
    /// From TERM to KILL when a run is ended.
    pub grace: Duration,
    /// The `PATH` of the plugin.
    pub path: String,
    /// What the settings say to every plugin: `SELFSERVICE_*` variables by their full names.
    pub settings: Vec<(String, String)>,
    /// `NAGIOS_*` variables by their full names.
    pub nagios: Vec<(String, String)>,
    /// Declared secrets by name (capital letters, digits, `_`), given as `SELFSERVICE_SECRET_<NAME>`.
    pub secrets: Vec<(String, String)>,
    /// The handler's parameters, for the standard input.
    pub parameters: BTreeMap<String, String>,
    /// The alert that started the run, for the standard input.
    pub alert: Option<serde_json::Value>,
}

/// The one JSON line on a plugin's standard input.
#[derive(Serialize)]
struct Input<'a> {
    uuid: Uuid,
    handler: &'a str,
    user: &'a str,
    host: &'a str,
    service: &'a str,
    environment: &'a str,
    parameters: &'a BTreeMap<String, String>,
    alert: &'a Option<serde_json::Value>,
}

/// A checked run, ready for a [`crate::Runner`]. It holds secrets, so it shows only its id and plugin.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunSpec {
    pub(crate) run: Uuid,
    pub(crate) plugin: String,
    pub(crate) approved: Vec<Digest>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) input: String,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
}

impl fmt::Debug for RunSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RunSpec").field("run", &self.run).field("plugin", &self.plugin).finish()
    }
}

impl RunSpec {
    /// The run's id.
    pub fn run(&self) -> Uuid {
        self.run
    }

    /// The arguments behind the plugin's name.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The environment, as the plugin will have it, in place of secrets a mask. The launcher adds `HOME` and what
    /// leads to the run's private directory.
    pub fn masked_environment(&self) -> Vec<(String, String)> {
        let mask = |name: &str, value: &String| {
            if name.starts_with(SECRET_PREFIX) { "********".to_owned() } else { value.clone() }
        };
        self.environment.iter().map(|(name, value)| (name.clone(), mask(name, value))).collect()
    }
}

impl Invocation {
    /// Checks everything and builds the run.
    ///
    /// # Errors
    /// A NUL anywhere, a reserved or malformed variable name, or more bytes than the system can pass.
    pub fn into_spec(self) -> Result<RunSpec, CommandError> {
        let environment = self.environment()?;
        check_arguments(&self.arguments)?;
        check_sizes(&self.arguments, &environment)?;
        let input = self.input()?;
        Ok(RunSpec {
            run: self.run,
            plugin: self.plugin,
            approved: self.approved,
            arguments: self.arguments,
            environment,
            input,
            timeout: self.timeout,
            grace: self.grace,
        })
    }

    fn environment(&self) -> Result<Vec<(String, String)>, CommandError> {
        let mut environment: Vec<(String, String)> = [
            ("PATH", self.path.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            (RUN_VARIABLE, self.run.to_string()),
            ("SELFSERVICE_USER", self.user.clone()),
            ("SELFSERVICE_ENVIRONMENT", self.environment.clone()),
            ("SELFSERVICE_HOST", self.host.clone()),
            ("SELFSERVICE_SERVICE", self.service.clone()),
            ("SELFSERVICE_TIMEOUT", self.timeout.as_secs().to_string()),
            ("SELFSERVICE_GRACE", self.grace.as_secs().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in &self.settings {
            let rest = name.strip_prefix("SELFSERVICE_").filter(|rest| !rest.starts_with("SECRET_"));
            if !rest.is_some_and(|rest| is_name(rest, false)) {
                return Err(CommandError(format!(
                    "the variable '{}' can't tell a plugin of the settings: only SELFSERVICE_ names are allowed here",
                    name.escape_debug()
                )));
            }
            environment.push((name.clone(), value.clone()));
        }
        for (name, value) in &self.nagios {
            if !name.strip_prefix("NAGIOS_").is_some_and(|rest| is_name(rest, true)) {
                return Err(CommandError(format!(
                    "the variable '{}' can't be given to a plugin: only NAGIOS_ names are allowed here",
                    name.escape_debug()
                )));
            }
            environment.push((name.clone(), value.clone()));
        }
        for (name, value) in &self.secrets {
            if !is_name(name, false) {
                return Err(CommandError(format!(
                    "the secret name '{}' is not allowed: use capital letters, digits and '_'",
                    name.escape_debug()
                )));
            }
            environment.push((format!("{SECRET_PREFIX}{name}"), value.clone()));
        }
        check_environment(&environment)?;
        Ok(environment)
    }

    fn input(&self) -> Result<String, CommandError> {
        let input = Input {
            uuid: self.run,
            handler: &self.handler,
            user: &self.user,
            host: &self.host,
            service: &self.service,
            environment: &self.environment,
            parameters: &self.parameters,
            alert: &self.alert,
        };
        let mut line = serde_json::to_string(&input)
            .map_err(|error| CommandError(format!("the standard input can't be written: {error}")))?;
        line.push('\n');
        if line.len() > MAX_TOTAL_BYTES {
            return Err(CommandError(format!(
                "the standard input has {} bytes; {MAX_TOTAL_BYTES} are allowed",
                line.len()
            )));
        }
        Ok(line)
    }
}

fn is_name(name: &str, small_letters: bool) -> bool {
    let allowed = |byte: u8| {
        byte == b'_'
            || byte.is_ascii_uppercase()
            || byte.is_ascii_digit()
            || (small_letters && byte.is_ascii_lowercase())
    };
    !name.is_empty() && name.bytes().all(allowed)
}

fn check_environment(environment: &[(String, String)]) -> Result<(), CommandError> {
    let mut names = HashSet::new();
    for (name, value) in environment {
        if value.contains('\0') {
            return Err(CommandError(format!("the variable {name} contains a NUL character")));
        }
        if !names.insert(name) {
            return Err(CommandError(format!("the variable {name} is given twice")));
        }
        if name.len() + 1 + value.len() > MAX_ARGUMENT_BYTES {
            return Err(CommandError(format!(
                "the variable {name} has {} bytes; {MAX_ARGUMENT_BYTES} are allowed with its name",
                value.len()
            )));
        }
    }
    Ok(())
}

fn check_arguments(arguments: &[String]) -> Result<(), CommandError> {
    if arguments.len() > MAX_ARGUMENTS {
        return Err(CommandError(format!(
            "the command has {} arguments; {MAX_ARGUMENTS} are allowed",
            arguments.len()
        )));
    }
    for (position, argument) in arguments.iter().enumerate().map(|(index, argument)| (index + 1, argument)) {
        if argument.contains('\0') {
            return Err(CommandError(format!("argument {position} contains a NUL character")));
        }
        if argument.len() > MAX_ARGUMENT_BYTES {
            return Err(CommandError(format!(
                "argument {position} has {} bytes; {MAX_ARGUMENT_BYTES} are allowed",
                argument.len()
            )));
        }
    }
    Ok(())
}

fn check_sizes(arguments: &[String], environment: &[(String, String)]) -> Result<(), CommandError> {
    let arguments: usize = arguments.iter().map(String::len).sum();
    let environment: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    let total = arguments + environment;
    if total > MAX_TOTAL_BYTES {
        return Err(CommandError(format!(
            "arguments and environment have {total} bytes together; {MAX_TOTAL_BYTES} are allowed"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(invocation: Invocation) -> String {
        invocation.into_spec().unwrap_err().to_string()
    }

    #[test]
    fn nul_characters_are_refused_with_their_place() {
        let arguments = vec!["fine".to_owned(), "a\0b".to_owned()];
        assert_eq!(
            refused(Invocation { arguments, ..Invocation::default() }),
            "argument 2 contains a NUL character"
        );
        let host = "a\0".to_owned();
        assert_eq!(
            refused(Invocation { host, ..Invocation::default() }),
            "the variable SELFSERVICE_HOST contains a NUL character"
        );
    }

    #[test]
    fn reserved_and_malformed_names_are_refused() {
        for name in ["PATH", "LD_PRELOAD", "SELFSERVICE_USER", "NAGIOS_", "NAGIOS_A=B", "NAGIOS_A\n"] {
            let nagios = vec![(name.to_owned(), String::new())];
            assert!(refused(Invocation { nagios, ..Invocation::default() }).contains("only NAGIOS_ names"));
        }
        for name in ["PATH", "SELFSERVICE_", "SELFSERVICE_a", "SELFSERVICE_SECRET_TOKEN", "SELFSERVICE_A=B"] {
            let settings = vec![(name.to_owned(), String::new())];
            let why = refused(Invocation { settings, ..Invocation::default() });
            assert!(why.contains("only SELFSERVICE_ names"), "{why}");
        }
        let settings = vec![("SELFSERVICE_USER".to_owned(), String::new())];
        assert!(refused(Invocation { settings, ..Invocation::default() }).contains("given twice"));
        for name in ["", "lower", "A=B", "A B"] {
            let secrets = vec![(name.to_owned(), String::new())];
            assert!(refused(Invocation { secrets, ..Invocation::default() }).contains("secret name"));
        }
    }

    #[test]
    fn more_than_the_system_can_pass_is_refused() {
        let one = vec!["x".repeat(MAX_ARGUMENT_BYTES + 1)];
        assert!(refused(Invocation { arguments: one, ..Invocation::default() }).contains("131072 bytes"));
        let many = vec![String::new(); MAX_ARGUMENTS + 1];
        assert!(refused(Invocation { arguments: many, ..Invocation::default() }).contains("4097 arguments"));
        let total = vec!["x".repeat(100_000); 11];
        assert!(refused(Invocation { arguments: total, ..Invocation::default() }).contains("together"));
        let alert = Some(serde_json::Value::String("x".repeat(MAX_TOTAL_BYTES)));
        assert!(refused(Invocation { alert, ..Invocation::default() }).contains("standard input"));
    }

    #[test]
    fn the_input_is_one_line() {
        let parameters = BTreeMap::from([("text".to_owned(), "two\nlines".to_owned())]);
        let spec = Invocation { parameters, ..Invocation::default() }.into_spec().unwrap();
        assert_eq!(spec.input.matches('\n').count(), 1);
        assert!(spec.input.ends_with("\"parameters\":{\"text\":\"two\\nlines\"},\"alert\":null}\n"));
    }

    #[test]
    fn a_spec_shows_no_secret() {
        let secrets = vec![("TOKEN".to_owned(), "hunter2".to_owned())];
        let spec = Invocation { secrets, ..Invocation::default() }.into_spec().unwrap();
        assert!(!format!("{spec:?}").contains("hunter2"));
        assert!(!format!("{:?}", spec.masked_environment()).contains("hunter2"));
    }
}
