//! From a request to a plan: the exact command, or the reason why not.
//!
//! The plan is made when somebody asks and again just before the start. What was confirmed is what runs: where rights,
//! handler, target or macros changed in between, the second plan differs and the task is rejected.

mod explain;
mod facts;
mod repeat;
mod trial;

use crate::access::{Confirmation, Verb, effective_risk};
use crate::config::MacroFile;
use crate::macros::{MacroError, MacroTable};
use crate::models::event_handlers::{EventHandler, Parameter, Risk};
use crate::models::hosts::{Host, Placement};
use crate::models::services::Service;
use crate::models::tasks::{Identity, Origin, Task, TaskKind};
use crate::models::typed_secrets::TypedSecrets;
use crate::queue::NewTask;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

pub use explain::{ExplainedArgument, ExplainedMacro};
pub use facts::Facts;
pub use repeat::{Repeated, repeat_lost};
pub use trial::{Trial, TrialCommand};

/// The longest argument, in bytes: Linux refuses more than 128 KiB.
const MAX_ARGUMENT: usize = 100_000;

/// What somebody wants to run, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The host.
    pub hosts_id: i64,
    /// The service on it.
    pub services_id: i64,
    /// The handler.
    pub event_handlers_id: i64,
    /// What its plugin is asked for.
    pub kind: TaskKind,
    /// Filled-in values by name; an absent one takes its default.
    pub parameters: BTreeMap<String, String>,
}

impl Request {
    /// What a task was asked for, and by whom, to decide on it anew. The error is a sentence without a full stop.
    pub fn of_task(task: &Task) -> Result<(Self, Requester), String> {
        let gone = |what: &str| format!("{what} was deleted since this was asked for");
        let parameters = serde_json::from_value(task.parameters.clone())
            .map_err(|error| format!("the stored parameters are not understood: {error}"))?;
        Ok((
            Self {
                hosts_id: task.hosts_id.ok_or_else(|| gone("the host"))?,
                services_id: task.services_id.ok_or_else(|| gone("the service"))?,
                event_handlers_id: task.event_handlers_id.ok_or_else(|| gone("the handler"))?,
                kind: task.kind,
                parameters,
            },
            Requester {
                users_id: task.users_id.ok_or_else(|| gone("the user who asked"))?,
                name: task.requester.clone(),
                identity: task.identity,
                token_verb: task.token_verb,
            },
        ))
    }
}

/// Who asks, as far as the plan depends on it.
#[derive(Debug, Clone)]
pub struct Requester {
    /// The user.
    pub users_id: i64,
    /// Their name.
    pub name: String,
    /// How they proved it.
    pub identity: Identity,
    /// The strongest verb of the API token that asks, if one does.
    pub token_verb: Option<Verb>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The host, service or handler does not exist, or the requester may not see it: the same answer.
    #[error("There is no such action on this host, or you may not see it.")]
    NotFound,
    /// The requester may see the action, but not run it.
    #[error("You may see this action, but you have no right to run it here.")]
    Forbidden,
    /// Values that cannot be accepted: parameter name to a text that completes "this field ...".
    #[error("Some values cannot be accepted.")]
    Parameters(BTreeMap<String, String>),
    /// An argument template that does not work here.
    #[error("The handler's argument '{argument}' cannot be filled in: {error}.")]
    Macro {
        /// The template.
        argument: String,
        /// Why.
        error: MacroError,
    },
    /// An argument that no plugin can be given.
    #[error("The handler's argument '{argument}' becomes too long or holds a NUL character.")]
    Argument {
        /// The template.
        argument: String,
    },
    /// The handler's own definition is broken.
    #[error("The handler's parameters are not understood: {0}.")]
    Definition(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// A command that may be run, and everything it was decided from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The handler.
    pub handler: EventHandler,
    /// The host.
    pub host: Host,
    /// Where the host belongs.
    pub placement: Placement,
    /// The service.
    pub service: Service,
    /// The risk on this host.
    pub risk: Risk,
    /// Every parameter with its value, secret ones excepted.
    pub parameters: BTreeMap<String, String>,
    /// The secret ones, whose values a person types for each run.
    pub secrets: Vec<Parameter>,
    /// What the plugin is asked for.
    pub kind: TaskKind,
    /// Every argument.
    pub argv: Vec<String>,
    /// `NAGIOS_*` variables for the plugin.
    pub environment: Vec<(String, String)>,
    hash: Vec<u8>,
}

impl Plan {
    /// Decides on the merged request. `id` and `at` are what the macros for the task's UUID and the time show.
    pub fn decide(
        connection: &mut PgConnection,
        macros: &MacroFile,
        requester: &Requester,
        request: &Request,
        id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Self, PlanError> {
        let facts = Facts::load(connection, &[(request.clone(), requester.clone())])?;
        Self::decide_from(&facts, macros, requester, request, id, at)
    }

    /// As [`Plan::decide`], from facts that were loaded for this request (and others).
    pub fn decide_from(
        facts: &Facts,
        macros: &MacroFile,
        requester: &Requester,
        request: &Request,
        id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Self, PlanError> {
        let (host, placement) = facts.host(request.hosts_id).cloned().ok_or(PlanError::NotFound)?;
        let service = facts.service(request.services_id).cloned().ok_or(PlanError::NotFound)?;
        let handler = facts.handler(request).cloned().ok_or(PlanError::NotFound)?;
        let access = facts.access(requester).ok_or(PlanError::NotFound)?;
        if !access.may(Verb::See, &placement, &handler) {
            return Err(PlanError::NotFound);
        }
        if !access.may(Verb::Run, &placement, &handler) {
            return Err(PlanError::Forbidden);
        }
        // Who says what they are need no values.
        let declared = if request.kind == TaskKind::Help { Vec::new() } else { handler.parameters()? };
        let parameters = merge(&declared, &request.parameters)?;
        let mut table = MacroTable::new(macros);
        table.allow_empty(handler.empty_macros);
        let secrets: Vec<Parameter> = declared.into_iter().filter(Parameter::is_secret).collect();
        secrets.iter().for_each(|parameter| table.refuse_parameter(&parameter.name));
        fill(&mut table, &host, &placement, Some(&service), &parameters, &requester.name);
        let risk = effective_risk(&handler, &placement);
        // Id and time differ between showing and asking, so the hash is made with fixed ones.
        let fixed = with_task(table.clone(), Uuid::nil(), DateTime::UNIX_EPOCH);
        let hash = Decided {
            ids: [host.id, service.id, handler.id],
            revision: handler.revision,
            timeout_seconds: handler.timeout_seconds,
            risk,
            environments: placement
                .environments
                .iter()
                .map(|environment| environment.name.as_str())
                .collect(),
            plugin: &handler.plugin,
            argv: &command(request.kind, &handler.arguments, &fixed)?,
            kind: request.kind,
            environment: &fixed.nagios_environment(),
        }
        .hash();
        let table = with_task(table, id, at);
        Ok(Self {
            argv: command(request.kind, &handler.arguments, &table)?,
            kind: request.kind,
            environment: table.nagios_environment(),
            risk,
            handler,
            host,
            placement,
            service,
            parameters,
            secrets,
            hash,
        })
    }

    /// What the person must do before it runs.
    pub fn confirmation(&self) -> Confirmation {
        self.risk.into()
    }

    /// SHA-256 over everything that the plan was decided on: handler with its revision, target and what the plugin is
    /// told of it, environments, risk, time-out, plugin and arguments.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// The values of the secret parameters, as a person typed them.
    ///
    /// # Errors
    /// Values that cannot be accepted, all at once; nothing of a value is told.
    pub fn typed(&self, given: &BTreeMap<String, String>) -> Result<TypedSecrets, PlanError> {
        let mut errors = BTreeMap::new();
        let mut typed = TypedSecrets::new();
        for parameter in &self.secrets {
            let value = given.get(&parameter.name).map(String::as_str).unwrap_or_default();
            match parameter.check_secret(value) {
                Ok(secret) => typed.extend(secret.map(|secret| (parameter.name.clone(), secret))),
                Err(why) => {
                    errors.insert(parameter.name.clone(), why);
                }
            }
        }
        for name in given.keys().filter(|name| self.secrets.iter().all(|one| one.name != **name)) {
            errors.insert(name.clone(), "is not a secret parameter of this handler".to_owned());
        }
        if errors.is_empty() { Ok(typed) } else { Err(PlanError::Parameters(errors)) }
    }

    /// Why it cannot run without a person at a keyboard, where it asks for a secret. A sentence.
    pub fn needs_typing(&self) -> Option<String> {
        let secret = self.secrets.iter().find(|parameter| parameter.required)?;
        Some(format!("the handler asks for the secret '{}', which a person types for each run.", secret.name))
    }

    /// The row for the queue, as a first attempt. `at` is the database's time, whatever our own clock says; `queue_life` is
    /// how long it may wait there.
    #[expect(clippy::too_many_arguments, reason = "each is a column of the row that the plan does not know")]
    pub fn into_task(
        self,
        requester: &Requester,
        id: Uuid,
        at: DateTime<Utc>,
        queue_life: Duration,
        origin: Origin,
        request_key: Uuid,
        reason: Option<String>,
    ) -> NewTask {
        NewTask {
            id,
            event_handlers_id: self.handler.id,
            handler_name: self.handler.name,
            handler_revision: self.handler.revision,
            hosts_id: self.host.id,
            host_name: self.host.name,
            services_id: self.service.id,
            service_name: self.service.name,
            environments: self
                .placement
                .environments
                .into_iter()
                .map(|environment| environment.name)
                .collect(),
            plugin: self.handler.plugin,
            argv: self.argv,
            plan_hash: self.hash,
            parameters: json!(self.parameters),
            kind: self.kind,
            secret_parameters: Vec::new(),
            risk: self.risk,
            timeout_seconds: self.handler.timeout_seconds,
            reason,
            users_id: Some(requester.users_id),
            requester: requester.name.clone(),
            identity: requester.identity,
            token_verb: requester.token_verb,
            origin,
            request_key,
            created_at: at,
            expires_at: at + queue_life,
            retry_of: None,
            attempt: 1,
        }
    }
}

/// Every parameter of the handler with its value, secret ones excepted, as a run would have it.
///
/// # Errors
/// Values that cannot be accepted, all at once, or a definition that is not understood.
pub fn parameters_of(
    handler: &EventHandler,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PlanError> {
    merge(&handler.parameters()?, given)
}

/// Every declared parameter with its value; complains about all wrong ones at once.
fn merge(
    declared: &[Parameter],
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PlanError> {
    let mut errors = BTreeMap::new();
    let mut merged = BTreeMap::new();
    for parameter in declared.iter().filter(|parameter| !parameter.is_secret()) {
        let value = given.get(&parameter.name).or(parameter.default.as_ref()).cloned().unwrap_or_default();
        if let Err(why) = parameter.check(&value) {
            errors.insert(parameter.name.clone(), why);
        }
        merged.insert(parameter.name.clone(), value);
    }
    for name in given.keys().filter(|name| !merged.contains_key(*name)) {
        let secret = declared.iter().any(|parameter| parameter.is_secret() && parameter.name == **name);
        let why = if secret {
            "is a secret: it is sent under 'secrets'"
        } else {
            "is not a parameter of this handler"
        };
        errors.insert(name.clone(), why.to_owned());
    }
    if errors.is_empty() { Ok(merged) } else { Err(PlanError::Parameters(errors)) }
}

fn fill(
    table: &mut MacroTable,
    host: &Host,
    placement: &Placement,
    service: Option<&Service>,
    parameters: &BTreeMap<String, String>,
    requester: &str,
) {
    let groups: Vec<&str> = placement.hostgroups.iter().map(|(_, name)| name.as_str()).collect();
    let environments: Vec<&str> = placement.environments.iter().map(|e| e.name.as_str()).collect();
    table.set("HOSTNAME", &host.name);
    table.set("HOSTDISPLAYNAME", &host.name);
    table.set("HOSTALIAS", if host.description.is_empty() { &host.name } else { &host.description });
    table.set("HOSTADDRESS", &host.address);
    table.set("HOSTGROUPNAME", groups.first().copied().unwrap_or_default());
    table.set("HOSTGROUPNAMES", groups.join(","));
    table.set("ENVIRONMENTNAME", environments.join(","));
    if let Some(service) = service {
        table.set("SERVICEDESC", &service.name);
        table.set("SERVICEDISPLAYNAME", &service.name);
    }
    table.set("_TASKUSER", requester);
    for (name, value) in host.variables() {
        table.set_custom("_HOST", &name, value);
    }
    for (name, value) in service.map(Service::variables).unwrap_or_default() {
        table.set_custom("_SERVICE", &name, value);
    }
    for (name, value) in parameters {
        table.set_custom("_PARAM", name, value);
    }
}

fn with_task(mut table: MacroTable, id: Uuid, at: DateTime<Utc>) -> MacroTable {
    table.set("_TASKUUID", id.to_string());
    table.set_time(&at);
    table
}

/// Every argument. `--check` comes first: what stands behind a `--` of the handler is no option any more.
fn command(kind: TaskKind, templates: &[String], table: &MacroTable) -> Result<Vec<String>, PlanError> {
    match kind {
        TaskKind::Run => expand(templates, table),
        TaskKind::Check => {
            Ok(std::iter::once("--check".to_owned()).chain(expand(templates, table)?).collect())
        }
        TaskKind::Help => Ok(vec!["--help".to_owned()]),
    }
}

fn expand(templates: &[String], table: &MacroTable) -> Result<Vec<String>, PlanError> {
    templates
        .iter()
        .map(|template| {
            let argument = table
                .expand(template)
                .map_err(|error| PlanError::Macro { argument: template.clone(), error })?;
            if argument.len() > MAX_ARGUMENT || argument.contains('\0') {
                return Err(PlanError::Argument { argument: template.clone() });
            }
            Ok(argument)
        })
        .collect()
}

/// What must be the same when a command is shown, asked for, and started.
struct Decided<'a> {
    ids: [i64; 3],
    revision: i32,
    timeout_seconds: i32,
    risk: Risk,
    environments: Vec<&'a str>,
    plugin: &'a str,
    kind: TaskKind,
    argv: &'a [String],
    environment: &'a [(String, String)],
}

impl Decided<'_> {
    fn hash(&self) -> Vec<u8> {
        // JSON says where each text ends. A list, not an object: the order of an object's members depends on features
        // of serde_json that other programs of a build may switch on.
        let Self { ids, revision, timeout_seconds, risk, environments, plugin, kind, argv, environment } =
            self;
        let mut all = vec![
            json!(ids),
            json!(revision),
            json!(timeout_seconds),
            json!(risk),
            json!(environments),
            json!(plugin),
            json!(argv),
            json!(environment),
        ];
        // A run is the same to programs that know no other kinds.
        if *kind != TaskKind::Run {
            all.push(json!(kind));
        }
        Sha256::digest(Value::Array(all).to_string()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_over_one_list_in_one_order() {
        let decided = Decided {
            ids: [1, 2, 3],
            revision: 4,
            timeout_seconds: 5,
            risk: Risk::Normal,
            environments: vec!["production"],
            plugin: "ok",
            kind: TaskKind::Run,
            argv: &["a".to_owned(), "b\"".to_owned()],
            environment: &[("NAGIOS_HOSTNAME".to_owned(), "web-1".to_owned())],
        };
        let text = r#"[[1,2,3],4,5,"normal",["production"],"ok",["a","b\""],[["NAGIOS_HOSTNAME","web-1"]]]"#;
        assert_eq!(decided.hash(), Sha256::digest(text).to_vec());
        let check = Decided { kind: TaskKind::Check, ..decided };
        assert_ne!(check.hash(), Sha256::digest(text).to_vec(), "a check is confirmed as one");
    }
}
