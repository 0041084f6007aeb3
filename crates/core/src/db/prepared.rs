//! SQL of our own that the server plans once for a connection.
//!
//! diesel prepares the queries that it builds itself, but has the server parse and plan those of `sql_query` anew each
//! time. That is nothing for a page, and more than half of what a claim costs.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};
use std::marker::PhantomData;

/// A statement that is prepared at its first use on a connection. Its columns are read by name, as with `sql_query`.
///
/// Name the columns that it gives: what `*` means must not change while it is prepared, and migrations run beside
/// running programs.
pub(crate) struct Prepared<'a> {
    sql: &'static str,
    binds: Vec<Box<dyn QueryFragment<Pg> + Send + 'a>>,
}

/// A statement with the parameters `$1`, `$2` and so on, which first appear in this order and without gaps.
pub(crate) fn prepared<'a>(sql: &'static str) -> Prepared<'a> {
    Prepared { sql, binds: Vec::new() }
}

impl<'a> Prepared<'a> {
    /// Gives the next parameter its value.
    pub(crate) fn bind<S, V>(mut self, value: V) -> Self
    where
        Pg: HasSqlType<S>,
        V: ToSql<S, Pg> + Send + 'a,
        S: Send + 'a,
    {
        self.binds.push(Box::new(Bind::<S, V>(value, PhantomData)));
        self
    }
}

struct Bind<S, V>(V, PhantomData<S>);

impl<S, V> QueryFragment<Pg> for Bind<S, V>
where
    Pg: HasSqlType<S>,
    V: ToSql<S, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param(&self.0)
    }
}

impl QueryFragment<Pg> for Prepared<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut rest = self.sql;
        for (index, bind) in self.binds.iter().enumerate() {
            // diesel writes the parameter's name itself; later uses of the same one stay in the text.
            let (before, after) = around(rest, &format!("${}", index + 1)).ok_or_else(|| {
                diesel::result::Error::QueryBuilderError(
                    format!("the statement has no parameter ${}: {}", index + 1, self.sql).into(),
                )
            })?;
            out.push_sql(before);
            bind.walk_ast(out.reborrow())?;
            rest = after;
        }
        out.push_sql(rest);
        Ok(())
    }
}

/// What stands before and after the first use of a parameter.
fn around<'a>(sql: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    sql.match_indices(name)
        .filter_map(|(at, _)| Some((sql.get(..at)?, sql.get(at + name.len()..)?)))
        .find(|(_, after)| !after.starts_with(|next: char| next.is_ascii_digit()))
}

impl QueryId for Prepared<'_> {
    type QueryId = ();

    // Known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Prepared<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<PgConnection> for Prepared<'_> {}
