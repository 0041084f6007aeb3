//! What every handler shares.

use crate::auth::cookie::SessionCookie;
use crate::error::AppResult;
use crate::events::Events;
use crate::{document, patience, routes};
use actix_web::web;
use anyhow::Context as _;
use selfservice_core::config::{MacroFile, Programs, Settings, WebSettings};
use selfservice_core::db::{DbError, PgConnection, Pool};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// So many passwords are hashed at once; each takes 19 MiB.
const HASHINGS: usize = 2;
/// The pool may be so late with its error.
const LATE: Duration = Duration::from_millis(200);

/// What every handler shares; handlers take `web::Data<AppState>`.
pub struct AppState {
    /// `[web]`
    pub web: WebSettings,
    /// Macros and secrets for plans.
    pub macros: MacroFile,
    /// What schedules may run beside handlers, by name.
    pub programs: Programs,
    /// How long a task may wait in the queue.
    pub queue_life: Duration,
    /// Changes of tasks, as they happen.
    pub events: Events,
    /// The session cookie's name and attributes.
    pub cookie: SessionCookie,
    /// The `OpenAPI` document.
    pub document: web::Bytes,
    /// Bounds how many passwords are hashed at once.
    pub hashing: Semaphore,
    pool: Pool,
}

impl AppState {
    /// Reads the macro file and starts listening for changes; the database may be away.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let cookie = SessionCookie::new(&settings.web)?;
        let document = document::document(&routes::endpoints(), &settings.web.base_path, cookie.name());
        Ok(Self {
            document: document.to_json().context("while making the OpenAPI document")?.into(),
            web: settings.web.clone(),
            programs: settings.scheduler.programs.clone(),
            queue_life: settings.manager.queue_life,
            macros: settings.macro_file().context("while reading [files] macros")?,
            events: Events::start(&settings.database.connection_string("web_gui"))
                .context("while starting the thread that listens for changes")?,
            cookie,
            hashing: Semaphore::new(HASHINGS),
            pool: Pool::new(&settings.database.answering_within(settings.web.database_timeout), "web_gui"),
        })
    }

    /// Runs `work` with a connection on the blocking pool, so that no query holds up other requests. Comes back within
    /// what is left of the request's time for the database, whatever that does.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> AppResult<T> + Send + 'static,
    ) -> AppResult<T> {
        self.in_time(move |pool, deadline| pool.run_until(deadline, work)).await
    }

    /// The same in a transaction: all of it happens, or nothing.
    pub async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> AppResult<T> + Send + 'static,
    ) -> AppResult<T> {
        self.in_time(move |pool, deadline| pool.transaction_until(deadline, work)).await
    }

    async fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pool, Instant) -> AppResult<T> + Send + 'static,
    ) -> AppResult<T> {
        let (from, pool) = (Instant::now(), self.pool.clone());
        let deadline = from + patience::left(self.web.database_timeout);
        let working = web::block(move || work(&pool, deadline));
        // The pool keeps the deadline by itself, with an error that says more, unless every thread for blocking work is
        // busy.
        let result = timeout_at((deadline + LATE).into(), working).await;
        patience::spend(from.elapsed());
        result.map_err(|_| DbError::TooLate)??
    }
}
