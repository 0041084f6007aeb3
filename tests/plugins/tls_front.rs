//! TLS before a plain server of the tests, with whatever certificate a test wants. What is behind counts as reached
//! once the client has sent it something.

use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use test_support::certificates::{Authority, Identity};

/// What is behind.
#[derive(Clone)]
pub enum Upstream {
    Tcp(SocketAddr),
    /// PostgreSQL's socket; its clients ask for TLS in the protocol's own words first.
    Postgresql(PathBuf),
}

/// Serves until the test's process ends.
pub struct TlsFront {
    pub port: u16,
    reached: Arc<AtomicUsize>,
}

impl TlsFront {
    /// Shows `identity`, and lets in those only who show a certificate of `clients`, where that is given.
    pub fn start(identity: &Identity, clients: Option<&Authority>, upstream: Upstream) -> Self {
        let config = Arc::new(config(identity, clients));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, config) = (stream.unwrap(), Arc::clone(&config));
                let (upstream, counted) = (upstream.clone(), Arc::clone(&counted));
                // A client that leaves, whenever it does, is for the test to judge, from its side.
                thread::spawn(move || serve(stream, config, &upstream, &counted));
            }
        });
        Self { port, reached }
    }

    /// Over how many connections something was sent to the server behind.
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

fn config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    builder.with_single_cert(chain, key).unwrap()
}

fn serve(
    mut client: TcpStream,
    config: Arc<ServerConfig>,
    upstream: &Upstream,
    reached: &AtomicUsize,
) -> io::Result<()> {
    if let Upstream::Postgresql(_) = upstream {
        // SSLRequest: the length, and a number in the place of a version.
        let mut request = [0; 8];
        client.read_exact(&mut request)?;
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "the client did not ask for TLS");
        client.write_all(b"S")?;
    }
    let mut tls = ServerConnection::new(config).unwrap();
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut client) {
            // The alert says why; it must not be lost with what the client sent meanwhile.
            let _told = client.shutdown(Shutdown::Write);
            let _rest = client.read_to_end(&mut Vec::new());
            return Err(error);
        }
    }
    match upstream {
        Upstream::Tcp(address) => pass_on(tls, client, TcpStream::connect(address)?, reached),
        Upstream::Postgresql(socket) => pass_on(tls, client, UnixStream::connect(socket)?, reached),
    }
}

/// Passes bytes both ways until one side closes.
fn pass_on(
    mut tls: ServerConnection,
    mut client: TcpStream,
    mut server: impl Read + Write + AsFd,
    reached: &AtomicUsize,
) -> io::Result<()> {
    let (mut buffer, mut silent) = ([0; 16_384], true);
    loop {
        while let Ok(count @ 1..) = tls.reader().read(&mut buffer) {
            if mem::take(&mut silent) {
                reached.fetch_add(1, Ordering::SeqCst);
            }
            server.write_all(&buffer[..count])?;
        }
        while tls.wants_write() {
            tls.write_tls(&mut client)?;
        }
        let ready = {
            let mut sides = [
                PollFd::new(client.as_fd(), PollFlags::POLLIN),
                PollFd::new(server.as_fd(), PollFlags::POLLIN),
            ];
            poll(&mut sides, PollTimeout::NONE)?;
            sides.map(|side| side.any().unwrap_or_default())
        };
        if ready[0] {
            if tls.read_tls(&mut client)? == 0 {
                return Ok(());
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
        if ready[1] {
            let count = server.read(&mut buffer)?;
            if count == 0 {
                tls.send_close_notify();
                tls.write_tls(&mut client)?;
                return Ok(());
            }
            tls.writer().write_all(&buffer[..count])?;
        }
    }
}
