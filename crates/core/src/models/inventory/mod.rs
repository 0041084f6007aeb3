//! Changing the inventory, many objects at once or one.
//!
//! A load: everything that a source says goes into temporary tables and from there, by a fixed number of
//! statements whatever its size, into the tables that count.
//!
//! What the source names is added and changed, as far as it is the source's (`sources`); what it leaves out is removed
//! only where that is asked for. An editor's change of one object ([`save`]) goes the same way.

mod assignments;
mod borders;
mod changes;
mod complaints;
mod copies;
mod definition;
mod delete;
mod export;
mod known;
mod pending;
mod people;
mod rows;
mod save;
mod sources;
mod stage;

pub use assignments::{Assignment, Joining, assign};
pub use borders::obscure;
pub use changes::{Change, Changes};
pub use complaints::Complaint;
pub use copies::Copies;
pub use definition::{Definition, Stored};
pub use delete::{Dependant, delete, dependants};
pub use export::{export, hold_still};
pub use known::{Known, alike, known};
pub use pending::{Pending, PendingHost};
pub use people::{keeping_administrator, lock_rights};
pub use rows::{COLOURS, Environment, EventHandler, Grant, Host, Hostgroup, Inventory, Service, Team, User};
pub(crate) use save::id_of;
pub use save::{EditError, Editor, Saved, Target, apply, check, save};
pub(super) use sources::set_by_hand;
pub use sources::{HAND, Kept, Missing, Source};
pub use stage::{begin, rename_source, stage, staged_teams, try_lock, try_lock_all};

use crate::text_enum::text_enum;
use diesel::pg::PgConnection;
use diesel::prelude::*;

text_enum! {
    /// What the inventory consists of, in the order in which it is loaded.
    Noun {
        /// A row of `environments`.
        Environment = "environment",
        /// A row of `event_handlers`.
        EventHandler = "event handler",
        /// A row of `services`.
        Service = "service",
        /// A row of `hostgroups`.
        Hostgroup = "host group",
        /// A row of `hosts`.
        Host = "host",
        /// A row of `teams`.
        Team = "team",
        /// A row of `users`; a load names users and never makes them.
        User = "user",
        /// A row of `grants`.
        Grant = "grant",
    }
}

impl Noun {
    /// The table that holds these, which is also how addresses call them.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Environment => "environments",
            Self::EventHandler => "event_handlers",
            Self::Service => "services",
            Self::Hostgroup => "hostgroups",
            Self::Host => "hosts",
            Self::Team => "teams",
            Self::User => "users",
            Self::Grant => "grants",
        }
    }
}

/// How something is loaded.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    /// Who brings it.
    pub source: Source<'a>,
    /// Stands in the revisions of handlers.
    pub author: &'a str,
    /// Whether what the source alone brought and names no more is removed.
    pub prune: bool,
}

/// Loads what was staged and tells what changed. Call it in the transaction that [`begin`] began, and after the checks: a
/// name that is not known is passed over here. Rolling back makes it a plan.
pub fn load(connection: &mut PgConnection, load: &Load<'_>) -> QueryResult<Changes> {
    stage::lock(connection)?;
    let named = stage::count(connection)?;
    let brought = sources::brought(connection, &load.source)?;
    let mut changes = Changes { kept: sources::respect(connection, &load.source)?, ..Changes::default() };
    changes.take_objects(connection, load.author)?;
    stage::resolve(connection)?;
    changes.take_links(connection)?;
    changes.take_grants(connection, &load.source)?;
    changes.copies = copies::refresh(connection)?;
    changes.take_assignments(connection)?;
    changes.unchanged = named.saturating_sub(changes.objects.len());
    sources::claim(connection, &load.source)?;
    sources::missing(connection, &load.source, brought, &mut changes)?;
    if changes.copies.services_removed > 0 {
        changes.services_before = sources::services_before(connection, &load.source, changes.copies)?;
    }
    if load.prune {
        sources::prune(connection, &load.source, &mut changes)?;
    }
    Ok(changes)
}
