//! A running `web_gui` and browsers that ask it.

use reqwest::{Method, RequestBuilder, StatusCode, header};
use selfservice_core::credentials::{hash_password, random_secret, secret_hash};
use selfservice_core::db::DbError;
use selfservice_core::models::sessions::NewSession;
use selfservice_core::models::signin;
use selfservice_core::models::tasks::Identity;
use selfservice_core::models::users::User;
use std::time::Duration;
use test_support::{AppOptions, FaultyProxy, TestApp, TestDatabase, fixture::World};

pub const PASSWORD: &str = "correct horse battery";
pub const MINUTE: Duration = Duration::from_secs(60);

/// Everything that a test needs.
pub struct Gui {
    pub world: World,
    pub app: TestApp,
    pub database: TestDatabase,
}

/// A browser with or without a session; it follows no redirects.
#[derive(Clone)]
pub struct Browser {
    client: reqwest::Client,
    pub url: String,
    pub cookie: Option<String>,
    pub csrf_token: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Gui {
    /// Starts the GUI alone.
    pub fn start() -> Self {
        Self::with_settings(Vec::new())
    }

    /// The same with more lines in `settings.ini`.
    pub fn with_settings(settings: Vec<(&'static str, String)>) -> Self {
        Self::with(TestDatabase::new(), settings)
    }

    /// The GUI reaches its database through a proxy that can fail, and requests wait for it for `limit`.
    pub fn behind_proxy(limit: Duration) -> (Self, FaultyProxy) {
        let database = TestDatabase::new();
        let proxy = FaultyProxy::before(&database);
        let settings = vec![
            ("database", format!("url = {}", proxy.url())),
            ("web", format!("database_timeout_ms = {}", limit.as_millis())),
        ];
        (Self::with(database, settings), proxy)
    }

    fn with(database: TestDatabase, settings: Vec<(&'static str, String)>) -> Self {
        let world = World::new(&database);
        let options = AppOptions { manager: false, settings, ..AppOptions::default() };
        let app = TestApp::start(&database, &options);
        Self { world, app, database }
    }

    /// A browser without a session.
    pub fn browser(&self) -> Browser {
        Browser {
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            url: self.app.url.clone(),
            cookie: None,
            csrf_token: String::new(),
        }
    }

    /// The browser of somebody who has signed in.
    pub fn signed_in(&self, users_id: i64) -> Browser {
        let new = NewSession {
            users_id,
            identity: Identity::Password,
            address: "127.0.0.1",
            user_agent: "test",
            life: 60 * MINUTE,
        };
        let mut connection = self.database.pool().get().unwrap();
        let (session, secret) = new.insert(&mut connection).unwrap();
        Browser {
            cookie: Some(format!("__Host-selfservice={secret}")),
            csrf_token: session.csrf_token,
            ..self.browser()
        }
    }

    /// Gives the user the password of all tests.
    pub fn set_password(&self, users_id: i64) {
        let hash = hash_password(PASSWORD).unwrap();
        let set = self
            .database
            .pool()
            .run(|connection| User::set_password(connection, users_id, Some(&hash)).map_err(DbError::from));
        set.unwrap();
    }

    /// A one-time link's secret.
    pub fn link(&self, users_id: i64, life: Duration) -> String {
        let secret = random_secret().unwrap();
        let made = self.database.pool().run(|connection| {
            signin::create_link(connection, users_id, &secret_hash(&secret), life).map_err(DbError::from)
        });
        made.unwrap();
        secret
    }

    /// A manager that runs nothing, as the database sees it; gives its id.
    pub fn manager(&self, name: &str, tags: &str) -> String {
        self.database.sql(&format!(
            "INSERT INTO workers (id, name, version, slots, tags, alive_until) \
             VALUES (gen_random_uuid(), '{name}', '1.2.3', 8, '{tags}', now() + interval '1 hour') RETURNING id"
        ))
    }

    /// The version that a page asks its form to bring back.
    pub fn version(page: &str) -> String {
        let rest = page.split("name=\"version\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}"));
        rest.split('"').next().unwrap().to_owned()
    }

    /// Actions of the audit log about sessions, oldest first.
    pub fn session_audit(&self) -> String {
        self.database
            .sql("SELECT actor, identity, action FROM audit WHERE action LIKE 'session.%' ORDER BY id")
    }
}

impl Browser {
    /// Sends a form of ours with the session's token.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = [("csrf_token", self.csrf_token.as_str())];
        self.submit(path, &[&token, fields].concat()).await
    }

    /// What a page shows, with spaces where it breaks lines.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A request as it leaves, without any header that says which page it comes from.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    /// A request that a page of ours makes.
    pub fn ours(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("sec-fetch-site", "same-origin").header(header::ORIGIN, &self.url)
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.bare(Method::GET, path)).await
    }

    /// Sends a form of ours.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.ours(Method::POST, path).form(fields)).await
    }

    /// Sends the sign-in form.
    pub async fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.submit("/signin", &[("next", "/tasks"), ("name", name), ("password", password)]).await
    }
}

impl Answer {
    /// Sends the request.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The session cookie that it sets, as a browser sends it back.
    pub fn cookie(&self) -> Option<String> {
        let value = self.header("set-cookie").split(';').next()?;
        (!value.is_empty()).then(|| value.to_owned())
    }
}
