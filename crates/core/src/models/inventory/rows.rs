//! What a source of inventory says, in plain names. An absent key leaves what the database has; a list that is given
//! replaces the one that is there. An event handler is the exception: it is always given as a whole.

use crate::access::Verb;
use crate::models::event_handlers::{Parameter, Risk};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The colours that an environment may have.
pub const COLOURS: &[&str] = &["red", "orange", "yellow", "green", "blue", "purple", "grey"];

/// Where hosts live.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "production", "colour": "red", "minimum_risk": "normal"})))]
pub struct Environment {
    /// Unique name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// One of the seven colours; a new environment is grey.
    #[serde(default)]
    pub colour: Option<String>,
    /// What a handler that changes something counts as at least; `read-only` where nothing is said.
    #[serde(default)]
    pub minimum_risk: Option<Risk>,
}

/// Hosts that are alike.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "databases", "services": ["PostgreSQL"]})))]
pub struct Hostgroup {
    /// Unique name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Services that every member gets.
    #[serde(default)]
    pub services: Option<Vec<String>>,
}

/// What can be healed on a host.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "PostgreSQL", "vars": {"PORT": "5432"}, "handlers": ["Restart replica"]})))]
pub struct Service {
    /// Unique name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Custom variables for `$_SERVICEx$`.
    #[serde(default)]
    pub vars: Option<BTreeMap<String, String>>,
    /// Handlers, in the order in which they are shown.
    #[serde(default)]
    pub handlers: Option<Vec<String>>,
}

/// A machine, or whatever has an address.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "db-1", "address": "10.20.0.1", "environments": {"production": "databases"}, "hostgroups": ["databases"]})))]
pub struct Host {
    /// Unique name.
    pub name: String,
    /// What plugins connect to; the name where nothing is said.
    #[serde(default)]
    pub address: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Custom variables for `$_HOSTx$`.
    #[serde(default)]
    pub vars: Option<BTreeMap<String, String>>,
    /// Other names that Grafana or a person may use.
    #[serde(default)]
    pub aliases: Option<Vec<String>>,
    /// Environments, each with the host group as which the host stands in it, or without.
    #[serde(default)]
    pub environments: Option<BTreeMap<String, Option<String>>>,
    /// Host groups that it is a member of.
    #[serde(default)]
    pub hostgroups: Option<Vec<String>>,
    /// Services of the host itself, beside those that its host groups bring.
    #[serde(default)]
    pub services: Option<Vec<String>>,
    /// Handlers of the host itself for a service of it, beside those that the service brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handlers: Option<BTreeMap<String, Vec<String>>>,
    /// Services that its host groups bring and that it does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_services: Option<Vec<String>>,
    /// Handlers that a service of it brings and that it does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_handlers: Option<BTreeMap<String, Vec<String>>>,
    /// A manager serves it when it has all of these.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// So many tasks run on it at once; 0: no limit.
    #[serde(default)]
    pub max_running: Option<i32>,
}

/// A healing action. What is not written has its default, also where the database has something else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "Restart replica", "plugin": "ssh.sh", "arguments": ["--host", "$HOSTADDRESS$", "--", "restart"], "risk": "normal"})))]
pub struct EventHandler {
    /// Unique name.
    pub name: String,
    /// What it does, for the person who may press it.
    #[serde(default)]
    pub description: String,
    /// Name of the plugin.
    pub plugin: String,
    /// One template an argument.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What the person is asked for.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Labels that grants may name.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Names of secrets that the plugin gets in its environment.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// How much it can break.
    #[serde(default = "normal")]
    pub risk: Risk,
    /// The run is ended after so many seconds, 1 to 86400.
    #[serde(default = "two_minutes")]
    pub timeout_seconds: i32,
    /// Whether the person must say why.
    #[serde(default)]
    pub reason_required: bool,
    /// Whether a lost task may be started again without a person.
    #[serde(default)]
    pub repeatable: bool,
    /// Whether known macros without a value expand to nothing.
    #[serde(default)]
    pub empty_macros: bool,
    /// A disabled handler is shown to nobody.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where the procedure is described.
    #[serde(default)]
    pub runbook_url: Option<String>,
    /// So many of its tasks run at once, on all hosts together; no limit where nothing is said.
    #[serde(default)]
    pub max_running: Option<i32>,
}

/// People who share their rights.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "on-call", "members": ["alice"]})))]
pub struct Team {
    /// Unique name.
    pub name: String,
    /// Names of users.
    #[serde(default)]
    pub members: Option<Vec<String>>,
}

/// A user, as administrators edit one; a load never does. The password is set elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "alice", "display_name": "Alice Example", "teams": ["on-call"]})))]
pub struct User {
    /// Unique name; it stays what it is.
    pub name: String,
    /// The name that pages show; empty: the name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Without rights, and kept from signing in.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// May do everything everywhere, by a grant of their own.
    #[serde(default)]
    pub administrator: Option<bool>,
    /// Names of the teams that they are in.
    #[serde(default)]
    pub teams: Option<Vec<String>>,
}

/// A right of a user or a team; what is absent means any.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"team": "on-call", "environment": "production", "verb": "run"})))]
pub struct Grant {
    /// Whose it is, unless a team's.
    #[serde(default)]
    pub user: Option<String>,
    /// Whose it is, unless a user's.
    #[serde(default)]
    pub team: Option<String>,
    /// Where.
    #[serde(default)]
    pub environment: Option<String>,
    /// On what.
    #[serde(default)]
    pub hostgroup: Option<String>,
    /// With which handler.
    #[serde(default)]
    pub handler: Option<String>,
    /// With which handlers, by their tag.
    #[serde(default)]
    pub tag: Option<String>,
    /// What it allows.
    pub verb: Verb,
}

/// Everything that one load brings, checked.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Environments.
    pub environments: Vec<Environment>,
    /// Host groups.
    pub hostgroups: Vec<Hostgroup>,
    /// Services.
    pub services: Vec<Service>,
    /// Event handlers.
    pub event_handlers: Vec<EventHandler>,
    /// Hosts.
    pub hosts: Vec<Host>,
    /// Teams.
    pub teams: Vec<Team>,
    /// Grants.
    pub grants: Vec<Grant>,
}

impl Inventory {
    /// How many objects it names.
    pub fn len(&self) -> usize {
        self.environments.len()
            + self.hostgroups.len()
            + self.services.len()
            + self.event_handlers.len()
            + self.hosts.len()
            + self.teams.len()
            + self.grants.len()
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts lists whose order means nothing into one order, so that they can be compared.
    pub fn normalise(&mut self) {
        self.hostgroups.iter_mut().for_each(Hostgroup::normalise);
        self.hosts.iter_mut().for_each(Host::normalise);
        self.teams.iter_mut().for_each(Team::normalise);
    }
}

impl Hostgroup {
    pub(super) fn normalise(&mut self) {
        sort(self.services.as_mut());
    }
}

impl Team {
    pub(super) fn normalise(&mut self) {
        sort(self.members.as_mut());
    }
}

impl Host {
    pub(super) fn normalise(&mut self) {
        sort(self.aliases.as_mut());
        sort(self.hostgroups.as_mut());
        sort(self.services.as_mut());
        sort(self.dropped_services.as_mut());
        self.dropped_handlers.iter_mut().flat_map(BTreeMap::values_mut).for_each(|names| names.sort());
    }
}

fn sort(names: Option<&mut Vec<String>>) {
    if let Some(names) = names {
        names.sort();
    }
}

fn normal() -> Risk {
    Risk::Normal
}

fn two_minutes() -> i32 {
    120
}

fn yes() -> bool {
    true
}
