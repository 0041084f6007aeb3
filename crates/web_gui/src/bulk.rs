//! One change of many hosts: what it means for each, and making it, all or nothing.

use crate::auth::Signed;
use crate::editors::Read;
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::store::{self, Desk, Outcome};
use selfservice_core::config::MacroFile;
use selfservice_core::db::PgConnection;
use selfservice_core::models::inventory::{Definition, Host, Noun, Stored, Target};
use std::collections::BTreeMap;

/// So many hosts are changed at once.
pub const MOST: usize = 100;

/// What is to be done with each host; empty fields do nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    fields: BTreeMap<&'static str, String>,
}

/// The names of the fields, with their labels and the lists that suggest values.
pub const FIELDS: [(&str, &str, &str); 9] = [
    ("add_hostgroup", "Add to host group", "known-hostgroups"),
    ("remove_hostgroup", "Take out of host group", "known-hostgroups"),
    ("add_environment", "Add to environment", "known-environments"),
    ("remove_environment", "Take out of environment", "known-environments"),
    ("add_service", "Add service of its own", "known-services"),
    ("remove_service", "Take away service of its own", "known-services"),
    ("set_variable", "Set custom variable", ""),
    ("value", "to the value", ""),
    ("remove_variable", "Remove custom variable", ""),
];

impl Change {
    /// What a form sent; other fields are passed over.
    pub fn read(pairs: &[(String, String)]) -> Self {
        let field = |name: &'static str| {
            let sent = pairs.iter().find(|(known, _)| known == name);
            (name, sent.map(|(_, value)| value.trim().to_owned()).unwrap_or_default())
        };
        Self { fields: FIELDS.iter().map(|(name, ..)| field(name)).collect() }
    }

    /// What stands in a field.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether it does nothing to any host.
    pub fn is_empty(&self) -> bool {
        self.fields.iter().all(|(name, value)| *name == "value" || value.is_empty())
    }

    fn given(&self, name: &str) -> Option<String> {
        Some(self.field(name)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Makes it, and says what of it is different afterwards.
    fn apply(&self, host: &mut Host) -> Vec<String> {
        let mut done = Vec::new();
        let groups = host.hostgroups.get_or_insert_default();
        add(groups, self.given("add_hostgroup"), "joins the host group", &mut done);
        remove(groups, self.given("remove_hostgroup"), "leaves the host group", &mut done);
        let environments = host.environments.get_or_insert_default();
        if let Some(name) = self.given("add_environment")
            && !environments.contains_key(&name)
        {
            done.push(format!("comes into the environment {name}"));
            environments.insert(name, None);
        }
        if let Some(name) = self.given("remove_environment")
            && environments.remove(&name).is_some()
        {
            done.push(format!("leaves the environment {name}"));
        }
        let services = host.services.get_or_insert_default();
        add(services, self.given("add_service"), "gets the service", &mut done);
        remove(services, self.given("remove_service"), "loses the service", &mut done);
        let vars = host.vars.get_or_insert_default();
        if let Some(name) = self.given("set_variable") {
            let value = self.field("value").to_owned();
            let known = same_variable(vars, &name).unwrap_or(name);
            if vars.get(&known) != Some(&value) {
                let was = vars.get(&known).map(|was| format!(", which was '{was}'")).unwrap_or_default();
                done.push(format!("has {known} = '{value}'{was}"));
                vars.insert(known, value);
            }
        }
        if let Some(name) = self.given("remove_variable")
            && let Some(known) = same_variable(vars, &name)
        {
            vars.remove(&known);
            done.push(format!("has no {known} any more"));
        }
        done
    }
}

/// The variable as the host writes it: case does not count.
fn same_variable(vars: &BTreeMap<String, String>, name: &str) -> Option<String> {
    vars.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned()
}

fn add(list: &mut Vec<String>, name: Option<String>, what: &str, done: &mut Vec<String>) {
    if let Some(name) = name.filter(|name| !list.contains(name)) {
        done.push(format!("{what} {name}"));
        list.push(name);
    }
}

fn remove(list: &mut Vec<String>, name: Option<String>, what: &str, done: &mut Vec<String>) {
    if let Some(name) = name
        && let Some(at) = list.iter().position(|known| *known == name)
    {
        list.remove(at);
        done.push(format!("{what} {name}"));
    }
}

/// One host before the change.
#[derive(Debug)]
pub struct Planned {
    /// The host.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The state of it that was looked at.
    pub version: String,
    /// What the change means for it; empty: nothing.
    pub changes: Vec<String>,
    /// Why it cannot be made here.
    pub mistakes: Vec<String>,
}

/// What the change means for each of the hosts, which the person must be allowed to change. Nothing is changed.
pub fn plan(
    connection: &mut PgConnection,
    signed: &Signed,
    macros: &MacroFile,
    change: &Change,
    hosts: &[i64],
) -> AppResult<Vec<Planned>> {
    let access = signed.access(connection)?;
    let mut planned = Vec::new();
    for id in hosts {
        store::must_edit(connection, &access, Noun::Host, Some(*id))?;
        let stored = Stored::find(connection, Noun::Host, *id)?.ok_or(AppError::NotFound)?;
        let version = stored.version()?;
        let (definition, changes) = changed(&stored, change);
        let mistakes = if changes.is_empty() {
            Vec::new()
        } else {
            store::complaints(connection, signed, macros, &stored, &definition)?
        };
        planned.push(Planned {
            id: *id,
            name: stored.definition.name().to_owned(),
            version,
            changes,
            mistakes: mistakes.iter().map(|complaint| forms::sentence(&complaint.text)).collect(),
        });
    }
    Ok(planned)
}

fn changed(stored: &Stored, change: &Change) -> (Definition, Vec<String>) {
    let mut definition = stored.definition.clone();
    let changes = match &mut definition {
        Definition::Host(host) => change.apply(host),
        _ => Vec::new(),
    };
    (definition, changes)
}

/// Makes the change on all hosts, each in the state that was looked at (id and version); gives how many differ afterwards.
///
/// # Errors
/// Where it cannot be made on one of them: roll back then, so that it is made on none.
pub fn make(
    connection: &mut PgConnection,
    signed: &Signed,
    macros: &MacroFile,
    change: &Change,
    hosts: &[(i64, String)],
) -> AppResult<usize> {
    let access = signed.access(connection)?;
    for (id, _) in hosts {
        store::must_edit(connection, &access, Noun::Host, Some(*id))?;
    }
    let mut desk = Desk::open(connection, signed)?;
    let mut differ = 0;
    for (id, version) in hosts {
        let stored = desk.with(|connection, _| Ok(Stored::find(connection, Noun::Host, *id)?))?;
        let stored = stored.ok_or(AppError::NotFound)?;
        let name = stored.definition.name().to_owned();
        let (definition, changes) = changed(&stored, change);
        differ += usize::from(!changes.is_empty());
        let target = Target::Present { id: *id, version };
        let why = match desk.save(macros, Noun::Host, target, Read::of_program(definition))? {
            Outcome::Done(_) => continue,
            Outcome::Stale(_) => "Somebody has changed it since you looked.".to_owned(),
            Outcome::Mend(complaints) | Outcome::Refused(complaints) => forms::sentences(&complaints),
            Outcome::Busy(_) | Outcome::Deleted => String::new(),
        };
        let detail = format!("Nothing was changed on any host, because of {name}: {why}");
        return Err(AppError::Conflict { detail, task_id: None });
    }
    Ok(differ)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(fields: &[(&str, &str)]) -> Change {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Change::read(&pairs)
    }

    #[test]
    fn only_what_is_different_afterwards_is_told() {
        let mut host = Host {
            hostgroups: Some(vec!["web".to_owned()]),
            environments: Some(BTreeMap::from([("lab".to_owned(), Some("web".to_owned()))])),
            vars: Some(BTreeMap::from([("Rack".to_owned(), "a".to_owned())])),
            ..Host::default()
        };
        let again = [
            ("add_hostgroup", "web"),
            ("remove_service", "os"),
            ("add_environment", "lab"),
            ("remove_variable", "x"),
        ];
        assert_eq!(change(&again).apply(&mut host), Vec::<String>::new());
        let other = change(&[
            ("add_hostgroup", " linux "),
            ("remove_hostgroup", "web"),
            ("remove_environment", "lab"),
            ("add_service", "Disk"),
            ("set_variable", "RACK"),
            ("value", "b"),
        ]);
        assert_eq!(
            other.apply(&mut host),
            [
                "joins the host group linux",
                "leaves the host group web",
                "leaves the environment lab",
                "gets the service Disk",
                "has Rack = 'b', which was 'a'",
            ]
        );
        assert_eq!(host.hostgroups, Some(vec!["linux".to_owned()]));
        assert_eq!(host.vars, Some(BTreeMap::from([("Rack".to_owned(), "b".to_owned())])));
        assert!(change(&[("value", "alone"), ("strange", "x")]).is_empty());
        assert!(!change(&[("set_variable", "x")]).is_empty(), "a variable may be empty");
    }
}
