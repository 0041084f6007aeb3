//! What must hold on every screen: axe finds nothing, no policy is violated, no other host is asked.

use serde_json::{Value, json};

use crate::browser::Browser;

const AXE: &str = include_str!("vendor/axe-core/axe.min.js");

impl Browser {
    /// Runs axe over the document of the present frame; panics with what it finds.
    pub async fn accessible(&self, screen: &str) {
        if self.js("return typeof window.axe", vec![]).await != "object" {
            self.js(AXE, vec![]).await;
        }
        let script = "
            const done = arguments[arguments.length - 1];
            window.axe.run(document, { iframes: false }).then(
              (found) => done(found.violations.map((one) => ({ rule: one.id, help: one.help,
                nodes: one.nodes.map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary) }))),
              (error) => done([{ rule: 'axe failed', help: String(error) }]));";
        let found = self.driver.execute_async(script, vec![]).await.unwrap();
        assert_eq!(found.json(), &json!([]), "axe on {screen}:\n{:#}", found.json());
    }

    /// Reads what the browser has logged since the last time: no violation of a policy, no uncaught error, and no
    /// request to another origin than `ours`. At least one request must have been made, or nothing was looked at.
    pub async fn clean_conduct(&self, ours: &[&str]) {
        let faults: Vec<_> = self.console().await;
        assert!(faults.is_empty(), "the console says: {faults:#?}");
        let asked = self.requests().await;
        let foreign = |url: &&String| {
            !ours.iter().any(|origin| url.starts_with(origin))
                && !url.starts_with("data:")
                && !url.starts_with("blob:")
        };
        let strangers: Vec<_> = asked.iter().filter(foreign).collect();
        assert!(strangers.is_empty(), "requests to other hosts: {strangers:#?}");
        assert!(
            asked.iter().any(|url| url.contains("/api/v1/") || url.contains("/assets/")),
            "no request was seen: {asked:#?}"
        );
    }

    /// Messages about policies and uncaught errors; a refused request (401, 404) is none.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.unwrap();
        let faults = entries.into_iter().filter(|entry| {
            entry.source.as_deref() != Some("network") && entry.level == "SEVERE"
                || entry.message.contains("Content Security Policy")
                || entry.message.contains("TrustedHTML")
        });
        faults.map(|entry| entry.message).collect()
    }

    async fn requests(&self) -> Vec<String> {
        let entries = self.driver.get_log("performance").await.unwrap();
        let events = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(&entry.message).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }
}
