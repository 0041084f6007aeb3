//! One file for each kind of object that is edited: its form, and the way between what a form holds and a definition.

mod environment;
mod event_handler;
pub mod grant;
mod host;
mod hostgroup;
mod lists;
pub mod schedule;
mod service;
mod team;
mod user;

use crate::error::{AppError, AppResult};
use crate::forms::{Fields, Section, Suggestions};
use selfservice_core::config::MacroFile;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::macros::{self, OfferedMacro};
use selfservice_core::models::inventory::{Complaint, Definition, Noun, Stored};
use selfservice_core::models::plugins::{PluginRow, ReportedPlugin};
use selfservice_core::models::visible::{self, Viewer};

/// What has an editor.
pub const EDITED: [Noun; 7] = [
    Noun::Environment,
    Noun::Hostgroup,
    Noun::Host,
    Noun::Service,
    Noun::EventHandler,
    Noun::Team,
    Noun::User,
];

/// Names that are suggested; more are typed.
const SUGGESTED: i64 = 500;

/// What the fields of a form may name.
#[derive(Debug, Default)]
pub struct Choices {
    hosts: Vec<String>,
    environments: Vec<String>,
    hostgroups: Vec<String>,
    services: Vec<String>,
    handlers: Vec<String>,
    users: Vec<String>,
    teams: Vec<String>,
    plugins: Vec<ReportedPlugin>,
    secrets: Vec<String>,
    /// What arguments may name.
    pub macros: Vec<OfferedMacro>,
}

/// A definition as far as it could be read, and what could not be.
pub struct Read {
    /// With a harmless value where one could not be read.
    pub definition: Definition,
    /// What is wrong with those.
    complaints: Vec<Complaint>,
    /// The form, if one brought it.
    typed: Option<Fields>,
}

impl Read {
    /// What a program brought.
    pub fn of_program(definition: Definition) -> Self {
        Self { definition, complaints: Vec::new(), typed: None }
    }

    /// What is said about a host, with where it belongs as it was where that is not said.
    pub fn placed(self, before: Option<&Stored>) -> Self {
        Self { definition: self.definition.placed(before), ..self }
    }

    /// The definition with all complaints: those about its form, and `found`, which is wrong with the definition itself.
    pub fn with(self, noun: Noun, found: Vec<Complaint>) -> (Definition, Vec<Complaint>) {
        let found = match &self.typed {
            Some(typed) => by_row(noun, typed, found),
            None => found,
        };
        (self.definition, self.complaints.into_iter().chain(found).collect())
    }
}

impl Choices {
    /// Reads what the form of this kind needs.
    pub fn load(
        connection: &mut PgConnection,
        viewer: Viewer,
        file: &MacroFile,
        noun: Noun,
    ) -> Result<Self, QueryError> {
        let mut names = |noun| visible::names(connection, viewer, noun, None, SUGGESTED);
        Ok(match noun {
            Noun::Hostgroup => Self { services: names(Noun::Service)?, ..Self::default() },
            Noun::Service => Self { handlers: names(Noun::EventHandler)?, ..Self::default() },
            Noun::Host => Self {
                environments: names(Noun::Environment)?,
                hostgroups: names(Noun::Hostgroup)?,
                services: names(Noun::Service)?,
                ..Self::default()
            },
            Noun::EventHandler => Self {
                plugins: PluginRow::reported(connection)?,
                secrets: file.secrets.keys().cloned().collect(),
                macros: macros::offered(file),
                ..Self::default()
            },
            Noun::Team => Self { users: names(Noun::User)?, ..Self::default() },
            Noun::User => Self { teams: names(Noun::Team)?, ..Self::default() },
            Noun::Grant => Self {
                users: names(Noun::User)?,
                teams: names(Noun::Team)?,
                environments: names(Noun::Environment)?,
                hostgroups: names(Noun::Hostgroup)?,
                handlers: names(Noun::EventHandler)?,
                ..Self::default()
            },
            Noun::Environment => Self::default(),
        })
    }

    /// What can be given to one host.
    pub fn of_host(connection: &mut PgConnection, viewer: Viewer) -> Result<Self, QueryError> {
        let mut names = |noun| visible::names(connection, viewer, noun, None, SUGGESTED);
        Ok(Self {
            hostgroups: names(Noun::Hostgroup)?,
            services: names(Noun::Service)?,
            handlers: names(Noun::EventHandler)?,
            ..Self::default()
        })
    }

    /// What a schedule may name.
    pub fn of_schedule(connection: &mut PgConnection, viewer: Viewer) -> Result<Self, QueryError> {
        Ok(Self {
            hosts: visible::names(connection, viewer, Noun::Host, None, SUGGESTED)?,
            ..Self::of_host(connection, viewer)?
        })
    }

    /// The lists of suggestions, by the id that fields use.
    pub fn suggestions(&self) -> Vec<Suggestions> {
        let plugins = self.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        let lists = [
            (schedule::HOSTS, self.hosts.clone()),
            (lists::HOSTGROUPS, self.hostgroups.clone()),
            (lists::SERVICES, self.services.clone()),
            (lists::HANDLERS, self.handlers.clone()),
            (lists::USERS, self.users.clone()),
            (lists::TEAMS, self.teams.clone()),
            (lists::ENVIRONMENTS, self.environments.clone()),
            (event_handler::PLUGINS, plugins),
            (event_handler::SECRETS, self.secrets.clone()),
        ];
        let used = lists.into_iter().filter(|(_, names)| !names.is_empty());
        used.map(|(id, names)| Suggestions { id, names }).collect()
    }
}

/// The kind that a folder of addresses holds, if it is edited.
pub fn of_folder(folder: &str) -> AppResult<Noun> {
    EDITED.into_iter().find(|noun| noun.table() == folder).ok_or(AppError::NotFound)
}

/// What an audit row calls it: `host`, `handler`.
pub fn audit_word(noun: Noun) -> &'static str {
    match noun {
        Noun::EventHandler => "handler",
        Noun::Hostgroup => "hostgroup",
        other => other.as_str(),
    }
}

/// The sections of the form, empty.
pub fn sections(noun: Noun, choices: &Choices) -> Vec<Section> {
    match noun {
        Noun::Environment => environment::sections(),
        Noun::Hostgroup => hostgroup::sections(),
        Noun::Service => service::sections(),
        Noun::Host => host::sections(choices),
        Noun::EventHandler => event_handler::sections(choices),
        Noun::Team => team::sections(),
        Noun::User => user::sections(),
        Noun::Grant => grant::sections(),
    }
}

/// What a form holds for this definition.
pub fn to_fields(definition: &Definition) -> Fields {
    match definition {
        Definition::Environment(row) => environment::to_fields(row),
        Definition::Hostgroup(row) => hostgroup::to_fields(row),
        Definition::Service(row) => service::to_fields(row),
        Definition::Host(row) => host::to_fields(row),
        Definition::EventHandler(row) => event_handler::to_fields(row),
        Definition::Team(row) => team::to_fields(row),
        Definition::User(row) => user::to_fields(row),
    }
}

/// What a form for a new object holds.
pub fn empty(noun: Noun) -> Fields {
    match noun {
        Noun::EventHandler => event_handler::empty(),
        _ => Fields::default(),
    }
}

/// The definition that a form holds.
pub fn read(noun: Noun, fields: &Fields) -> AppResult<Read> {
    let mut complaints = Vec::new();
    let definition = match noun {
        Noun::Environment => environment::read(fields, &mut complaints),
        Noun::Hostgroup => hostgroup::read(fields),
        Noun::Service => service::read(fields, &mut complaints),
        Noun::Host => host::read(fields, &mut complaints),
        Noun::EventHandler => event_handler::read(fields, &mut complaints),
        Noun::Team => team::read(fields),
        Noun::User => user::read(fields),
        Noun::Grant => return Err(AppError::NotFound),
    };
    Ok(Read { definition, complaints, typed: Some(fields.clone()) })
}

/// Complaints about a map count its entries by name; those of a form count its rows.
fn by_row(noun: Noun, fields: &Fields, mut complaints: Vec<Complaint>) -> Vec<Complaint> {
    let maps: &[(&str, Vec<String>)] = &match noun {
        Noun::Service => vec![("vars", lists::variable_names(fields))],
        Noun::Host => {
            vec![("vars", lists::variable_names(fields)), ("environments", host::environment_names(fields))]
        }
        _ => Vec::new(),
    };
    for (field, typed) in maps {
        let mut sorted = typed.clone();
        sorted.sort();
        sorted.dedup();
        for complaint in complaints.iter_mut().filter(|complaint| complaint.field == *field) {
            let name = complaint.entry.and_then(|entry| sorted.get(entry));
            complaint.entry = name.and_then(|name| typed.iter().position(|one| one == name));
        }
    }
    complaints
}
