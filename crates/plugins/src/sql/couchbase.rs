//! Couchbase's query service over HTTP, as its REST reference documents it: values are named parameters beside the
//! statement, `readonly` is the server's own switch, and a status of 200 can still carry errors.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::options::{Mode, Options};
use super::rows::Rows;
use super::running::Running;
use crate::environment;
use crate::output::{self, shortened};
use crate::progress::Progress;
use crate::verdict::Failure;
use crate::web::{Client, ClientOptions, Request, Rules, Trouble};

/// The largest answer that is read.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    results: Vec<Value>,
    #[serde(default)]
    errors: Vec<Problem>,
    #[serde(default)]
    warnings: Vec<Problem>,
    #[serde(default)]
    metrics: Metrics,
}

#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    msg: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.msg, self.code)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    #[serde(default)]
    mutation_count: Option<u64>,
}

/// Runs the statement; `None` after a check.
pub fn run(options: &Options, running: &Running, progress: &mut Progress) -> Result<Option<Rows>, Failure> {
    let service = Service::new(options)?;
    progress.step("Run", "");
    let cancelling = service.clone();
    if !options.check {
        running.begin(Box::new(move || cancelling.cancel()))?;
    }
    let answer = service.query(options);
    match &answer {
        Ok(_) => running.ended("it was completed"),
        Err(failure) => running.ended(&failure.sentence),
    }
    let answer = answer?;
    for warning in &answer.warnings {
        output::note(&format!("warning: {warning}"));
    }
    if options.check {
        return Ok(None);
    }
    Ok(Some(rows(answer, options.rows)))
}

#[derive(Clone)]
struct Service {
    client: Client,
    base: String,
    authorization: String,
    /// By which the request is found again to cancel it.
    context: String,
}

impl Service {
    fn new(options: &Options) -> Result<Self, Failure> {
        let target = &options.target;
        let scheme = if target.tls { "https" } else { "http" };
        let client = ClientOptions {
            connect_timeout: target.connect_timeout,
            timeout: options.timeout + target.connect_timeout + options.grace,
            ca_file: target.ca_file.clone(),
            identity: target.identity.clone(),
            networks: Rules::any(),
            tls: target.tls,
        };
        let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
        let task = environment::task();
        Ok(Self {
            client: Client::new(client).map_err(Failure::unknown)?,
            base: format!("{scheme}://{host}:{}", target.port),
            authorization: format!(
                "Basic {}",
                STANDARD.encode(format!("{}:{}", target.user, target.password))
            ),
            context: if task.is_empty() { Uuid::new_v4().to_string() } else { task },
        })
    }

    fn query(&self, options: &Options) -> Result<Answer, Failure> {
        let mut body = Map::new();
        // A check has the statement prepared, which plans it and runs nothing.
        let statement = &options.statement.text;
        let statement = if options.check { format!("PREPARE {statement}") } else { statement.clone() };
        body.insert("statement".to_owned(), Value::String(statement));
        body.insert("timeout".to_owned(), json!(format!("{}s", options.timeout.as_secs())));
        body.insert("readonly".to_owned(), json!(options.mode == Mode::ReadOnly && !options.check));
        body.insert("client_context_id".to_owned(), json!(self.context));
        body.insert("pretty".to_owned(), json!(false));
        if options.mode == Mode::Write {
            body.insert("tximplicit".to_owned(), json!(true));
        }
        if let Some((bucket, scope)) = options.target.database.split_once('.') {
            body.insert("query_context".to_owned(), json!(format!("default:`{bucket}`.`{scope}`")));
        } else if !options.target.database.is_empty() {
            body.insert(
                "query_context".to_owned(),
                json!(format!("default:`{}`.`_default`", options.target.database)),
            );
        }
        for (name, value) in &options.statement.values {
            body.insert(format!("${name}"), Value::String(value.clone()));
        }
        let request = self.request("POST", "/query/service").header("Content-Type", "application/json");
        let request = Request { body: Some(Value::Object(body).to_string().into_bytes()), ..request };
        let mut reply = self.client.send(&request).map_err(|trouble| no_answer(&trouble))?;
        let status = reply.status;
        let (body, more) = reply.read(MAX_ANSWER).map_err(|trouble| no_answer(&trouble))?;
        if more {
            return Err(Failure::unknown(format!("the answer has more than {MAX_ANSWER} bytes: use LIMIT")));
        }
        let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
        judge(status, answer, &body)
    }

    /// Finds our request among the active ones and ends it.
    fn cancel(&self) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Active {
            request_id: String,
            #[serde(rename = "clientContextID", default)]
            context: String,
        }
        let mut reply = self.ask("GET", "/admin/active_requests")?;
        let (body, _) = reply.read(MAX_ANSWER).map_err(|trouble| trouble.to_string())?;
        if reply.status != 200 {
            return Err(format!("the list of active requests: {}", reply.status));
        }
        let active: Vec<Active> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        for request in active.iter().filter(|request| request.context == self.context) {
            let reply = self.ask("DELETE", &format!("/admin/active_requests/{}", request.request_id))?;
            if !matches!(reply.status, 200 | 404) {
                return Err(format!("to end it: {}", reply.status));
            }
        }
        Ok(())
    }

    fn ask(&self, method: &str, path: &str) -> Result<crate::web::Reply, String> {
        self.client.send(&self.request(method, path)).map_err(|trouble| trouble.to_string())
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("{}{path}", self.base))
            .header("Authorization", self.authorization.clone())
    }
}

/// The request may have reached the server or not; that is what the sentence has to tell.
fn no_answer(trouble: &Trouble) -> Failure {
    if trouble.before_sending() {
        return Failure::unknown(format!("no connection: {trouble}"));
    }
    Failure::unknown(format!("{trouble}; what became of the statement is not known"))
}

fn judge(status: u16, answer: Answer, body: &[u8]) -> Result<Answer, Failure> {
    let problems: Vec<String> = answer.errors.iter().map(Problem::to_string).collect();
    match (status, answer.status.as_str()) {
        (401, _) => {
            Err(Failure::critical(format!("Couchbase refused the sign-in (401): {}", problems.join("; "))))
        }
        (200, "success" | "completed") if problems.is_empty() => Ok(answer),
        (_, "timeout") => {
            Err(Failure::critical(format!("ended after its time-out: {}", problems.join("; "))))
        }
        (_, "stopped" | "aborted" | "closed") => {
            Err(Failure::critical(format!("{} by the server: {}", answer.status, problems.join("; "))))
        }
        _ if !problems.is_empty() => Err(Failure::critical(problems.join("; "))),
        (_, "") => {
            let text = shortened(&String::from_utf8_lossy(body));
            Err(Failure::unknown(format!(
                "Couchbase answered {status} in a form that is not understood: {text}"
            )))
        }
        (_, word) => Err(Failure::critical(format!("the statement ended as '{word}'"))),
    }
}

/// Documents need not have the same fields: the columns are all fields in the order of their first appearance.
fn rows(answer: Answer, limit: usize) -> Rows {
    let mut rows = Rows::new(limit);
    for result in answer.results.iter().take(limit) {
        for name in fields(result).keys() {
            if !rows.columns.contains(name) {
                rows.columns.push(name.clone());
            }
        }
    }
    for result in answer.results {
        let mut fields = fields(&result);
        let row = rows.columns.iter().map(|name| fields.remove(name).and_then(text)).collect();
        if !rows.push(row) {
            break;
        }
    }
    rows.changed = answer.metrics.mutation_count;
    rows
}

/// `SELECT RAW` gives values without names.
fn fields(result: &Value) -> Map<String, Value> {
    match result {
        Value::Object(fields) => fields.clone(),
        value => Map::from_iter([("value".to_owned(), value.clone())]),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        value => Some(value.to_string()),
    }
}
