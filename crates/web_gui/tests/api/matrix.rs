//! Every address of the program for every kind of asker (attack case 20).
//!
//! The addresses come from the document that the program serves, and, for pages, from the list of its routes; what each
//! asker gets stands in `matrix.txt`. An address without a line there, or a line without an address, fails.

use crate::common::{Api, Person};
use reqwest::{Client, Method, RequestBuilder, redirect};
use selfservice_core::access::Verb;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const TABLE: &str = include_str!("matrix.txt");
/// The askers of the table's columns, in their order.
const ASKERS: [&str; 7] = ["dave", "bob", "alice", "carol", "erin", "root", "token"];

/// The id of a grant and of a schedule that are there to be taken away.
const GIVEN: i64 = 4000;

/// `POST /hosts/{id}/edit`
type Address = (String, String);

fn table() -> BTreeMap<Address, Vec<u16>> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, path, statuses @ ..] = words.as_slice() else { panic!("no row: {line}") };
        let statuses: Vec<u16> = statuses.iter().map(|word| word.parse().unwrap()).collect();
        assert_eq!(statuses.len(), ASKERS.len() + 1, "{line}");
        (((*method).to_owned(), (*path).to_owned()), statuses)
    };
    lines.map(row).collect()
}

/// Everything that the document and the list of routes name.
async fn addresses(api: &Api) -> BTreeSet<Address> {
    let document: Value =
        reqwest::get(format!("{}/api/v1/openapi.json", api.app.url)).await.unwrap().json().await.unwrap();
    let documented = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
    });
    let endpoints = web_gui::routes::endpoints();
    let pages = endpoints.iter().filter(|endpoint| endpoint.draft.is_none());
    documented.chain(pages.map(|page| (page.method.to_string(), page.path.clone()))).collect()
}

/// Who asks, with what proves it.
#[derive(Clone)]
struct Asker {
    headers: Vec<(&'static str, String)>,
    csrf_token: String,
}

impl Asker {
    fn new(person: Person) -> Self {
        let headers = person.credentials.clone();
        let csrf_token = headers.iter().find(|(name, _)| *name == "x-csrf-token");
        let csrf_token = csrf_token.map(|(_, token)| token.clone()).unwrap_or_default();
        Self { headers, csrf_token }
    }

    fn nobody(api: &Api) -> Self {
        let mut asker = Self::new(api.person(api.world.dave));
        asker.headers.retain(|(name, _)| *name == "origin");
        asker
    }

    /// The same with one header changed.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

struct Matrix {
    api: Api,
    client: Client,
    task: Uuid,
    manager: Uuid,
    erin: i64,
    frank: i64,
}

impl Matrix {
    async fn start() -> Self {
        let api = Api::start();
        let worker = api.manager(8);
        let task = api.queued().await;
        api.claim(&worker);
        api.write(task, 0, selfservice_core::models::logs::Stream::Stdout, b"hello\n");
        api.finish(task, &worker, selfservice_core::models::tasks::TaskResult::Ok);
        api.database.sql(
            "INSERT INTO users (name, name_key) VALUES ('erin', 'erin'), ('frank', 'frank');
             INSERT INTO teams (name, name_key) VALUES ('on-call', 'on-call');
             INSERT INTO grants (users_id, environments_id, verb)
                SELECT u.id, e.id, 'admin' FROM users u, environments e WHERE u.name = 'erin' AND e.name = 'production';
             INSERT INTO event_handler_revisions (event_handlers_id, revision, definition, author)
                SELECT id, 1, '{\"name\": \"ok\", \"plugin\": \"ok\"}', 'root' FROM event_handlers WHERE name = 'ok'",
        );
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let id = |name: &str| api.count(&format!("SELECT id FROM users WHERE name = '{name}'"));
        let (erin, frank) = (id("erin"), id("frank"));
        Self { api, client, task, manager: worker.id, erin, frank }
    }

    fn asker(&self, name: &str) -> Asker {
        let world = &self.api.world;
        let person = |users_id| Asker::new(self.api.person(users_id));
        match name {
            "dave" => person(world.dave),
            "bob" => person(world.bob),
            "alice" => person(world.alice),
            "carol" => person(world.carol),
            "erin" => person(self.erin),
            "root" => person(world.root),
            "token" => Asker::new(self.api.token(world.root, Verb::See)),
            other => panic!("nobody is called {other}"),
        }
    }

    /// The address of the objects that stand on `web-1` or in production.
    fn path(&self, template: &str) -> String {
        let world = &self.api.world;
        let id = match template.trim_start_matches("/api/v1").split('/').nth(1).unwrap_or_default() {
            "tasks" => self.task.to_string(),
            "managers" => self.manager.to_string(),
            "hosts" => world.web_1.to_string(),
            // Frank and his grant are there to be changed.
            "users" => self.frank.to_string(),
            "grants" | "schedules" => GIVEN.to_string(),
            "sessions" | "tokens" | "account" => Uuid::nil().to_string(),
            // The first of everything else: production, the group web, the service os, the handler ok.
            _ => "1".to_owned(),
        };
        template
            .replace("{id}", &id)
            .replace("{service}", &world.os.to_string())
            .replace("{handler}", &world.ok.to_string())
            .replace("{session}", &Uuid::nil().to_string())
            .replace("{token}", "none")
            .replace("{revision}", "1")
            .replace("{path:.*}", "app.css")
    }

    /// The query that an address needs.
    fn query(template: &str) -> &'static str {
        match template {
            "/api/v1/popup" => "?host=web-1",
            "/api/v1/tasks/{id}/log/search" => "?text=hello",
            "/hosts/{id}/join" => "?name=web",
            // The first host is web-1.
            "/hosts/bulk" => "?host=1",
            "/api/v1/rights" | "/rights" => "?host=web-1",
            _ => "",
        }
    }

    /// A body that is understood. What changes the inventory is meant for a version that is not there, or has a name that
    /// cannot be, so that the request ends behind the check of rights and changes nothing.
    fn body(&self, template: &str) -> Value {
        let world = &self.api.world;
        let action =
            json!({"host_id": world.web_1, "service_id": world.os, "handler_id": world.ok, "parameters": {}});
        match template.trim_start_matches("/api/v1") {
            "/session" => json!({"name": "dave", "password": "wrong"}),
            "/plans" => action,
            "/users/{id}/password" => json!({"password": ""}),
            "/session/password" => json!({"current": "wrong", "password": ""}),
            "/grants" => json!({"user": "nobody", "verb": "see"}),
            "/schedules" | "/schedules/{id}" => json!({"name": "", "expression": "@daily"}),
            "/tokens" => json!({"name": "", "verb": "see", "days": 0}),
            "/tasks" => {
                let mut task = action;
                task["request_key"] = json!(Uuid::new_v4());
                task
            }
            "/event_handlers" | "/event_handlers/{id}" => json!({"name": "", "plugin": "ok"}),
            other if other.starts_with("/tasks/") => json!({}),
            _ => json!({"name": ""}),
        }
    }

    fn form(template: &str) -> Vec<(&'static str, &'static str)> {
        match template {
            "/signin" => vec![("name", "dave"), ("password", "wrong")],
            "/signin/link" => vec![("token", "wrong")],
            "/event_handlers/{id}/pause" => vec![("reason", "")],
            "/hosts/bulk" => vec![("host", "1"), ("version", "old"), ("set_variable", "rack")],
            "/account/password" => vec![("current", "wrong"), ("password", ""), ("again", "")],
            "/users/{id}/password" => vec![("password", "")],
            "/account/tokens" => vec![("name", ""), ("verb", "see"), ("days", "0")],
            path if ["/delete", "/edit", "/restore"].iter().any(|end| path.ends_with(end)) => {
                vec![("version", "old")]
            }
            "/hosts/{id}/services" | "/hosts/{id}/join" | "/hosts/{id}/services/{service}/handlers" => {
                vec![("name", "nothing")]
            }
            _ => Vec::new(),
        }
    }

    fn request(&self, asker: &Asker, address: &Address) -> RequestBuilder {
        self.request_at(asker, address, &self.path(&address.1))
    }

    /// What is sent to the address, sent to `path`.
    fn request_at(&self, asker: &Asker, (method, template): &Address, path: &str) -> RequestBuilder {
        let url = format!("{}{path}{}", self.api.app.url, Self::query(template));
        let request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        let request =
            asker.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = request.header("if-match", "\"old\"");
        if method == "GET" || method == "DELETE" {
            request
        } else if template.starts_with("/api/") {
            request.json(&self.body(template))
        } else {
            let mut form = Self::form(template);
            form.push(("csrf_token", asker.csrf_token.as_str()));
            request.form(&form)
        }
    }

    /// Asks. What a request leaves behind that would change the answer to the next one is taken away first.
    async fn status(&self, asker: &Asker, address: &Address) -> u16 {
        if address.0 == "POST" && address.1 == "/api/v1/tasks" {
            self.api.database.sql(
                "UPDATE tasks SET state = 'finished', result = 'cancelled', finished_at = now() WHERE state <> 'finished'",
            );
        } else if is_public(address) || address.1.ends_with("/password") {
            self.api.database.sql("DELETE FROM signin_failures");
        } else if address.1.ends_with("/grants/{id}") || address.1.ends_with("/grants/{id}/delete") {
            self.api.database.sql(&format!(
                "INSERT INTO grants (id, users_id, verb) OVERRIDING SYSTEM VALUE VALUES ({GIVEN}, {}, 'see') \
                 ON CONFLICT DO NOTHING",
                self.frank
            ));
        } else if address.1.contains("/schedules/{id}") {
            self.api.database.sql(&format!(
                "INSERT INTO schedules (id, source, name, name_key, expression, time_zone, hosts_id, services_id, \
                    event_handlers_id, users_id) OVERRIDING SYSTEM VALUE \
                 SELECT {GIVEN}, 'gui', 'nightly', 'nightly', '0 3 * * *', 'UTC', {}, {}, {}, {} \
                 ON CONFLICT DO NOTHING",
                self.api.world.web_1, self.api.world.os, self.api.world.ok, self.api.world.root
            ));
        }
        self.request(asker, address).send().await.unwrap().status().as_u16()
    }
}

/// Addresses that end the session of whoever asks.
fn signs_out((method, template): &Address) -> bool {
    template == "/signout" || (method == "DELETE" && template == "/api/v1/session")
}

/// Addresses at which nobody needs to be signed in.
fn is_public((method, path): &Address) -> bool {
    let open = [
        "/signin",
        "/signin/link",
        "/popup",
        "/embed.js",
        "/assets/{path:.*}",
        "/health",
        "/api/v1/openapi.json",
    ];
    open.contains(&path.as_str()) || (method == "POST" && path == "/api/v1/session")
}

#[tokio::test]
async fn every_address_asks_everybody_for_the_right() {
    let matrix = Matrix::start().await;
    let (table, addresses) = (table(), addresses(&matrix.api).await);
    let listed: BTreeSet<Address> = table.keys().cloned().collect();
    assert_eq!(addresses, listed, "matrix.txt and the program do not name the same addresses");
    let mut wrong = String::new();
    let nobody = Asker::nobody(&matrix.api);
    let askers: Vec<Asker> = ASKERS.iter().map(|name| matrix.asker(name)).collect();
    for (address, expected) in &table {
        let mut found = vec![matrix.status(&nobody, address).await];
        for (name, asker) in ASKERS.iter().zip(&askers) {
            // Who is signed out by one address must not be missing at the next.
            let once = signs_out(address).then(|| matrix.asker(name));
            found.push(matrix.status(once.as_ref().unwrap_or(asker), address).await);
        }
        if found != *expected {
            let found: Vec<String> = found.iter().map(u16::to_string).collect();
            wrong.push_str(&format!("{} {} {}\n", address.0, address.1, found.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "answers that matrix.txt does not expect:\n{wrong}");
}

#[tokio::test]
async fn what_proves_nothing_opens_no_address() {
    let matrix = Matrix::start().await;
    let world = &matrix.api.world;
    let sql = |sql: &str| matrix.api.database.sql(sql);
    // Where people sign out, no token stands for the origin.
    let token = || Asker::new(matrix.api.token(world.root, Verb::Admin)).with("origin", &matrix.api.app.url);
    let proofless = [
        ("a revoked token", {
            let asker = token();
            sql("DELETE FROM api_tokens");
            asker
        }),
        ("an expired token", {
            let asker = token();
            sql(
                "UPDATE api_tokens SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'",
            );
            asker
        }),
        (
            "an invented token",
            Asker::nobody(&matrix.api).with("authorization", "Bearer selfservice_user_x_y_z"),
        ),
        ("an ended session", {
            let asker = matrix.asker("root");
            sql("DELETE FROM sessions");
            asker
        }),
        ("an expired session", {
            let asker = matrix.asker("root");
            sql(
                "UPDATE sessions SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'",
            );
            asker
        }),
    ];
    for (address, row) in table().iter().filter(|(address, _)| !is_public(address)) {
        for (what, asker) in &proofless {
            assert_eq!(matrix.status(asker, address).await, row[0], "{what} at {address:?}");
        }
    }
}

#[tokio::test]
async fn no_other_site_and_no_guessed_token_writes_anywhere() {
    let matrix = Matrix::start().await;
    let root = matrix.asker("root");
    for address in table().keys().filter(|address| !is_public(address)) {
        let (writes, is_api) = (address.0 != "GET", address.1.starts_with("/api/"));
        let mut foreign = Vec::new();
        if writes || is_api {
            foreign.push(("another origin", root.clone().with("origin", "https://evil.example")));
            foreign.push(("no origin of any kind", root.clone().with("origin", "null")));
            let cross = root.clone().with("sec-fetch-site", "cross-site");
            foreign.push(("a cross-site request", cross));
        }
        if writes {
            let mut guessed = root.clone().with("x-csrf-token", "guessed");
            guessed.csrf_token = "guessed".to_owned();
            foreign.push(("a guessed CSRF token", guessed));
        }
        for (what, asker) in foreign {
            assert_eq!(matrix.status(&asker, address).await, 403, "{what} at {address:?}");
        }
    }
}

/// Who is refused must not learn more from the words than from the status.
#[tokio::test]
async fn what_is_not_there_and_what_is_not_yours_are_told_in_the_same_words() {
    let matrix = Matrix::start().await;
    let dave = matrix.asker("dave");
    for ((method, template), row) in &table() {
        if row[1] != 404 || !template.starts_with("/api/") || !template.contains("{id}") {
            continue;
        }
        let absent =
            if template.contains("/tasks/") { Uuid::now_v7().to_string() } else { "4711".to_owned() };
        let address = (method.clone(), template.clone());
        let hidden = matrix.request(&dave, &address).send().await.unwrap();
        let absent =
            matrix.request_at(&dave, &address, &template.replace("{id}", &absent)).send().await.unwrap();
        assert_eq!(absent.status(), 404, "{method} {template}");
        assert_eq!(hidden.text().await.unwrap(), absent.text().await.unwrap(), "{method} {template}");
    }
}
