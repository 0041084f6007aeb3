//! SQL of our own that the server plans once for a connection.
//!
//! diesel prepares the queries that it builds itself, but has the server parse and plan those of `sql_query` anew each
//! time, and those that `sql` is a part of. That is more than half of what a claim costs, and most of what the popup's
//! answer does. Lists whose plan depends on what is searched for stay with `sql_query` and `sql`.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, SingleValue, Untyped};
use std::borrow::Cow;
use std::marker::PhantomData;

/// A statement that is prepared at its first use on a connection. Its columns are read by name, as with `sql_query`.
///
/// Name the columns that it gives: what `*` means must not change while it is prepared, and migrations run beside
/// running programs.
pub(crate) struct Prepared<'a> {
    sql: &'a str,
    binds: Vec<Box<dyn QueryFragment<Pg> + Send + 'a>>,
}

/// A statement with the parameters `$1`, `$2` and so on, which first appear in this order and without gaps. Its text is
/// one of few: each different one stays prepared as long as the connection lives.
pub(crate) fn prepared(sql: &str) -> Prepared<'_> {
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

/// Stands for the number in the text of [`part_with`].
pub(crate) const NUMBER: &str = "{number}";

/// An expression in SQL of our own as a part of a query that diesel builds, and prepares.
#[derive(Debug, Clone)]
pub(crate) struct Part<S> {
    sql: Cow<'static, str>,
    number: i64,
    kind: PhantomData<S>,
}

/// An expression that is always the same.
pub(crate) fn part<S>(sql: &'static str) -> Part<S> {
    Part { sql: Cow::Borrowed(sql), number: 0, kind: PhantomData }
}

/// An expression in which [`NUMBER`] stands for this number, each time.
pub(crate) fn part_with<S>(number: i64, sql: String) -> Part<S> {
    Part { sql: Cow::Owned(sql), number, kind: PhantomData }
}

impl<S: SingleValue> Expression for Part<S> {
    type SqlType = S;
}

impl<S> QueryFragment<Pg> for Part<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (index, text) in self.sql.split(NUMBER).enumerate() {
            if index > 0 {
                out.push_bind_param::<BigInt, _>(&self.number)?;
            }
            out.push_sql(text);
        }
        Ok(())
    }
}

impl<S> QueryId for Part<S> {
    type QueryId = ();

    // Known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S, Tables> SelectableExpression<Tables> for Part<S> where Self: Expression {}

impl<S, Tables> AppearsOnTable<Tables> for Part<S> where Self: Expression {}

impl<S, Grouping> ValidGrouping<Grouping> for Part<S> {
    type IsAggregate = is_aggregate::Never;
}
