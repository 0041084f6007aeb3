//! The command line of `http.sh`.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::judge::{Expectations, PointerValue, Statuses};
use crate::arguments::{Arguments, BadArgument, refuse_controls, unknown};
use crate::environment;
use crate::verdict::Severity;
use crate::web::{ClientOptions, Request, Rules, url};

/// How often and how a request is repeated.
#[derive(Debug, Clone)]
pub struct Repeating {
    pub retries: u32,
    pub retry_delay: Duration,
    pub redirects: u32,
}

/// Waiting for what a 202 has begun.
#[derive(Debug, Clone)]
pub struct Polling {
    /// Where in the body the address stands; `None`: in the header Location.
    pub address: Option<String>,
    pub done: Vec<PointerValue>,
    pub failed: Vec<PointerValue>,
    pub interval: Duration,
    pub timeout: Duration,
}

/// Everything that the command line says, checked.
#[derive(Debug, Clone)]
pub struct Options {
    pub request: Request,
    pub client: ClientOptions,
    /// For what a redirect leads to on another server.
    pub elsewhere: ClientOptions,
    pub expectations: Expectations,
    pub repeating: Repeating,
    pub polling: Option<Polling>,
    pub max_body: u64,
    /// What no answer at all counts as.
    pub trouble: Severity,
    pub check: bool,
}

/// `None`: the usage was asked for.
pub fn parse(mut arguments: Arguments) -> Result<Option<Options>, BadArgument> {
    let networks = arguments.etc("http.ini");
    let mut raw = Raw::default();
    while let Some(option) = arguments.option()? {
        if option == "--help" {
            return Ok(None);
        }
        raw.take(&option, &mut arguments)?;
    }
    let networks = Rules::read(&networks).map_err(BadArgument)?;
    raw.finish(networks).map(Some)
}

/// One kind of body per request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Payload {
    Text(String),
    Json(String),
    Fields(Map<String, Value>),
    Form(Vec<(String, String)>),
}

impl Payload {
    fn option(&self) -> &'static str {
        match self {
            Self::Text(_) => "--body",
            Self::Json(_) => "--json",
            Self::Fields(_) => "--json-field",
            Self::Form(_) => "--form",
        }
    }

    fn media_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text/plain; charset=utf-8",
            Self::Json(_) | Self::Fields(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) | Self::Json(text) => text.into_bytes(),
            Self::Fields(fields) => Value::Object(fields).to_string().into_bytes(),
            Self::Form(pairs) => url::pairs(&pairs).into_bytes(),
        }
    }
}

#[derive(Debug)]
struct Raw {
    url: String,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    payload: Option<Payload>,
    basic: (Option<String>, Option<String>),
    identity: (Option<PathBuf>, Option<PathBuf>),
    /// Something is sent that nobody on the way may read.
    confidential: bool,
    plain_http: bool,
    client: ClientOptions,
    allowed: Vec<String>,
    expectations: Expectations,
    repeating: Repeating,
    poll: bool,
    polling: Polling,
    max_body: u64,
    trouble: Severity,
    check: bool,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            url: String::new(),
            segments: Vec::new(),
            query: Vec::new(),
            method: None,
            headers: Vec::new(),
            payload: None,
            basic: (None, None),
            identity: (None, None),
            confidential: false,
            plain_http: false,
            client: ClientOptions::default(),
            allowed: Vec::new(),
            expectations: Expectations::default(),
            repeating: Repeating { retries: 0, retry_delay: Duration::from_secs(1), redirects: 0 },
            poll: false,
            polling: Polling {
                address: None,
                done: Vec::new(),
                failed: Vec::new(),
                interval: Duration::from_secs(2),
                timeout: Duration::from_secs(300),
            },
            max_body: 65_536,
            trouble: Severity::Unknown,
            check: false,
        }
    }
}

impl Raw {
    fn take(&mut self, option: &str, arguments: &mut Arguments) -> Result<(), BadArgument> {
        match option {
            "--check" => self.check = true,
            "--poll" => self.poll = true,
            "--plain-http" => self.plain_http = true,
            "--url" => self.url = arguments.value(option)?,
            "--segment" => self.add_segment(&arguments.value(option)?)?,
            "--query" => self.query.push(single_line(option, arguments.pair(option)?)?),
            "--method" => self.method = Some(method(arguments.value(option)?)?),
            "--header" => self.add_header(option, &arguments.value(option)?)?,
            "--body" => self.set_payload(Payload::Text(arguments.value(option)?))?,
            "--json" => self.set_payload(Payload::Json(arguments.value(option)?))?,
            "--json-field" => self.add_field(arguments.pair(option)?)?,
            "--form" => self.add_form(arguments.pair(option)?)?,
            "--bearer-secret" => {
                let secret = self.secret(&arguments.value(option)?)?;
                self.headers.push(("Authorization".to_owned(), format!("Bearer {secret}")));
            }
            "--basic-user" => self.basic.0 = Some(arguments.value(option)?),
            "--basic-secret" => self.basic.1 = Some(self.secret(&arguments.value(option)?)?),
            "--header-secret" => self.add_secret_header(&arguments.value(option)?)?,
            "--client-cert" => self.identity.0 = Some(arguments.value(option)?.into()),
            "--client-key" => self.identity.1 = Some(arguments.value(option)?.into()),
            "--expect" => self.expectations.ok = Statuses::parse(option, &arguments.value(option)?)?,
            "--warning-status" => {
                self.expectations.warning = Statuses::parse(option, &arguments.value(option)?)?;
            }
            "--expect-text" => self.expectations.texts.push(arguments.value(option)?),
            "--expect-json" => {
                self.expectations.json.push(PointerValue::parse(option, arguments.value(option)?)?)
            }
            "--trouble" => self.trouble = trouble(&arguments.value(option)?)?,
            _ => self.take_limit(option, arguments)?,
        }
        Ok(())
    }

    fn take_limit(&mut self, option: &str, arguments: &mut Arguments) -> Result<(), BadArgument> {
        let seconds = |most: u64, arguments: &mut Arguments| -> Result<Duration, BadArgument> {
            arguments.number(option, 1..=most).map(Duration::from_secs)
        };
        match option {
            "--retries" => self.repeating.retries = arguments.number(option, 0..=10)?,
            "--retry-delay" => self.repeating.retry_delay = seconds(300, arguments)?,
            "--redirects" => self.repeating.redirects = arguments.number(option, 0..=10)?,
            "--idempotency-key" => self.add_idempotency_key(option, arguments.value(option)?)?,
            "--poll-json" => {
                self.polling.address = Some(pointer(option, arguments.value(option)?)?);
                self.poll = true;
            }
            "--poll-done" => {
                self.polling.done.push(PointerValue::parse(option, arguments.value(option)?)?);
                self.poll = true;
            }
            "--poll-failed" => {
                self.polling.failed.push(PointerValue::parse(option, arguments.value(option)?)?);
                self.poll = true;
            }
            "--poll-interval" => self.polling.interval = seconds(300, arguments)?,
            "--poll-timeout" => self.polling.timeout = seconds(86_400, arguments)?,
            "--connect-timeout" => self.client.connect_timeout = seconds(300, arguments)?,
            "--timeout" => self.client.timeout = seconds(86_400, arguments)?,
            "--max-body" => self.max_body = arguments.number(option, 0..=67_108_864)?,
            "--ca-file" => self.client.ca_file = Some(arguments.value(option)?.into()),
            "--allow-network" => self.allowed.push(arguments.value(option)?),
            _ => return Err(unknown(option)),
        }
        Ok(())
    }

    fn add_segment(&mut self, value: &str) -> Result<(), BadArgument> {
        refuse_controls("--segment", value)?;
        let segment = url::segment(value).map_err(|problem| BadArgument(format!("--segment {problem}")))?;
        self.segments.push(segment);
        Ok(())
    }

    fn add_header(&mut self, option: &str, text: &str) -> Result<(), BadArgument> {
        refuse_controls(option, text)?;
        let Some((name, value)) = text.split_once(':') else {
            return Err(BadArgument(format!("{option} must look like 'NAME: VALUE', not '{text}'")));
        };
        let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if name.is_empty() || !name.bytes().all(of_a_name) {
            return Err(BadArgument(format!("'{name}' is no name of a header")));
        }
        // These decide where a request ends and which server it is for; they follow from the rest.
        let framing = ["host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"];
        if framing.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(BadArgument(format!("the header {name} can't be set")));
        }
        let value = value.trim_start_matches(' ');
        if value.is_empty() {
            return Err(BadArgument(format!("the header {name} has no value")));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn secret(&mut self, name: &str) -> Result<String, BadArgument> {
        self.confidential = true;
        environment::secret(name)
    }

    fn add_secret_header(&mut self, text: &str) -> Result<(), BadArgument> {
        let Some((name, secret)) = text.split_once(": ") else {
            return Err(BadArgument(format!("--header-secret must look like 'HEADER: NAME', not '{text}'")));
        };
        let secret = self.secret(secret)?;
        self.add_header("--header-secret", &format!("{name}: {secret}"))
    }

    fn add_idempotency_key(&mut self, option: &str, key: String) -> Result<(), BadArgument> {
        let key = if key == "task" { environment::task() } else { key };
        self.add_header(option, &format!("Idempotency-Key: {key}"))
    }

    fn set_payload(&mut self, payload: Payload) -> Result<(), BadArgument> {
        if let Some(other) = &self.payload
            && other.option() != payload.option()
        {
            let sentence = format!("{} and {} exclude each other", other.option(), payload.option());
            return Err(BadArgument(sentence));
        }
        self.payload = Some(payload);
        Ok(())
    }

    fn add_field(&mut self, (name, value): (String, String)) -> Result<(), BadArgument> {
        let mut fields = match self.payload.take() {
            Some(Payload::Fields(fields)) => fields,
            other => {
                self.payload = other;
                Map::new()
            }
        };
        fields.insert(name, Value::String(value));
        self.set_payload(Payload::Fields(fields))
    }

    fn add_form(&mut self, pair: (String, String)) -> Result<(), BadArgument> {
        let mut form = match self.payload.take() {
            Some(Payload::Form(form)) => form,
            other => {
                self.payload = other;
                Vec::new()
            }
        };
        form.push(pair);
        self.set_payload(Payload::Form(form))
    }

    fn finish(mut self, mut networks: Rules) -> Result<Options, BadArgument> {
        if self.url.is_empty() {
            return Err(BadArgument("--url is missing".to_owned()));
        }
        url::check("--url", &self.url).map_err(BadArgument)?;
        let url = url::fill(&self.url, &self.segments, &self.query).map_err(BadArgument)?;
        for network in &self.allowed {
            let network =
                network.parse().map_err(|problem| BadArgument(format!("--allow-network {problem}")))?;
            networks.also_allow(network);
        }
        match &self.basic {
            (None, None) => {}
            (Some(user), Some(secret)) => {
                refuse_controls("--basic-user", user)?;
                if user.is_empty() || user.contains(':') {
                    return Err(BadArgument("--basic-user must be a name without a colon".to_owned()));
                }
                let pair = STANDARD.encode(format!("{user}:{secret}"));
                self.headers.push(("Authorization".to_owned(), format!("Basic {pair}")));
            }
            _ => return Err(BadArgument("--basic-user and --basic-secret belong together".to_owned())),
        }
        let identity = match self.identity.clone() {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => return Err(BadArgument("--client-cert and --client-key belong together".to_owned())),
        };
        let tls = url.starts_with("https:");
        // Another server is trusted with nothing: what it is asked is no secret.
        let elsewhere =
            ClientOptions { networks: networks.clone(), identity: None, tls: true, ..self.client.clone() };
        if self.confidential && !tls && !self.plain_http {
            networks = networks.only_this_machine();
        }
        let client = ClientOptions { networks, identity, tls, ..self.client.clone() };
        Ok(Options {
            request: self.request(url),
            client,
            elsewhere,
            expectations: self.expectations,
            repeating: self.repeating,
            polling: (self.poll && !self.check).then_some(self.polling),
            max_body: self.max_body,
            trouble: self.trouble,
            check: self.check,
        })
    }

    fn request(&self, url: String) -> Request {
        let mut headers = self.headers.clone();
        let payload = self.payload.clone().filter(|_| !self.check);
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let (Some(payload), false) = (&payload, has_type) {
            headers.push(("Content-Type".to_owned(), payload.media_type().to_owned()));
        }
        let by_body = if payload.is_some() { "POST" } else { "GET" };
        let method = if self.check { "HEAD" } else { self.method.as_deref().unwrap_or(by_body) };
        Request {
            method: method.to_owned(),
            url,
            headers,
            body: payload.map(Payload::into_bytes),
            timeout: None,
        }
    }
}

fn single_line(option: &str, (name, value): (String, String)) -> Result<(String, String), BadArgument> {
    refuse_controls(option, &name)?;
    refuse_controls(option, &value)?;
    Ok((name, value))
}

fn method(text: String) -> Result<String, BadArgument> {
    if text.is_empty() || text == "CONNECT" || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(BadArgument(format!("--method must be capital letters and not CONNECT, not '{text}'")));
    }
    Ok(text)
}

/// A JSON pointer begins with a slash; the empty one means the whole document.
pub fn pointer(option: &str, text: String) -> Result<String, BadArgument> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text);
    }
    Err(BadArgument(format!("{option} needs a JSON pointer such as /status/state, not '{text}'")))
}

fn trouble(word: &str) -> Result<Severity, BadArgument> {
    match word {
        "unknown" => Ok(Severity::Unknown),
        "critical" => Ok(Severity::Critical),
        _ => Err(BadArgument("--trouble must be unknown or critical".to_owned())),
    }
}
