//! Sign-in, and every page of the navigation: status 200, nothing for axe to say, in both themes.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::stage::{PASSWORD, Stage};

const SECTIONS: &[&str] = &[
    "",
    "tasks",
    "environments",
    "hostgroups",
    "hosts",
    "services",
    "event_handlers",
    "managers",
    "rights",
    "account",
];

impl Stage {
    /// The status of the page that is shown, its title, and where it stands.
    async fn shown(&self) -> Value {
        let script = "const [entry] = performance.getEntriesByType('navigation');
            return [entry.responseStatus, document.querySelector('h1')?.textContent, location.pathname]";
        self.browser.js(script, vec![]).await
    }

    async fn visit(&self, path: &str, theme: &str) {
        self.browser.driver.goto(format!("{}{path}?theme={theme}", self.app.url)).await.unwrap();
        let shown = self.shown().await;
        assert_eq!((&shown[0], &shown[2]), (&json!(200), &json!(path)), "{shown}");
        self.browser.accessible(&format!("{path} ({theme})")).await;
    }

    /// One run of web-1, for pages that show runs.
    async fn one_run(&self) -> String {
        let body = json!({"host_id": self.world.web_1, "service_id": self.world.os, "handler_id": self.world.ok, "parameters": {},
                          "reason": null, "nonce": null, "typed_host": null, "request_key": uuid::Uuid::new_v4()});
        let (status, answer) = self.browser.api("POST", "/tasks", body).await;
        assert_eq!(status, 201, "{answer}");
        answer["task"]["id"].as_str().unwrap().to_owned()
    }

    /// Every section and one page below each, as far as there is one.
    async fn paths(&self, task: &str) -> Vec<String> {
        let first = |table: &str| {
            self.database.sql(&format!(
                "SELECT min(id) FROM {table} WHERE name IN ('production', 'web', 'web-1', 'os', 'ok')"
            ))
        };
        let mut paths: Vec<_> = SECTIONS.iter().map(|section| format!("/{section}")).collect();
        paths.push(format!("/tasks/{task}"));
        for table in ["environments", "hostgroups", "hosts", "services", "event_handlers"] {
            paths.push(format!("/{table}/{}", first(table)));
        }
        paths
    }
}

#[tokio::test]
async fn an_administrator_and_a_user_visit_every_page() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    for (user, themes) in [("root", ["dark", "light"].as_slice()), ("alice", &["light"])] {
        browser.driver.delete_all_cookies().await.unwrap();
        browser.sign_in(&stage.app.url, user, "/").await;
        let task = stage.one_run().await;
        for path in stage.paths(&task).await {
            for theme in themes {
                stage.visit(&path, theme).await;
            }
        }
        browser.clean_conduct(&[&stage.app.url]).await;
    }
}

#[tokio::test]
async fn the_sign_in_page_keeps_strangers_out_and_leads_back() {
    let stage = Stage::new().await;
    let browser = &stage.browser;
    browser.driver.goto(format!("{}/tasks?state=running", stage.app.url)).await.unwrap();
    assert_eq!(stage.shown().await[2], "/signin");
    browser.accessible("/signin").await;
    let sign_in = async |password: &str| {
        let name = browser.driver.find(By::Id("name")).await.unwrap();
        name.clear().await.unwrap();
        name.send_keys("alice").await.unwrap();
        let input = browser.driver.find(By::Id("password")).await.unwrap();
        input.send_keys(password).await.unwrap();
        input.send_keys(Key::Enter).await.unwrap();
    };
    sign_in("not the password").await;
    browser
        .until(
            "a wrong password is refused",
            "return document.querySelector('[role=alert]')?.textContent",
            vec![],
        )
        .await;
    browser.accessible("/signin after a wrong password").await;
    sign_in(PASSWORD).await;
    let back = "return location.pathname + location.search === '/tasks?state=running'";
    browser.until("the sign-in leads back", back, vec![]).await;

    let sign_out = browser.element(
        "there is a way out",
        "return document.querySelector('form[action=\"/signout\"] button')",
        vec![],
    );
    sign_out.await.click().await.unwrap();
    browser.until("signing out leads to the sign-in", "return location.pathname === '/signin'", vec![]).await;
    browser.driver.goto(format!("{}/hosts", stage.app.url)).await.unwrap();
    assert_eq!(stage.shown().await[2], "/signin");
    browser.clean_conduct(&[&stage.app.url]).await;
}
