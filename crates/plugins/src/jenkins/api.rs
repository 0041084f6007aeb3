//! The requests to Jenkins, one function each. Sources: `Job/_api.jelly`, `Run/_api.jelly`, `Queue.java`,
//! `ParametersDefinitionProperty.java` and `CrumbFilter` of Jenkins.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::options::{Login, Options};
use crate::output::shortened;
use crate::web::{Client, Reply, Request, Trouble, url};

/// What a request gets that has no time left: enough to fail in an orderly way.
const LEAST_TIME: Duration = Duration::from_millis(100);

/// The largest JSON answer that is read.
const MAX_JSON: u64 = 4 * 1024 * 1024;

/// Why a request gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApiError {
    /// No answer.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// An answer that is none of those that count.
    #[error("{}", status_sentence(*.status, .text))]
    Status {
        /// 100 to 599.
        status: u16,
        /// The start of the body.
        text: String,
    },
    /// Not the JSON that Jenkins documents.
    #[error("Jenkins gave an answer that is not understood: {0}")]
    Strange(String),
}

impl ApiError {
    /// Whether asking again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Trouble(trouble) => trouble.may_pass(),
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            // A proxy's page in place of an answer goes away like a proxy's status.
            Self::Strange(_) => true,
        }
    }

    /// Whether Jenkins said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }
}

fn status_sentence(status: u16, text: &str) -> String {
    match status {
        401 => "Jenkins refused the sign-in (401): wrong user, token or password".to_owned(),
        403 if text.contains("crumb") => format!("Jenkins refused the crumb (403): {text}"),
        403 => "the user lacks the right for this (403)".to_owned(),
        404 => "Jenkins has no such job, or the user may not see it (404)".to_owned(),
        409 => "the job is disabled or can't be built (409)".to_owned(),
        _ => format!("Jenkins answered {status}: {text}"),
    }
}

/// What a job says about itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Job {
    #[serde(default)]
    pub buildable: Option<bool>,
    #[serde(default)]
    property: Vec<Property>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    #[serde(default)]
    parameter_definitions: Option<Vec<Named>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

impl Job {
    /// The names of its parameters; `None` for a job without any.
    pub fn parameters(&self) -> Option<Vec<&str>> {
        let definitions =
            self.property.iter().find_map(|property| property.parameter_definitions.as_ref())?;
        Some(definitions.iter().map(|definition| definition.name.as_str()).collect())
    }
}

/// How Jenkins took the trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// 201: a new item.
    New(u64),
    /// 303: an identical item waited already.
    Already(u64),
}

/// A place in the queue.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct QueueItem {
    #[serde(default)]
    pub cancelled: bool,
    #[serde(default)]
    pub why: Option<String>,
    #[serde(default)]
    pub stuck: bool,
    #[serde(default)]
    pub executable: Option<Executable>,
}

/// What a queue item became.
#[derive(Debug, Clone, Deserialize)]
pub struct Executable {
    pub number: u64,
}

/// A build's state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    #[serde(default)]
    pub building: bool,
    #[serde(default)]
    pub in_progress: Option<bool>,
    #[serde(default)]
    pub result: Option<String>,
    /// Milliseconds; 0 while it runs.
    #[serde(default)]
    pub duration: u64,
    /// Milliseconds; -1 where Jenkins does not know.
    #[serde(default)]
    pub estimated_duration: i64,
}

impl Build {
    /// Whether nothing of it goes on any more and the result is there.
    pub fn has_ended(&self) -> bool {
        !self.building && !self.in_progress.unwrap_or(false) && self.result.is_some()
    }
}

/// What is known after a part of a console.
#[derive(Debug)]
pub struct Part {
    /// Where the next part starts.
    pub next: u64,
    /// X-More-Data: the build goes on.
    pub more: bool,
}

#[derive(Debug, Deserialize)]
struct Numbered {
    number: u64,
    #[serde(rename = "queueId", default)]
    queue_id: Option<u64>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    id: u64,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Default, Deserialize)]
struct Action {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    name: String,
    #[serde(default)]
    value: serde_json::Value,
}

fn has_parameter(actions: &[Action], (name, value): &(String, String)) -> bool {
    let mut parameters = actions.iter().flat_map(|action| &action.parameters);
    parameters.any(|parameter| parameter.name == *name && parameter.value.as_str() == Some(value))
}

/// One Jenkins and one job.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    job: String,
    authorization: Option<(String, String)>,
    /// Crumb and session, where they are needed.
    session: Arc<Mutex<Vec<(String, String)>>>,
    /// When all requests must have ended.
    deadline: Option<Instant>,
}

impl Api {
    /// Signs in: with a password this fetches the crumb and the session that it is bound to.
    pub fn new(client: Client, options: &Options) -> Result<Self, ApiError> {
        let mut api = Self {
            client,
            base: options.base.clone(),
            job: format!("{}{}", options.base, options.job_path),
            authorization: None,
            session: Arc::default(),
            deadline: None,
        };
        match &options.login {
            Login::Anonymous => api.fetch_crumb()?,
            Login::Token { user, token } => api.authorize(user, token),
            Login::Password { user, password } => {
                api.authorize(user, password);
                api.fetch_crumb()?;
            }
        }
        Ok(api)
    }

    fn authorize(&mut self, user: &str, secret: &str) {
        let pair = STANDARD.encode(format!("{user}:{secret}"));
        self.authorization = Some(("Authorization".to_owned(), format!("Basic {pair}")));
    }

    /// The same, for requests that must have ended by then.
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// A Jenkins without the protection has no issuer, which is fine.
    fn fetch_crumb(&self) -> Result<(), ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Crumb {
            crumb: String,
            crumb_request_field: String,
        }
        let mut reply = self.send("GET", format!("{}/crumbIssuer/api/json", self.base), None)?;
        if reply.status == 404 {
            return Ok(());
        }
        let cookies: Vec<String> = reply
            .headers("Set-Cookie")
            .filter_map(|cookie| cookie.split(';').next())
            .map(str::to_owned)
            .collect();
        let crumb: Crumb = read_json(&mut reply)?;
        let mut session = vec![(crumb.crumb_request_field, crumb.crumb)];
        if !cookies.is_empty() {
            session.push(("Cookie".to_owned(), cookies.join("; ")));
        }
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
        Ok(())
    }

    /// Buildable or not, and which parameters it takes.
    pub fn job(&self) -> Result<Job, ApiError> {
        self.get(format!("{}/api/json?tree=buildable,property[parameterDefinitions[name]]", self.job))
    }

    /// Asks for a build: one POST, never repeated here.
    pub fn trigger(
        &self,
        parameters: &[(String, String)],
        parameterized: bool,
    ) -> Result<Accepted, ApiError> {
        let what = if parameterized { "buildWithParameters" } else { "build" };
        let mut reply =
            self.send("POST", format!("{}/{what}?delay=0sec", self.job), Some(url::pairs(parameters)))?;
        // The address may be relative, or name Jenkins as it sees itself: only the number counts.
        let item = reply.header("Location").and_then(item_number);
        match (reply.status, item) {
            (201, Some(item)) => Ok(Accepted::New(item)),
            (303, Some(item)) => Ok(Accepted::Already(item)),
            (201 | 303, None) => Err(ApiError::Strange(format!("{} without a queue item", reply.status))),
            _ => Err(status_error(&mut reply)),
        }
    }

    /// A place in the queue; Jenkins forgets it 5 minutes after it was left.
    pub fn queue_item(&self, item: u64) -> Result<QueueItem, ApiError> {
        let tree = "cancelled,why,stuck,executable[number]";
        self.get(format!("{}/queue/item/{item}/api/json?tree={tree}", self.base))
    }

    /// The build that a queue item became, among the last 50.
    pub fn build_of_item(&self, item: u64) -> Result<Option<u64>, ApiError> {
        let builds = self.builds("number,queueId")?;
        Ok(builds.iter().find(|build| build.queue_id == Some(item)).map(|build| build.number))
    }

    /// The queue item with this parameter, if there is one.
    pub fn item_with(&self, parameter: &(String, String)) -> Result<Option<u64>, ApiError> {
        #[derive(Deserialize)]
        struct Queue {
            items: Vec<Waiting>,
        }
        let tree = "items[id,actions[parameters[name,value]]]";
        let queue: Queue = self.get(format!("{}/queue/api/json?tree={tree}", self.base))?;
        Ok(queue.items.iter().find(|item| has_parameter(&item.actions, parameter)).map(|item| item.id))
    }

    /// The build with this parameter among the last 50.
    pub fn build_with(&self, parameter: &(String, String)) -> Result<Option<u64>, ApiError> {
        let builds = self.builds("number,actions[parameters[name,value]]")?;
        Ok(builds.iter().find(|build| has_parameter(&build.actions, parameter)).map(|build| build.number))
    }

    fn builds(&self, fields: &str) -> Result<Vec<Numbered>, ApiError> {
        #[derive(Deserialize)]
        struct Builds {
            builds: Vec<Numbered>,
        }
        let builds: Builds = self.get(format!("{}/api/json?tree=builds[{fields}]{{0,50}}", self.job))?;
        Ok(builds.builds)
    }

    /// A build's state.
    pub fn build(&self, number: u64) -> Result<Build, ApiError> {
        let tree = "building,inProgress,result,duration,estimatedDuration";
        self.get(format!("{}/{number}/api/json?tree={tree}", self.job))
    }

    /// The console from a byte on, given to `take` as it comes. `seen` counts what was given, so that a part that broke
    /// off is not given twice when it is asked for again.
    pub fn console(
        &self,
        number: u64,
        start: u64,
        seen: &Cell<u64>,
        take: impl Fn(&[u8]),
    ) -> Result<Part, ApiError> {
        let mut reply =
            self.send("GET", format!("{}/{number}/logText/progressiveText?start={start}", self.job), None)?;
        if reply.status != 200 {
            return Err(status_error(&mut reply));
        }
        let more = reply.header("X-More-Data").is_some_and(|value| value == "true");
        let size = reply.header("X-Text-Size").and_then(|value| value.parse().ok());
        let (mut buffer, mut sent) = ([0; 65_536], 0);
        loop {
            let count = reply.read_some(&mut buffer)?;
            if count == 0 {
                break;
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            let known = usize::try_from(seen.get().saturating_sub(sent)).unwrap_or(usize::MAX).min(count);
            take(bytes.get(known..).unwrap_or_default());
            sent += u64::try_from(count).unwrap_or_default();
            seen.set(seen.get().max(sent));
        }
        // The size counts raw bytes, so it differs from what was sent where Jenkins hides its own notes.
        Ok(Part { next: size.unwrap_or(start + sent), more })
    }

    /// Takes an item out of the queue. 404: too late.
    pub fn cancel_item(&self, item: u64) -> Result<(), ApiError> {
        self.post(format!("{}/queue/cancelItem?id={item}", self.base))
    }

    /// `stop`, `term` or `kill`: the three ways to end a build, in their order.
    pub fn end_build(&self, number: u64, how: &str) -> Result<(), ApiError> {
        self.post(format!("{}/{number}/{how}", self.job))
    }

    /// The page of a build, for people.
    pub fn page(&self, number: u64) -> String {
        format!("{}/{number}/", self.job)
    }

    /// Jenkins answers these with an empty page or leads back to where a person would come from. The session of a crumb
    /// may have ended during a long build; a refused crumb means that nothing was done, so it is sent again with another.
    fn post(&self, url: String) -> Result<(), ApiError> {
        let send = || {
            let mut reply = self.send("POST", url.clone(), Some(String::new()))?;
            if (200..400).contains(&reply.status) { Ok(()) } else { Err(status_error(&mut reply)) }
        };
        match send() {
            Err(ApiError::Status { status: 403, text }) if text.contains("crumb") => {
                self.fetch_crumb()?;
                send()
            }
            sent => sent,
        }
    }

    fn get<T: DeserializeOwned>(&self, url: String) -> Result<T, ApiError> {
        read_json(&mut self.send("GET", url, None)?)
    }

    fn send(&self, method: &str, url: String, form: Option<String>) -> Result<Reply, ApiError> {
        // Brackets and braces of Jenkins' trees are no characters of an address.
        let url = url.replace('[', "%5B").replace(']', "%5D").replace('{', "%7B").replace('}', "%7D");
        let mut headers: Vec<_> = self.authorization.iter().cloned().collect();
        headers.extend(self.session.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        if form.is_some() {
            headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now()).max(LEAST_TIME);
        let request = Request {
            method: method.to_owned(),
            url,
            headers,
            body: form.map(String::into_bytes),
            timeout: self.deadline.map(left),
        };
        Ok(self.client.send(&request)?)
    }
}

fn read_json<T: DeserializeOwned>(reply: &mut Reply) -> Result<T, ApiError> {
    if reply.status != 200 {
        return Err(status_error(reply));
    }
    let (body, more) = reply.read(MAX_JSON)?;
    if more {
        return Err(ApiError::Strange(format!("more than {MAX_JSON} bytes of JSON")));
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::Strange(error.to_string()))
}

fn status_error(reply: &mut Reply) -> ApiError {
    let text = reply.read(4096).map(|(body, _)| body).unwrap_or_default();
    ApiError::Status { status: reply.status, text: shortened(&plain_text(&String::from_utf8_lossy(&text))) }
}

/// Jenkins says it in HTML.
fn plain_text(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        let part = part.split_once('>').map_or(part, |(_, part)| part).trim();
        if !part.is_empty() {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(part);
        }
    }
    text
}

fn item_number(location: &str) -> Option<u64> {
    let (_, rest) = location.rsplit_once("/queue/item/")?;
    rest.trim_end_matches('/').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_of_a_location_counts() {
        for location in ["https://other:8080/x/queue/item/42/", "/queue/item/42/", "/queue/item/42"] {
            assert_eq!(item_number(location), Some(42));
        }
        for location in ["/queue/item/", "/queue/item/4x/", "/job/x/", "/queue/item/1/2/"] {
            assert_eq!(item_number(location), None, "{location}");
        }
    }

    #[test]
    fn a_page_is_read_as_text() {
        assert_eq!(plain_text("<html><h1>Error</h1> <p>No valid crumb</p>"), "Error No valid crumb");
    }
}
