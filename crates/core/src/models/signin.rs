//! Signing in: one-time links, and the delay after failures.

use super::users::User;
use crate::db::schema::{signin_failures, signin_links};
use crate::names;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Double, Integer, Text};
use std::time::Duration;

/// Stores a one-time link by the hash of its secret. Links that have run out go on the way.
pub fn create_link(
    connection: &mut PgConnection,
    users_id: i64,
    secret_hash: &[u8],
    life: Duration,
) -> QueryResult<()> {
    diesel::delete(signin_links::table.filter(signin_links::expires_at.lt(diesel::dsl::now)))
        .execute(connection)?;
    diesel::sql_query(
        "INSERT INTO signin_links (secret_hash, users_id, expires_at) \
         VALUES ($1, $2, now() + make_interval(secs => $3))",
    )
    .bind::<Binary, _>(secret_hash)
    .bind::<BigInt, _>(users_id)
    .bind::<Double, _>(life.as_secs_f64())
    .execute(connection)
    .map(|_| ())
}

/// Uses a link up and gives its user, locked until the transaction ends. `None`: unknown, used, run out, or the user is
/// disabled.
pub fn take_link(connection: &mut PgConnection, secret_hash: &[u8]) -> QueryResult<Option<User>> {
    let link = || signin_links::table.find(secret_hash).filter(signin_links::expires_at.gt(diesel::dsl::now));
    let Some(id) = link().select(signin_links::users_id).first(connection).optional()? else {
        return Ok(None);
    };
    // Who changes password or state takes the user first and the links then; in another order both would wait for ever.
    let user = User::locked(connection, id)?;
    let taken = diesel::delete(link()).execute(connection)?;
    Ok(user.filter(|user| taken == 1 && !user.disabled))
}

/// Whether somebody may try to sign in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Yes; it counts as a failure until [`forget_failures`] or [`forget_link_failure`].
    Allowed,
    /// Only after so many seconds.
    Wait(i64),
}

/// How failures of one subject delay the next try. The delay doubles with each failure after the free ones; a subject
/// without a failure for `forgotten_after` seconds starts anew. Nothing locks for ever.
struct Rule {
    free: i32,
    first_delay: f64,
    longest_delay: f64,
    forgotten_after: f64,
}

const ACCOUNT: Rule = Rule { free: 5, first_delay: 2.0, longest_delay: 900.0, forgotten_after: 86_400.0 };
const ADDRESS: Rule = Rule { free: 20, first_delay: 60.0, longest_delay: 60.0, forgotten_after: 60.0 };

/// Counts a try for the account and for the address before the password is looked at, so that parallel tries are
/// counted too. `account` need not exist: unknown names are delayed alike.
pub fn begin_attempt(connection: &mut PgConnection, account: &str, address: &str) -> QueryResult<Attempt> {
    let subjects = [(account_subject(account), ACCOUNT), (address_subject(address), ADDRESS)];
    count_all(connection, &subjects)
}

/// Counts a try of a one-time link, which names no account, for the address.
pub fn begin_link_attempt(connection: &mut PgConnection, address: &str) -> QueryResult<Attempt> {
    count_all(connection, &[(address_subject(address), ADDRESS)])
}

/// Counts the try for all subjects, or for none where one of them has to wait.
fn count_all(connection: &mut PgConnection, subjects: &[(String, Rule)]) -> QueryResult<Attempt> {
    let mut wait = None;
    let counted = connection.transaction(|connection| {
        for (subject, rule) in subjects {
            if !rule.count(connection, subject)? {
                wait = Some(rule.wait(connection, subject)?);
                return Err(diesel::result::Error::RollbackTransaction);
            }
        }
        Ok(())
    });
    match (counted, wait) {
        (Ok(()), _) => Ok(Attempt::Allowed),
        (Err(diesel::result::Error::RollbackTransaction), Some(seconds)) => Ok(Attempt::Wait(seconds)),
        (Err(error), _) => Err(error),
    }
}

/// The attempt succeeded: the account starts anew, and the address has one failure less. Old rows go on the way.
pub fn forget_failures(connection: &mut PgConnection, account: &str, address: &str) -> QueryResult<()> {
    diesel::delete(signin_failures::table.find(account_subject(account))).execute(connection)?;
    forget_link_failure(connection, address)?;
    diesel::sql_query("DELETE FROM signin_failures WHERE last_failed_at < now() - interval '1 day'")
        .execute(connection)
        .map(|_| ())
}

/// The link counted: the address has one failure less.
pub fn forget_link_failure(connection: &mut PgConnection, address: &str) -> QueryResult<()> {
    diesel::update(signin_failures::table.find(address_subject(address)))
        .set(signin_failures::failures.eq(signin_failures::failures - 1))
        .execute(connection)
        .map(|_| ())
}

/// Names that look alike are one account; a name that no user can have is the account of nobody.
fn account_subject(name: &str) -> String {
    format!("account {}", names::key(name).unwrap_or_default())
}

/// An IPv6 network of 64 bits is one subject: its owner has all its addresses.
fn address_subject(address: &str) -> String {
    let network = address.parse::<std::net::Ipv6Addr>().ok().map(|v6| match v6.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => format!("{}/64", std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    });
    format!("address {}", network.as_deref().unwrap_or(address))
}

/// The delay in seconds that a row's failures ask for; $2 to $4 are `free`, `first_delay` and `longest_delay`.
macro_rules! delay {
    () => {
        "CASE WHEN f.failures < $2 THEN 0 ELSE least($4, $3 * 2.0 ^ least(f.failures - $2, 20)) END"
    };
}

impl Rule {
    /// Counts a failure unless the subject has to wait. False: it has to.
    fn count(&self, connection: &mut PgConnection, subject: &str) -> QueryResult<bool> {
        diesel::sql_query(concat!(
            "INSERT INTO signin_failures AS f (subject, failures, last_failed_at) VALUES ($1, 1, clock_timestamp()) \
             ON CONFLICT (subject) DO UPDATE SET last_failed_at = clock_timestamp(), failures = \
             CASE WHEN f.last_failed_at < clock_timestamp() - make_interval(secs => $5) THEN 1 ELSE f.failures + 1 END \
             WHERE f.last_failed_at + make_interval(secs => ", delay!(), ") <= clock_timestamp()"
        ))
        .bind::<Text, _>(subject)
        .bind::<Integer, _>(self.free)
        .bind::<Double, _>(self.first_delay)
        .bind::<Double, _>(self.longest_delay)
        .bind::<Double, _>(self.forgotten_after)
        .execute(connection)
        .map(|rows| rows == 1)
    }

    /// Seconds until the subject may try again, at least one.
    fn wait(&self, connection: &mut PgConnection, subject: &str) -> QueryResult<i64> {
        #[derive(QueryableByName)]
        struct Wait {
            #[diesel(sql_type = BigInt)]
            seconds: i64,
        }
        diesel::sql_query(concat!(
            "SELECT greatest(1, ceil(extract(epoch FROM f.last_failed_at - clock_timestamp())::double precision + ",
            delay!(), "))::bigint AS seconds FROM signin_failures f WHERE f.subject = $1"
        ))
        .bind::<Text, _>(subject)
        .bind::<Integer, _>(self.free)
        .bind::<Double, _>(self.first_delay)
        .bind::<Double, _>(self.longest_delay)
        .get_result::<Wait>(connection)
        .map(|row| row.seconds)
    }
}
