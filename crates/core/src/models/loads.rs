//! When each source of inventory was loaded last, and which of them are overdue.

use crate::db::schema::loads;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use std::collections::BTreeMap;
use std::fmt;

/// Remembers that `program` has loaded `source` from `object`, by the database's clock.
pub fn remember(connection: &mut PgConnection, source: &str, program: &str, object: &str) -> QueryResult<()> {
    let said = (loads::program.eq(program), loads::object.eq(object));
    diesel::insert_into(loads::table)
        .values((loads::source.eq(source), said))
        .on_conflict(loads::source)
        .do_update()
        .set((loads::loaded_at.eq(diesel::dsl::now), said))
        .execute(connection)
        .map(|_| ())
}

/// A source that should have been loaded again.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Overdue {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub source: String,
    /// It is expected every so many hours.
    #[diesel(sql_type = Integer)]
    pub expected_hours: i32,
    /// Its last load was so many whole hours ago; `None`: there was none.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub hours: Option<i64>,
}

impl Overdue {
    /// Those of the sources with an interval, in hours, that were not loaded for longer than that.
    pub fn among(connection: &mut PgConnection, intervals: &BTreeMap<String, u32>) -> QueryResult<Vec<Self>> {
        let names: Vec<&str> = intervals.keys().map(String::as_str).collect();
        let hours: Vec<i32> =
            intervals.values().map(|hours| i32::try_from(*hours).unwrap_or(i32::MAX)).collect();
        diesel::sql_query(
            "SELECT i.source, i.expected_hours, \
                    floor(extract(epoch FROM clock_timestamp() - l.loaded_at) / 3600)::bigint AS hours \
             FROM unnest($1, $2) AS i (source, expected_hours) LEFT JOIN loads l USING (source) \
             WHERE l.source IS NULL OR l.loaded_at < clock_timestamp() - make_interval(hours => i.expected_hours) \
             ORDER BY i.source COLLATE \"C\"",
        )
        .bind::<Array<Text>, _>(names)
        .bind::<Array<Integer>, _>(hours)
        .load(connection)
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hours {
            Some(hours) => write!(f, "the source '{}' was loaded {hours} hours ago", self.source)?,
            None => write!(f, "the source '{}' has never been loaded", self.source)?,
        }
        write!(f, " and is expected every {}", self.expected_hours)?;
        f.write_str(if self.expected_hours == 1 { " hour" } else { " hours" })
    }
}
