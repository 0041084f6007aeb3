//! What every command has: the settings, the database, and where it prints.

use anyhow::Context as _;
use selfservice_core::config::Settings;
use selfservice_core::db::{PgConnection, Pool, QueryError};
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::users::User;
use serde::Serialize;
use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

/// Settings and output of one call.
pub struct Context {
    /// The settings file.
    pub settings: Settings,
    json: bool,
}

impl Context {
    /// Reads the settings.
    pub fn new(settings: Option<&Path>, json: bool) -> anyhow::Result<Self> {
        Ok(Self { settings: Settings::load(settings)?, json })
    }

    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Connections to the database.
    pub fn pool(&self) -> Pool {
        Pool::new(&self.settings.database.for_long_work(), "tasks")
    }

    /// As [`Context::pool`] for a look that must not take longer than a daemon would wait.
    pub fn quick_pool(&self) -> Pool {
        Pool::new(&self.settings.database, "tasks")
    }

    /// Runs `work` in a transaction: all of it happens, or nothing.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.pool().transaction(work)
    }

    /// Prints `value` as JSON where that was asked for, else as `text`.
    pub fn show(&self, value: &impl Serialize, text: impl Display) -> anyhow::Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(value).context("while writing JSON")?;
            print(json)
        } else {
            print(text)
        }
    }

    /// As [`Context::show`] for a list: a line for each row, or `empty`.
    pub fn list<T: Serialize>(
        &self,
        rows: &[T],
        empty: &str,
        line: impl Fn(&T) -> String,
    ) -> anyhow::Result<()> {
        let lines: Vec<String> = rows.iter().map(line).collect();
        let text = if lines.is_empty() { empty.to_owned() } else { lines.join("\n") };
        self.show(&rows, text)
    }
}

/// Prints one line, or several.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("while writing to standard output")
}

/// Prints a line for people beside what a program may read from standard output.
pub fn note(text: impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("while writing to standard error")
}

/// The user of this name, or a sentence.
pub fn user_named(connection: &mut PgConnection, name: &str) -> anyhow::Result<User> {
    User::by_name(connection, name)?
        .with_context(|| format!("there is no user '{name}'; 'tasks user list' names them"))
}

/// The event handler of this name, or a sentence.
pub fn handler_named(connection: &mut PgConnection, name: &str) -> anyhow::Result<EventHandler> {
    EventHandler::by_name(connection, name)?
        .with_context(|| format!("there is no event handler '{name}'; 'tasks handler list' names them"))
}

/// Who did what this program does, in audit rows and pauses.
pub const ACTOR: &str = "tasks";

/// Writes down that the administrator of the machine did something. Call it in the transaction that does it.
pub fn audit(connection: &mut PgConnection, action: &str, object: &str) -> Result<(), QueryError> {
    audit_row(action, object).insert(connection)
}

/// The row that [`audit`] writes, for those who have more to say.
pub fn audit_row<'a>(action: &'a str, object: &'a str) -> NewAudit<'a> {
    NewAudit {
        users_id: None,
        actor: ACTOR,
        identity: "system",
        address: "",
        action,
        object,
        task_id: None,
        detail: serde_json::json!({}),
    }
}
