//! `tasks remote ...`: what the popup does, from any machine, over the JSON API and with a token. It needs no settings and no
//! database.

mod client;
mod follow;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use client::{Client, Reply, at};
use follow::{Interrupted, follow};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The exit code where no task's result is one.
pub const FAILED: u8 = 5;

/// A request whose answer did not come is sent again for so long; it makes one task at most.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

/// Run, follow and cancel over the JSON API, with a token
#[derive(Args)]
pub struct RemoteCommand {
    /// Address of the service, such as `https://selfservice.example.net` or `https://grafana.example.net/selfservice`
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The file that holds the API token; '-' reads it from standard input. No token is taken from the command line, where
    /// every user of the machine could read it
    #[arg(long, global = true, value_name = "FILE", default_value = "-")]
    token_file: PathBuf,
    /// Certificate authorities to trust instead of the system's (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run an action and follow it. Ends as the task did: 0 OK, 1 WARNING, 2 CRITICAL (also failed and timed out), 3
    /// UNKNOWN (also lost), 4 cancelled, expired or rejected; 5 where it was not started or cannot be followed
    Run(RunArguments),
    /// Print a task's output from its beginning, and what comes, and end as 'run' does
    Follow {
        /// Its UUID
        id: Uuid,
        #[command(flatten)]
        interrupted: OnInterrupt,
    },
    /// End a task: a queued one at once, a running one by its manager
    Cancel {
        /// Its UUID
        id: Uuid,
    },
}

#[derive(Args)]
struct RunArguments {
    /// Name, alias or address of the host
    host: String,
    /// Name of the service
    service: String,
    /// Name of the event handler
    handler: String,
    /// Only a host in this environment
    #[arg(long, default_value = "")]
    environment: String,
    /// A parameter of the handler; may be given several times
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// A secret parameter of the handler, read from a file that only you may read; may be given several times. No secret is
    /// taken from the command line
    #[arg(long = "secret-file", value_name = "NAME=FILE", value_parser = pair)]
    secret_files: Vec<(String, String)>,
    /// Only look whether it could run: the plugin's --check, which changes nothing
    #[arg(long)]
    check: bool,
    /// Why; some actions need one
    #[arg(long)]
    reason: Option<String>,
    /// The host's name once more, which dangerous actions need
    #[arg(long, value_name = "HOST")]
    confirm_host: Option<String>,
    /// Print the task's id and do not follow it
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    interrupted: OnInterrupt,
}

#[derive(Args)]
struct OnInterrupt {
    /// Ctrl-C asks to cancel the task and goes on to show how it ends; without this, Ctrl-C only stops following, and
    /// the task runs on
    #[arg(long)]
    cancel_on_interrupt: bool,
}

impl OnInterrupt {
    fn what(&self) -> Interrupted {
        if self.cancel_on_interrupt { Interrupted::Cancels } else { Interrupted::Leaves }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=..., with the name of a parameter")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl RemoteCommand {
    /// Does it.
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.url, &self.token_file, self.ca_file.as_deref())?;
        match self.action {
            Action::Run(arguments) => start(&client, arguments, json),
            Action::Follow { id, interrupted } => follow(&client, id, interrupted.what(), json),
            Action::Cancel { id } => cancel(&client, id),
        }
    }
}

fn start(client: &Client, arguments: RunArguments, json: bool) -> anyhow::Result<ExitCode> {
    let target = Target::find(client, &arguments)?;
    let mut parameters = Map::new();
    for (name, value) in arguments.parameters {
        if parameters.insert(name.clone(), json!(value)).is_some() {
            bail!("the parameter '{name}' is given twice");
        }
    }
    let mut secrets = Map::new();
    for (name, file) in arguments.secret_files {
        let value = client::read_secret(Path::new(&file))?;
        if secrets.insert(name.clone(), json!(value)).is_some() {
            bail!("the secret '{name}' is given twice");
        }
    }
    let mut body = json!({
        "host_id": target.host,
        "service_id": target.service,
        "handler_id": target.handler,
        "parameters": parameters,
        "reason": arguments.reason,
        "typed_host": arguments.confirm_host,
        "request_key": Uuid::new_v4(),
    });
    // What is not needed is not said: a service of an older version does not know it.
    if let Some(body) = body.as_object_mut() {
        if !secrets.is_empty() {
            body.insert("secrets".to_owned(), Value::Object(secrets));
        }
        if arguments.check {
            body.insert("kind".to_owned(), json!("check"));
        }
    }
    let answer = until_answered(client, &body)?;
    let id = at(&answer, "/task/id").as_str().and_then(|id| id.parse::<Uuid>().ok());
    let id = id.context("the service answered without a task")?;
    if at(&answer, "/attached") == true {
        crate::context::note(format!("The same action waits or runs already: {id}"))?;
    }
    if arguments.detach {
        crate::context::print(id)?;
        return Ok(ExitCode::SUCCESS);
    }
    crate::context::note(format!("Task {id}"))?;
    follow(client, id, arguments.interrupted.what(), json)
}

/// Sends the request until the service says what became of it: with the same key it makes one task at most.
fn until_answered(client: &Client, body: &Value) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        let reply = client.post("/tasks", body);
        match reply {
            Ok(reply) if reply.status != 503 => return reply.ok(),
            Ok(_) | Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            Ok(reply) => return reply.ok().context("whether the action was taken is not known"),
            Err(error) => return Err(error.context("whether the action was taken is not known")),
        }
    }
}

fn cancel(client: &Client, id: Uuid) -> anyhow::Result<ExitCode> {
    client.post(&format!("/tasks/{id}/cancel"), &json!({}))?.ok()?;
    crate::context::print("It was asked for.")?;
    Ok(ExitCode::SUCCESS)
}

/// What is run, by ids.
struct Target {
    host: i64,
    service: i64,
    handler: i64,
}

impl Target {
    /// Asks what the popup would ask, and takes the action of this name.
    fn find(client: &Client, arguments: &RunArguments) -> anyhow::Result<Self> {
        let RunArguments { host, service, handler, environment, .. } = arguments;
        let query = [("host", host.as_str()), ("service", service), ("environment", environment)];
        let view = client.get("/popup", &query)?.ok()?;
        if at(&view, "/kind") != "host" {
            let names: Vec<&str> =
                list(at(&view, "/hosts")).filter_map(|host| at(host, "/name").as_str()).collect();
            bail!("'{host}' may be any of {}; say which", names.join(", "));
        }
        let found = list(at(&view, "/services")).find(|one| at(one, "/selected") == true);
        let found = found.with_context(|| {
            let names: Vec<&str> =
                list(at(&view, "/services")).filter_map(|one| at(one, "/name").as_str()).collect();
            format!("{host} has no service '{service}'; it has: {}", names.join(", "))
        })?;
        let action = list(at(found, "/actions")).find(|one| at(one, "/name") == handler.as_str());
        let action = action.with_context(|| {
            let names: Vec<&str> =
                list(at(found, "/actions")).filter_map(|one| at(one, "/name").as_str()).collect();
            format!("{service} on {host} has no event handler '{handler}'; it has: {}", names.join(", "))
        })?;
        let id = |value: &Value| value.as_i64().context("the service answered without an id");
        Ok(Self {
            host: id(at(&view, "/host/id"))?,
            service: id(at(found, "/id"))?,
            handler: id(at(action, "/handler_id"))?,
        })
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Reply {
    /// The body of a success; the service's sentence where it refused.
    fn ok(self) -> anyhow::Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let detail = at(&self.body, "/detail").as_str().filter(|text| !text.is_empty());
        let mut sentence =
            detail.map_or_else(|| format!("the service answered {}", self.status), str::to_owned);
        for (name, text) in at(&self.body, "/errors").as_object().into_iter().flatten() {
            sentence.push_str(&format!(" {name}: {}", text.as_str().unwrap_or_default()));
        }
        bail!("{sentence}")
    }
}
