//! `tasks token ...`

use crate::context::{Context, audit, note, print, user_named};
use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use selfservice_core::access::Verb;
use selfservice_core::credentials;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::names;
use serde::Serialize;
use std::time::Duration;

const DAY_SECONDS: u64 = 24 * 60 * 60;

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is printed once and never again
    Add(AddArguments),
    /// List all tokens without their secrets
    List,
    /// Take a token back
    Revoke {
        /// The token's id, as 'tasks token list' shows it
        id: String,
    },
}

#[derive(Args)]
pub struct AddArguments {
    /// The user whose rights the token has at most
    user: String,
    /// What it is for
    #[arg(long)]
    name: String,
    /// The strongest verb that it may use: see, run or admin
    #[arg(long)]
    verb: Verb,
    /// How long it is valid
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
}

#[derive(Serialize)]
struct Row {
    id: String,
    user: String,
    name: String,
    verb: Verb,
    expires_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl TokenCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Add(arguments) => add(context, &arguments),
            Self::List => list(context),
            Self::Revoke { id } => revoke(context, &id),
        }
    }
}

/// Prints nothing but the token, for programs that store it.
fn add(context: &Context, arguments: &AddArguments) -> anyhow::Result<()> {
    names::check(&arguments.name).map_err(|why| anyhow::anyhow!("the token's name {why}"))?;
    let token = credentials::ApiToken::generate()?;
    let life = Duration::from_secs(arguments.days * DAY_SECONDS);
    context.transaction(|connection| {
        let user = user_named(connection, &arguments.user)?;
        ApiToken::create(connection, &token, user.id, &arguments.name, arguments.verb, life)?;
        audit(connection, "token.add", &format!("{} of {} ({})", token.id(), user.name, arguments.name))?;
        Ok(())
    })?;
    print(token.reveal())?;
    note(format!(
        "Keep it now: it is not shown again. It is valid for {} days; its id is {}.",
        arguments.days,
        token.id()
    ))
}

fn list(context: &Context) -> anyhow::Result<()> {
    let tokens = context.pool().run(|connection| -> anyhow::Result<_> { Ok(ApiToken::all(connection)?) })?;
    let rows: Vec<Row> = tokens
        .into_iter()
        .map(|(token, user)| Row {
            id: token.id,
            user,
            name: token.name,
            verb: token.verb,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        })
        .collect();
    context.list(&rows, "there are no tokens", |row| {
        let used = row
            .last_used_at
            .map_or_else(|| "never used".to_owned(), |at| format!("last used {}", at.format("%F %R UTC")));
        format!(
            "{}  {}  {}  {}  until {}  {used}",
            row.id,
            row.user,
            row.verb,
            row.name,
            row.expires_at.format("%F %R UTC")
        )
    })
}

fn revoke(context: &Context, id: &str) -> anyhow::Result<()> {
    context.transaction(|connection| {
        if !ApiToken::revoke(connection, id)? {
            bail!("there is no token '{id}'; 'tasks token list' names them");
        }
        audit(connection, "token.revoke", id)?;
        Ok(())
    })?;
    context.show(&serde_json::json!({ "revoked": id }), format!("revoked the token {id}"))
}
