//! A running `web_gui`, people who ask it, and tasks whose rows the test writes as a manager would.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use selfservice_core::access::Verb;
use selfservice_core::credentials;
use selfservice_core::db::DbError;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::logs::{Chunk, Stream};
use selfservice_core::models::sessions::NewSession;
use selfservice_core::models::tasks::{Identity, TaskResult};
use selfservice_core::models::workers::{Presence, Worker};
use selfservice_core::queue;
use serde_json::{Value, json};
use std::time::Duration;
use test_support::{AppOptions, FaultyProxy, TestApp, TestDatabase, fixture::World, impatient};
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3600);

/// Everything that a test needs.
pub struct Api {
    pub world: World,
    pub app: TestApp,
    pub database: TestDatabase,
}

/// Somebody with a session or a token.
pub struct Person {
    client: reqwest::Client,
    url: String,
    pub credentials: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Api {
    /// Starts the GUI alone: no manager takes the tasks.
    pub fn start() -> Self {
        Self::on(TestDatabase::new(), Vec::new())
    }

    /// The GUI waits for its database no longer than it does by default.
    pub fn impatient() -> Self {
        Self::on(TestDatabase::new(), impatient())
    }

    /// The GUI reaches its database through a proxy that can fail.
    pub fn behind_proxy() -> (Self, FaultyProxy) {
        let database = TestDatabase::new();
        let proxy = FaultyProxy::before(&database);
        let mut settings = impatient();
        settings.push(("database", format!("url = {}", proxy.url())));
        (Self::on(database, settings), proxy)
    }

    fn on(database: TestDatabase, settings: Vec<(&'static str, String)>) -> Self {
        let world = World::new(&database);
        let options = AppOptions {
            manager: false,
            settings,
            macros: "[macros]\nGREETING = hello; $(reboot)\n".to_owned(),
            ..AppOptions::default()
        };
        let app = TestApp::start(&database, &options);
        Self { world, app, database }
    }

    /// The user's browser after the sign-in.
    pub fn person(&self, users_id: i64) -> Person {
        let new = NewSession {
            users_id,
            identity: Identity::Password,
            address: "127.0.0.1",
            user_agent: "test",
            life: HOUR,
        };
        let run = |connection: &mut _| Ok::<_, DbError>(new.insert(connection).unwrap());
        let (session, secret) = self.database.pool().run(run).unwrap();
        self.with(vec![
            ("cookie", format!("__Host-selfservice={secret}")),
            ("x-csrf-token", session.csrf_token),
            ("origin", self.app.url.clone()),
        ])
    }

    /// A program with a token of the user.
    pub fn token(&self, users_id: i64, verb: Verb) -> Person {
        let token = credentials::ApiToken::generate().unwrap();
        self.database
            .pool()
            .run(|connection| {
                Ok::<_, DbError>(ApiToken::create(connection, &token, users_id, "test", verb, HOUR)?)
            })
            .unwrap();
        self.with(vec![("authorization", format!("Bearer {}", token.reveal()))])
    }

    fn with(&self, credentials: Vec<(&'static str, String)>) -> Person {
        Person { client: reqwest::Client::new(), url: self.app.url.clone(), credentials }
    }

    /// `echo` on `web-1`, as the body of a plan.
    pub fn echo(&self, parameters: Value) -> Value {
        json!({"host_id": self.world.web_1, "service_id": self.world.os, "handler_id": self.world.echo, "parameters": parameters})
    }

    /// `ok` (read-only) on a host, as the body of a task.
    pub fn check(&self, host: i64) -> Value {
        json!({"host_id": host, "service_id": self.world.os, "handler_id": self.world.ok, "parameters": {}, "request_key": Uuid::new_v4()})
    }

    /// A task of alice on `web-1`, queued.
    pub async fn queued(&self) -> Uuid {
        let answer = self.person(self.world.alice).post("/tasks", &self.check(self.world.web_1)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.id()
    }

    /// A manager registers, as the database sees it.
    pub fn manager(&self, slots: u32) -> Worker {
        let presence = Presence { slots, tags: &[], running: 0, stopping: false, lease: HOUR };
        self.database
            .pool()
            .run(|connection| {
                Ok::<_, DbError>(Worker::register(connection, Uuid::now_v7(), "eu-1", "1", &presence)?)
            })
            .unwrap()
    }

    /// The manager takes everything that waits.
    pub fn claim(&self, worker: &Worker) {
        let claims = self
            .database
            .pool()
            .transaction(|connection| Ok::<_, DbError>(queue::claim(connection, worker, HOUR, 100, None)?))
            .unwrap();
        assert!(!claims.is_empty());
    }

    /// The manager writes output, and says so.
    pub fn write(&self, task: Uuid, offset: i64, stream: Stream, bytes: &[u8]) -> i64 {
        let mut chunk = Chunk {
            task_id: task,
            byte_offset: offset,
            first_line: 0,
            stream,
            written_at: chrono::Utc::now(),
            bytes: bytes.to_vec(),
        };
        self.database
            .pool()
            .transaction(|connection| {
                // The byte before says how many lines there are.
                for last in Chunk::after(connection, task, offset - 1, 1)?.iter().filter(|_| offset > 0) {
                    chunk.first_line = last.first_line + i64::from(last.bytes == b"\n");
                }
                Chunk::append(connection, std::slice::from_ref(&chunk))?;
                Ok::<_, DbError>(queue::notify_changed(connection, &[task])?)
            })
            .unwrap();
        chunk.end()
    }

    /// The manager writes the result.
    pub fn finish(&self, task: Uuid, worker: &Worker, result: TaskResult) {
        let end = queue::Finish {
            id: task,
            epoch: worker.epoch,
            result,
            exit_code: Some(0),
            result_text: None,
            summary: Some("all is well".to_owned()),
            perfdata: None,
        };
        let done = self
            .database
            .pool()
            .transaction(|connection| {
                let done = queue::finish(connection, &end)?;
                queue::notify_changed(connection, &[task])?;
                Ok::<_, DbError>(done)
            })
            .unwrap();
        assert!(done);
    }

    /// A number from the database.
    pub fn count(&self, sql: &str) -> i64 {
        self.database.sql(sql).parse().unwrap()
    }
}

impl Person {
    /// A request with the credentials; `path` begins behind `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v1{path}", self.url);
        self.credentials
            .iter()
            .fold(self.client.request(method, url), |request, (name, value)| request.header(*name, value))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// A body that no client of ours would send.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request =
            self.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned());
        Answer::of(request).await
    }

    /// Shows the command and confirms exactly it.
    pub async fn confirm(&self, plan: &Value) -> Answer {
        let shown = self.post("/plans", plan).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        self.post("/tasks", &with_key(plan, &shown.body["nonce"])).await
    }
}

/// A plan as the body of a task.
pub fn with_key(plan: &Value, nonce: &Value) -> Value {
    let mut body = plan.clone();
    body["nonce"] = nonce.clone();
    body["request_key"] = json!(Uuid::new_v4());
    body
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let expected = if status.is_success() { "application/json" } else { "application/problem+json" };
        assert_eq!(kind, expected);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = response.text().await.unwrap();
        Self { status, body: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) }
    }

    /// The id of the task in the answer.
    pub fn id(&self) -> Uuid {
        let id = self.body["task"]["id"].as_str();
        id.unwrap_or_else(|| panic!("no task: {self:?}")).parse().unwrap()
    }

    /// The sentence of a problem.
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_else(|| panic!("no detail: {self:?}"))
    }
}

/// A request with a body, and with the version that its object must have.
pub async fn send(
    person: &Person,
    method: Method,
    path: &str,
    version: Option<&str>,
    body: &Value,
) -> Response {
    let request = person.request(method, path).json(body);
    let request = match version {
        Some(version) => request.header("if-match", version),
        None => request,
    };
    request.send().await.unwrap()
}

/// The version that an answer tells.
pub fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}
