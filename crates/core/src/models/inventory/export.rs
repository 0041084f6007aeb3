//! The whole inventory as files would say it, page by page.

use super::Noun;
use super::definition::everything;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Text};
use serde_json::Value;

/// So many objects are read at once.
const PAGE: i64 = 2_000;

#[derive(QueryableByName)]
struct PageRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Jsonb)]
    definition: Value,
}

#[derive(QueryableByName)]
struct GrantRow {
    #[diesel(sql_type = Jsonb)]
    definition: Value,
}

/// All objects of a kind that has names, in the order of their names, or all grants in an order of their own: each as the
/// fields of a file, none absent. `take` gets them one by one. Call it in a transaction whose statements all see the same.
pub fn export<E: From<diesel::result::Error>>(
    connection: &mut PgConnection,
    noun: Noun,
    mut take: impl FnMut(Value) -> Result<(), E>,
) -> Result<(), E> {
    let Some(sql) = everything(noun) else {
        let grants: Vec<GrantRow> = diesel::sql_query(include_str!("stored/grants.sql")).load(connection)?;
        return grants.into_iter().try_for_each(|row| take(row.definition));
    };
    let page = format!("{sql} WHERE o.name > $1 ORDER BY o.name LIMIT $2");
    let mut after = String::new();
    loop {
        let rows: Vec<PageRow> =
            diesel::sql_query(&page).bind::<Text, _>(&after).bind::<BigInt, _>(PAGE).load(connection)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.name);
        rows.into_iter().try_for_each(|row| take(row.definition))?;
    }
}

/// Lets all statements of this transaction see the inventory as it is at the first of them.
pub fn hold_still(connection: &mut PgConnection) -> QueryResult<()> {
    use diesel::connection::SimpleConnection as _;
    connection.batch_execute(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '15min'",
    )
}
