//! A server of HTTP that answers as a test wants it to, nasty ways included.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use test_support::certificates::Identity;

/// What is sent after a request.
#[derive(Clone)]
pub enum Reply {
    /// A whole answer with this status and body.
    Whole(u16, String),
    /// Another address.
    Redirect(String),
    /// The beginning of an answer, and then nothing.
    Stuck,
    /// A body without an end.
    Endless,
    /// Less than it said.
    Cut,
}

/// Runs as long as the test's process.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request by what `answer` says to its first line.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer)
    }

    /// The same over TLS.
    pub fn start_with(
        identity: Option<&Identity>,
        answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, answer) = (requests.clone(), Arc::new(answer));
        let tls = identity.map(|identity| {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config =
                ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
        });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noted, answer, tls) = (noted.clone(), answer.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &noted, &*answer),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &noted, &*answer);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// All requests so far, head by head.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The client may go away at any time: what cannot be sent then is not missed.
fn serve(mut stream: impl Read + Write, noted: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Reply) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    noted.lock().unwrap().push(head.clone());
    let mut send = |text: &str| stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok();
    match answer(head.lines().next().unwrap_or_default()) {
        Reply::Whole(status, body) => {
            let length = body.len();
            send(&format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ));
        }
        Reply::Redirect(to) => {
            send(&format!(
                "HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ));
        }
        Reply::Stuck => {
            send("HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{");
            thread::sleep(Duration::from_secs(600));
        }
        Reply::Endless => {
            let block = " ".repeat(64 * 1024);
            if send("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n") {
                while send(&block) {}
            }
        }
        Reply::Cut => {
            send("HTTP/1.1 200 X\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"hosts\": []}");
        }
    }
}
