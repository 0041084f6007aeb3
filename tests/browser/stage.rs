//! All parts of a browser test: database, programs, the page around, the browser.

use test_support::fixture::{self, World};
use test_support::{AppOptions, TestApp, TestDatabase};

use crate::browser::Browser;
use crate::grafana::Grafana;

/// The password of everybody in the tests.
pub const PASSWORD: &str = "a long enough password";

/// Fields are dropped in this order: who asks before who answers.
pub struct Stage {
    pub browser: Browser,
    pub app: TestApp,
    pub grafana: Grafana,
    pub world: World,
    pub database: TestDatabase,
}

impl Stage {
    /// Programs that may be framed by the page around, on the same site.
    pub async fn new() -> Self {
        Self::with(|_| AppOptions::default()).await
    }

    /// The same, with programs that soon notice that the database is away.
    pub async fn impatient() -> Self {
        Self::with(|_| AppOptions { settings: test_support::impatient(), ..AppOptions::default() }).await
    }

    /// Programs with options that may depend on the page around.
    pub async fn with(options: impl FnOnce(&Grafana) -> AppOptions) -> Self {
        let grafana = Grafana::start();
        let database = TestDatabase::new();
        let world = World::new(&database);
        database.sql(include_str!("stage.sql"));
        for user in ["alice", "bob", "carol", "root"] {
            World::set_password(&database, user, PASSWORD);
        }
        let mut options = options(&grafana);
        options
            .settings
            .push(("web", format!("frame_ancestors = {} {}", grafana.same_site(), grafana.cross_site())));
        let app = TestApp::start(&database, &options);
        for (name, script) in PLUGINS {
            fixture::write_plugin(&app.plugins, name, script);
        }
        // The manager tells of all of them at once, so that it knows the last one is enough.
        if let Some((name, script)) = PLUGINS.last().filter(|_| options.manager) {
            app.replace_plugin(&database, name, script);
        }
        Self { browser: Browser::start().await, app, grafana, world, database }
    }

    /// Opens the page around from the same site and presses the link beside the alert of web-1.
    pub async fn open_popup(&self) {
        self.open_popup_from(&self.grafana.same_site(), "heal").await;
    }

    /// Opens the page around and presses a link of it.
    pub async fn open_popup_from(&self, origin: &str, link: &str) {
        let page = format!("{origin}/?{}", self.app.url);
        self.browser.driver.goto(page).await.unwrap();
        let script = "return window.SelfService && document.getElementById(arguments[0])";
        let link = self.browser.element("embed.js is there", script, vec![link.into()]).await;
        link.click().await.unwrap();
        self.browser.enter_popup().await;
    }

    /// One column of one task.
    pub fn task(&self, id: &str, column: &str) -> String {
        self.database.sql(&format!("SELECT {column} FROM tasks WHERE id = '{id}'"))
    }
}

/// What the handlers of `stage.sql` run.
const PLUGINS: &[(&str, &str)] = &[
    ("lag", "echo 'lag of db-prod-03: 0.4 s behind db-prod-01 | lag=0.4s'"),
    (
        "restart_replica",
        "say() { printf '%s\\n' \"$1\" > \"$SELFSERVICE_PROGRESS\"; }
say '{\"steps\": [\"Drain\", \"Restart\", \"Check\"]}'; say '{\"step\": \"Drain\", \"percent\": 20}'
echo 'draining connections of db-prod-03'; echo '14 clients left'; echo '3 clients left'
echo 'client 10.20.7.9 ignores the drain' >&2
sleep 1; say '{\"step\": \"Restart\", \"note\": \"waiting for recovery\", \"percent\": 55}'
echo 'stopping the server'; echo 'starting the server'; printf 'replayed \\033[32m16/B374D848\\033[0m\\n'
while [ ! -e \"$0.go\" ]; do sleep 0.1; done
say '{\"step\": \"Check\", \"percent\": 90}'; echo 'the replica follows, 0.2 s behind'",
    ),
    (
        "end_queries",
        "echo 'WARNING - 2 of 3 long queries ended, pid 4711 runs on'; echo 'pid 4711: SELECT pg_sleep(3600)' >&2; exit 1",
    ),
    (
        "promote",
        "echo 'asking for promotion'; echo 'CRITICAL - the primary still answers, nothing was promoted' >&2; exit 2",
    ),
];
