//! Grants: rights that users and teams have. What they allow is decided in [`crate::access`].

use super::inventory::{self, Complaint, EditError, Grant, Noun, keeping_administrator};
use super::visible::{self, Viewer};
use crate::access::Verb;
use crate::db::schema::grants;
use crate::names;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

/// A new row. Exactly one of user and team is given; what else is absent means any.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = grants)]
pub struct NewGrant<'a> {
    /// Whose it is, unless a team's.
    pub users_id: Option<i64>,
    /// Whose it is, unless a user's.
    pub teams_id: Option<i64>,
    /// Where.
    pub environments_id: Option<i64>,
    /// On what.
    pub hostgroups_id: Option<i64>,
    /// With which handler.
    pub event_handlers_id: Option<i64>,
    /// With which handlers, by their tag.
    pub handler_tag: Option<&'a str>,
    /// What it allows.
    pub verb: Verb,
}

impl NewGrant<'_> {
    /// `verb` everywhere and with everything, for one user.
    pub fn everywhere(users_id: i64, verb: Verb) -> Self {
        Self {
            users_id: Some(users_id),
            teams_id: None,
            environments_id: None,
            hostgroups_id: None,
            event_handlers_id: None,
            handler_tag: None,
            verb,
        }
    }

    /// Adds the row. False: the same right exists already.
    pub fn insert(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        diesel::insert_into(grants::table)
            .values(self)
            .on_conflict_do_nothing()
            .execute(connection)
            .map(|rows| rows == 1)
    }
}

/// A grant with the names of everything that it is about, for lists and explanations.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct NamedGrant {
    /// Primary key.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Whose it is, unless a team's.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub users_id: Option<i64>,
    /// Their name.
    #[diesel(sql_type = Nullable<Text>)]
    pub user: Option<String>,
    /// Whose it is, unless a user's.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub teams_id: Option<i64>,
    /// Its name.
    #[diesel(sql_type = Nullable<Text>)]
    pub team: Option<String>,
    /// Where; absent: everywhere.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub environments_id: Option<i64>,
    /// Its name.
    #[diesel(sql_type = Nullable<Text>)]
    pub environment: Option<String>,
    /// On what; absent: on every host.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub hostgroups_id: Option<i64>,
    /// Its name.
    #[diesel(sql_type = Nullable<Text>)]
    pub hostgroup: Option<String>,
    /// With which handler; absent: with all, or those with the tag.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub event_handlers_id: Option<i64>,
    /// Its name.
    #[diesel(sql_type = Nullable<Text>)]
    pub handler: Option<String>,
    /// With which handlers, by their tag.
    #[diesel(sql_type = Nullable<Text>)]
    pub tag: Option<String>,
    /// What it allows.
    #[diesel(sql_type = Text)]
    pub verb: Verb,
}

/// Which grants a list shows; empty means any.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// Name of the user whose own it is.
    pub user: String,
    /// Name of the team whose it is.
    pub team: String,
    /// Name of the environment that it names.
    pub environment: String,
    /// Name of the host group that it names.
    pub hostgroup: String,
    /// Name of the handler that it names.
    pub handler: String,
    /// The tag that it names.
    pub tag: String,
    /// What it allows.
    pub verb: Option<Verb>,
}

impl NamedGrant {
    /// The grants that fit, in the order in which they were given, after the one with id `after`.
    pub fn page(
        connection: &mut PgConnection,
        filter: &GrantFilter,
        after: i64,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        diesel::sql_query(concat!(
            include_str!("grants_named.sql"),
            " WHERE a.id > $1 AND ($2 IS NULL OR u.name = $2) AND ($3 IS NULL OR t.name = $3) \
             AND ($4 IS NULL OR e.name = $4) AND ($5 IS NULL OR g.name = $5) AND ($6 IS NULL OR h.name = $6) \
             AND ($7 IS NULL OR a.handler_tag = $7) AND ($8 IS NULL OR a.verb = $8) ORDER BY a.id LIMIT $9"
        ))
        .bind::<BigInt, _>(after)
        .bind::<Nullable<Text>, _>(given(&filter.user))
        .bind::<Nullable<Text>, _>(given(&filter.team))
        .bind::<Nullable<Text>, _>(given(&filter.environment))
        .bind::<Nullable<Text>, _>(given(&filter.hostgroup))
        .bind::<Nullable<Text>, _>(given(&filter.handler))
        .bind::<Nullable<Text>, _>(given(&filter.tag))
        .bind::<Nullable<Text>, _>(filter.verb.map(Verb::as_str))
        .bind::<BigInt, _>(limit)
        .load(connection)
    }

    /// The grant with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        diesel::sql_query(concat!(include_str!("grants_named.sql"), " WHERE a.id = $1"))
            .bind::<BigInt, _>(id)
            .get_result(connection)
            .optional()
    }

    /// The grants of a user and of their teams, their own first.
    pub fn of_user(connection: &mut PgConnection, users_id: i64) -> QueryResult<Vec<Self>> {
        diesel::sql_query(concat!(
            include_str!("grants_named.sql"),
            " WHERE a.users_id = $1 OR a.teams_id IN (SELECT teams_id FROM teams_members WHERE users_id = $1) \
             ORDER BY a.users_id, t.name, a.id"
        ))
        .bind::<BigInt, _>(users_id)
        .load(connection)
    }

    /// The grants of a team.
    pub fn of_team(connection: &mut PgConnection, teams_id: i64) -> QueryResult<Vec<Self>> {
        diesel::sql_query(concat!(include_str!("grants_named.sql"), " WHERE a.teams_id = $1 ORDER BY a.id"))
            .bind::<BigInt, _>(teams_id)
            .load(connection)
    }

    /// Gives the right that `wanted` names. `None`: the same right exists already.
    ///
    /// # Errors
    /// The fields whose names are not known, or that cannot stand beside each other.
    pub fn give(
        connection: &mut PgConnection,
        viewer: Viewer,
        wanted: &Grant,
    ) -> Result<Option<Self>, EditError> {
        let complaints = complaints(connection, viewer, wanted)?;
        if !complaints.is_empty() {
            return Err(EditError::Complaints(complaints));
        }
        let new = NewGrant {
            users_id: id_of(connection, Noun::User, wanted.user.as_deref())?,
            teams_id: id_of(connection, Noun::Team, wanted.team.as_deref())?,
            environments_id: id_of(connection, Noun::Environment, wanted.environment.as_deref())?,
            hostgroups_id: id_of(connection, Noun::Hostgroup, wanted.hostgroup.as_deref())?,
            event_handlers_id: id_of(connection, Noun::EventHandler, wanted.handler.as_deref())?,
            handler_tag: wanted.tag.as_deref(),
            verb: wanted.verb,
        };
        let id: Option<i64> = diesel::insert_into(grants::table)
            .values(&new)
            .on_conflict_do_nothing()
            .returning(grants::id)
            .get_result(connection)
            .optional()?;
        Ok(id.map(|id| Self::find(connection, id)).transpose()?.flatten())
    }

    /// Takes the right away, unless the person who asks would lose by it the right to administer everything.
    pub fn take(&self, connection: &mut PgConnection, viewer: Viewer) -> Result<(), EditError> {
        keeping_administrator(connection, viewer.users_id(), "", |connection| {
            if GrantLine::take(connection, self.id)? { Ok(()) } else { Err(EditError::Gone) }
        })
    }

    /// Who has it, and what it is about, as [`GrantLine`] says it.
    pub fn text(&self) -> String {
        let who = match (&self.user, &self.team) {
            (Some(user), _) => format!("user {user}"),
            (None, team) => format!("team {}", team.as_deref().unwrap_or_default()),
        };
        let part = |word: &str, name: &Option<String>| {
            name.as_ref().map(|name| format!(" {word} {name}")).unwrap_or_default()
        };
        let places = part("in", &self.environment) + &part("on", &self.hostgroup);
        let handlers = part("with", &self.handler) + &part("with tag", &self.tag);
        format!("{} for {who}{places}{handlers}", self.verb)
    }
}

/// What is wrong with a grant, field by field.
fn complaints(connection: &mut PgConnection, viewer: Viewer, wanted: &Grant) -> QueryResult<Vec<Complaint>> {
    let mut complaints: Vec<Complaint> = Vec::new();
    match (&wanted.user, &wanted.team) {
        (None, None) => complaints.push(Complaint::new("user", "name a user or a team")),
        (Some(_), Some(_)) => {
            complaints
                .push(Complaint::new("team", "name a user or a team, not both: make two grants for that"));
        }
        _ => {}
    }
    if wanted.handler.is_some() && wanted.tag.is_some() {
        complaints.push(Complaint::new("tag", "name a handler or a tag, not both"));
    }
    if let Some(why) = wanted.tag.as_deref().and_then(|tag| names::check(tag).err()) {
        complaints.push(Complaint::new("tag", format!("the tag {why}")));
    }
    for (field, noun, name) in [
        ("user", Noun::User, &wanted.user),
        ("team", Noun::Team, &wanted.team),
        ("environment", Noun::Environment, &wanted.environment),
        ("hostgroup", Noun::Hostgroup, &wanted.hostgroup),
        ("handler", Noun::EventHandler, &wanted.handler),
    ] {
        let Some(name) = name.as_deref() else { continue };
        // PostgreSQL takes no NUL.
        let known =
            !name.contains('\0') && !visible::names(connection, viewer, noun, Some(&[name]), 1)?.is_empty();
        if !known {
            let text = format!("there is no {noun} '{}'", name.escape_debug());
            complaints.push(Complaint::new(field, text));
        }
    }
    Ok(complaints)
}

/// The id of a name that is known; an absent name has none.
fn id_of(connection: &mut PgConnection, noun: Noun, name: Option<&str>) -> QueryResult<Option<i64>> {
    name.map(|name| inventory::id_of(connection, noun, name)).transpose()
}

/// Where rights stand, and those that a person took: two tables with the same columns.
pub(super) const GIVEN: &str = "grants";
pub(super) const TAKEN: &str = "grants_taken";

/// A grant in words, for lists.
#[derive(Debug, Clone, QueryableByName)]
pub struct GrantLine {
    /// Primary key.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// `run for team oncall in staging`.
    #[diesel(sql_type = Text)]
    pub text: String,
}

impl GrantLine {
    /// Every grant, at most 10,000, in the order in which they were given.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        Self::load(connection, GIVEN, None)
    }

    /// The grants with these ids.
    pub fn of(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        Self::load(connection, GIVEN, Some(ids))
    }

    /// Rights with these ids that a person took and nobody gave again.
    pub(super) fn taken(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        Self::load(connection, TAKEN, Some(ids))
    }

    fn load(connection: &mut PgConnection, table: &str, ids: Option<&[i64]>) -> QueryResult<Vec<Self>> {
        diesel::sql_query(include_str!("grants_in_words.sql").replace("{table}", table))
            .bind::<Nullable<Array<BigInt>>, _>(ids)
            .load(connection)
    }

    /// Takes the right away on behalf of a person: no load gives it again until a person does. False: there is no such
    /// grant.
    pub fn take(connection: &mut PgConnection, id: i64) -> QueryResult<bool> {
        diesel::sql_query(
            "WITH taken AS (DELETE FROM grants WHERE id = $1 RETURNING *) \
             INSERT INTO grants_taken (users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, \
                                       handler_tag, verb) \
             SELECT users_id, teams_id, environments_id, hostgroups_id, event_handlers_id, handler_tag, verb FROM taken",
        )
        .bind::<BigInt, _>(id)
        .execute(connection)
        .map(|rows| rows == 1)
    }
}
