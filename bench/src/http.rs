//! A client for the JSON API, with a token.

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const TIMEOUT: Duration = Duration::from_secs(30);

/// One connection that is kept open, as a browser does.
pub struct Http {
    runtime: Runtime,
    client: Client,
    address: String,
    token: String,
}

impl Http {
    /// For the GUI at `address`.
    pub fn new(address: String, token: &str) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            client: Client::builder().no_proxy().redirect(Policy::none()).build()?,
            address,
            token: token.to_owned(),
        })
    }

    /// Sends JSON and gives the JSON that comes back.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.runtime.block_on(async {
            let request = self.client.post(format!("{}{path}", self.address)).json(body);
            let response = request.bearer_auth(&self.token).timeout(TIMEOUT).send().await?;
            let text = checked(response, path).await?.text().await?;
            serde_json::from_str(&text).with_context(|| format!("{path} gave no JSON: {text}"))
        })
    }

    /// Gets JSON.
    pub fn json(&self, path: &str) -> anyhow::Result<Value> {
        self.runtime.block_on(async {
            let request = self.client.get(format!("{}{path}", self.address));
            let response = request.bearer_auth(&self.token).timeout(TIMEOUT).send().await?;
            let text = checked(response, path).await?.text().await?;
            serde_json::from_str(&text).with_context(|| format!("{path} gave no JSON: {text}"))
        })
    }

    /// Gets a page whole, and gives its length in bytes.
    pub fn get(&self, path: &str) -> anyhow::Result<usize> {
        self.runtime.block_on(async {
            let request = self.client.get(format!("{}{path}", self.address));
            let response = request.bearer_auth(&self.token).timeout(TIMEOUT).send().await?;
            Ok(checked(response, path).await?.bytes().await?.len())
        })
    }

    /// Reads server-sent events for a while; `take` gets the data of each.
    pub fn events(&self, path: &str, time: Duration, mut take: impl FnMut(Value)) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let request = self.client.get(format!("{}{path}", self.address));
            let response = request.bearer_auth(&self.token).send().await?;
            let mut stream = checked(response, path).await?.bytes_stream();
            let (deadline, mut text) = (Instant::now() + time, String::new());
            while let Some(bytes) = stream.next().await {
                text.push_str(std::str::from_utf8(&bytes?)?);
                while let Some(end) = text.find("\n\n") {
                    let event: String = text.drain(..end + 2).collect();
                    let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                    if let Some(data) = data {
                        take(serde_json::from_str(data.trim())?);
                    }
                }
                if Instant::now() > deadline {
                    break;
                }
            }
            Ok(())
        })
    }
}

async fn checked(response: Response, path: &str) -> anyhow::Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    bail!("{path} answered {status}: {text}")
}
