//! Where tasks are asked for: again and again with the same key until somebody acknowledges, as a person who sees an
//! error and clicks once more.

use crate::server::HOSTS;
use crate::witness::Handler;
use crate::world::World;
use selfservice_core::access::Verb;
use selfservice_core::config::{DatabaseSettings, MacroFile};
use selfservice_core::credentials;
use selfservice_core::db::{DbError, Pool};
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::tasks::{Identity, Origin, TaskKind};
use selfservice_core::plan::{Plan, PlanError, Request, Requester};
use selfservice_core::queue::{self, Enqueued};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use test_support::FreePort;
use tokio::runtime::Runtime;
use uuid::Uuid;

const QUEUE_LIFE: Duration = Duration::from_secs(3600);
/// How long one person tries.
const PATIENCE: Duration = Duration::from_secs(180);
const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// Asks for tasks, each on a host of its own, and remembers what was acknowledged.
pub struct Desk<'a> {
    world: &'a World,
    pool: Pool,
    web: Option<(Runtime, reqwest::Client, SocketAddr, String)>,
    next_host: AtomicI64,
    acknowledged: Mutex<BTreeSet<Uuid>>,
}

/// What came of one try.
enum Tried {
    Acknowledged(Uuid),
    /// Nobody can know, or it may help to try again.
    Unclear(String),
}

impl<'a> Desk<'a> {
    /// Asks over the GUI where the world has one, else as the GUI does.
    pub fn new(world: &'a World) -> Self {
        let pool = Pool::new(&DatabaseSettings::for_url(&world.server.url()), "desk");
        let web = world.web.as_ref().map(FreePort::address).map(|address| {
            let token = credentials::ApiToken::generate().unwrap();
            pool.run::<_, DbError>(|c| Ok(ApiToken::create(c, &token, 1, "desk", Verb::Run, QUEUE_LIFE)?))
                .unwrap();
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let client = reqwest::Client::builder().no_proxy().timeout(HTTP_PATIENCE).build();
            (runtime.unwrap(), client.unwrap(), address, token.reveal())
        });
        Self { world, pool, web, next_host: AtomicI64::new(0), acknowledged: Mutex::default() }
    }

    /// Asks as the GUI does, also where the world has one: it may be away.
    pub fn beside_the_gui(world: &'a World) -> Self {
        Self { web: None, ..Self::new(world) }
    }

    /// Asks for a task on the next host until it is acknowledged, and gives its id.
    pub fn ask(&self, handler: Handler) -> Uuid {
        self.ask_with(handler, self.next_host(), Uuid::new_v4())
    }

    /// Asks for so many tasks, one after the other.
    pub fn ask_many(&self, handler: Handler, count: usize) {
        for _ in 0..count {
            self.ask(handler);
        }
    }

    /// A host on which nothing was asked for lately.
    pub fn next_host(&self) -> i64 {
        self.next_host.fetch_add(1, Ordering::SeqCst) % HOSTS + 1
    }

    /// As [`Desk::ask`], for one click.
    pub fn ask_with(&self, handler: Handler, host: i64, key: Uuid) -> Uuid {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tried = match &self.web {
                Some((runtime, client, address, token)) => {
                    runtime.block_on(post(client, *address, token, handler, host, key))
                }
                None => self.enqueue(handler, host, key),
            };
            match tried {
                Tried::Acknowledged(id) => {
                    self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                    return id;
                }
                Tried::Unclear(why) => {
                    if why.contains("paused") {
                        self.world.resume_handlers();
                    }
                    assert!(Instant::now() < deadline, "nobody took a task for {PATIENCE:?}: {why}");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// Every task that was acknowledged.
    pub fn acknowledged(&self) -> BTreeSet<Uuid> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As the GUI does for a program with a token: plan, task and audit row in one transaction.
    fn enqueue(&self, handler: Handler, host: i64, key: Uuid) -> Tried {
        let requester = Requester {
            users_id: 1,
            name: "ada".to_owned(),
            identity: Identity::Token,
            token_verb: Some(Verb::Run),
        };
        let request = Request {
            hosts_id: host,
            services_id: 1,
            event_handlers_id: handler.id(),
            kind: TaskKind::Run,
            parameters: BTreeMap::new(),
        };
        let (id, at) = (Uuid::now_v7(), chrono::Utc::now());
        let done = self.pool.transaction::<Uuid, DeskError>(|connection| {
            let plan = Plan::decide(connection, &MacroFile::default(), &requester, &request, id, at)?;
            let task = plan.into_task(&requester, id, at, QUEUE_LIFE, Origin::Api, key, None);
            match queue::enqueue(connection, &task)? {
                Enqueued::New(task) => {
                    let audit = NewAudit {
                        users_id: Some(1),
                        actor: "ada",
                        identity: "token",
                        address: "127.0.0.1",
                        action: "task.create",
                        object: &task.host_name,
                        task_id: Some(task.id),
                        detail: Value::Null,
                    };
                    audit.insert(connection)?;
                    Ok(task.id)
                }
                Enqueued::Attached(task) | Enqueued::Busy(task) => Ok(task.id),
            }
        });
        match done {
            Ok(id) => Tried::Acknowledged(id),
            Err(error) => Tried::Unclear(format!("{error:?}")),
        }
    }
}

#[derive(Debug)]
enum DeskError {
    Database { _error: DbError },
    Plan { _error: PlanError },
}

impl From<DbError> for DeskError {
    fn from(error: DbError) -> Self {
        Self::Database { _error: error }
    }
}

impl From<PlanError> for DeskError {
    fn from(error: PlanError) -> Self {
        Self::Plan { _error: error }
    }
}

impl From<selfservice_core::db::QueryError> for DeskError {
    fn from(error: selfservice_core::db::QueryError) -> Self {
        Self::Database { _error: error.into() }
    }
}

async fn post(
    client: &reqwest::Client,
    address: SocketAddr,
    token: &str,
    handler: Handler,
    host: i64,
    key: Uuid,
) -> Tried {
    let body = json!({
        "host_id": host, "service_id": 1, "handler_id": handler.id(), "parameters": {}, "request_key": key,
    });
    let sent = client
        .post(format!("http://{address}/api/v1/tasks"))
        .header("authorization", format!("Bearer {token}"))
        .json(&body)
        .send()
        .await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Tried::Unclear(error.to_string()),
    };
    let status = answer.status();
    match answer.json::<Value>().await {
        Ok(body) if status.is_success() => match body["task"]["id"].as_str().and_then(|id| id.parse().ok()) {
            Some(id) => Tried::Acknowledged(id),
            None => panic!("the answer names no task: {body}"),
        },
        Ok(body) if body["detail"].as_str().is_some_and(|why| why.contains("paused")) => {
            Tried::Unclear(body.to_string())
        }
        // Another refusal would be a fault of the harness, or of the GUI: these requests are all permitted.
        Ok(body) if status.is_client_error() => panic!("refused with {status}: {body}"),
        Ok(body) => Tried::Unclear(format!("{status}: {body}")),
        Err(error) => Tried::Unclear(error.to_string()),
    }
}
