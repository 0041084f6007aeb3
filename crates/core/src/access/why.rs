//! Why somebody may or may not do something here: the decision of [`Access`], taken apart for people to read.

use super::{Access, Grant, Verb, count_in};
use crate::models::event_handlers::EventHandler;
use crate::models::grants::NamedGrant;
use crate::models::hosts::Placement;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `see` and `run` are about the handler; `admin` asks about changing the host.
    pub verb: Verb,
    /// Where the host belongs.
    pub placement: &'a Placement,
    /// The handler; without one a grant for any handler is enough to `see`.
    pub handler: Option<&'a EventHandler>,
}

/// Why a grant does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lack {
    /// It allows less.
    Verb,
    /// It names another handler, or names one where none may be named.
    Handler,
    /// It names a tag that the handler does not have, or names one where none may be named.
    Tag,
    /// The host is not in its host group.
    Hostgroup,
    /// The host is not in its environment.
    Environment,
}

/// One grant of a person, held against the question.
#[derive(Debug, Clone)]
pub struct Weighed {
    /// The grant.
    pub grant: NamedGrant,
    /// Why it does not count; empty where it does.
    pub lacks: Vec<Lack>,
    /// Environments of the host in which it counts.
    pub counts_in: Vec<String>,
}

/// The answer, and what it follows from.
#[derive(Debug, Clone)]
pub struct Why {
    /// What [`Access`] decides.
    pub may: bool,
    /// Environments of the host in which no grant counts, though one is needed there.
    pub missing_in: Vec<String>,
    /// Every grant of the person and their teams: those that count, then those that lack least.
    pub weighed: Vec<Weighed>,
}

impl Question<'_> {
    /// What these rights decide.
    pub fn decided_by(&self, access: &Access) -> bool {
        match (self.verb, self.handler) {
            (Verb::Admin, _) => access.may_administer(self.placement),
            (verb, Some(handler)) => access.may(verb, self.placement, handler),
            (Verb::See, None) => access.may_see(self.placement),
            (Verb::Run, None) => false,
        }
    }

    /// The answer for one person.
    pub fn why(&self, connection: &mut PgConnection, users_id: i64) -> QueryResult<Why> {
        let may = self.decided_by(&Access::load(connection, users_id, None)?);
        let mut weighed: Vec<Weighed> =
            NamedGrant::of_user(connection, users_id)?.into_iter().map(|grant| self.weigh(grant)).collect();
        weighed.sort_by_key(|one| one.lacks.len());
        let counts_in = |name: &String| weighed.iter().any(|one| one.counts_in.contains(name));
        let names = self.placement.environments.iter().map(|environment| environment.name.clone());
        let mut missing_in: Vec<String> = names.filter(|name| !counts_in(name)).collect();
        // To see, one environment is enough.
        if self.verb == Verb::See && missing_in.len() < self.placement.environments.len() {
            missing_in.clear();
        }
        Ok(Why { may, missing_in, weighed })
    }

    /// Everybody who may (id, name), by name; disabled users may nothing.
    pub fn who_may(&self, connection: &mut PgConnection) -> QueryResult<Vec<(i64, String)>> {
        let environments: Vec<i64> =
            self.placement.environments.iter().map(|environment| environment.id).collect();
        let groups: Vec<i64> = self.placement.hostgroups.iter().map(|(id, _)| *id).collect();
        let rows: Vec<HeldGrant> = diesel::sql_query(include_str!("who_may.sql"))
            .bind::<Array<BigInt>, _>(environments)
            .bind::<Array<BigInt>, _>(groups)
            .load(connection)?;
        let mut people: Vec<(i64, String, Vec<Grant>)> = Vec::new();
        for row in rows {
            let grant = Grant {
                environments_id: row.environments_id,
                hostgroups_id: row.hostgroups_id,
                event_handlers_id: row.event_handlers_id,
                handler_tag: row.handler_tag,
                verb: row.verb,
            };
            match people.last_mut().filter(|(id, ..)| *id == row.users_id) {
                Some((.., grants)) => grants.push(grant),
                None => people.push((row.users_id, row.name, vec![grant])),
            }
        }
        let allowed = people.into_iter().filter_map(|(id, name, grants)| {
            self.decided_by(&Access::new(grants, None)).then_some((id, name))
        });
        Ok(allowed.collect())
    }

    fn weigh(&self, named: NamedGrant) -> Weighed {
        let grant = Grant {
            environments_id: named.environments_id,
            hostgroups_id: named.hostgroups_id,
            event_handlers_id: named.event_handlers_id,
            handler_tag: named.tag.clone(),
            verb: named.verb,
        };
        let fits_handler = |handler: &EventHandler| grant.event_handlers_id.is_none_or(|id| id == handler.id);
        let fits_tag =
            |handler: &EventHandler| grant.handler_tag.as_ref().is_none_or(|tag| handler.tags.contains(tag));
        let (names_handler, names_tag) = (grant.event_handlers_id.is_some(), grant.handler_tag.is_some());
        let (other_handler, other_tag) = match (self.verb, self.handler) {
            (Verb::Admin, _) => (names_handler, names_tag),
            (_, Some(handler)) => (!fits_handler(handler), !fits_tag(handler)),
            (_, None) => (false, false),
        };
        let environments = &self.placement.environments;
        let elsewhere = grant
            .environments_id
            .is_some_and(|id| !environments.iter().any(|environment| environment.id == id));
        let lacks: Vec<Lack> = [
            (grant.verb < self.verb, Lack::Verb),
            (other_handler, Lack::Handler),
            (other_tag, Lack::Tag),
            (!grant.is_for_group(self.placement), Lack::Hostgroup),
            (elsewhere, Lack::Environment),
        ]
        .into_iter()
        .filter_map(|(wrong, lack)| wrong.then_some(lack))
        .collect();
        let counting = environments
            .iter()
            .filter(|environment| lacks.is_empty() && count_in(&[&grant], Some(environment.id)));
        let counts_in = counting.map(|environment| environment.name.clone()).collect();
        Weighed { grant: named, lacks, counts_in }
    }
}

/// A grant that one person has, by themselves or by a team.
#[derive(QueryableByName)]
struct HeldGrant {
    #[diesel(sql_type = BigInt)]
    users_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    environments_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    hostgroups_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    event_handlers_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    handler_tag: Option<String>,
    #[diesel(sql_type = Text)]
    verb: Verb,
}
