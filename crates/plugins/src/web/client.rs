//! One client over ureq: no redirects, no proxies, no cookies by itself, certificates always checked, every address
//! judged before it is connected to.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use ureq::http::{Method, Request as HttpRequest, Response as HttpResponse, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Body, BodyReader, Timeout};

use super::networks::Rules;
use super::tls;

/// What all requests of a client have in common.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Looking up the name, connecting, and the TLS handshake.
    pub connect_timeout: Duration,
    /// One request from its beginning to the last byte of the answer.
    pub timeout: Duration,
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key that we show.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Which addresses may be reached.
    pub networks: Rules,
    /// Whether a certificate can be needed: reading the authorities takes some milliseconds.
    pub tls: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            ca_file: None,
            identity: None,
            networks: Rules::any(),
            tls: true,
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// In capital letters.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// `None` sends no body at all, not an empty one.
    pub body: Option<Vec<u8>>,
    /// In the place of the client's time-out, for a request that has less time.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: None, timeout: None }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Why there is no answer. Each variant is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The name has no address.
    #[error("the name of the host could not be resolved")]
    NotResolved,
    /// All of its addresses are refused; the sentence is about the first one.
    #[error("{0}")]
    NotAllowed(String),
    /// No connection came about.
    #[error("{0}")]
    NotConnected(String),
    /// The handshake failed, or the certificate does not prove what it should.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The time was over after the request may have been sent.
    #[error("no complete answer within the time-out")]
    TimedOut,
    /// The connection ended before the answer was complete.
    #[error("the server closed the connection without an answer")]
    NoAnswer,
    /// Anything else.
    #[error("no complete answer: {0}")]
    Broken(String),
    /// The request itself can't be made.
    #[error("the request can't be sent: {0}")]
    Unsendable(String),
}

impl Trouble {
    /// Whether the server cannot have seen the request, so that sending it again is safe whatever it does.
    pub fn before_sending(&self) -> bool {
        matches!(self, Self::NotResolved | Self::NotAllowed(_) | Self::NotConnected(_) | Self::Unsendable(_))
    }

    /// Whether it may go away by itself.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::NotAllowed(_) | Self::Tls(_) | Self::Unsendable(_))
    }
}

/// Status and headers of an answer, and its body to be read.
pub struct Reply {
    /// 100 to 599.
    pub status: u16,
    headers: ureq::http::HeaderMap,
    body: BodyReader<'static>,
}

impl Reply {
    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers of this name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Reads at most `limit` bytes and gives them, and whether there was more. The rest is not fetched.
    pub fn read(&mut self, limit: u64) -> Result<(Vec<u8>, bool), Trouble> {
        let mut body = Vec::new();
        let reader = (&mut self.body).take(limit.saturating_add(1));
        let mut reader = io::BufReader::new(reader);
        reader.read_to_end(&mut body).map_err(|error| trouble(ureq::Error::from(error)))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = body.len() > limit;
        body.truncate(limit);
        Ok((body, more))
    }

    /// Reads what comes next, 0 bytes at the end.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        self.body.read(buffer).map_err(|error| trouble(ureq::Error::from(error)))
    }
}

/// Sends requests. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
}

impl Client {
    /// # Errors
    /// A certificate file that can't be used, as a sentence.
    pub fn new(options: ClientOptions) -> Result<Self, String> {
        Self::with_resolver(options, DefaultResolver::default())
    }

    fn with_resolver(options: ClientOptions, inner: impl Resolver) -> Result<Self, String> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .allow_non_standard_methods(true)
            .user_agent("selfservice")
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_global(Some(options.timeout));
        if options.tls {
            let identity =
                options.identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
            config = config.tls_config(tls::config(options.ca_file.as_deref(), identity)?);
        }
        let resolver = Judge { rules: options.networks, inner };
        Ok(Self { agent: Agent::with_parts(config.build(), Marking(DefaultConnector::default()), resolver) })
    }

    /// Sends the request once and gives the answer as soon as its headers are there.
    pub fn send(&self, request: &Request) -> Result<Reply, Trouble> {
        let unsendable = |error: &dyn std::fmt::Display| Trouble::Unsendable(error.to_string());
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| unsendable(&error))?;
        let mut built = HttpRequest::builder().method(method).uri(&request.url);
        for (name, value) in &request.headers {
            built = built.header(name, value.as_bytes());
        }
        let answer = match &request.body {
            Some(body) => {
                self.run(built.body(body.as_slice()).map_err(|error| unsendable(&error))?, request.timeout)
            }
            None => self.run(built.body(()).map_err(|error| unsendable(&error))?, request.timeout),
        };
        let (parts, body) = answer.map_err(trouble)?.into_parts();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: Body::into_reader(body) })
    }

    fn run<S: AsSendBody>(
        &self,
        request: HttpRequest<S>,
        timeout: Option<Duration>,
    ) -> Result<HttpResponse<Body>, ureq::Error> {
        match timeout {
            None => self.agent.run(request),
            Some(limit) => {
                let request = self.agent.configure_request(request).timeout_global(Some(limit)).build();
                self.agent.run(request)
            }
        }
    }
}

/// Looks up a name and gives the addresses that are allowed; the connection goes to exactly these.
#[derive(Debug)]
struct Judge<R> {
    rules: Rules,
    inner: R,
}

/// The error of a name whose addresses are all refused; it travels through ureq.
#[derive(Debug, Error)]
#[error("{0}")]
struct NotAllowed(String);

impl<R: Resolver> Resolver for Judge<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let (mut allowed, mut refused) = (self.empty(), None);
        for address in &found {
            match self.rules.check(address.ip()) {
                Ok(()) => allowed.push(*address),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if allowed.is_empty() => Err(ureq::Error::Other(Box::new(NotAllowed(why)))),
            _ => Ok(allowed),
        }
    }
}

/// Connects, and marks what goes wrong meanwhile. A connection that exists can fail with the same errors: a router's
/// word that the host is gone may arrive when the request is there long since.
#[derive(Debug)]
struct Marking(DefaultConnector);

/// The error of a connection that did not come about; it travels through ureq.
#[derive(Debug, Error)]
#[error("{0}")]
struct NotConnected(String);

impl Connector<()> for Marking {
    type Out = <DefaultConnector as Connector<()>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(|error| match error {
            ureq::Error::Io(error) => match not_connected(&error) {
                Some(sentence) => ureq::Error::Other(Box::new(NotConnected(sentence))),
                None => ureq::Error::Io(error),
            },
            error => error,
        })
    }
}

fn not_connected(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("the connection was refused".to_owned()),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Some(format!("the host is not reachable: {error}")),
        _ => None,
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::HostNotFound | ureq::Error::Timeout(Timeout::Resolve) => Trouble::NotResolved,
        ureq::Error::Timeout(Timeout::Connect) => {
            Trouble::NotConnected("no connection within the time-out".to_owned())
        }
        ureq::Error::Timeout(_) => Trouble::TimedOut,
        ureq::Error::ConnectionFailed => Trouble::NotConnected("no connection could be made".to_owned()),
        ureq::Error::Rustls(error) => Trouble::Tls(error.to_string()),
        ureq::Error::Tls(error) => Trouble::Tls(error.to_owned()),
        ureq::Error::Io(error) => io_trouble(&error),
        ureq::Error::Other(error) => {
            if let Some(NotAllowed(why)) = error.downcast_ref() {
                Trouble::NotAllowed(why.clone())
            } else if let Some(NotConnected(why)) = error.downcast_ref() {
                Trouble::NotConnected(why.clone())
            } else {
                Trouble::Broken(error.to_string())
            }
        }
        ureq::Error::Http(error) => Trouble::Unsendable(error.to_string()),
        ureq::Error::BadUri(error) => Trouble::Unsendable(error),
        error => Trouble::Broken(error.to_string()),
    }
}

fn io_trouble(error: &io::Error) -> Trouble {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Trouble::Tls(tls.to_string());
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Trouble::NoAnswer,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Trouble::TimedOut,
        // The look-up's own errors have no kind of their own.
        _ if error.to_string().contains("failed to lookup address") => Trouble::NotResolved,
        _ => Trouble::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Mutex;
    use std::thread;

    /// Answers each question with the next list of addresses, as a name server does that means harm.
    #[derive(Debug)]
    struct Changing(Mutex<std::vec::IntoIter<Vec<SocketAddr>>>);

    impl Resolver for Changing {
        fn resolve(
            &self,
            _: &Uri,
            _: &ureq::config::Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut found = self.empty();
            let next = self.0.lock().unwrap().next().ok_or(ureq::Error::HostNotFound)?;
            next.into_iter().for_each(|address| found.push(address));
            Ok(found)
        }
    }

    /// Answers every request with this byte.
    fn serve(listener: TcpListener, byte: u8) {
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _asked = stream.read(&mut [0; 1024]);
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n";
                stream.write_all(&[&head[..], &[byte]].concat()).unwrap();
            }
        });
    }

    #[test]
    fn a_connection_that_breaks_does_not_count_as_none() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::TimedOut,
        ] {
            assert!(!trouble(ureq::Error::Io(kind.into())).before_sending(), "{kind}");
        }
    }

    #[test]
    fn a_name_that_changes_after_the_check_leads_nowhere_else() {
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        let inside_address = inside.local_addr().unwrap();
        let outside = TcpListener::bind(("127.0.0.2", inside_address.port())).unwrap();
        let outside_address = outside.local_addr().unwrap();
        serve(inside, b'i');
        serve(outside, b'o');
        let mut networks = Rules::default();
        networks.also_allow("127.0.0.2".parse().unwrap());
        let answers = vec![
            // A second question about the same request would lead inside.
            vec![outside_address],
            vec![inside_address],
            vec![inside_address, outside_address],
        ];
        let options = ClientOptions { networks, tls: false, ..ClientOptions::default() };
        let client = Client::with_resolver(options, Changing(Mutex::new(answers.into_iter()))).unwrap();
        let ask = || {
            let request = Request::new("GET", format!("http://name.example:{}/", inside_address.port()));
            client.send(&request).map(|mut reply| reply.read(10).unwrap().0)
        };
        assert_eq!(ask(), Ok(b"o".to_vec()));
        assert!(matches!(ask(), Err(Trouble::NotAllowed(_))));
        assert_eq!(ask(), Ok(b"o".to_vec()));
    }
}
