//! What is wrong with a definition by itself, whoever brings it: a file, a form, the API.

use super::rows::{COLOURS, Environment, EventHandler, Grant, Host, Hostgroup, Service, Team, User};
use crate::config::MacroFile;
use crate::{interpreters, macros, names};
use std::collections::{BTreeMap, BTreeSet};

const TIMEOUTS: std::ops::RangeInclusive<i32> = 1..=86_400;

/// Something that a person must mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The field of the definition.
    pub field: &'static str,
    /// Where the field is a list: which entry, from 0.
    pub entry: Option<usize>,
    /// What is wrong and what is allowed, without a full stop.
    pub text: String,
}

impl Complaint {
    /// A complaint about a whole field.
    pub fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, entry: None, text: text.into() }
    }

    /// A complaint about one entry of a list.
    pub fn of_entry(field: &'static str, entry: usize, text: impl Into<String>) -> Self {
        Self { field, entry: Some(entry), text: text.into() }
    }
}

impl Environment {
    /// What is wrong with it, beside its name.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = description(self.description.as_deref());
        if let Some(colour) = self.colour.as_deref().filter(|colour| !COLOURS.contains(colour)) {
            let text = format!(
                "the colour '{}' is not known; allowed are {}",
                colour.escape_debug(),
                COLOURS.join(", ")
            );
            complaints.push(Complaint::new("colour", text));
        }
        complaints
    }
}

impl Hostgroup {
    /// What is wrong with it, beside names.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = description(self.description.as_deref());
        complaints.extend(twice("services", self.services.as_deref()));
        complaints
    }
}

impl Service {
    /// What is wrong with it, beside names.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = description(self.description.as_deref());
        complaints.extend(vars(self.vars.as_ref()));
        complaints.extend(twice("handlers", self.handlers.as_deref()));
        complaints
    }
}

impl Host {
    /// What is wrong with it, beside names.
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = description(self.description.as_deref());
        let (what, address) = match &self.address {
            Some(address) => ("address", address),
            None => ("name is its address too, and it", &self.name),
        };
        if let Err(why) = check_address(address) {
            complaints.push(Complaint::new("address", format!("the {what} {why}")));
        }
        for (entry, alias) in self.aliases.iter().flatten().enumerate() {
            if let Err(why) = names::check(alias) {
                let text = format!("the alias '{}' {why}", alias.escape_debug());
                complaints.push(Complaint::of_entry("aliases", entry, text));
            }
        }
        complaints.extend(vars(self.vars.as_ref()));
        complaints.extend(tags(self.tags.as_deref().unwrap_or_default()));
        for (entry, tag) in self.tags.iter().flatten().enumerate() {
            if tag.contains(char::is_whitespace) {
                let text =
                    format!("the tag '{}' must be one word, as settings.ini lists them", tag.escape_debug());
                complaints.push(Complaint::of_entry("tags", entry, text));
            }
        }
        complaints.extend(twice("tags", self.tags.as_deref()));
        complaints.extend(twice("aliases", self.aliases.as_deref()));
        complaints.extend(twice("hostgroups", self.hostgroups.as_deref()));
        complaints.extend(twice("services", self.services.as_deref()));
        if let Some(limit) = self.max_running.filter(|limit| *limit < 0) {
            let text = format!("max_running is {limit}; allowed is 1 or more, or 0 for no limit");
            complaints.push(Complaint::new("max_running", text));
        }
        complaints.extend(self.strange_hostgroups());
        complaints.extend(twice("dropped_services", self.dropped_services.as_deref()));
        for (field, lists) in [("handlers", &self.handlers), ("dropped_handlers", &self.dropped_handlers)] {
            complaints.extend(lists.iter().flatten().filter_map(|(_, names)| twice(field, Some(names))));
        }
        complaints
    }

    /// What only a load may say in a definition: an editor makes these changes one by one
    /// ([`Assignment`](super::Assignment)), each with the rights that it needs.
    pub(super) fn assignment_complaints(&self) -> Vec<Complaint> {
        let given = [
            ("handlers", self.handlers.is_some()),
            ("dropped_services", self.dropped_services.is_some()),
            ("dropped_handlers", self.dropped_handlers.is_some()),
        ];
        let complaint = |(field, _): (&'static str, bool)| {
            Complaint::new(field, format!("{field} can be said in files only; use the host's page"))
        };
        given.into_iter().filter(|(_, given)| *given).map(complaint).collect()
    }

    /// Environments in which the host would stand as something that it is not.
    fn strange_hostgroups(&self) -> Vec<Complaint> {
        let Some(groups) = &self.hostgroups else { return Vec::new() };
        let environments = self.environments.iter().flatten().enumerate();
        environments
            .filter_map(|(entry, (environment, group))| {
                let group = group.as_ref().filter(|group| !groups.contains(group))?;
                let text =
                    format!("it stands in '{environment}' as '{group}', which is not one of its hostgroups");
                Some(Complaint::of_entry("environments", entry, text))
            })
            .collect()
    }
}

impl EventHandler {
    /// What is wrong with it, beside its name; `file` says which macros and secrets there are.
    pub fn complaints(&self, file: &MacroFile) -> Vec<Complaint> {
        let mut complaints = description(Some(&self.description));
        if self.plugin.is_empty() || self.plugin.starts_with('-') || self.plugin.contains(['/', '\0']) {
            let text = format!(
                "the plugin '{}' must be the name of a file in a plugin directory, never a path",
                self.plugin.escape_debug()
            );
            complaints.push(Complaint::new("plugin", text));
        }
        let interpreter = interpreters::complaint(&self.plugin, &self.arguments);
        complaints.extend(interpreter.map(|text| Complaint::new("plugin", text)));
        if !TIMEOUTS.contains(&self.timeout_seconds) {
            let (given, first, last) = (self.timeout_seconds, TIMEOUTS.start(), TIMEOUTS.end());
            let text = format!("timeout_seconds is {given}; allowed is {first} to {last}");
            complaints.push(Complaint::new("timeout_seconds", text));
        }
        let url = self.runbook_url.as_deref();
        if url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            let text = "runbook_url must begin with https:// or http://";
            complaints.push(Complaint::new("runbook_url", text));
        }
        for (entry, name) in self.secrets.iter().enumerate() {
            if !file.secrets.contains_key(name) {
                let text = format!(
                    "the secret '{}' does not stand under [secrets] in macros.ini",
                    name.escape_debug()
                );
                complaints.push(Complaint::of_entry("secrets", entry, text));
            }
        }
        complaints.extend(tags(&self.tags));
        if let Some(limit) = self.max_running.filter(|limit| *limit < 1) {
            let text = format!("max_running is {limit}; allowed is 1 or more, or no such line for no limit");
            complaints.push(Complaint::new("max_running", text));
        }
        complaints.extend(self.parameter_complaints());
        complaints.extend(self.argument_complaints(file));
        complaints
    }

    fn parameter_complaints(&self) -> Vec<Complaint> {
        let mut seen = BTreeSet::new();
        let mut complaints = Vec::new();
        for (entry, parameter) in self.parameters.iter().enumerate() {
            let name = parameter.name.escape_debug();
            if let Err(why) = parameter.check_definition() {
                let text = format!("the parameter '{name}' {why}");
                complaints.push(Complaint::of_entry("parameters", entry, text));
            }
            if parameter.is_secret() && self.secrets.contains(&parameter.secret_name()) {
                let text = format!(
                    "the parameter '{name}' and one of the secrets would have the same name for the plugin"
                );
                complaints.push(Complaint::of_entry("parameters", entry, text));
            }
            if parameter.is_secret() && self.repeatable {
                let text = format!(
                    "the parameter '{name}' is a secret, which is forgotten when a run has ended: the handler cannot be repeatable"
                );
                complaints.push(Complaint::of_entry("parameters", entry, text));
            }
            // The macro counts without case.
            if !seen.insert(parameter.name.to_uppercase()) {
                let text = format!("the parameter '{name}' stands twice");
                complaints.push(Complaint::of_entry("parameters", entry, text));
            }
        }
        complaints
    }

    fn argument_complaints(&self, file: &MacroFile) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (entry, argument) in self.arguments.iter().enumerate() {
            let declared =
                self.parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.is_secret()));
            let found = macros::check(file, declared, std::slice::from_ref(argument));
            complaints.extend(found.into_iter().map(|text| Complaint::of_entry("arguments", entry, text)));
        }
        complaints
    }
}

impl Team {
    /// What is wrong with it, beside names.
    pub fn complaints(&self) -> Vec<Complaint> {
        twice("members", self.members.as_deref()).into_iter().collect()
    }
}

impl User {
    /// What is wrong with it, beside names of others; `own_name` is the name that they have already.
    pub fn complaints(&self, own_name: Option<&str>) -> Vec<Complaint> {
        let mut complaints: Vec<Complaint> = twice("teams", self.teams.as_deref()).into_iter().collect();
        if let Some(name) = own_name.filter(|name| *name != self.name) {
            let text = format!(
                "a user keeps the name, by which the history and the audit log know them: it must stay '{name}'"
            );
            complaints.push(Complaint::new("name", text));
        }
        let shown = self.display_name.as_deref().filter(|name| !name.is_empty());
        if let Some(why) = shown.and_then(|name| names::check(name).err()) {
            complaints.push(Complaint::new("display_name", format!("the name that pages show {why}")));
        }
        complaints
    }
}

impl Grant {
    /// What is wrong with it, beside names.
    pub fn complaint(&self) -> Option<String> {
        if self.user.is_some() == self.team.is_some() {
            return Some("a grant needs either 'user' or 'team'".to_owned());
        }
        if self.handler.is_some() && self.tag.is_some() {
            return Some("a grant may name a 'handler' or a 'tag', not both".to_owned());
        }
        let tag = self.tag.as_deref()?;
        let why = names::check(tag).err()?;
        Some(format!("the tag '{}' {why}", tag.escape_debug()))
    }
}

/// Host name, IPv4 or IPv6 address; never what a program could read as an option or a file to include.
fn check_address(address: &str) -> Result<(), String> {
    names::check(address).map_err(|error| error.to_string())?;
    if address.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"' | '$' | ';' | '&' | '|'))
    {
        return Err("must be a host name or an IP address".to_owned());
    }
    Ok(())
}

fn tags(tags: &[String]) -> Vec<Complaint> {
    let complaint = |(entry, tag): (usize, &String)| {
        let why = names::check(tag).err()?;
        Some(Complaint::of_entry("tags", entry, format!("the tag '{}' {why}", tag.escape_debug())))
    };
    tags.iter().enumerate().filter_map(complaint).collect()
}

fn vars(vars: Option<&BTreeMap<String, String>>) -> Vec<Complaint> {
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for (entry, (name, value)) in vars.into_iter().flatten().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            let text =
                format!("the variable '{}' needs a name of letters, digits and '_'", name.escape_debug());
            complaints.push(Complaint::of_entry("vars", entry, text));
        }
        if !seen.insert(name.to_uppercase()) {
            let text = format!("the variable '{name}' stands twice; case does not count");
            complaints.push(Complaint::of_entry("vars", entry, text));
        }
        let nul = without_nul(&format!("variable '{name}'"), value);
        complaints.extend(nul.map(|text| Complaint::of_entry("vars", entry, text)));
    }
    complaints
}

fn twice(field: &'static str, names: Option<&[String]>) -> Option<Complaint> {
    let mut seen = BTreeSet::new();
    let (entry, name) = names?.iter().enumerate().find(|(_, name)| !seen.insert(*name))?;
    Some(Complaint::of_entry(field, entry, format!("'{}' stands twice in {field}", name.escape_debug())))
}

fn description(text: Option<&str>) -> Vec<Complaint> {
    let nul = text.and_then(|text| without_nul("description", text));
    nul.map(|text| Complaint::new("description", text)).into_iter().collect()
}

/// PostgreSQL keeps any text but one with a NUL character.
fn without_nul(what: &str, text: &str) -> Option<String> {
    text.contains('\0').then(|| format!("the {what} must not contain a NUL character"))
}
