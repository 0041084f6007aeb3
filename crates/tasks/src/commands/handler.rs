//! `tasks handler ...`

use crate::context::{ACTOR, Context, audit_row, handler_named};
use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::event_handlers::{EventHandler, Risk};
use serde::Serialize;

/// Handlers that one statement reads.
const PAGE: i64 = 1000;
#[derive(Subcommand)]
pub enum HandlerCommand {
    /// List all event handlers
    List,
    /// Start nothing of a handler: new requests are refused, queued tasks wait
    Pause {
        /// Its name
        name: String,
        /// Why, for everybody who wants to run it
        #[arg(long)]
        reason: String,
    },
    /// Let a paused handler go on
    Resume {
        /// Its name
        name: String,
    },
}

#[derive(Serialize)]
struct Row {
    name: String,
    plugin: String,
    risk: Risk,
    enabled: bool,
    repeatable: bool,
    max_running: Option<i32>,
    paused_at: Option<DateTime<Utc>>,
    paused_by: Option<String>,
    paused_reason: Option<String>,
}

impl HandlerCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List => list(context),
            Self::Pause { name, reason } => pause(context, &name, reason.trim()),
            Self::Resume { name } => resume(context, &name),
        }
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let handlers = context.pool().run(|connection| -> anyhow::Result<_> {
        let mut all: Vec<EventHandler> = Vec::new();
        loop {
            let after = all.last().map(|handler| handler.name.clone()).unwrap_or_default();
            let page = EventHandler::page(connection, "", &after, PAGE)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    })?;
    let rows: Vec<Row> = handlers
        .into_iter()
        .map(|handler| Row {
            name: handler.name,
            plugin: handler.plugin,
            risk: handler.risk,
            enabled: handler.enabled,
            repeatable: handler.repeatable,
            max_running: handler.max_running,
            paused_at: handler.paused_at,
            paused_by: handler.paused_by,
            paused_reason: handler.paused_reason,
        })
        .collect();
    context.list(&rows, "there are no event handlers", |row| {
        let mut line = format!("{}  {}  {}", row.name, row.plugin, row.risk);
        if let Some(limit) = row.max_running {
            line.push_str(&format!("  at most {limit} at once"));
        }
        if row.repeatable {
            line.push_str("  repeatable");
        }
        if !row.enabled {
            line.push_str("  disabled");
        }
        if let (Some(at), Some(by), Some(reason)) = (row.paused_at, &row.paused_by, &row.paused_reason) {
            let since = at.format("%F %H:%M UTC");
            line.push_str(&format!("  paused since {since} by {by}: {}", reason.escape_debug()));
        }
        line
    })
}

fn pause(context: &Context, name: &str, reason: &str) -> anyhow::Result<()> {
    if reason.is_empty() {
        bail!("--reason must say why: everybody who wants to run the handler reads it");
    }
    context.transaction(|connection| {
        let handler = handler_named(connection, name)?;
        if !EventHandler::pause(connection, handler.id, ACTOR, reason)? {
            bail!("{}", handler.pause_text().unwrap_or_else(|| format!("the handler '{name}' is gone")));
        }
        Ok(audit("handler.pause", name, reason).insert(connection)?)
    })?;
    let text = format!("{name} is paused; its queued tasks wait until 'tasks handler resume {name}'");
    context.show(&serde_json::json!({ "name": name, "paused": true, "reason": reason }), text)
}

fn resume(context: &Context, name: &str) -> anyhow::Result<()> {
    context.transaction(|connection| {
        let handler = handler_named(connection, name)?;
        if !EventHandler::resume(connection, handler.id)? {
            bail!("the handler '{name}' is not paused");
        }
        let reason = handler.paused_reason.unwrap_or_default();
        Ok(audit("handler.resume", name, &reason).insert(connection)?)
    })?;
    context.show(&serde_json::json!({ "name": name, "paused": false }), format!("{name} goes on"))
}

/// `reason` is why the handler is paused, or was.
fn audit<'a>(action: &'a str, name: &'a str, reason: &str) -> NewAudit<'a> {
    NewAudit { detail: serde_json::json!({ "reason": reason }), ..audit_row(action, name) }
}
