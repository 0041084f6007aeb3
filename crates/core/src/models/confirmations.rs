//! Commands that were shown to a person and wait for their click.

use crate::db::schema::confirmations;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

/// How long a shown command may wait, in seconds.
pub const LIFE_SECONDS: i32 = 15 * 60;

/// Remembers that `plan_hash` was shown to the user, and gives the nonce that the click must bring back. Removes what
/// has run out on the way.
pub fn remember(connection: &mut PgConnection, users_id: i64, plan_hash: &[u8]) -> QueryResult<Uuid> {
    let nonce = Uuid::new_v4();
    diesel::sql_query("DELETE FROM confirmations WHERE expires_at < now()").execute(connection)?;
    diesel::sql_query(
        "INSERT INTO confirmations (nonce, users_id, plan_hash, expires_at) \
         VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
    )
    .bind::<diesel::sql_types::Uuid, _>(nonce)
    .bind::<diesel::sql_types::BigInt, _>(users_id)
    .bind::<diesel::sql_types::Binary, _>(plan_hash)
    .bind::<diesel::sql_types::Double, _>(f64::from(LIFE_SECONDS))
    .execute(connection)?;
    Ok(nonce)
}

/// Uses a nonce up and gives the hash of what was shown; `None`: unknown, somebody else's, used or run out.
pub fn take(connection: &mut PgConnection, users_id: i64, nonce: Uuid) -> QueryResult<Option<Vec<u8>>> {
    diesel::delete(
        confirmations::table
            .find(nonce)
            .filter(confirmations::users_id.eq(users_id))
            .filter(confirmations::expires_at.gt(diesel::dsl::now)),
    )
    .returning(confirmations::plan_hash)
    .get_result(connection)
    .optional()
}
