//! Secrets that a person typed for one run: sealed for the managers that may run it, and gone when it has ended.

use crate::config::Secret;
use crate::db::schema::typed_secrets;
use crate::sealing::{OpeningKey, SealError, seal};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Uuid as SqlUuid};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Typed values by the names of their parameters.
pub type TypedSecrets = BTreeMap<String, Secret>;

/// Why typed secrets were not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// They could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// The managers for which secrets of one host's tasks are sealed.
#[derive(Debug, Default)]
pub struct Readers(Vec<Reader>);

#[derive(Debug, QueryableByName)]
struct Reader {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Binary)]
    sealing_key: Vec<u8>,
}

impl Readers {
    /// Every manager that could take a task on this host now. One that starts later cannot read what is stored: where it
    /// takes the task, that is rejected.
    pub fn on(connection: &mut PgConnection, hosts_id: i64) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT w.id, w.sealing_key FROM workers w JOIN hosts h ON h.tags <@ w.tags \
             WHERE h.id = $1 AND w.alive_until > clock_timestamp() AND NOT w.stopping AND w.sealing_key IS NOT NULL",
        )
        .bind::<BigInt, _>(hosts_id)
        .load(connection)
        .map(Self)
    }

    /// Whether nobody could read anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Stores what was typed for a task. Run it in the transaction that queues the task.
    ///
    /// # Errors
    /// It cannot be sealed, or the database fails; roll back then.
    pub fn store(
        &self,
        connection: &mut PgConnection,
        task: Uuid,
        secrets: &TypedSecrets,
    ) -> Result<(), StoreError> {
        if secrets.is_empty() {
            return Ok(());
        }
        let plain: BTreeMap<&str, &str> =
            secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
        let plain = serde_json::json!(plain).to_string();
        let rows = self.0.iter().map(|reader| {
            let sealed = seal(&reader.sealing_key, plain.as_bytes(), task.as_bytes())?;
            Ok((
                typed_secrets::tasks_id.eq(task),
                typed_secrets::workers_id.eq(reader.id),
                typed_secrets::sealed.eq(sealed),
            ))
        });
        let rows: Vec<_> = rows.collect::<Result<_, SealError>>()?;
        diesel::insert_into(typed_secrets::table).values(rows).execute(connection)?;
        Ok(())
    }
}

/// What this manager can read of the tasks' secrets, by task; a task without any is absent.
pub fn readable(
    connection: &mut PgConnection,
    workers_id: Uuid,
    key: &OpeningKey,
    tasks: &[Uuid],
) -> QueryResult<HashMap<Uuid, TypedSecrets>> {
    let rows: Vec<(Uuid, Vec<u8>)> = typed_secrets::table
        .filter(typed_secrets::workers_id.eq(workers_id).and(typed_secrets::tasks_id.eq_any(tasks)))
        .select((typed_secrets::tasks_id, typed_secrets::sealed))
        .load(connection)?;
    Ok(rows.into_iter().filter_map(|(task, sealed)| Some((task, opened(key, task, &sealed)?))).collect())
}

fn opened(key: &OpeningKey, task: Uuid, sealed: &[u8]) -> Option<TypedSecrets> {
    let plain = key.open(sealed, task.as_bytes()).ok()?;
    let plain: BTreeMap<String, String> = serde_json::from_slice(&plain).ok()?;
    plain.into_iter().map(|(name, value)| Some((name, Secret::new(value).ok()?))).collect()
}
