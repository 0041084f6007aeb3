//! `tasks user ...`

use crate::context::{Context, audit, note, print, user_named};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use selfservice_core::access::Verb;
use selfservice_core::credentials::{hash_password, random_secret, secret_hash};
use selfservice_core::db::PgConnection;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::grants::NewGrant;
use selfservice_core::models::signin;
use selfservice_core::models::teams::Team;
use selfservice_core::models::users::User;
use serde::Serialize;
use std::io::{BufRead as _, Read as _};
use std::time::Duration;

/// More than any password may have.
const MAX_INPUT: u64 = 4096;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a user
    Add(AddArguments),
    /// List all users
    List,
    /// Take all rights from a user and end their sessions
    Disable {
        /// The user
        name: String,
        /// Give them back instead
        #[arg(long)]
        undo: bool,
    },
    /// Set a user's password and end their sessions
    Password {
        /// The user
        name: String,
        /// Read the password from the first line of standard input; there is no other way
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Print a link that signs a user in, once
    Link {
        /// The user
        name: String,
        /// How long it may be used
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
    },
}

#[derive(Args)]
pub struct AddArguments {
    /// The name for signing in
    name: String,
    /// The name that pages show
    #[arg(long, default_value = "")]
    display_name: String,
    /// Give the right to do everything everywhere
    #[arg(long)]
    admin: bool,
    /// Make them a member of this team; may be given several times
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Do nothing where the user exists already
    #[arg(long)]
    if_missing: bool,
    /// Read a password from the first line of standard input; without it, sign in by 'tasks user link'
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    display_name: String,
    disabled: bool,
    password: bool,
}

impl UserCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Add(arguments) => arguments.run(context),
            Self::List => list(context),
            Self::Disable { name, undo } => disable(context, &name, !undo),
            Self::Password { name, .. } => set_password(context, &name),
            Self::Link { name, minutes } => link(context, &name, minutes),
        }
    }
}

impl AddArguments {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let hash = self
            .password_stdin
            .then(|| Ok::<_, anyhow::Error>(hash_password(&read_password()?)?))
            .transpose()?;
        let added = context.transaction(|connection| {
            if self.if_missing && User::by_name(connection, &self.name)?.is_some() {
                return Ok(false);
            }
            self.add(connection, hash.as_deref())?;
            Ok(true)
        })?;
        let name = &self.name;
        let text =
            if added { format!("added the user {name}") } else { format!("the user {name} exists already") };
        context.show(&serde_json::json!({ "name": name, "added": added }), text)
    }

    fn add(&self, connection: &mut PgConnection, hash: Option<&str>) -> anyhow::Result<()> {
        let user = User::create(connection, &self.name, &self.display_name)?;
        if hash.is_some() {
            User::set_password(connection, user.id, hash)?;
        }
        if self.admin {
            NewGrant::everywhere(user.id, Verb::Admin).insert(connection)?;
        }
        for name in &self.teams {
            let team = Team::by_name(connection, name)?
                .with_context(|| format!("there is no team '{name}'; load it with data_loader first"))?;
            team.add_member(connection, user.id)?;
        }
        audit(connection, "user.add", &self.name)?;
        Ok(())
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let users = context.pool().run(|connection| -> anyhow::Result<_> { Ok(User::all(connection)?) })?;
    let rows: Vec<Row> = users
        .into_iter()
        .map(|user| Row {
            display_name: user.display_name().to_owned(),
            password: user.password_hash.is_some(),
            disabled: user.disabled,
            name: user.name,
        })
        .collect();
    context.list(&rows, "there are no users; 'tasks user add' makes one", |row| {
        let state = if row.disabled { "disabled" } else { "enabled" };
        let password = if row.password { "password" } else { "no password" };
        format!("{}  {state}  {password}  {}", row.name, row.display_name)
    })
}

fn disable(context: &Context, name: &str, disabled: bool) -> anyhow::Result<()> {
    context.transaction(|connection| {
        let user = user_named(connection, name)?;
        User::set_disabled(connection, user.id, disabled)?;
        audit(connection, if disabled { "user.disable" } else { "user.enable" }, &user.name)?;
        Ok(())
    })?;
    let word = if disabled { "disabled" } else { "enabled" };
    context
        .show(&serde_json::json!({ "name": name, "disabled": disabled }), format!("{word} the user {name}"))
}

fn set_password(context: &Context, name: &str) -> anyhow::Result<()> {
    let hash = hash_password(&read_password()?)?;
    context.transaction(|connection| {
        let user = user_named(connection, name)?;
        User::set_password(connection, user.id, Some(&hash))?;
        ApiToken::revoke_all(connection, user.id)?;
        audit(connection, "user.password", &user.name)?;
        Ok(())
    })?;
    context.show(
        &serde_json::json!({ "name": name }),
        format!("set the password of {name}, ended their sessions and revoked their API tokens"),
    )
}

/// Prints nothing but the link, for programs that pass it on.
fn link(context: &Context, name: &str, minutes: u64) -> anyhow::Result<()> {
    let secret = random_secret()?;
    let life = Duration::from_secs(minutes * 60);
    context.transaction(|connection| {
        let user = user_named(connection, name)?;
        if user.disabled {
            bail!("the user '{name}' is disabled; 'tasks user disable {name} --undo' ends that");
        }
        signin::create_link(connection, user.id, &secret_hash(&secret), life)?;
        audit(connection, "user.link", &user.name)?;
        Ok(())
    })?;
    print(context.settings.web.address(&format!("/signin/link?token={secret}")))?;
    note(format!("It works once, within {minutes} minutes."))
}

/// The first line of standard input. Passwords never stand in argv, where every account of the machine reads them.
fn read_password() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_INPUT)
        .read_until(b'\n', &mut bytes)
        .context("while reading the password from standard input")?;
    let text = String::from_utf8(bytes).ok().context("the password is not UTF-8 text")?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        bail!("standard input holds no password");
    }
    Ok(password.to_owned())
}
