//! What every handler shares.

use crate::auth::cookie::SessionCookie;
use crate::error::{AppError, AppResult};
use crate::events::Events;
use actix_web::web;
use anyhow::Context as _;
use selfservice_core::config::{MacroFile, Settings, WebSettings};
use selfservice_core::db::{PgConnection, Pool};
use std::time::Duration;
use tokio::sync::Semaphore;

/// So many passwords are hashed at once; each takes 19 MiB.
const HASHINGS: usize = 2;

/// What every handler shares; handlers take `web::Data<AppState>`.
pub struct AppState {
    /// `[web]`
    pub web: WebSettings,
    /// Macros and secrets for plans.
    pub macros: MacroFile,
    /// How long a task may wait in the queue.
    pub queue_life: Duration,
    /// Changes of tasks, as they happen.
    pub events: Events,
    /// The session cookie's name and attributes.
    pub cookie: SessionCookie,
    /// Bounds how many passwords are hashed at once.
    pub hashing: Semaphore,
    pool: Pool,
}

impl AppState {
    /// Reads the macro file and starts listening for changes; the database may be away.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            web: settings.web.clone(),
            queue_life: settings.manager.queue_life,
            macros: settings.macro_file().context("while reading [files] macros")?,
            events: Events::start(&settings.database.connection_string("web_gui"))
                .context("while starting the thread that listens for changes")?,
            cookie: SessionCookie::new(&settings.web)?,
            hashing: Semaphore::new(HASHINGS),
            pool: Pool::new(&settings.database, "web_gui"),
        })
    }

    /// Runs `work` with a connection on the blocking pool, so that no query holds up other requests.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> AppResult<T> + Send + 'static,
    ) -> AppResult<T> {
        let pool = self.pool.clone();
        web::block(move || pool.run(work)).await?
    }

    /// The same in a transaction: all of it happens, or nothing.
    pub async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> AppResult<T> + Send + 'static,
    ) -> AppResult<T> {
        let pool = self.pool.clone();
        web::block(move || pool.transaction::<T, AppError>(work)).await?
    }
}
