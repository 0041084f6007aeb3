//! Teams: users who share their rights.

use super::inventory::{self, Noun};
use crate::db::schema::{teams, teams_members, users};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `teams`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = teams, check_for_backend(Pg))]
pub struct Team {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
}

/// A team in a list.
#[derive(Debug, Clone, QueryableByName)]
pub struct ListedTeam {
    /// Primary key.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Unique name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Users who are in it.
    #[diesel(sql_type = BigInt)]
    pub members: i64,
    /// Grants that it has.
    #[diesel(sql_type = BigInt)]
    pub grants: i64,
}

impl ListedTeam {
    /// Teams by name after `after`, whose name contains `like`.
    pub fn page(
        connection: &mut PgConnection,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        diesel::sql_query(
            "SELECT t.id, t.name, (SELECT count(*) FROM teams_members m WHERE m.teams_id = t.id) AS members, \
             (SELECT count(*) FROM grants g WHERE g.teams_id = t.id) AS grants \
             FROM teams t WHERE t.name_key LIKE $1 AND t.name > $2 ORDER BY t.name LIMIT $3",
        )
        .bind::<Text, _>(super::contains(like))
        .bind::<Text, _>(after)
        .bind::<BigInt, _>(limit)
        .load(connection)
    }
}

impl Team {
    /// The team with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        teams::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// Its members (id, name) by name.
    pub fn members(&self, connection: &mut PgConnection) -> QueryResult<Vec<(i64, String)>> {
        teams_members::table
            .inner_join(users::table)
            .filter(teams_members::teams_id.eq(self.id))
            .order(users::name)
            .select((users::id, users::name))
            .load(connection)
    }

    /// The teams that a user is in, by name.
    pub fn of_user(connection: &mut PgConnection, users_id: i64) -> QueryResult<Vec<Self>> {
        teams::table
            .inner_join(teams_members::table)
            .filter(teams_members::users_id.eq(users_id))
            .order(teams::name)
            .select(Self::as_select())
            .load(connection)
    }

    /// The team of this name.
    pub fn by_name(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        teams::table.filter(teams::name.eq(name)).select(Self::as_select()).first(connection).optional()
    }

    /// Who is in the teams of these names: names of members by the team's name. A team without members has no entry.
    pub fn members_of(
        connection: &mut PgConnection,
        names: &[impl AsRef<str>],
    ) -> QueryResult<BTreeMap<String, BTreeSet<String>>> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let rows: Vec<(String, String)> = teams_members::table
            .inner_join(teams::table)
            .inner_join(users::table)
            .filter(teams::name.eq_any(names))
            .select((teams::name, users::name))
            .load(connection)?;
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (team, user) in rows {
            members.entry(team).or_default().insert(user);
        }
        Ok(members)
    }

    /// Every team by name, at most 10,000.
    pub fn all(connection: &mut PgConnection) -> QueryResult<Vec<Self>> {
        teams::table.order(teams::name).limit(10_000).select(Self::as_select()).load(connection)
    }

    /// Makes the user a member, on behalf of a person. False: they are one already.
    pub fn add_member(&self, connection: &mut PgConnection, users_id: i64) -> QueryResult<bool> {
        let added = diesel::insert_into(teams_members::table)
            .values((teams_members::teams_id.eq(self.id), teams_members::users_id.eq(users_id)))
            .on_conflict_do_nothing()
            .execute(connection)?;
        if added == 1 {
            inventory::set_by_hand(connection, Noun::Team, &[self.id], std::iter::once("members"))?;
        }
        Ok(added == 1)
    }
}
