//! Every statement that moves a task between states, and nothing else.
//!
//! ```text
//! queued --claim--> running --finish--> finished
//!   |  ^               |
//!   |  '---give_back---'   (only what was not started yet)
//!   '--cancel, expire, reject--> finished
//!                      '--rescue--> finished (lost) --finish by the same epoch--> finished (late)
//! ```
//!
//! What waits under a limit is claimed by the database's function `claim_limited`, which the claim calls.
//!
//! Every write of a manager is guarded by id, epoch and state; a row that is not in the answer is not the manager's
//! any more. All times are the database's.

mod cancel;
mod claim;
mod enqueue;
mod poison;
mod repeat;
mod rescue;
mod restored;
pub mod retention;
mod store;

pub use cancel::{Cancelled, cancel};
pub use claim::{Claim, Renewed, claim, give_back, renew, strays};
pub use enqueue::{Enqueued, NewTask, enqueue};
pub use repeat::{MAX_ATTEMPTS, strike_off, take_lost};
pub use rescue::{Rescued, expire, rescue};
pub use restored::AFTER_RESTORE;
pub use store::{Finish, Progress, finish, store};

use crate::db::prepared;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

/// Tells everybody who shows these tasks to look again. Sent when the surrounding transaction commits.
pub fn notify_changed(connection: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    // A payload holds at most 8,000 bytes; an id takes 37.
    for part in ids.chunks(200) {
        let payload = part.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
        notify(connection, crate::db::TASK_CHANGED, &payload)?;
    }
    Ok(())
}

fn notify(connection: &mut PgConnection, channel: &str, payload: &str) -> QueryResult<()> {
    prepared("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(channel)
        .bind::<Text, _>(payload)
        .execute(connection)
        .map(|_| ())
}

/// A row of which only the id matters.
#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}
