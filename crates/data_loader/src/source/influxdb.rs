//! Hosts and services from the time series of an InfluxDB: 1.x by its query language, 2.x by its API of the same form.
//!
//! A value of the host's tag is a host. A measurement, or a value of the service's tag, is a service of the hosts that
//! have such series. Only series with a point in the time window count, so what was switched off goes by itself.
//!
//! Whoever may write a point can write any name. So names are looked at here already: a strange one is passed over with a
//! warning, and does not keep all the others from being loaded.

use super::fetch;
use super::foreign::{Gathered, add, is_variable, set_variable};
use super::whole;
use crate::document::{Document, Place};
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundled_plugins::web::{Client, Request, url};
use selfservice_core::config::{InfluxSettings, LoadSettings, MacroFile, TagUse};
use selfservice_core::models::inventory;
use selfservice_core::names;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// So many times the largest answer may all answers together be.
const ANSWERS: u64 = 4;
/// So many names are told of one by one.
const TOLD: usize = 5;
/// More measurements than anybody has who writes them on purpose.
const MAX_MEASUREMENTS: usize = 10_000;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Statement>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    series: Vec<Series>,
    #[serde(default)]
    error: Option<String>,
    /// The server kept something back.
    #[serde(default)]
    partial: bool,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Row>,
    #[serde(default)]
    partial: bool,
}

/// Of a list of measurements the name; of points nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Name((String,)),
    Other(IgnoredAny),
}

/// A server, and what to ask it.
struct Server<'a> {
    settings: &'a InfluxSettings,
    loads: &'a LoadSettings,
    client: Client,
    /// The header of that name; it never stands in a complaint.
    authorization: Option<String>,
    base: String,
    place: Place,
    /// The length of all answers so far.
    bytes: Cell<u64>,
}

/// The tags of a series, and the service that its measurement means.
type Tagged = (BTreeMap<String, String>, Option<String>);

/// The series of a server that had a point in the window.
#[derive(Debug)]
pub struct Found<'a> {
    settings: &'a InfluxSettings,
    place: Place,
    series: Vec<Tagged>,
}

/// Asks the server for its series.
///
/// # Errors
/// The server cannot be asked, answers with an error or with less than everything, or the settings do not fit.
pub fn read<'a>(
    settings: &'a InfluxSettings,
    loads: &LoadSettings,
    macros: &MacroFile,
) -> Result<Found<'a>, Problem> {
    let unset = |why: &str| Problem::new(&whole("[influxdata]"), why);
    let address = settings.url.as_deref().ok_or_else(|| unset("url names no server"))?;
    let server = Server {
        settings,
        loads,
        client: fetch::client(loads, address, settings.ca_file.as_ref())
            .map_err(|why| Problem::new(&whole(&fetch::without_user(address)), why))?,
        authorization: authorization(settings, macros).map_err(|why| unset(&why))?,
        base: format!("{}/query", address.trim_end_matches('/')),
        place: whole(address),
        bytes: Cell::new(0),
    };
    let series = server.gather()?;
    Ok(Found { settings, place: server.place, series })
}

/// With a user name a password of 1.x, without one a token of 2.x.
fn authorization(settings: &InfluxSettings, macros: &MacroFile) -> Result<Option<String>, String> {
    let Some(name) = &settings.secret else {
        return match settings.username {
            None => Ok(None),
            Some(_) => Err("username without secret: which password?".to_owned()),
        };
    };
    let secret = macros
        .secrets
        .get(name)
        .ok_or_else(|| format!("the secret '{name}' does not stand under [secrets] in macros.ini"))?
        .expose();
    Ok(Some(match &settings.username {
        Some(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))),
        None => format!("Token {secret}"),
    }))
}

impl Server<'_> {
    fn gather(&self) -> Result<Vec<Tagged>, Problem> {
        let mut found = Vec::new();
        for measurement in self.measurements()? {
            let service = service_of(self.settings, &measurement);
            if self.settings.service_tag.is_none() && service.is_none() {
                continue;
            }
            found.extend(self.series(&measurement)?.into_iter().map(|series| (series.tags, service.clone())));
        }
        // Of names that look alike the plain one counts, and not the first.
        found.sort_by_key(|(tags, _)| {
            let host = tags.get(&self.settings.host_tag).map(String::as_str).unwrap_or_default();
            names::key(host).ok().as_deref() != Some(host)
        });
        Ok(found)
    }

    fn measurements(&self) -> Result<Vec<String>, Problem> {
        let rows = self.ask("SHOW MEASUREMENTS")?.into_iter().flat_map(|series| series.values);
        let names: Vec<String> = rows
            .filter_map(|row| match row {
                Row::Name((name,)) => Some(name),
                Row::Other(IgnoredAny) => None,
            })
            .collect();
        if names.is_empty() {
            // So 1.x answers also about a database that is not there.
            let message = format!("has no measurements in the database '{}'", self.settings.database);
            return Err(Problem::new(&self.place, message));
        }
        if names.len() > MAX_MEASUREMENTS {
            let message = format!("has {} measurements; at most {MAX_MEASUREMENTS} are read", names.len());
            return Err(Problem::new(&self.place, message));
        }
        Ok(names)
    }

    /// One series for each set of tags that had a point in the window.
    fn series(&self, measurement: &str) -> Result<Vec<Series>, Problem> {
        let settings = self.settings;
        let others = settings.service_tag.iter().chain(settings.tags.iter().map(|(tag, _)| tag));
        let tags: Vec<String> =
            std::iter::once(&settings.host_tag).chain(others).map(|tag| identifier(tag)).collect();
        let policy = settings.retention_policy.as_deref().map(|policy| format!("{}.", identifier(policy)));
        self.ask(&format!(
            "SELECT last(*) FROM {}{} WHERE time > now() - {}h GROUP BY {}",
            policy.unwrap_or_default(),
            identifier(measurement),
            settings.window_hours,
            tags.join(", ")
        ))
    }

    fn ask(&self, query: &str) -> Result<Vec<Series>, Problem> {
        let pairs = [("db", self.settings.database.as_str()), ("q", query)];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let address = format!("{}?{}", self.base, url::pairs(&pairs));
        let problem = |why: String| Problem::new(&self.place, why);
        let mut request = Request::new("GET", address);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let text = fetch::answer(&self.client, self.loads, request).map_err(problem)?;
        self.bytes.set(self.bytes.get() + text.len() as u64);
        if self.bytes.get() > self.loads.max_bytes.saturating_mul(ANSWERS) {
            let mib = self.loads.max_bytes / 1024 / 1024;
            let why =
                format!("its answers together are larger than {ANSWERS} times {mib} MiB ([loads] max_mib)");
            return Err(problem(why));
        }
        let answer: Answer = serde_json::from_str(&text)
            .map_err(|error| problem(format!("does not answer as InfluxDB does: {error}")))?;
        let errors = answer.results.iter().filter_map(|statement| statement.error.as_ref());
        if let Some(error) = answer.error.iter().chain(errors).next() {
            return Err(problem(format!("refused the query: {}", error.escape_debug())));
        }
        if answer.results.is_empty() {
            return Err(problem("does not answer as InfluxDB does: there are no results".to_owned()));
        }
        let partial =
            |statement: &Statement| statement.partial || statement.series.iter().any(|series| series.partial);
        if answer.results.iter().any(partial) {
            return Err(problem("keeps a part of its answer back (max-row-limit)".to_owned()));
        }
        Ok(answer.results.into_iter().flat_map(|statement| statement.series).collect())
    }
}

/// The service that a measurement, or a value of the service's tag, means.
fn service_of(settings: &InfluxSettings, name: &str) -> Option<String> {
    if settings.services.is_empty() {
        return Some(name.to_owned());
    }
    settings.services.iter().find(|rule| rule.fits(name))?.service.clone()
}

impl Found<'_> {
    /// Every name of a host that the series have, once.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.series.iter().filter_map(|(tags, _)| self.host(tags)).collect()
    }

    /// What the series say of hosts that are `present` already and of those that may become hosts. The others are told of
    /// in a warning.
    pub fn into_document(self, present: &BTreeSet<String>) -> Document {
        let mut to = Gathered::default();
        let strangers: BTreeSet<&str> =
            self.hosts().into_iter().filter(|name| !present.contains(*name)).collect();
        let (allowed, others): (BTreeSet<&str>, BTreeSet<&str>) =
            strangers.into_iter().partition(|name| self.settings.may_become_host(name));
        // What cannot be a name at all is told of by itself.
        let may_be = |name: &str| names::key(name).is_ok() && name.chars().all(is_of_host);
        let hidden: BTreeSet<&str> =
            allowed.into_iter().filter(|name| may_be(name) && inventory::obscure(name).is_some()).collect();
        self.tell(&others, "no pattern of [influxdata] hosts fits", &mut to);
        self.tell(&hidden, "it cannot be told where these lead, or they lead to this machine:", &mut to);
        let mut seen = Seen::default();
        for (tags, service) in &self.series {
            if self.host(tags).is_some_and(|host| !others.contains(host) && !hidden.contains(host)) {
                self.take(tags, service.as_deref(), &mut seen, &mut to);
            }
        }
        to.into_document(self.settings.environment.as_deref())
    }

    fn host<'t>(&self, tags: &'t BTreeMap<String, String>) -> Option<&'t str> {
        tags.get(&self.settings.host_tag).map(String::as_str).filter(|host| !host.is_empty())
    }

    fn tell(&self, passed_over: &BTreeSet<&str>, why: &str, to: &mut Gathered) {
        if passed_over.is_empty() {
            return;
        }
        let names: Vec<String> =
            passed_over.iter().take(TOLD).map(|name| format!("'{}'", name.escape_debug())).collect();
        let more = passed_over.len().saturating_sub(TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        to.warn(
            &self.place,
            format!("names that are no hosts yet are passed over, {why} {}{more}", names.join(", ")),
        );
    }

    fn take(
        &self,
        tags: &BTreeMap<String, String>,
        of_measurement: Option<&str>,
        seen: &mut Seen,
        to: &mut Gathered,
    ) {
        let value = |tag: &String| tags.get(tag).map(String::as_str).filter(|value| !value.is_empty());
        let Some(host) = self.host(tags).filter(|name| self.may_be(seen, "host", name, to)) else {
            return;
        };
        let of_tag = self
            .settings
            .service_tag
            .as_ref()
            .map(|tag| value(tag).and_then(|value| service_of(self.settings, value)));
        let service = of_tag.unwrap_or_else(|| of_measurement.map(str::to_owned));
        let row = to.host(host, &self.place);
        row.services.get_or_insert_default();
        if let Some(service) = service.filter(|name| self.may_be(seen, "service", name, to)) {
            add(&mut to.host(host, &self.place).services, &service);
            to.service(&service, &self.place);
        }
        for (tag, usage) in &self.settings.tags {
            let Some(value) = value(tag) else { continue };
            self.take_tag(host, tag, value, *usage, seen, to);
        }
    }

    fn take_tag(
        &self,
        host: &str,
        tag: &str,
        value: &str,
        usage: TagUse,
        seen: &mut Seen,
        to: &mut Gathered,
    ) {
        match usage {
            TagUse::Variable if is_variable(tag) => {
                set_variable(&mut to.host(host, &self.place).vars, tag, value.to_owned());
            }
            TagUse::Hostgroup if self.may_be(seen, "host group", value, to) => {
                to.hostgroup(value, &self.place);
                add(&mut to.host(host, &self.place).hostgroups, value);
            }
            TagUse::Environment if self.may_be(seen, "environment", value, to) => {
                to.host(host, &self.place)
                    .environments
                    .get_or_insert_default()
                    .insert(value.to_owned(), None);
            }
            _ => {}
        }
    }

    /// Whether the name may be one, and looks like no other of its kind. Each that may not is told of once.
    fn may_be(&self, seen: &mut Seen, kind: &'static str, name: &str, to: &mut Gathered) -> bool {
        if let Some(judged) = seen.names.get(&(kind, name.to_owned())) {
            return *judged;
        }
        let why = match names::key(name) {
            Err(why) => Some(format!("it {why}")),
            Ok(_) if kind == "host" && name.contains(|c: char| !is_of_host(c)) => {
                Some("it is no host name".to_owned())
            }
            Ok(key) => match seen.keys.get(&(kind, key.clone())) {
                Some(other) => Some(format!("it looks like '{other}'")),
                None => {
                    seen.keys.insert((kind, key), name.to_owned());
                    None
                }
            },
        };
        if let Some(why) = &why {
            to.warn(&self.place, format!("the {kind} '{}' is passed over: {why}", name.escape_debug()));
        }
        seen.names.insert((kind, name.to_owned()), why.is_none());
        why.is_none()
    }
}

/// Names that were looked at.
#[derive(Debug, Default)]
struct Seen {
    names: BTreeMap<(&'static str, String), bool>,
    keys: BTreeMap<(&'static str, String), String>,
}

/// A host's name is its address, too.
fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':')
}

/// As the query language quotes a name.
fn identifier(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
