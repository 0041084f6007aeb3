//! What was read from a source before it is checked: every object with the place where it stands.

use crate::problem::Problem;
use selfservice_core::models::inventory::{
    Environment, EventHandler, Grant, Host, Hostgroup, Inventory, Service, Team,
};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in an input; line 0 without an entry is all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, address or command as it was named.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: u64,
    /// Where lines are not known: the list and the place in it, from 0.
    pub entry: Option<(&'static str, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some((section, entry)) = self.entry {
            write!(f, ": {section}[{entry}]")?;
        }
        Ok(())
    }
}

/// An object and where it stands.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The object.
    pub row: T,
    /// The line in which it begins.
    pub place: Place,
}

/// Everything that was read, from one file or several.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The source that the file names.
    pub source: Option<Found<String>>,
    /// Environments.
    pub environments: Vec<Found<Environment>>,
    /// Host groups.
    pub hostgroups: Vec<Found<Hostgroup>>,
    /// Services.
    pub services: Vec<Found<Service>>,
    /// Event handlers.
    pub event_handlers: Vec<Found<EventHandler>>,
    /// Hosts.
    pub hosts: Vec<Found<Host>>,
    /// Teams.
    pub teams: Vec<Found<Team>>,
    /// Grants.
    pub grants: Vec<Found<Grant>>,
    /// What is passed over, and why.
    pub warnings: Vec<Problem>,
}

impl Document {
    /// Adds what another file brought.
    ///
    /// # Errors
    /// It names another source.
    pub fn append(&mut self, mut other: Self) -> Result<(), Problem> {
        if let (Some(own), Some(others)) = (&self.source, &other.source)
            && own.row != others.row
        {
            let message = format!(
                "the source is '{}' here and '{}' at {}; load them one after the other",
                others.row, own.row, own.place
            );
            return Err(Problem::new(&others.place, message));
        }
        self.source = self.source.take().or(other.source);
        self.environments.append(&mut other.environments);
        self.hostgroups.append(&mut other.hostgroups);
        self.services.append(&mut other.services);
        self.event_handlers.append(&mut other.event_handlers);
        self.hosts.append(&mut other.hosts);
        self.teams.append(&mut other.teams);
        self.grants.append(&mut other.grants);
        self.warnings.append(&mut other.warnings);
        Ok(())
    }

    /// The objects without their places.
    pub(crate) fn into_inventory(self) -> Inventory {
        let mut inventory = Inventory {
            environments: rows(self.environments),
            hostgroups: rows(self.hostgroups),
            services: rows(self.services),
            event_handlers: rows(self.event_handlers),
            hosts: rows(self.hosts),
            teams: rows(self.teams),
            grants: rows(self.grants),
        };
        inventory.normalise();
        inventory
    }
}

fn rows<T>(found: Vec<Found<T>>) -> Vec<T> {
    found.into_iter().map(|found| found.row).collect()
}
