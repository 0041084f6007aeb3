//! A stand-in for Couchbase's query service, which no package registry has: the endpoints that `sql.sh` uses, with the
//! statuses, fields and errors of the Query Service and Query Admin REST references of Couchbase 7.6. It knows a handful
//! of statements by heart.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http_server::{Request, Server, reply};

pub const PASSWORD: &str = "password-of-jane";

/// The request parameters that the reference has, as far as a statement's are concerned.
const PARAMETERS: [&str; 8] = [
    "statement",
    "timeout",
    "readonly",
    "client_context_id",
    "pretty",
    "tximplicit",
    "query_context",
    "scan_consistency",
];

#[derive(Debug, Default)]
struct State {
    /// What was run, not only prepared.
    executed: Vec<String>,
    /// Request and client context of what runs.
    active: Vec<(String, String)>,
    deleted: Vec<String>,
}

/// The stand-in; it serves until the test's process ends.
pub struct Couchbase {
    pub server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Couchbase {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.lock().active.push(("request-of-others".to_owned(), "context-of-others".to_owned()));
        let for_server = Arc::clone(&shared);
        let server = Server::with(move |stream, request| serve(stream, request, &for_server));
        Self { server, shared }
    }

    pub fn executed(&self) -> Vec<String> {
        self.shared.lock().executed.clone()
    }

    /// The contexts of what runs, beside what somebody else runs all the time.
    pub fn active(&self) -> Vec<String> {
        let state = self.shared.lock();
        state.active.iter().skip(1).map(|(_, context)| context.clone()).collect()
    }

    /// The requests that were ended by the administration's interface.
    pub fn deleted(&self) -> Vec<String> {
        self.shared.lock().deleted.clone()
    }

    /// The parameters of the last statement that was sent.
    pub fn last_parameters(&self) -> Value {
        let requests = self.server.requests();
        let last = requests.iter().rfind(|request| request.target() == "/query/service").unwrap();
        serde_json::from_slice(&last.body).unwrap()
    }
}

fn serve(stream: &mut TcpStream, request: &Request, shared: &Shared) -> io::Result<()> {
    let (status, body) = answer(request, shared);
    reply(stream, status, "Content-Type: application/json; version=7.6.2\r\n", body.to_string().as_bytes())
}

fn answer(request: &Request, shared: &Shared) -> (u16, Value) {
    let pair = STANDARD.encode(format!("jane:{PASSWORD}"));
    if request.header("Authorization") != Some(format!("Basic {pair}").as_str()) {
        return failed(401, "fatal", 13014, "User does not have credentials to run SELECT queries.");
    }
    match (request.method(), request.target()) {
        ("POST", "/query/service") => query(request, shared),
        ("GET", "/admin/active_requests") => (200, list(&shared.lock())),
        ("DELETE", target) => {
            let id = target.strip_prefix("/admin/active_requests/").unwrap_or_default();
            let mut state = shared.lock();
            let before = state.active.len();
            state.active.retain(|(request, _)| request != id);
            if state.active.len() == before {
                return (500, json!({"error": "no such request"}));
            }
            state.deleted.push(id.to_owned());
            shared.changed.notify_all();
            (200, json!(true))
        }
        _ => (404, json!({})),
    }
}

fn list(state: &State) -> Value {
    let of = |(request, context): &(String, String)| {
        json!({
            "requestId": request, "clientContextID": context, "state": "running", "elapsedTime": "1.5s",
            "statement": "SELECT sleep", "users": "local:jane",
        })
    };
    state.active.iter().map(of).collect()
}

fn query(request: &Request, shared: &Shared) -> (u16, Value) {
    let parameters: Value = match serde_json::from_slice(&request.body) {
        Ok(parameters) if request.header("Content-Type") == Some("application/json") => parameters,
        _ => return failed(400, "fatal", 1050, "No statement or prepared value"),
    };
    let unknown = parameters.as_object().unwrap().keys();
    if let Some(name) =
        unknown.into_iter().find(|name| !name.starts_with('$') && !PARAMETERS.contains(&name.as_str()))
    {
        return failed(400, "fatal", 1065, &format!("Unrecognized parameter in request: {name}"));
    }
    let statement = parameters["statement"].as_str().unwrap();
    if let Some(prepared) = statement.strip_prefix("PREPARE ") {
        return match run(prepared, &parameters) {
            (400, errors) => (400, errors),
            _ => succeeded(vec![json!({"name": "a-name", "operator": {}, "text": statement})]),
        };
    }
    if parameters["readonly"] == true && !statement.starts_with("SELECT") {
        let sentence = "The server or request is read-only and cannot accept this write statement.";
        return failed(403, "fatal", 1000, sentence);
    }
    shared.lock().executed.push(statement.to_owned());
    if statement == "SELECT sleep" {
        return sleep(&parameters, shared);
    }
    run(statement, &parameters)
}

fn run(statement: &str, parameters: &Value) -> (u16, Value) {
    match statement {
        "SELECT RAW 7" => succeeded(vec![json!(7)]),
        "SELECT $v AS v" => succeeded(vec![json!({"v": parameters["$v"]})]),
        "SELECT d.* FROM docs d" => succeeded(vec![
            json!({"id": 1, "name": "one"}),
            json!({"id": 2, "name": null, "tags": ["a", "b"]}),
        ]),
        "SELECT many" => succeeded((0..500).map(|number| json!({ "number": number })).collect()),
        "SELECT broken" => {
            let (_, mut body) = failed(200, "errors", 5010, "Error evaluating projection.");
            body["results"] = json!([{"id": 1}]);
            (200, body)
        }
        "SELECT warned" => {
            let (status, mut body) = succeeded(vec![json!({"id": 1})]);
            body["warnings"] = json!([{"code": 5010, "msg": "a warning of the server"}]);
            (status, body)
        }
        "SELECT sleep" => succeeded(Vec::new()),
        "DELETE FROM docs" | "DROP COLLECTION docs" => {
            let (status, mut body) = succeeded(Vec::new());
            body["metrics"]["mutationCount"] = json!(3);
            (status, body)
        }
        _ => failed(400, "fatal", 3000, "syntax error - line 1, column 1, near 'nonsense'"),
    }
}

/// Runs until somebody ends it, or until its time is over.
fn sleep(parameters: &Value, shared: &Shared) -> (u16, Value) {
    let timeout = parameters["timeout"].as_str().unwrap();
    let limit = Duration::from_secs(timeout.strip_suffix('s').unwrap().parse().unwrap());
    let deadline = Instant::now() + limit;
    let context = parameters["client_context_id"].as_str().unwrap().to_owned();
    let id = format!("request of {context}");
    let id = id.replace(' ', "-");
    let mut state = shared.lock();
    state.active.push((id.clone(), context));
    loop {
        let runs = state.active.iter().any(|(request, _)| *request == id);
        if !runs {
            let (_, mut body) = succeeded(Vec::new());
            body["status"] = json!("stopped");
            return (200, body);
        }
        if Instant::now() >= deadline {
            state.active.retain(|(request, _)| *request != id);
            return failed(200, "timeout", 1080, &format!("Timeout {timeout} exceeded"));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        state = shared.changed.wait_timeout(state, left).unwrap().0;
    }
}

fn succeeded(results: Vec<Value>) -> (u16, Value) {
    let count = results.len();
    let body = json!({
        "requestID": "a-request", "signature": {"*": "*"}, "results": results, "status": "success",
        "metrics": {"elapsedTime": "1.2ms", "executionTime": "1.1ms", "resultCount": count, "resultSize": 1},
    });
    (200, body)
}

fn failed(http: u16, status: &str, code: i64, message: &str) -> (u16, Value) {
    let body = json!({
        "requestID": "a-request", "results": [], "errors": [{"code": code, "msg": message}], "status": status,
        "metrics": {"elapsedTime": "1.2ms", "executionTime": "1.1ms", "resultCount": 0, "errorCount": 1},
    });
    (http, body)
}
