//! `tasks ssh trust`

use super::known_hosts::{self, HostKey};
use crate::context::{Context, audit, note};
use crate::runs::launcher;
use anyhow::{Context as _, bail};
use clap::Args;
use plugin_runner::{Event, Invocation, Outcome, Runner, RunnerOptions, Stream};
use selfservice_core::models::hosts::Host;
use serde::Serialize;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// So many machines are asked at once.
const AT_ONCE: usize = 32;
/// The plugin that asks them: the same one that will sign in to them, on the same way.
const PLUGIN: &str = "ssh.sh";

#[derive(Args)]
pub struct TrustArguments {
    /// Hosts of the inventory by name; another name or address is taken as it is
    hosts: Vec<String>,
    /// All hosts of this host group
    #[arg(long, value_name = "NAME")]
    hostgroup: Option<String>,
    /// The port of their SSH servers
    #[arg(long, default_value_t = 22)]
    port: u16,
    /// Trust new keys without asking
    #[arg(long)]
    yes: bool,
    /// Take the new key of a host whose key has changed, too
    #[arg(long)]
    replace: bool,
}

/// Where a host's server is, and under which name its key is kept.
#[derive(Debug, Clone)]
struct Target {
    name: String,
    address: String,
    alias: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Trusted,
    New,
    Changed,
    Unknown,
}

#[derive(Debug, Serialize)]
struct Row {
    host: String,
    state: State,
    fingerprint: Option<String>,
    kind: Option<String>,
    reason: Option<String>,
    #[serde(skip)]
    key: Option<HostKey>,
}

impl TrustArguments {
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let file = context.settings.ssh.directory.join("known_hosts");
        if !context.settings.ssh.directory.is_dir() {
            bail!("{} is not there; 'tasks ssh key' makes it", context.settings.ssh.directory.display());
        }
        let targets = context.pool().run(|connection| self.targets(connection))?;
        let rows = self.ask(context, targets)?;
        context.list(&rows, "there are no hosts to ask", line)?;
        let of = |state: State| -> Vec<HostKey> {
            rows.iter().filter(|row| row.state == state).filter_map(|row| row.key.clone()).collect()
        };
        let (added, mut replaced) = (of(State::New), of(State::Changed));
        if !self.replace && !replaced.is_empty() {
            note("a key that has changed stays refused; find out why, then call this with --replace")?;
            replaced.clear();
        }
        let count = added.len() + replaced.len();
        let open = rows.iter().filter(|row| row.state != State::Trusted).count();
        if count == 0 || !self.agreed(count)? {
            return Ok(ExitCode::from(u8::from(open > 0)));
        }
        context.transaction(|connection| {
            for key in added.iter().chain(&replaced) {
                audit(connection, "ssh.trust", &format!("{} {}", key.name, key.fingerprint()))?;
            }
            known_hosts::change(&file, &added, &replaced)
        })?;
        note(format!("{count} keys were written to {}", file.display()))?;
        Ok(ExitCode::from(u8::from(open > count)))
    }

    fn targets(&self, connection: &mut selfservice_core::db::PgConnection) -> anyhow::Result<Vec<Target>> {
        let mut targets = Vec::new();
        for name in &self.hosts {
            targets.push(match Host::named(connection, name)? {
                Some(host) => Target::of(host),
                None => Target { name: name.clone(), address: name.clone(), alias: false },
            });
        }
        if let Some(group) = &self.hostgroup {
            let hosts = Host::of_hostgroup(connection, group)?;
            if hosts.is_empty() {
                bail!("there is no host group '{group}', or it has no hosts");
            }
            targets.extend(hosts.into_iter().map(Target::of));
        }
        // A host may be named and stand in the group as well.
        let mut seen = HashSet::new();
        targets.retain(|target| seen.insert(target.known_as(self.port)));
        if targets.is_empty() {
            bail!("name hosts, or a host group with --hostgroup");
        }
        Ok(targets)
    }

    /// Asks all of them, many at once; answers in their order.
    fn ask(&self, context: &Context, targets: Vec<Target>) -> anyhow::Result<Vec<Row>> {
        let mut runner = Runner::new(launcher(&context.settings.plugins)?, RunnerOptions::default())?;
        let mut waiting: VecDeque<(usize, &Target)> = targets.iter().enumerate().collect();
        let mut asked: HashMap<Uuid, (usize, Vec<u8>)> = HashMap::new();
        let mut rows: Vec<Option<Row>> = targets.iter().map(|_| None).collect();
        while !waiting.is_empty() || !asked.is_empty() {
            while asked.len() < AT_ONCE
                && let Some((index, target)) = waiting.pop_front()
            {
                let invocation = self.invocation(context, target);
                asked.insert(invocation.run, (index, Vec::new()));
                runner.start(invocation.into_spec()?);
            }
            runner.turn(Duration::from_secs(1), &mut |event| match event {
                Event::Output { run, stream: Stream::Stdout, bytes, .. } => {
                    if let Some((_, output)) = asked.get_mut(&run) {
                        output.extend_from_slice(&bytes);
                    }
                }
                Event::Finished { run, outcome, .. } => {
                    if let Some((index, output)) = asked.remove(&run)
                        && let (Some(row), Some(target)) = (rows.get_mut(index), targets.get(index))
                    {
                        *row = Some(self.row(target, &outcome, &String::from_utf8_lossy(&output)));
                    }
                }
                _ => {}
            })?;
        }
        Ok(rows.into_iter().flatten().collect())
    }

    fn invocation(&self, context: &Context, target: &Target) -> Invocation {
        let settings = &context.settings;
        let mut arguments = vec!["--show-host-key".to_owned(), "--host".to_owned(), target.address.clone()];
        arguments.extend(["--port".to_owned(), self.port.to_string()]);
        if target.alias {
            arguments.extend(["--host-key-alias".to_owned(), target.name.clone()]);
        }
        Invocation {
            run: Uuid::now_v7(),
            plugin: PLUGIN.to_owned(),
            arguments,
            handler: "tasks ssh trust".to_owned(),
            user: "tasks".to_owned(),
            // Twice, since a changed key is asked for anew.
            timeout: settings.ssh.connect_timeout * 2 + Duration::from_secs(10),
            grace: settings.plugins.grace,
            path: settings.plugins.path.clone(),
            settings: settings.plugins.environment.clone(),
            ..Invocation::default()
        }
    }

    fn row(&self, target: &Target, outcome: &Outcome, output: &str) -> Row {
        let mut lines = output.lines();
        let said = lines.next().unwrap_or_default();
        let wanted = target.known_as(self.port);
        let key = lines.next().and_then(HostKey::parse).filter(|key| key.name == wanted);
        let state = match outcome {
            Outcome::Exit(0) => State::Trusted,
            Outcome::Exit(1) if key.is_some() => State::New,
            Outcome::Exit(2) if key.is_some() => State::Changed,
            _ => State::Unknown,
        };
        let reason = match outcome {
            _ if state != State::Unknown => None,
            Outcome::Exit(_) => Some(said.trim_start_matches("UNKNOWN - ").to_owned()),
            other => Some(other.to_string()),
        };
        Row {
            host: wanted,
            state,
            fingerprint: key.as_ref().map(HostKey::fingerprint),
            kind: key.as_ref().map(|key| key.kind().to_owned()),
            reason,
            key,
        }
    }

    /// Whether the person who called this agrees.
    fn agreed(&self, count: usize) -> anyhow::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        let mut stderr = std::io::stderr();
        write!(stderr, "Trust {count} keys? Compare the fingerprints with the machines first. [y/N] ")
            .and_then(|()| stderr.flush())
            .context("while asking")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("while reading the answer")?;
        let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
        if !agreed {
            note("nothing was changed")?;
        }
        Ok(agreed)
    }
}

impl Target {
    /// A host of the inventory is known by its name, because its address may change.
    fn of(host: Host) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        Self { alias: host.name.chars().all(plain), name: host.name, address: host.address }
    }

    fn known_as(&self, port: u16) -> String {
        match (self.alias, port) {
            (true, _) => self.name.clone(),
            (false, 22) => self.address.clone(),
            (false, _) => format!("[{}]:{port}", self.address),
        }
    }
}

fn line(row: &Row) -> String {
    let fingerprint = row.fingerprint.as_deref().unwrap_or_default();
    let kind = row.kind.as_deref().unwrap_or_default();
    match row.state {
        State::Trusted => format!("{}  is trusted already", row.host),
        State::New => format!("{}  new      {fingerprint} ({kind})", row.host),
        State::Changed => format!("{}  CHANGED  {fingerprint} ({kind})", row.host),
        State::Unknown => format!("{}  {}", row.host, row.reason.as_deref().unwrap_or_default()),
    }
}
