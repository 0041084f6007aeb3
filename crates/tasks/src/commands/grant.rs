//! `tasks grant ...`

use crate::context::{Context, audit};
use anyhow::bail;
use clap::{Args, Subcommand};
use selfservice_core::access::Verb;
use selfservice_core::db::PgConnection;
use selfservice_core::models::grants::GrantLine;
use selfservice_core::models::inventory::{self, Grant, Inventory, Load, Noun, Source};

#[derive(Subcommand)]
pub enum GrantCommand {
    /// Give a right to a user or a team; what is not named means any
    Add(AddArguments),
    /// List all rights
    List,
    /// Take a right away
    Remove {
        /// Its number, as 'tasks grant list' shows it
        id: i64,
    },
}

#[derive(Args)]
pub struct AddArguments {
    /// see, run or admin
    verb: Verb,
    /// The user who gets it
    #[arg(long, required_unless_present = "team", conflicts_with = "team")]
    user: Option<String>,
    /// The team that gets it
    #[arg(long)]
    team: Option<String>,
    /// Only in this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only on hosts of this group
    #[arg(long)]
    hostgroup: Option<String>,
    /// Only with this event handler
    #[arg(long, conflicts_with = "tag")]
    handler: Option<String>,
    /// Only with event handlers that have this tag
    #[arg(long)]
    tag: Option<String>,
}

impl GrantCommand {
    /// Does it.
    pub fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Add(arguments) => arguments.run(context),
            Self::List => list(context),
            Self::Remove { id } => remove(context, id),
        }
    }
}

impl AddArguments {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let added = context.transaction(|connection| {
            self.check_names(connection)?;
            let inventory = Inventory {
                grants: vec![Grant {
                    user: self.user,
                    team: self.team,
                    environment: self.environment,
                    hostgroup: self.hostgroup,
                    handler: self.handler,
                    tag: self.tag,
                    verb: self.verb,
                }],
                ..Inventory::default()
            };
            let load = Load { source: Source::hand(), author: "tasks", prune: false };
            inventory::begin(connection)?;
            inventory::stage(connection, &inventory, load.source.name)?;
            let changes = inventory::load(connection, &load)?;
            let added: Vec<String> = changes.objects.into_keys().map(|(_, text)| text).collect();
            for text in &added {
                audit(connection, "grant.add", text)?;
            }
            Ok(added)
        })?;
        let text = match added.first() {
            Some(text) => format!("added {text}"),
            None => "this right exists already".to_owned(),
        };
        context.show(&serde_json::json!({ "added": added }), text)
    }

    fn check_names(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        for (noun, name) in [
            (Noun::User, &self.user),
            (Noun::Team, &self.team),
            (Noun::Environment, &self.environment),
            (Noun::Hostgroup, &self.hostgroup),
            (Noun::EventHandler, &self.handler),
        ] {
            let Some(name) = name else { continue };
            if inventory::known(connection, noun, &[name], &[])?.is_empty() {
                bail!("there is no {noun} '{name}'");
            }
        }
        Ok(())
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let grants = context.pool().run(|connection| -> anyhow::Result<_> { Ok(GrantLine::all(connection)?) })?;
    let rows: Vec<(i64, String)> = grants.into_iter().map(|grant| (grant.id, grant.text)).collect();
    context.list(&rows, "there are no rights: nobody may do anything", |(id, text)| format!("{id}  {text}"))
}

fn remove(context: &Context, id: i64) -> anyhow::Result<()> {
    let text = context.transaction(|connection| {
        let Some(grant) = GrantLine::of(connection, &[id])?.pop() else {
            bail!("there is no right number {id}; 'tasks grant list' shows them");
        };
        GrantLine::take(connection, id)?;
        audit(connection, "grant.remove", &grant.text)?;
        Ok(grant.text)
    })?;
    context.show(&serde_json::json!({ "removed": text }), format!("removed {text}"))
}
