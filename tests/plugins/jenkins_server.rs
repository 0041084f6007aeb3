//! A stand-in for Jenkins, which no package registry has: the endpoints that `jenkins.sh` uses, with the statuses,
//! headers and errors that Jenkins' own sources give (`Job/_api.jelly`, `Run/_api.jelly`, `Queue.java`,
//! `ParametersDefinitionProperty.java`, `CrumbFilter`, `ApiCrumbExclusion`, `LargeText`).

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http_server::{Request, Server, reply, wait_for_the_client};

const TOKEN: &str = "jane:token-of-jane";
const PASSWORD: &str = "jane:password-of-jane";
const ITEM: u64 = 42;
const NUMBER: u64 = 7;

/// What goes wrong with the next request whose method and target hold this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed before anything is done.
    Reset,
    /// It is done, and the connection is closed without an answer.
    AnswerLost,
    /// It is done, and half of the answer arrives.
    HalfAnswer,
    /// A proxy's page.
    Status(u16),
    /// The session of the crumb has ended meanwhile.
    SessionLost,
}

/// How this Jenkins behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// As in addresses: `/job/ops/job/restart`.
    pub job: String,
    pub parameters: Vec<String>,
    pub buildable: bool,
    /// An identical item waits already: 303.
    pub waiting_already: bool,
    /// What stands before `/queue/item/N/` in the Location.
    pub location: String,
    /// How often the queue item is asked about before it is a build; `None`: never.
    pub polls_in_queue: Option<u32>,
    pub why: String,
    /// Somebody cancels the item.
    pub cancelled: bool,
    /// Jenkins has forgotten the item that became a build.
    pub forgotten: bool,
    /// ... and its list of builds too.
    pub lost: bool,
    /// Each question for the console gives the next part.
    pub console: Vec<String>,
    /// X-More-Data is missing once after the first part, as when the log file is rewritten.
    pub more_data_missing: bool,
    /// Bytes of Jenkins' own notes before each part: counted in X-Text-Size and not sent.
    pub notes: usize,
    /// X-Text-Size never comes.
    pub size_missing: bool,
    pub result: String,
    /// Milliseconds.
    pub estimated: i64,
    /// The build does not end by itself, only by this: `stop`, `term` or `kill`.
    pub ends_by: Option<String>,
    /// Only Pipelines can be ended by `term` and `kill`.
    pub freestyle: bool,
    /// The item waits for something that can't be cancelled: 422.
    pub cancel_refused: bool,
    /// Before each answer.
    pub delay: Duration,
    /// From the first request on that holds this, there are no answers.
    pub silent_from: Option<String>,
    /// Each happens once.
    pub faults: Vec<(String, Fault)>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            job: "/job/restart".to_owned(),
            parameters: Vec::new(),
            buildable: true,
            waiting_already: false,
            location: String::new(),
            polls_in_queue: Some(1),
            why: "Waiting for next available executor".to_owned(),
            cancelled: false,
            forgotten: false,
            lost: false,
            console: vec!["Started by user jane\n".to_owned(), "Finished\n".to_owned()],
            more_data_missing: false,
            notes: 0,
            size_missing: false,
            result: "SUCCESS".to_owned(),
            estimated: -1,
            ends_by: None,
            freestyle: false,
            cancel_refused: false,
            delay: Duration::ZERO,
            silent_from: None,
            faults: Vec::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    triggers: Vec<String>,
    queue_polls: u32,
    item_cancelled: bool,
    part: usize,
    ended: Option<String>,
    ends: Vec<String>,
    more_data_was_missing: bool,
    /// Counts the sessions that ended.
    session: u32,
    silent: bool,
    faults: Vec<(String, Fault)>,
}

/// The stand-in; it serves until the test's process ends.
pub struct Jenkins {
    pub url: String,
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Jenkins {
    pub fn start(behaviour: Behaviour) -> Self {
        let state = Arc::new(Mutex::new(State { faults: behaviour.faults.clone(), ..State::default() }));
        let shared = Arc::clone(&state);
        let server = Server::with(move |stream, request| serve(stream, request, &behaviour, &shared));
        Self { url: server.url.clone(), server, state }
    }

    /// The bodies of all trigger requests that were taken.
    pub fn triggers(&self) -> Vec<String> {
        self.lock().triggers.clone()
    }

    /// `stop`, `term` and `kill` in the order in which they came.
    pub fn ends(&self) -> Vec<String> {
        self.lock().ends.clone()
    }

    pub fn item_was_cancelled(&self) -> bool {
        self.lock().item_cancelled
    }

    /// How often the trigger was sent, taken or not.
    pub fn trigger_requests(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| request.method() == "POST" && request.target().contains("/build"))
            .count()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(
    stream: &mut TcpStream,
    request: &Request,
    behaviour: &Behaviour,
    state: &Mutex<State>,
) -> io::Result<()> {
    thread::sleep(behaviour.delay);
    let mut state = state.lock().unwrap();
    let key = format!("{} {}", request.method(), request.target());
    state.silent |= behaviour.silent_from.as_ref().is_some_and(|part| key.contains(part.as_str()));
    if state.silent {
        drop(state);
        return wait_for_the_client(stream);
    }
    let fault = state.faults.iter().position(|(part, _)| key.contains(part.as_str()));
    match fault.map(|index| state.faults.remove(index).1) {
        Some(Fault::Reset) => return Ok(()),
        Some(Fault::Status(status)) => return reply(stream, status, "", b"<html>Bad Gateway</html>"),
        Some(Fault::AnswerLost) => {
            let _unsent = answer(request, behaviour, &mut state);
            return Ok(());
        }
        Some(Fault::HalfAnswer) => {
            let (status, headers, body) = answer(request, behaviour, &mut state);
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} Some\r\n{headers}Content-Length: {length}\r\n\r\n")?;
            return stream.write_all(&body.as_bytes()[..length / 2]);
        }
        Some(Fault::SessionLost) => state.session += 1,
        None => {}
    }
    let (status, headers, body) = answer(request, behaviour, &mut state);
    reply(stream, status, &headers, body.as_bytes())
}

type Answer = (u16, String, String);

fn page(status: u16, text: &str) -> Answer {
    (status, "Content-Type: text/html\r\n".to_owned(), format!("<html><h1>Error</h1><p>{text}</p></html>"))
}

fn document(value: &Value) -> Answer {
    (200, "Content-Type: application/json\r\nX-Jenkins: 2.462.1\r\n".to_owned(), value.to_string())
}

fn answer(request: &Request, behaviour: &Behaviour, state: &mut State) -> Answer {
    let authorization = request.header("Authorization").unwrap_or_default();
    let is = |pair: &str| authorization == format!("Basic {}", STANDARD.encode(pair));
    if !is(TOKEN) && !is(PASSWORD) {
        return page(401, "Unauthorized");
    }
    let target = request.target();
    let (crumb, session) =
        (format!("0123456789abcdef{}", state.session), format!("JSESSIONID.1=node0{}", state.session));
    if target == "/crumbIssuer/api/json" {
        let (status, headers, body) =
            document(&json!({"crumb": crumb, "crumbRequestField": "Jenkins-Crumb"}));
        return (status, format!("{headers}Set-Cookie: {session}; Path=/; HttpOnly\r\n"), body);
    }
    // An API token needs no crumb; a crumb is valid in its session only.
    let crumb_fits = request.header("Jenkins-Crumb") == Some(crumb.as_str())
        && request.header("Cookie") == Some(session.as_str());
    if request.method() == "POST" && !is(TOKEN) && !crumb_fits {
        return page(403, "No valid crumb was included in the request");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if let Some(rest) = path.strip_prefix("/queue/") {
        return queue(rest, query, behaviour, state);
    }
    match path.strip_prefix(behaviour.job.as_str()) {
        Some(rest) if request.method() == "POST" => post(rest, request, behaviour, state),
        Some(rest) => job(rest, query, behaviour, state),
        None => page(404, "Not Found"),
    }
}

fn post(rest: &str, request: &Request, behaviour: &Behaviour, state: &mut State) -> Answer {
    if let Some(how) = rest.strip_prefix(&format!("/{NUMBER}/")) {
        if behaviour.freestyle && how != "stop" {
            return page(404, "Not Found");
        }
        state.ends.push(how.to_owned());
        if behaviour.ends_by.as_deref() == Some(how) {
            state.ended = Some("ABORTED".to_owned());
        }
        return (302, "Location: /\r\n".to_owned(), String::new());
    }
    let parameterized = !behaviour.parameters.is_empty();
    match rest {
        _ if !behaviour.buildable => page(409, "restart is not buildable"),
        "/build" if parameterized => page(400, "This page expects a form submission"),
        "/buildWithParameters" if !parameterized => page(500, "restart is not parameterized"),
        "/build" | "/buildWithParameters" if request.target().ends_with("?delay=0sec") => {
            accept(request, behaviour, state)
        }
        _ => page(404, "Not Found"),
    }
}

fn accept(request: &Request, behaviour: &Behaviour, state: &mut State) -> Answer {
    state.triggers.push(request.text());
    let status = if behaviour.waiting_already { 303 } else { 201 };
    (status, format!("Location: {}/queue/item/{ITEM}/\r\n", behaviour.location), String::new())
}

fn queue(rest: &str, query: &str, behaviour: &Behaviour, state: &mut State) -> Answer {
    if rest == "cancelItem" {
        if state.queue_polls >= behaviour.polls_in_queue.unwrap_or(u32::MAX) {
            return page(404, "too late");
        }
        assert_eq!(query, format!("id={ITEM}"));
        if behaviour.cancel_refused {
            return page(422, "the item can't be cancelled");
        }
        state.item_cancelled = true;
        return (204, String::new(), String::new());
    }
    let waits = behaviour.polls_in_queue.is_none_or(|polls| state.queue_polls < polls);
    if rest == "api/json" {
        let parameters = parameters(state);
        let item = json!({"id": ITEM, "actions": [{"parameters": parameters}]});
        let items = if waits && !state.triggers.is_empty() { vec![item] } else { Vec::new() };
        return document(&json!({ "items": items }));
    }
    if rest != format!("item/{ITEM}/api/json") || state.triggers.is_empty() {
        return page(404, "Not Found");
    }
    if behaviour.cancelled || state.item_cancelled {
        return document(&json!({"cancelled": true, "why": null}));
    }
    if waits {
        state.queue_polls += 1;
        return document(&json!({"cancelled": false, "why": behaviour.why, "blocked": true, "stuck": false}));
    }
    if behaviour.forgotten {
        return page(404, "Not Found");
    }
    // The executable's address is what Jenkins believes to be its own.
    let executable =
        json!({"number": NUMBER, "url": format!("http://elsewhere.example{}/7/", behaviour.job)});
    document(&json!({"cancelled": false, "why": null, "executable": executable}))
}

/// As a form brings them: `name=value&...`.
fn parameters(state: &State) -> Vec<Value> {
    let form = state.triggers.first().cloned().unwrap_or_default();
    form.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

fn job(rest: &str, query: &str, behaviour: &Behaviour, state: &mut State) -> Answer {
    let build = format!("/{NUMBER}/");
    match rest.strip_prefix(&build) {
        None if rest == "/api/json" && query.starts_with("tree=builds") => {
            let build = json!({
                "number": NUMBER, "queueId": ITEM, "actions": [{}, {"parameters": parameters(state)}]
            });
            let builds = if behaviour.lost || state.triggers.is_empty() { Vec::new() } else { vec![build] };
            document(&json!({ "builds": builds }))
        }
        None if rest == "/api/json" => {
            let definitions: Vec<Value> =
                behaviour.parameters.iter().map(|name| json!({ "name": name })).collect();
            let property = if definitions.is_empty() {
                json!([{}])
            } else {
                json!([{}, {"parameterDefinitions": definitions}])
            };
            document(&json!({"buildable": behaviour.buildable, "property": property}))
        }
        Some("api/json") => {
            let building = state.ended.is_none();
            document(&json!({
                "building": building, "inProgress": building, "number": NUMBER, "result": state.ended,
                "duration": if building { 0 } else { 61_005 }, "estimatedDuration": behaviour.estimated,
            }))
        }
        Some("logText/progressiveText") => console(query, behaviour, state),
        _ => page(404, "Not Found"),
    }
}

fn console(query: &str, behaviour: &Behaviour, state: &mut State) -> Answer {
    let start: usize = query.strip_prefix("start=").unwrap().parse().unwrap();
    if state.part < behaviour.console.len() {
        state.part += 1;
    }
    const NOTE: &str = "\u{1}";
    let noted = |part: &String| format!("{}{part}", NOTE.repeat(behaviour.notes));
    let all: String = behaviour.console[..state.part].iter().map(noted).collect();
    if state.part == behaviour.console.len() && behaviour.ends_by.is_none() && state.ended.is_none() {
        state.ended = Some(behaviour.result.clone());
    }
    let hidden = behaviour.more_data_missing && !state.more_data_was_missing && state.part == 1;
    state.more_data_was_missing |= hidden;
    let more = state.ended.is_none() && !hidden;
    let more = if more { "X-More-Data: true\r\n" } else { "" };
    let body = all.get(start..).unwrap_or_default().replace(NOTE, "");
    let size = if behaviour.size_missing { String::new() } else { format!("X-Text-Size: {}\r\n", all.len()) };
    (200, format!("Content-Type: text/plain\r\n{size}{more}"), body)
}
