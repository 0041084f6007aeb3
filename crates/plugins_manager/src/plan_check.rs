//! The second decision, just before the start: what was confirmed is what runs, or nothing.

use plugin_runner::{Digest, Invocation};
use selfservice_core::config::{MacroFile, PluginSettings, Secret};
use selfservice_core::db::{DbError, PgConnection};
use selfservice_core::models::tasks::{Task, TaskKind};
use selfservice_core::models::typed_secrets::{self, TypedSecrets};
use selfservice_core::plan::{Facts, Plan, PlanError, Request, Requester};
use selfservice_core::sealing::OpeningKey;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// A task that may start.
pub struct Approved {
    /// What the launcher gets.
    pub invocation: Invocation,
    /// The secrets that the plugin is given: to be masked in its output.
    pub secrets: Vec<Secret>,
}

/// Why a task may not start.
pub enum Refused {
    /// Rights, handler, target or macros changed; a sentence for the person who asked.
    Rejected(String),
    /// The database failed: nobody can say.
    Undecided,
}

/// The secrets that people typed for these tasks, as far as this manager can read them.
pub fn typed_secrets_of(
    connection: &mut PgConnection,
    worker: Uuid,
    key: &OpeningKey,
    tasks: &[&Task],
) -> Result<HashMap<Uuid, TypedSecrets>, DbError> {
    let with: Vec<Uuid> =
        tasks.iter().filter(|task| !task.secret_parameters.is_empty()).map(|task| task.id).collect();
    if with.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(typed_secrets::readable(connection, worker, key, &with)?)
}

/// Plans the tasks anew from the present inventory, rights and macros, and compares; answers in the tasks' order.
pub fn approve_all(
    connection: &mut PgConnection,
    macros: &MacroFile,
    settings: &PluginSettings,
    tasks: &[&Task],
    typed: &HashMap<Uuid, TypedSecrets>,
) -> Vec<Result<Approved, Refused>> {
    let asked: Vec<Result<(Request, Requester), Refused>> =
        tasks.iter().map(|task| Request::of_task(task).map_err(|why| rejected(&why))).collect();
    let wanted: Vec<(Request, Requester)> = asked.iter().flatten().cloned().collect();
    let facts = Facts::load(connection, &wanted).ok();
    tasks
        .iter()
        .zip(asked)
        .map(|(task, asked)| {
            let (request, requester) = asked?;
            let facts = facts.as_ref().ok_or(Refused::Undecided)?;
            approve(facts, macros, settings, task, typed.get(&task.id), &request, &requester)
        })
        .collect()
}

fn approve(
    facts: &Facts,
    macros: &MacroFile,
    settings: &PluginSettings,
    task: &Task,
    typed: Option<&TypedSecrets>,
    request: &Request,
    requester: &Requester,
) -> Result<Approved, Refused> {
    let plan =
        Plan::decide_from(facts, macros, requester, request, task.id, task.created_at).map_err(|error| {
            match error {
                PlanError::Query(_) => Refused::Undecided,
                PlanError::NotFound => {
                    rejected("the host, the service or the handler is gone, or may not be seen any more")
                }
                PlanError::Forbidden => rejected("the right to run it is gone"),
                other => rejected(&other.to_string()),
            }
        })?;
    if plan.handler.revision != task.handler_revision || plan.handler.plugin != task.plugin {
        return Err(rejected("the handler has changed since this was asked for"));
    }
    if plan.argv != task.argv {
        return Err(rejected("the command has changed since this was asked for"));
    }
    if plan.hash() != task.plan_hash {
        return Err(rejected("the target has changed since this was asked for"));
    }
    let mut secrets = typed_secrets_for(&plan, task, typed)?;
    // Who says what they are need none.
    if plan.kind != TaskKind::Help {
        secrets.extend(declared_secrets(macros, &plan.handler.secrets)?);
    }
    Ok(Approved {
        secrets: secrets.iter().map(|(_, secret)| secret.clone()).collect(),
        invocation: Invocation {
            run: task.id,
            plugin: task.plugin.clone(),
            approved: approved_digests(&task.plugin_hashes)?,
            arguments: plan.argv,
            handler: task.handler_name.clone(),
            user: task.requester.clone(),
            environment: task.environments.join(","),
            host: task.host_name.clone(),
            service: task.service_name.clone(),
            timeout: Duration::from_secs(u64::try_from(task.timeout_seconds).unwrap_or(1)),
            grace: settings.grace,
            path: settings.path.clone(),
            settings: settings.environment.clone(),
            nagios: plan.environment,
            secrets: secrets.into_iter().map(|(name, secret)| (name, secret.expose().to_owned())).collect(),
            parameters: plan.parameters,
            alert: None,
        },
    })
}

fn declared_secrets(macros: &MacroFile, names: &[String]) -> Result<Vec<(String, Secret)>, Refused> {
    names
        .iter()
        .map(|name| match macros.secrets.get(name) {
            Some(secret) => Ok((name.clone(), secret.clone())),
            None => Err(rejected(&format!(
                "the handler needs the secret {name}, which this manager does not have"
            ))),
        })
        .collect()
}

/// What a person typed, by the names that the plugin knows.
fn typed_secrets_for(
    plan: &Plan,
    task: &Task,
    typed: Option<&TypedSecrets>,
) -> Result<Vec<(String, Secret)>, Refused> {
    if let Some(why) = plan.needs_typing().filter(|_| task.secret_parameters.is_empty()) {
        return Err(rejected(why.trim_end_matches('.')));
    }
    let asked = plan.secrets.iter().filter(|parameter| task.secret_parameters.contains(&parameter.name));
    asked
        .map(|parameter| match typed.and_then(|typed| typed.get(&parameter.name)) {
            Some(secret) => Ok((parameter.secret_name(), secret.clone())),
            None => Err(rejected(
                "the secret that was typed can be read only by managers that ran when it was typed; run it again",
            )),
        })
        .collect()
}

fn approved_digests(hashes: &[Vec<u8>]) -> Result<Vec<Digest>, Refused> {
    hashes
        .iter()
        .map(|hash| Digest::try_from(hash.as_slice()))
        .collect::<Result<_, _>>()
        .map_err(|_| rejected("the stored SHA-256 of its plugin is not understood"))
}

fn rejected(why: &str) -> Refused {
    Refused::Rejected(why.to_owned())
}
