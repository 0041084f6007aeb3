//! The JSON API as this program asks it.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use ureq::http::{Request, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody};

/// No answer takes longer: the service gives up on its database before.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// More of an answer is not read.
const MOST: u64 = 64 * 1024 * 1024;
/// A token is shorter.
const TOKEN_BYTES: u64 = 1024;
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where the service is, and what proves who asks.
pub struct Client {
    agent: Agent,
    root: String,
    authorization: String,
}

/// What came back.
pub struct Reply {
    /// 200, 404 ...
    pub status: u16,
    /// Null where it was no JSON.
    pub body: Value,
}

impl Client {
    /// For the service at `url`. The token is read once; it is sent over https, or to this machine.
    pub fn new(url: &str, token_file: &Path, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let root = url.trim_end_matches('/');
        let uri: Uri = root.parse().with_context(|| format!("--url '{url}' is no address"))?;
        let encrypted = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) if is_this_machine(host) => false,
            (Some("http"), Some(_)) => {
                bail!("--url must begin with https://: the token could be read on the way")
            }
            _ => bail!("--url '{url}' is no address such as https://selfservice.example.net"),
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT));
        if encrypted {
            config = config.tls_config(trusting(ca_file.unwrap_or(Path::new(BUNDLE)))?);
        }
        Ok(Self {
            agent: config.build().new_agent(),
            root: format!("{root}/api/v1"),
            authorization: format!("Bearer {}", read_token(token_file)?),
        })
    }

    /// Reads.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let separator = if pairs.is_empty() { "" } else { "?" };
        self.ask("GET", &format!("{path}{separator}{}", pairs.join("&")), ())
    }

    /// Changes something.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask("POST", path, body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: impl AsSendBody) -> anyhow::Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.root))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)?;
        let mut answer = self.agent.run(request).with_context(|| format!("{} does not answer", self.root))?;
        let mut bytes = Vec::new();
        answer
            .body_mut()
            .as_reader()
            .take(MOST)
            .read_to_end(&mut bytes)
            .context("the answer is incomplete")?;
        Ok(Reply {
            status: answer.status().as_u16(),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }
}

/// A part of an answer by its JSON pointer; null where it is missing.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn is_this_machine(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn trusting(file: &Path) -> anyhow::Result<TlsConfig> {
    let bytes = std::fs::read(file).with_context(|| format!("while reading {}", file.display()))?;
    let certificates: Vec<_> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        bail!("{} holds no certificate", file.display());
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
}

fn read_token(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().take(TOKEN_BYTES).read_to_string(&mut text).context("while reading the token")?;
    } else {
        let opened = std::fs::File::open(file);
        let opened = opened.with_context(|| format!("while reading the token in {}", file.display()))?;
        let metadata = opened.metadata().context("while looking at the token's file")?;
        if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            let path = file.display();
            bail!("{path} holds an API token and may be read by others; run: chmod 0600 {path}");
        }
        opened.take(TOKEN_BYTES).read_to_string(&mut text).context("while reading the token")?;
    }
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{} holds no API token", file.display());
    }
    Ok(token.to_owned())
}

/// Text as a part of a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut query, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
        query
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_over_https_or_to_this_machine() {
        let refused = |url: &str| {
            Client::new(url, Path::new("/dev/null"), None).err().map(|error| error.to_string()).unwrap()
        };
        for url in ["http://selfservice.example.net", "http://127.0.0.1.example.net", "http://10.0.0.1:8080"]
        {
            assert!(refused(url).contains("must begin with https"), "{url}");
        }
        for url in ["ftp://localhost", "localhost:8080", "/x"] {
            assert!(refused(url).contains("is no address"), "{url}: {}", refused(url));
        }
        for url in ["http://localhost:8080/", "http://127.0.0.1:1/selfservice", "http://[::1]:8080"] {
            assert!(refused(url).contains("holds no API token"), "{url}: {}", refused(url));
        }
    }
}
