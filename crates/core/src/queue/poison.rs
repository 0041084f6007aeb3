//! A poison handler: its runs take their managers or launchers with them. It is paused before it takes more.

use crate::models::audit::NewAudit;
use crate::models::event_handlers::EventHandler;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use std::collections::HashMap;
use uuid::Uuid;

/// A handler is paused with so many losses within [`WINDOW`].
const LOSSES: usize = 3;
/// As PostgreSQL writes it, and as people read it.
const WINDOW: &str = "10 minutes";
/// Who pauses it, in the audit log.
const ACTOR: &str = "selfservice";

#[derive(Debug, Clone, QueryableByName)]
struct Loss {
    #[diesel(sql_type = BigInt)]
    handler: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = SqlUuid)]
    task: Uuid,
    #[diesel(sql_type = Nullable<BigInt>)]
    epoch: Option<i64>,
    #[diesel(sql_type = Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    finished_at: DateTime<Utc>,
}

/// Pauses the handlers of these tasks, which were just declared lost, where that happened too often. In the
/// transaction that declares them so: whoever sees the last loss sees the pause as well.
pub(super) fn pause_poison(connection: &mut PgConnection, lost: &[Uuid]) -> QueryResult<()> {
    let losses: Vec<Loss> = diesel::sql_query(format!(
        "SELECT t.event_handlers_id AS handler, h.name, t.id AS task, t.epoch, t.started_at, t.finished_at \
         FROM tasks t JOIN event_handlers h ON h.id = t.event_handlers_id \
         WHERE t.result = 'lost' AND h.paused_at IS NULL \
         AND t.finished_at > greatest(clock_timestamp() - interval '{WINDOW}', h.resumed_at) \
         AND t.event_handlers_id IN (SELECT event_handlers_id FROM tasks WHERE id = ANY($1)) \
         ORDER BY t.event_handlers_id, t.finished_at"
    ))
    .bind::<Array<SqlUuid>, _>(lost)
    .load(connection)?;
    for losses in losses.chunk_by(|a, b| a.handler == b.handler) {
        if events(losses) >= LOSSES
            && let Some(last) = losses.last()
        {
            pause(connection, last, losses)?;
        }
    }
    Ok(())
}

/// How often something went away with runs of one handler, in the order of their ends: a manager that dies with three
/// of them is one event, and so is a launcher. Tasks of different starts of managers are different events; of one
/// manager's tasks those that can have run at the same time count once.
fn events(losses: &[Loss]) -> usize {
    let mut ends: HashMap<Option<i64>, DateTime<Utc>> = HashMap::new();
    losses
        .iter()
        .filter(|loss| {
            let new = ends.get(&loss.epoch).is_none_or(|end| loss.started_at >= *end);
            if new {
                ends.insert(loss.epoch, loss.finished_at);
            }
            new
        })
        .count()
}

fn pause(connection: &mut PgConnection, handler: &Loss, losses: &[Loss]) -> QueryResult<()> {
    let reason = format!(
        "its runs ended as lost {LOSSES} times within {WINDOW}: it seems to take its manager or launcher with it"
    );
    if !EventHandler::pause(connection, handler.handler, ACTOR, &reason)? {
        return Ok(());
    }
    NewAudit {
        users_id: None,
        actor: ACTOR,
        identity: "system",
        address: "",
        action: "handler.pause",
        object: &handler.name,
        task_id: None,
        detail: serde_json::json!({
            "reason": reason,
            "lost": losses.iter().map(|loss| loss.task).collect::<Vec<_>>(),
        }),
    }
    .insert(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses of (epoch, started at, ended at), in seconds.
    fn losses(runs: &[(i64, i64, i64)]) -> usize {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let loss = |(epoch, from, to): &(i64, i64, i64)| Loss {
            handler: 1,
            name: String::new(),
            task: Uuid::nil(),
            epoch: Some(*epoch),
            started_at: at(*from),
            finished_at: at(*to),
        };
        events(&runs.iter().map(loss).collect::<Vec<_>>())
    }

    #[test]
    fn what_can_have_been_lost_together_counts_once() {
        assert_eq!(losses(&[]), 0);
        assert_eq!(losses(&[(1, 0, 30), (1, 1, 30), (1, 29, 31)]), 1, "one manager died with three");
        assert_eq!(losses(&[(1, 0, 30), (2, 1, 31), (3, 2, 32)]), 3, "three managers died");
        assert_eq!(
            losses(&[(1, 0, 5), (1, 6, 8), (1, 6, 8), (1, 9, 11)]),
            3,
            "its launcher died three times"
        );
        assert_eq!(losses(&[(1, 0, 5), (1, 4, 9), (1, 8, 13)]), 2, "overlapping ones in doubt count once");
    }
}
