//! The audit log: written in the transaction that does what it tells.

use crate::db::schema::audit;
use diesel::pg::PgConnection;
use diesel::prelude::*;
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

impl NewAudit<'_> {
    /// Appends the row.
    pub fn insert(&self, connection: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(audit::table).values(self).execute(connection).map(|_| ())
    }
}

/// One line of the log, for a page.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::pg::Pg))]
pub struct AuditEntry {
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
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
