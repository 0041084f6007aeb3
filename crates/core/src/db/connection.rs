//! A connection of the pool: its uses are bounded, and it is looked at before it is used again.

use super::socket::{Fresh, Look, Socket, make_alone};
use super::watchdog::Watchdog;
use crate::config::DatabaseSettings;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::r2d2::{Error, R2D2Connection as _};
use diesel::{Connection as _, QueryResult, RunQueryDsl as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A look at a connection that asks the server may take so long.
const CHECK: Duration = Duration::from_secs(1);
/// What a new connection may take beyond libpq's own limit: diesel sets it up, and so do we.
const SET_UP: Duration = Duration::from_secs(2);

/// What bounds the connections of one pool.
#[derive(Debug)]
pub(super) struct Bounds {
    pub watchdog: Watchdog,
    /// Connections from before are not used again: one of them was given up, and what cut it off may have cut off all
    /// of them without anybody hearing of it.
    distrusted: Mutex<Option<Instant>>,
    /// The language of the server's messages was complained of.
    language_noted: AtomicBool,
}

impl Bounds {
    pub fn new() -> Self {
        Self {
            watchdog: Watchdog::start(),
            distrusted: Mutex::new(None),
            language_noted: AtomicBool::new(false),
        }
    }

    fn distrust_present(&self) {
        *self.distrusted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Says once what must be done where an outage cannot be told from a refusal with certainty.
    fn note_language(&self, language: &str) {
        let english = ["C", "POSIX", "en"].iter().any(|name| language.starts_with(name));
        if !english && !self.language_noted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the server's messages are in '{language}', and this role may not ask for English ones: an outage may be \
                 taken for a refusal; a superuser should run GRANT SET ON PARAMETER lc_messages TO the role"
            );
        }
    }

    fn trusts(&self, since: Instant) -> bool {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| since > at)
    }
}

/// Makes connections and looks after them.
#[derive(Debug)]
pub(super) struct Manager {
    connection_string: String,
    set_up: String,
    limit: Duration,
    bounds: Arc<Bounds>,
}

/// One connection.
pub(super) struct Guarded {
    connection: PgConnection,
    /// None: it could not be found, see [`super::socket`].
    socket: Option<Arc<Socket>>,
    since: Instant,
    /// The last use failed: whether the server still does what we need must be asked.
    suspect: bool,
    /// A look has shown that it is of no use any more.
    useless: bool,
}

impl Guarded {
    /// Lets `work` use the connection until `deadline`.
    pub fn bounded<T, E>(
        &mut self,
        bounds: &Bounds,
        deadline: Instant,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let watch = self.socket.as_ref().map(|socket| bounds.watchdog.bound(socket, deadline));
        let result = work(&mut self.connection);
        drop(watch);
        self.suspect = result.is_err();
        if self.was_shut_down() {
            bounds.distrust_present();
        }
        result
    }

    /// Looks whether the connection can be used, and asks the server where a look does not tell, until `deadline` at
    /// most. One that cannot be used leaves the pool when it is given back.
    pub fn is_good(&mut self, bounds: &Bounds, deadline: Instant) -> bool {
        let good = !self.was_shut_down()
            && bounds.trusts(self.since)
            && match self.socket.as_ref().map(|socket| socket.look()) {
                Some(Look::Closed) => false,
                Some(Look::Quiet) if !self.suspect => true,
                _ => self.takes_writes(bounds, deadline.min(Instant::now() + CHECK)),
            };
        self.useless = !good;
        good
    }

    /// Asks whether the server still takes what we write.
    fn takes_writes(&mut self, bounds: &Bounds, deadline: Instant) -> bool {
        self.bounded(bounds, deadline, is_read_only).is_ok_and(|read_only| !read_only)
    }

    /// The connection, to look at.
    pub fn shared(&self) -> &PgConnection {
        &self.connection
    }

    /// The connection for a use without a bound.
    pub fn unbounded(&mut self) -> &mut PgConnection {
        self.suspect = true;
        &mut self.connection
    }

    fn was_shut_down(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.was_shut_down())
    }
}

impl Drop for Guarded {
    /// libpq says goodbye, and would wait for a server that does not even take that.
    fn drop(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.suspect) {
            socket.shut_down();
        }
    }
}

impl Manager {
    pub fn new(settings: &DatabaseSettings, program: &str, bounds: Arc<Bounds>) -> Self {
        Self {
            connection_string: settings.connection_string(program),
            set_up: settings.session(),
            limit: settings.connect_limit() + SET_UP,
            bounds,
        }
    }
}

/// Whether the server, or the session, takes no writes: a standby, or a primary that was told so.
pub fn is_read_only(connection: &mut PgConnection) -> QueryResult<bool> {
    diesel::sql_query("SELECT current_setting('transaction_read_only')::boolean AS read_only")
        .get_result::<ReadOnly>(connection)
        .map(|row| row.read_only)
}

#[derive(diesel::QueryableByName)]
struct Messages {
    #[diesel(sql_type = diesel::sql_types::Text)]
    language: String,
}

#[derive(diesel::QueryableByName)]
struct ReadOnly {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    read_only: bool,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Guarded;
    type Error = Error;

    fn connect(&self) -> Result<Guarded, Error> {
        let deadline = Instant::now() + self.limit;
        let (connection, socket) = {
            let _alone = make_alone();
            let fresh = Arc::new(Fresh::before(&self.connection_string));
            // diesel talks to the server before it gives the connection away.
            let _watch = self.bounds.watchdog.bound_making(&fresh, deadline);
            let connection =
                PgConnection::establish(&self.connection_string).map_err(Error::ConnectionError)?;
            (connection, fresh.socket().map(Arc::new))
        };
        if socket.is_none() {
            tracing::warn!(
                "the socket of a database connection was not found: only TCP's limits hold for it"
            );
        }
        let mut guarded =
            Guarded { connection, socket, since: Instant::now(), suspect: true, useless: false };
        guarded
            .bounded(&self.bounds, deadline, |connection| {
                connection.batch_execute(&self.set_up)?;
                diesel::sql_query("SELECT current_setting('lc_messages') AS language").get_result(connection)
            })
            .map(|Messages { language }| self.bounds.note_language(&language))
            .map_err(Error::QueryError)?;
        Ok(guarded)
    }

    /// The pool does not ask this: [`Guarded::is_good`] does it within the time of whoever wants the connection.
    fn is_valid(&self, _: &mut Guarded) -> Result<(), Error> {
        Ok(())
    }

    fn has_broken(&self, guarded: &mut Guarded) -> bool {
        std::thread::panicking()
            || guarded.useless
            || guarded.was_shut_down()
            || guarded.connection.is_broken()
    }
}
