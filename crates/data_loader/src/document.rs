//! What was read from a source before it is checked: every object with the place where it stands.

use crate::problem::Problem;
use selfservice_core::models::inventory::{
    Environment, EventHandler, Grant, Host, Hostgroup, Noun, Service, Team,
};
use std::fmt;
use std::ops::ControlFlow;
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

/// One object of any kind.
#[derive(Debug, Clone)]
pub enum Object {
    /// An environment.
    Environment(Environment),
    /// A host group.
    Hostgroup(Hostgroup),
    /// A service.
    Service(Service),
    /// An event handler.
    EventHandler(EventHandler),
    /// A host.
    Host(Box<Host>),
    /// A team.
    Team(Team),
    /// A grant.
    Grant(Grant),
}

impl Object {
    /// What it is.
    pub fn noun(&self) -> Noun {
        match self {
            Self::Environment(_) => Noun::Environment,
            Self::Hostgroup(_) => Noun::Hostgroup,
            Self::Service(_) => Noun::Service,
            Self::EventHandler(_) => Noun::EventHandler,
            Self::Host(_) => Noun::Host,
            Self::Team(_) => Noun::Team,
            Self::Grant(_) => Noun::Grant,
        }
    }

    /// Its name; a grant has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Environment(row) => Some(&row.name),
            Self::Hostgroup(row) => Some(&row.name),
            Self::Service(row) => Some(&row.name),
            Self::EventHandler(row) => Some(&row.name),
            Self::Host(row) => Some(&row.name),
            Self::Team(row) => Some(&row.name),
            Self::Grant(_) => None,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} '{name}'", self.noun()),
            None => write!(f, "a {}", self.noun()),
        }
    }
}

/// What a source says, piece by piece as it is read.
#[derive(Debug, Clone)]
pub enum Item {
    /// The source that the file names.
    Source(Found<String>),
    /// An object.
    Object(Found<Object>),
    /// Something that is passed over, and why.
    Warning(Problem),
}

/// Gets what is read. [`ControlFlow::Break`]: nobody wants the rest.
pub type Take<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;

/// What was gathered of a source, where its objects are spoken of in several places.
#[derive(Debug, Clone, Default)]
pub struct Document {
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
    /// What is passed over, and why.
    pub warnings: Vec<Problem>,
}

impl Document {
    /// Gives everything away.
    pub fn give(self, take: &mut Take<'_>) -> ControlFlow<()> {
        give(self.environments, Object::Environment, take)?;
        give(self.event_handlers, Object::EventHandler, take)?;
        give(self.services, Object::Service, take)?;
        give(self.hostgroups, Object::Hostgroup, take)?;
        give(self.hosts, |host| Object::Host(Box::new(host)), take)?;
        self.warnings.into_iter().try_for_each(|warning| take(Item::Warning(warning)))
    }
}

fn give<T>(found: Vec<Found<T>>, object: impl Fn(T) -> Object, take: &mut Take<'_>) -> ControlFlow<()> {
    found
        .into_iter()
        .try_for_each(|Found { row, place }| take(Item::Object(Found { row: object(row), place })))
}
