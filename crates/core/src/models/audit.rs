//! The audit log: written in the transaction that does what it tells.

use crate::db::schema::{audit, audit_refusals};
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

/// A new row. The database adds number and time.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = audit)]
pub struct NewAudit<'a> {
    /// Who, if it was a user of ours.
    pub users_id: Option<i64>,
    /// Who, in words.
    pub actor: &'a str,
    /// How they proved it: `password`, `link`, `token`, `system`.
    pub identity: &'a str,
    /// From where.
    pub address: &'a str,
    /// What, as `noun.verb`: `task.create`, `session.refuse`.
    pub action: &'a str,
    /// To what, in words.
    pub object: &'a str,
    /// The task, where there is one.
    pub task_id: Option<Uuid>,
    /// More, without secrets.
    pub detail: serde_json::Value,
}

/// So many refusals of one person within an hour have rows of their own: nothing takes a row from the log again, and
/// whoever is signed in could write refusals for ever. The others are counted, and [`tell_refusals`] tells how many.
pub const MOST_REFUSALS: i64 = 60;

/// The action of what is refused ends so.
const REFUSED: &str = ".refuse";

/// So many rows go to the server at once.
const ROWS: usize = 1000;

impl NewAudit<'_> {
    /// Appends the row; of the refusals of one person only the first [`MOST_REFUSALS`] of an hour.
    pub fn insert(&self, connection: &mut PgConnection) -> QueryResult<()> {
        if self.action.ends_with(REFUSED) && self.users_id.is_some() && self.is_one_too_many(connection)? {
            return Ok(());
        }
        diesel::insert_into(audit::table).values(self).execute(connection).map(|_| ())
    }

    /// Appends rows that are no refusals.
    pub fn insert_all(rows: &[Self], connection: &mut PgConnection) -> QueryResult<()> {
        for part in rows.chunks(ROWS) {
            diesel::insert_into(audit::table).values(part).execute(connection)?;
        }
        Ok(())
    }

    fn is_one_too_many(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        tell_refusals(connection)?;
        let refusals: i64 = diesel::insert_into(audit_refusals::table)
            .values((audit_refusals::actor.eq(self.actor), audit_refusals::users_id.eq(self.users_id)))
            .on_conflict(audit_refusals::actor)
            .do_update()
            .set(audit_refusals::refusals.eq(audit_refusals::refusals + 1))
            .returning(audit_refusals::refusals)
            .get_result(connection)?;
        Ok(refusals > MOST_REFUSALS)
    }
}

/// Appends a row for everybody who was refused more often than [`MOST_REFUSALS`] times in an hour that is over, with how
/// often that was.
pub fn tell_refusals(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query(
        "WITH told AS (DELETE FROM audit_refusals WHERE actor IN \
             (SELECT actor FROM audit_refusals WHERE since < now() - interval '1 hour' FOR UPDATE SKIP LOCKED) \
             RETURNING *) \
         INSERT INTO audit (users_id, actor, identity, action, object, detail) \
         SELECT users_id, actor, 'system', 'refusal.count', (refusals - $1) || ' more refusals', \
                jsonb_build_object('more', refusals - $1, 'since', since) FROM told WHERE refusals > $1",
    )
    .bind::<BigInt, _>(MOST_REFUSALS)
    .execute(connection)
    .map(|_| ())
}

/// A row of `audit`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::pg::Pg))]
pub struct AuditRow {
    /// Number; grows, with gaps.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, if it was a user of ours: their id, though they may have been deleted since.
    pub users_id: Option<i64>,
    /// Who, in words.
    pub actor: String,
    /// How they proved it.
    pub identity: String,
    /// From where; may be empty.
    pub address: String,
    /// What.
    pub action: String,
    /// To what; may be empty.
    pub object: String,
    /// The task, where there is one.
    pub task_id: Option<Uuid>,
    /// More.
    pub detail: serde_json::Value,
}

/// Where a page of the log ends and the next one begins: time and number of its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// When.
    pub at: DateTime<Utc>,
    /// Which of those at this moment.
    pub id: i64,
}

/// What is searched for in the log; empty means any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Name of who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to begins with this.
    pub object: String,
    /// At this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Only what is older than this place.
    pub before: Option<AuditPlace>,
}

/// What the index knows of an object, and how many characters that is.
const INDEXED: &str = "left(audit.object, 100)";
const INDEXED_CHARACTERS: usize = 100;

impl AuditRow {
    /// The rows that fit, newest first. Every filter has an index that ends with time and number.
    pub fn page(connection: &mut PgConnection, filter: &AuditFilter, limit: i64) -> QueryResult<Vec<Self>> {
        let mut query = audit::table.into_boxed::<diesel::pg::Pg>();
        if !filter.actor.is_empty() {
            query = query.filter(audit::actor.eq(filter.actor.clone()));
        }
        if !filter.action.is_empty() {
            query = query.filter(audit::action.eq(filter.action.clone()));
        }
        if !filter.object.is_empty() {
            let begins = |text: &str| (text.to_owned(), format!("{text}{}", char::MAX));
            let (first, last) = begins(&filter.object.chars().take(INDEXED_CHARACTERS).collect::<String>());
            query = query.filter(sql::<Text>(INDEXED).ge(first)).filter(sql::<Text>(INDEXED).lt(last));
            let (first, last) = begins(&filter.object);
            query = query.filter(audit::object.ge(first)).filter(audit::object.lt(last));
        }
        if let Some(moment) = filter.from {
            query = query.filter(audit::at.ge(moment));
        }
        if let Some(moment) = filter.until {
            query = query.filter(audit::at.lt(moment));
        }
        if let Some(AuditPlace { at, id }) = filter.before {
            query = query.filter(audit::at.le(at)).filter(audit::at.lt(at).or(audit::id.lt(id)));
        }
        query
            .order((audit::at.desc(), audit::id.desc()))
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }

    /// Every action that the log knows, by name, found by skipping along the index.
    pub fn actions(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
        let rows: Vec<ActionName> = diesel::sql_query(
            "WITH RECURSIVE known AS ( \
                 (SELECT action FROM audit ORDER BY action LIMIT 1) UNION ALL \
                 SELECT (SELECT a.action FROM audit a WHERE a.action > k.action ORDER BY a.action LIMIT 1) \
                 FROM known k WHERE k.action IS NOT NULL \
             ) SELECT action FROM known WHERE action IS NOT NULL",
        )
        .load(connection)?;
        Ok(rows.into_iter().map(|row| row.action).collect())
    }
}

#[derive(QueryableByName)]
struct ActionName {
    #[diesel(sql_type = Text)]
    action: String,
}

/// One line of the log, for a page.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::pg::Pg))]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// More.
    pub detail: serde_json::Value,
}

impl AuditEntry {
    /// What happened to a task, oldest first.
    pub fn of_task(connection: &mut PgConnection, task_id: Uuid) -> QueryResult<Vec<Self>> {
        audit::table
            .filter(audit::task_id.eq(task_id))
            .order(audit::id)
            .limit(200)
            .select(Self::as_select())
            .load(connection)
    }
}
