//! What inventories of other programs say, gathered object by object: they name one host in several places.

use crate::document::{Document, Found, Place};
use crate::problem::Problem;
use selfservice_core::models::inventory::{Environment, EventHandler, Host, Hostgroup, Service};
use std::collections::{BTreeMap, BTreeSet};

/// A document in the making.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    hosts: BTreeMap<String, Found<Host>>,
    hostgroups: BTreeMap<String, Found<Hostgroup>>,
    services: BTreeMap<String, Found<Service>>,
    event_handlers: BTreeMap<String, Found<EventHandler>>,
    /// What is passed over.
    pub warnings: Vec<Problem>,
}

impl Gathered {
    /// The host of this name; `place` is where it was first spoken of.
    pub fn host(&mut self, name: &str, place: &Place) -> &mut Host {
        let new = || Found { row: Host { name: name.to_owned(), ..Host::default() }, place: place.clone() };
        &mut self.hosts.entry(name.to_owned()).or_insert_with(new).row
    }

    /// As [`Gathered::host`].
    pub fn hostgroup(&mut self, name: &str, place: &Place) -> &mut Hostgroup {
        let new = || Found {
            row: Hostgroup { name: name.to_owned(), description: None, services: None },
            place: place.clone(),
        };
        &mut self.hostgroups.entry(name.to_owned()).or_insert_with(new).row
    }

    /// As [`Gathered::host`].
    pub fn service(&mut self, name: &str, place: &Place) -> &mut Service {
        let new = || Found {
            row: Service { name: name.to_owned(), description: None, vars: None, handlers: None },
            place: place.clone(),
        };
        &mut self.services.entry(name.to_owned()).or_insert_with(new).row
    }

    /// Adds an event handler, unless one of its name is there.
    pub fn event_handler(&mut self, row: EventHandler, place: &Place) {
        let name = row.name.clone();
        self.event_handlers.entry(name).or_insert_with(|| Found { row, place: place.clone() });
    }

    /// Makes all members of the groups `below` members of `group`.
    pub fn join(&mut self, group: &str, below: &BTreeSet<&str>) {
        for Found { row, .. } in self.hosts.values_mut() {
            if row.hostgroups.iter().flatten().any(|own| below.contains(own.as_str())) {
                add(&mut row.hostgroups, group);
            }
        }
    }

    /// Makes all hosts members of `group`.
    pub fn join_all(&mut self, group: &str) {
        self.hosts.values_mut().for_each(|host| add(&mut host.row.hostgroups, group));
    }

    /// Says that something at `place` is passed over.
    pub fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(Problem::new(place, message));
    }

    /// The document. Hosts that stand in no environment get `environment`, where one is named.
    pub fn into_document(self, environment: Option<&str>) -> Document {
        let mut hosts: Vec<Found<Host>> = self.hosts.into_values().collect();
        let mut environments: BTreeMap<String, Place> = BTreeMap::new();
        for Found { row, place } in &mut hosts {
            let of_host = row.environments.get_or_insert_default();
            if of_host.is_empty() {
                of_host.extend(environment.map(|environment| (environment.to_owned(), None)));
            }
            for name in of_host.keys() {
                environments.entry(name.clone()).or_insert_with(|| place.clone());
            }
            if of_host.is_empty() {
                row.environments = None;
            }
        }
        let environment = |(name, place)| Found {
            row: Environment { name, description: None, colour: None, minimum_risk: None },
            place,
        };
        Document {
            environments: environments.into_iter().map(environment).collect(),
            hostgroups: self.hostgroups.into_values().collect(),
            services: self.services.into_values().collect(),
            event_handlers: self.event_handlers.into_values().collect(),
            hosts,
            warnings: self.warnings,
        }
    }
}

/// Words as a shell would split them: quotes keep spaces. `stops` looks at each character that is no quote, with the quote
/// that is open and whether it begins a word: whether the line ends there, or why it is refused.
pub(super) fn words(
    line: &str,
    stops: impl Fn(Option<char>, char, bool) -> Result<bool, String>,
) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            _ if stops(quote, c, word.is_none())? => break,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// Adds `item` to a list unless it is there.
pub(super) fn add(list: &mut Option<Vec<String>>, item: &str) {
    let list = list.get_or_insert_default();
    if !list.iter().any(|present| present == item) {
        list.push(item.to_owned());
    }
}

/// Sets a variable unless one of its name is there; case does not count.
pub(super) fn set_variable(vars: &mut Option<BTreeMap<String, String>>, name: &str, value: String) {
    let vars = vars.get_or_insert_default();
    if !vars.keys().any(|present| present.eq_ignore_ascii_case(name)) {
        vars.insert(name.to_owned(), value);
    }
}

/// Whether a variable of this name may be one: letters, digits and `_`.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a variable's name says that its value is a secret, which an inventory must not hold.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "private_key", "api_key", "apikey", "community", "credential"]
        .iter()
        .any(|word| name.contains(word))
}
