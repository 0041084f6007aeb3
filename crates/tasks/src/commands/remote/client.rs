//! The JSON API as this program asks it.

use anyhow::{Context as _, anyhow, bail};
use bundled_plugins::web::{self, ClientOptions, Request, url};
use serde_json::Value;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// More of an answer is not read.
const MOST: u64 = 64 * 1024 * 1024;
/// A token is shorter.
const TOKEN_BYTES: u64 = 1024;

/// A secret that a person types is shorter.
const SECRET_BYTES: u64 = 8 * 1024;

/// Where the service is, and what proves who asks.
pub struct Client {
    web: web::Client,
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
    /// For the service at the address `service`. The token is read once; it is sent over https, or to this machine.
    pub fn new(service: &str, token_file: &Path, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let root = service.trim_end_matches('/');
        url::check("--url", root).map_err(|why| {
            anyhow!(why)
                .context(format!("--url '{service}' is no address such as https://selfservice.example.net"))
        })?;
        let encrypted = root.starts_with("https://");
        if !encrypted && !url::is_loopback(root) {
            bail!("--url must begin with https://: the token could be read on the way");
        }
        let options = ClientOptions {
            ca_file: ca_file.map(Path::to_owned),
            tls: encrypted,
            ..ClientOptions::default()
        };
        Ok(Self {
            web: web::Client::new(options).map_err(|why| anyhow!(why))?,
            root: format!("{root}/api/v1"),
            authorization: format!("Bearer {}", read_token(token_file)?),
        })
    }

    /// Reads.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let separator = if pairs.is_empty() { "" } else { "?" };
        self.ask("GET", &format!("{path}{separator}{}", url::pairs(&pairs)), None)
    }

    /// Changes something.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask("POST", path, Some(body.to_string().into_bytes()))
    }

    fn ask(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<Reply> {
        let request = Request::new(method, format!("{}{path}", self.root))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        let mut answer = self
            .web
            .send(&Request { body, ..request })
            .with_context(|| format!("{} does not answer", self.root))?;
        let (bytes, _) = answer.read(MOST).context("the answer is incomplete")?;
        Ok(Reply { status: answer.status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}

/// A part of an answer by its JSON pointer; null where it is missing.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The value of a secret parameter, without the line end behind it.
pub fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = read_private(file, "a secret", SECRET_BYTES)?;
    Ok(text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .unwrap_or(&text)
        .to_owned())
}

/// Reads a file that only its owner may read.
fn read_private(file: &Path, what: &str, most: u64) -> anyhow::Result<String> {
    let opened = std::fs::File::open(file);
    let opened = opened.with_context(|| format!("while reading {what} in {}", file.display()))?;
    let metadata = opened.metadata().with_context(|| format!("while looking at {}", file.display()))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        let path = file.display();
        bail!("{path} holds {what} and may be read by others; run: chmod 0600 {path}");
    }
    let mut text = String::new();
    opened
        .take(most)
        .read_to_string(&mut text)
        .with_context(|| format!("while reading {what} in {}", file.display()))?;
    Ok(text)
}

fn read_token(file: &Path) -> anyhow::Result<String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().take(TOKEN_BYTES).read_to_string(&mut text).context("while reading the token")?;
        text
    } else {
        read_private(file, "an API token", TOKEN_BYTES)?
    };
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{} holds no API token", file.display());
    }
    Ok(token.to_owned())
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
