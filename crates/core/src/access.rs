//! One decision: may this person do this verb with this handler on this host in its environments. Deny by default.
//!
//! Rules (the documentation's page on rights says the same in words):
//! - A grant matches a host when the host is in the grant's environment and in its host group; an absent part matches
//!   every host. It matches a handler by id, by tag, or every handler.
//! - `admin` includes `run`, `run` includes `see`.
//! - To see a host, one matching grant is enough, whatever handler it names. To see a run and its output, a grant for
//!   its handler is needed.
//! - To run, a matching grant is needed in each environment that the host is in: a host that stands in staging and in
//!   production needs the right in both. A host in no environment needs a grant for any environment.
//! - To change a host, a matching `admin` grant that names no handler is needed in each of its environments. A host that
//!   moves must be theirs before and after, and so must each host group that it joins or leaves. Everything else of the
//!   inventory, which hosts share, is changed by those whose `admin` grant has no restriction.
//! - A disabled user has no grants. An API token never allows more than its own verb.

mod why;

pub use why::{Lack, Question, Weighed, Why};

use crate::db::schema::{grants, teams_members, users};
use crate::models::event_handlers::{EventHandler, Risk};
use crate::models::hosts::Placement;
use crate::text_enum::text_enum;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use std::fmt::Display;

text_enum! {
    /// What somebody wants to do, in growing order.
    Verb {
        /// See a host, its handlers, runs and their output.
        See = "see",
        /// Run, cancel and retry.
        Run = "run",
        /// Change the inventory and rights.
        Admin = "admin",
    }
}

/// A row of `grants` that counts for one user.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, serde::Deserialize)]
#[diesel(table_name = grants, check_for_backend(Pg))]
pub(crate) struct Grant {
    environments_id: Option<i64>,
    hostgroups_id: Option<i64>,
    event_handlers_id: Option<i64>,
    handler_tag: Option<String>,
    verb: Verb,
}

/// Everything that one user may do; load it anew for every request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    grants: Vec<Grant>,
    ceiling: Option<Verb>,
}

/// What a person must do before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confirmation {
    /// One click.
    None,
    /// See the exact command and confirm it.
    Confirm,
    /// Type the host's name besides.
    Typed,
}

impl Access {
    /// What these grants allow. `ceiling` as for [`Access::load`].
    pub(crate) fn new(grants: Vec<Grant>, ceiling: Option<Verb>) -> Self {
        Self { grants, ceiling }
    }

    /// The grants of the user and of their teams. `ceiling` is the verb of the API token that asks, if one does.
    pub fn load(connection: &mut PgConnection, users_id: i64, ceiling: Option<Verb>) -> QueryResult<Self> {
        let mine =
            teams_members::table.filter(teams_members::users_id.eq(users_id)).select(teams_members::teams_id);
        let enabled = users::table.filter(users::id.eq(users_id)).filter(users::disabled.eq(false));
        let rows = grants::table
            .filter(grants::users_id.eq(users_id).or(grants::teams_id.eq_any(mine.nullable())))
            .filter(diesel::dsl::exists(enabled))
            .select(Grant::as_select())
            .load(connection)?;
        Ok(Self::new(rows, ceiling))
    }

    /// Whether the person may see the host at all.
    pub fn may_see(&self, placement: &Placement) -> bool {
        self.grants.iter().any(|grant| grant.matches(placement))
    }

    /// Whether the person may see the runs of `handler` on a host that is placed so, and their output. Of a handler that
    /// was deleted (`None`) only those see the runs whose grant names no handler.
    pub fn may_see_task(&self, placement: &Placement, handler: Option<&EventHandler>) -> bool {
        match handler {
            Some(handler) => self.may(Verb::See, placement, handler),
            None => self.grants.iter().any(|grant| {
                grant.event_handlers_id.is_none() && grant.handler_tag.is_none() && grant.matches(placement)
            }),
        }
    }

    /// Whether the person may do `verb` with `handler` on a host that is placed so.
    pub fn may(&self, verb: Verb, placement: &Placement, handler: &EventHandler) -> bool {
        if self.ceiling.is_some_and(|ceiling| ceiling < verb) {
            return false;
        }
        let fitting: Vec<&Grant> = self
            .grants
            .iter()
            .filter(|grant| {
                grant.verb >= verb && grant.is_for_handler(handler) && grant.is_for_group(placement)
            })
            .collect();
        let mut ids = placement.environments.iter().map(|environment| Some(environment.id));
        match (verb, placement.environments.is_empty()) {
            (Verb::See, false) => ids.any(|id| count_in(&fitting, id)),
            _ => count_in_all(&fitting, placement),
        }
    }

    /// Whether the person may change a host that is placed so: an `admin` grant that names no handler counts in each of
    /// its environments.
    pub fn may_administer(&self, placement: &Placement) -> bool {
        let fitting: Vec<&Grant> =
            self.administrating().filter(|grant| grant.is_for_group(placement)).collect();
        count_in_all(&fitting, placement)
    }

    /// Whether the person may make a host that is placed so, or delete it: they may administer it by each of its groups.
    pub fn may_place(&self, placement: &Placement) -> bool {
        self.may_administer(placement)
            && placement.hostgroups.iter().all(|group| self.may_administer_by(placement, group))
    }

    /// Whether the person may move a host: they may administer it on both sides, and each group that it joins or leaves.
    pub fn may_move(&self, from: &Placement, to: &Placement) -> bool {
        let leaves = from.hostgroups.iter().filter(|group| !to.hostgroups.contains(group));
        let joins = to.hostgroups.iter().filter(|group| !from.hostgroups.contains(group));
        self.may_administer(from)
            && self.may_administer(to)
            && leaves.into_iter().all(|group| self.may_administer_by(from, group))
            && joins.into_iter().all(|group| self.may_administer_by(to, group))
    }

    /// Whether there are hosts that the person may change, or could make.
    pub fn administers_some(&self) -> bool {
        self.administrating().next().is_some()
    }

    /// The strongest verb of any grant, within the token's; `None`: no right at all.
    pub fn strongest(&self) -> Option<Verb> {
        let verb = self.grants.iter().map(|grant| grant.verb).max()?;
        Some(self.ceiling.map_or(verb, |ceiling| verb.min(ceiling)))
    }

    fn administrating(&self) -> impl Iterator<Item = &Grant> {
        let allowed = self.ceiling.is_none_or(|ceiling| ceiling == Verb::Admin);
        self.grants.iter().filter(move |grant| {
            allowed
                && grant.verb == Verb::Admin
                && grant.event_handlers_id.is_none()
                && grant.handler_tag.is_none()
        })
    }

    /// Whether they could administer the host if it were in this group alone.
    fn may_administer_by(&self, placement: &Placement, group: &(i64, String)) -> bool {
        let alone =
            Placement { environments: placement.environments.clone(), hostgroups: vec![group.clone()] };
        self.may_administer(&alone)
    }

    /// Whether the person may change all of the inventory and rights: `admin` without any restriction.
    pub fn is_admin(&self) -> bool {
        self.administrating().any(|grant| grant.environments_id.is_none() && grant.hostgroups_id.is_none())
    }
}

/// Whether one of these counts in the environment, or outside of all.
fn count_in(grants: &[&Grant], environment: Option<i64>) -> bool {
    grants.iter().any(|grant| {
        grant.environments_id.is_none() || (environment.is_some() && grant.environments_id == environment)
    })
}

/// Whether one of these counts in each of the environments, or outside of all where there are none.
fn count_in_all(grants: &[&Grant], placement: &Placement) -> bool {
    if placement.environments.is_empty() {
        return count_in(grants, None);
    }
    placement.environments.iter().all(|environment| count_in(grants, Some(environment.id)))
}

impl Grant {
    fn matches(&self, placement: &Placement) -> bool {
        let mut ids = placement.environments.iter().map(|environment| Some(environment.id));
        self.is_for_group(placement)
            && (self.environments_id.is_none() || ids.any(|id| id == self.environments_id))
    }

    fn is_for_group(&self, placement: &Placement) -> bool {
        self.hostgroups_id.is_none_or(|id| placement.hostgroups.iter().any(|(group, _)| *group == id))
    }

    fn is_for_handler(&self, handler: &EventHandler) -> bool {
        self.event_handlers_id.is_none_or(|id| id == handler.id)
            && self.handler_tag.as_ref().is_none_or(|tag| handler.tags.contains(tag))
    }
}

/// The handler's risk on a host that is placed so: where any environment asks for more, a handler that changes
/// something counts as that; one that only reads stays what it is.
pub fn effective_risk(handler: &EventHandler, placement: &Placement) -> Risk {
    if handler.risk == Risk::ReadOnly {
        return Risk::ReadOnly;
    }
    placement.environments.iter().map(|environment| environment.minimum_risk).fold(handler.risk, Ord::max)
}

impl From<Risk> for Confirmation {
    fn from(risk: Risk) -> Self {
        match risk {
            Risk::ReadOnly => Self::None,
            Risk::Normal => Self::Confirm,
            Risk::Dangerous => Self::Typed,
        }
    }
}

/// The condition "the user may see the task now" for queries over `tasks`, the same decision as
/// [`Access::may_see_task`]. A task whose host was deleted is seen by nobody. Here and below, `users_id` is a number, or
/// the name of the parameter that gives it.
pub(crate) fn task_is_visible(users_id: impl Display + Copy) -> String {
    let fits = "(g.event_handlers_id IS NULL OR g.event_handlers_id = tasks.event_handlers_id) \
                AND (g.handler_tag IS NULL OR EXISTS (SELECT 1 FROM event_handlers h \
                     WHERE h.id = tasks.event_handlers_id AND g.handler_tag = ANY (h.tags)))";
    format!("(tasks.hosts_id IS NOT NULL AND {})", grant_exists(users_id, "tasks.hosts_id", fits))
}

/// The SQL condition "the grant `g` is for the handler in the row `handler` of `event_handlers`".
pub(crate) fn fits_handler(handler: &str) -> String {
    format!(
        "(g.event_handlers_id IS NULL OR g.event_handlers_id = {handler}.id) \
         AND (g.handler_tag IS NULL OR g.handler_tag = ANY ({handler}.tags))"
    )
}

/// The SQL condition "the user may run the handler in the row `handler` on the host whose id stands in `column`", the
/// same decision as [`Access::may`] without a token: a grant is needed in each of the host's environments. Both texts
/// are ours, never input.
pub(crate) fn may_run(users_id: impl Display + Copy, column: &str, handler: &str) -> String {
    let counts = format!(
        "g.verb IN ('run', 'admin') AND {} AND (g.environments_id IS NULL OR g.environments_id = place.id)",
        fits_handler(handler)
    );
    let in_environments =
        format!("SELECT em.environments_id AS id FROM environments_members em WHERE em.hosts_id = {column}");
    format!(
        "NOT EXISTS (SELECT 1 FROM ({in_environments} UNION ALL SELECT NULL WHERE NOT EXISTS ({in_environments})) place \
         WHERE NOT {})",
        grant_exists(users_id, column, &counts)
    )
}

/// The SQL condition "some grant of the user matches the host whose id stands in `column`"; `also` restricts the
/// grant `g` further. Both are ours, never input.
pub(crate) fn grant_exists(users_id: impl Display + Copy, column: &str, also: &str) -> String {
    let matches = format!(
        "{also} AND (g.environments_id IS NULL OR EXISTS (SELECT 1 FROM environments_members em \
              WHERE em.hosts_id = {column} AND em.environments_id = g.environments_id)) \
         AND (g.hostgroups_id IS NULL OR EXISTS (SELECT 1 FROM hostgroups_members hm \
              WHERE hm.hosts_id = {column} AND hm.hostgroups_id = g.hostgroups_id))"
    );
    has_grant(users_id, &matches)
}

/// The SQL condition "the user has a grant `g` of which `condition` is true", which is ours, never input.
pub(crate) fn has_grant(users_id: impl Display + Copy, condition: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM grants g JOIN users u ON u.id = {users_id} AND NOT u.disabled \
         WHERE (g.users_id = {users_id} OR g.teams_id IN (SELECT teams_id FROM teams_members WHERE users_id = {users_id})) \
         AND {condition})"
    )
}
