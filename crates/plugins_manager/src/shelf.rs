//! Which plugins this manager has: asked of its launcher now and then, and told to the database where that has changed.
//! So a task can be bound to the content of the plugin that was there when it was asked for.

use crate::executor::Plugins;
use plugin_runner::Examined;
use selfservice_core::db::{DbError, Pool, Waker};
use selfservice_core::models::plugins::PluginRow;
use selfservice_core::models::workers::Worker;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module's text.
pub struct Shelf {
    waker: Arc<Waker>,
    answer: Arc<Mutex<Option<Vec<Examined>>>>,
    /// What the database knows, and of which epoch: a manager that had to register again is a new one.
    told: Option<(i64, Vec<Examined>)>,
}

impl Shelf {
    /// `waker` is used when an answer has come.
    pub fn new(waker: Waker) -> Self {
        Self { waker: Arc::new(waker), answer: Arc::default(), told: None }
    }

    /// Asks the launcher; the answer is there at a later [`Shelf::tell`].
    pub fn ask(&self, plugins: &Plugins) {
        let (answer, waker) = (Arc::clone(&self.answer), Arc::clone(&self.waker));
        plugins.examine(Box::new(move |examined| {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(examined);
            waker.wake();
        }));
    }

    /// Writes what the launcher has answered, where it is news.
    pub fn tell(&mut self, pool: &Pool, worker: &Worker) -> Result<(), DbError> {
        let Some(examined) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let news = (worker.epoch, examined);
        if self.told.as_ref() == Some(&news) {
            return Ok(());
        }
        let rows: Vec<PluginRow> = news.1.iter().map(row).collect();
        pool.run::<_, DbError>(|connection| Ok(PluginRow::replace(connection, worker.id, &rows)?))?;
        self.told = Some(news);
        Ok(())
    }
}

fn row(examined: &Examined) -> PluginRow {
    PluginRow {
        name: examined.name.clone(),
        sha256: examined.sha256.map(Vec::from),
        problem: examined.problem.clone(),
    }
}
