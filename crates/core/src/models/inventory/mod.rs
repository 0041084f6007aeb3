//! Changing the inventory, many objects at once or one.
//!
//! A load: everything that a source says goes into temporary tables and from there, by a fixed number of
//! statements whatever its size, into the tables that count.
//!
//! Only what the source names is added and changed; nothing that it leaves out is removed. An editor's change of one
//! object ([`save`]) goes the same way.

mod assignments;
mod borders;
mod changes;
mod complaints;
mod copies;
mod definition;
mod delete;
mod known;
mod pending;
mod people;
mod rows;
mod save;
mod stage;

pub use assignments::{Assignment, Joining, assign};
pub use changes::{Change, Changes};
pub use complaints::Complaint;
pub use copies::Copies;
pub use definition::{Definition, Stored};
pub use delete::{Dependant, delete, dependants};
pub use known::{Known, known};
pub use pending::{Pending, PendingHost};
pub use people::{keeping_administrator, lock_rights};
pub use rows::{COLOURS, Environment, EventHandler, Grant, Host, Hostgroup, Inventory, Service, Team, User};
pub(crate) use save::id_of;
pub use save::{EditError, Editor, Saved, Target, apply, check, save};
pub use stage::{try_lock, try_lock_all};

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

/// Loads `inventory` and tells what changed. Call it in a transaction and after the checks: a name that is not known is
/// passed over here. Rolling back makes it a plan. `author` stands in the revisions of handlers.
pub fn load(connection: &mut PgConnection, inventory: &Inventory, author: &str) -> QueryResult<Changes> {
    stage::allow_time(connection)?;
    stage::lock(connection)?;
    stage::fill(connection, inventory)?;
    let mut changes = Changes::default();
    changes.take_objects(connection, author)?;
    stage::resolve(connection)?;
    changes.take_links(connection)?;
    changes.take_grants(connection)?;
    changes.copies = copies::refresh(connection)?;
    Ok(changes)
}
