//! A TCP proxy before a test's database that can be made to fail in every way a network can.

use crate::TestDatabase;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use supervisor::SUPERUSER;

/// A change of the fault reaches every connection within this time.
const TICK: Duration = Duration::from_millis(10);
/// So many bytes wait in the proxy per direction before it reads no more.
const BACKLOG: usize = 1024 * 1024;
/// The server may take so long over what it got before a cut.
const ANSWER: Duration = Duration::from_secs(10);

/// What the proxy does to the present connections and to new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it passes everything on.
    Pass,
    /// Every byte comes so much later, each way.
    Latency(Duration),
    /// So many bytes a second, each way.
    Bandwidth(usize),
    /// At most so many bytes at once, a millisecond apart.
    Slices(usize),
    /// It accepts and reads, and passes nothing on, either way. Nobody hears that anything is wrong.
    Blackhole,
    /// The server hears that its clients are gone; they hear nothing, and nobody reads what they send.
    HalfOpen,
    /// Connections are reset, new ones right after they were accepted.
    Reset,
    /// Connections are reset, and nobody listens on the port.
    Refuse,
    /// Passes everything on until clients have sent `text` for the `nth` time (1: the next time); then it resets that
    /// connection, and passes everything on again.
    CutAt {
        /// Bytes as they are on the wire.
        text: &'static [u8],
        /// Counts down over all connections.
        nth: usize,
        /// Whether the server gets the text, and may answer it, before the cut; the client never sees that answer.
        delivered: bool,
    },
}

/// A whole simple query message: how diesel ends a transaction.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// Execute and Sync of the extended protocol: the end of a statement with parameters. Outside of a transaction its
/// changes are committed with it.
const STATEMENT: &[u8] = b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";

impl Fault {
    /// Cuts at the `nth` COMMIT of a transaction; `delivered`: the server carries it out, and nobody is told.
    pub fn cut_at_commit(nth: usize, delivered: bool) -> Self {
        Self::CutAt { text: COMMIT, nth, delivered }
    }

    /// Cuts at the `nth` statement with parameters: claims and results are one such statement each, which commits itself.
    pub fn cut_at_statement(nth: usize, delivered: bool) -> Self {
        Self::CutAt { text: STATEMENT, nth, delivered }
    }
}

/// The proxy; it ends with the value.
#[derive(Debug)]
pub struct FaultyProxy {
    port: u16,
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    fault: Mutex<Fault>,
    cuts: AtomicUsize,
    swallowed: AtomicUsize,
    stopping: AtomicBool,
}

impl Shared {
    fn fault(&self) -> MutexGuard<'_, Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl FaultyProxy {
    /// Listens on a free port before the database, and passes everything on at first.
    pub fn before(database: &TestDatabase) -> Self {
        Self::before_server(database.socket(), database.name())
    }

    /// As [`FaultyProxy::before`] for a database of the server that listens on `socket`, running or not.
    pub fn before_server(socket: PathBuf, database: &str) -> Self {
        let shared = Arc::new(Shared {
            server: socket,
            fault: Mutex::new(Fault::Pass),
            cuts: AtomicUsize::new(0),
            swallowed: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no port: {error}"));
        let port = listener.local_addr().unwrap_or_else(|error| panic!("no port: {error}")).port();
        let for_thread = Arc::clone(&shared);
        spawn(move || listen(listener, port, &for_thread));
        // Plain text, so that what is on the wire can be read.
        let url = format!(
            "postgresql://{SUPERUSER}@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"
        );
        Self { port, url, shared }
    }

    /// Connection string of the database behind the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens from now on, to all connections.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault() = fault;
    }

    /// What happens now. A [`Fault::CutAt`] has become [`Fault::Pass`] when it was carried out.
    pub fn fault(&self) -> Fault {
        *self.shared.fault()
    }

    /// How many bytes of clients went into a [`Fault::Blackhole`].
    pub fn swallowed(&self) -> usize {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// How many connections were cut by [`Fault::CutAt`].
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(work);
    drop(thread.unwrap_or_else(|error| panic!("no thread for the proxy: {error}")));
}

fn listen(first: TcpListener, port: u16, shared: &Arc<Shared>) {
    let mut listener = Some(first);
    while !shared.stopping() {
        if *shared.fault() == Fault::Refuse {
            listener = None;
            std::thread::sleep(TICK);
            continue;
        }
        // Somebody else may have the port for a moment; then the next turn gets it.
        listener = listener.or_else(|| TcpListener::bind(("127.0.0.1", port)).ok());
        let Some(listener) = &listener else {
            std::thread::sleep(TICK);
            continue;
        };
        if !ready(&[(listener.as_fd(), PollFlags::POLLIN)], TICK) {
            continue;
        }
        if let Ok((client, _)) = listener.accept() {
            let shared = Arc::clone(shared);
            spawn(move || Connection::new(client, &shared.server).carry(&shared));
        }
    }
}

/// Waits until one of the descriptors is ready. True: one may be.
fn ready(wanted: &[(std::os::fd::BorrowedFd<'_>, PollFlags)], timeout: Duration) -> bool {
    let mut descriptors: Vec<_> = wanted.iter().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
    poll(&mut descriptors, timeout).is_ok_and(|count| count > 0)
}

/// One client with its connection to the server, and what is on the way.
struct Connection {
    client: TcpStream,
    /// None: the server could not be reached, or was told that the client is gone.
    server: Option<UnixStream>,
    to_server: Lane,
    to_client: Lane,
    /// The last bytes of the client, where the text of a cut may have begun.
    seen: Vec<u8>,
    /// The server has got the text: the cut comes with its answer, or then.
    cut_by: Option<Instant>,
}

/// Bytes on the way in one direction.
#[derive(Default)]
struct Lane {
    /// In order, with the time before which each must not arrive.
    waiting: VecDeque<(Instant, Vec<u8>)>,
    length: usize,
    /// Nothing may be written before: slices and bandwidth.
    pause_until: Option<Instant>,
    /// Where it comes from is at its end.
    ended: bool,
}

/// Whether the connection goes on.
enum Turn {
    On,
    Close,
    Reset,
}

impl Connection {
    fn new(client: TcpStream, server: &Path) -> Self {
        let server = UnixStream::connect(server).ok();
        let _ = client.set_nonblocking(true).and(client.set_nodelay(true));
        let _ = server.as_ref().map(|server| server.set_nonblocking(true));
        Self {
            client,
            server,
            to_server: Lane::default(),
            to_client: Lane::default(),
            seen: Vec::new(),
            cut_by: None,
        }
    }

    fn carry(mut self, shared: &Shared) {
        loop {
            let turn = if shared.stopping() { Turn::Close } else { self.turn(shared) };
            match turn {
                Turn::On => {}
                Turn::Close => return,
                Turn::Reset => {
                    // Closing a socket that does not linger sends a reset.
                    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                    let _ = setsockopt(&self.client, sockopt::Linger, &linger);
                    return;
                }
            }
        }
    }

    fn turn(&mut self, shared: &Shared) -> Turn {
        let fault = *shared.fault();
        match fault {
            Fault::Reset | Fault::Refuse => return Turn::Reset,
            Fault::HalfOpen => {
                self.server = None;
                std::thread::sleep(TICK);
                return Turn::On;
            }
            _ => {}
        }
        let Some(server) = &mut self.server else {
            return Turn::Reset;
        };
        let now = Instant::now();
        let due = [self.to_server.due(), self.to_client.due()].into_iter().flatten().min();
        let wait = due.map_or(TICK, |due| due.saturating_duration_since(now).min(TICK));
        let flags = |incoming: &Lane, outgoing: &Lane| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, incoming.has_room());
            flags.set(PollFlags::POLLOUT, outgoing.due().is_some_and(|due| due <= now));
            flags
        };
        ready(
            &[
                (self.client.as_fd(), flags(&self.to_server, &self.to_client)),
                (server.as_fd(), flags(&self.to_client, &self.to_server)),
            ],
            wait,
        );
        let from_client = self.to_server.read(&mut self.client);
        let from_server = self.to_client.read(server);
        if let Some(by) = self.cut_by {
            let answered = !from_server.is_empty() || self.to_client.ended;
            if answered || Instant::now() >= by {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                return Turn::Reset;
            }
        } else if fault == Fault::Blackhole {
            shared.swallowed.fetch_add(from_client.len(), Ordering::SeqCst);
            return if self.to_server.ended { Turn::Close } else { Turn::On };
        } else {
            let before = self.look_for_cut(&from_client, shared);
            match before {
                Some((_, false)) => {
                    shared.cuts.fetch_add(1, Ordering::SeqCst);
                    return Turn::Reset;
                }
                Some((end, true)) => {
                    self.to_server.put(from_client.get(..end).unwrap_or_default().to_vec(), fault);
                    self.cut_by = Some(Instant::now() + ANSWER);
                }
                None => self.to_server.put(from_client, fault),
            }
            self.to_client.put(from_server, fault);
        }
        let Some(server) = &mut self.server else { return Turn::Reset };
        let broken = !self.to_server.write(server, fault) | !self.to_client.write(&mut self.client, fault);
        if broken || self.to_server.is_over() || self.to_client.is_over() { Turn::Close } else { Turn::On }
    }

    /// Where in the client's bytes the text of a cut ends whose turn it is, and whether the server gets it.
    fn look_for_cut(&mut self, bytes: &[u8], shared: &Shared) -> Option<(usize, bool)> {
        let mut fault = shared.fault();
        let Fault::CutAt { text, nth, delivered } = &mut *fault else {
            self.seen.clear();
            return None;
        };
        let kept = self.seen.len();
        self.seen.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(found) =
            self.seen.get(at..).and_then(|rest| rest.windows(text.len()).position(|part| part == *text))
        {
            at += found + text.len();
            *nth = nth.saturating_sub(1);
            if *nth == 0 {
                let delivered = *delivered;
                *fault = Fault::Pass;
                return Some((at - kept, delivered));
            }
        }
        let keep_from = at.max(self.seen.len().saturating_sub(text.len() - 1));
        self.seen.drain(..keep_from);
        None
    }
}

impl Lane {
    fn has_room(&self) -> bool {
        !self.ended && self.length < BACKLOG
    }

    fn is_over(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// When the next byte may be written.
    fn due(&self) -> Option<Instant> {
        let (due, _) = self.waiting.front()?;
        Some(self.pause_until.map_or(*due, |pause| pause.max(*due)))
    }

    /// What has come, as far as there is room.
    fn read(&mut self, from: &mut impl Read) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        if !self.has_room() {
            return Vec::new();
        }
        match from.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                buffer.truncate(count);
                return buffer;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.ended = true,
        }
        Vec::new()
    }

    fn put(&mut self, bytes: Vec<u8>, fault: Fault) {
        if bytes.is_empty() {
            return;
        }
        let latency = if let Fault::Latency(latency) = fault { latency } else { Duration::ZERO };
        self.length += bytes.len();
        self.waiting.push_back((Instant::now() + latency, bytes));
    }

    /// Writes what is due. False: the other side is gone.
    fn write(&mut self, to: &mut impl Write, fault: Fault) -> bool {
        while self.due().is_some_and(|due| due <= Instant::now()) {
            let Some((_, bytes)) = self.waiting.front_mut() else { break };
            let most = match fault {
                Fault::Slices(size) => size.max(1),
                Fault::Bandwidth(rate) => (rate / 50).max(1),
                _ => usize::MAX,
            };
            let written = match to.write(bytes.get(..most).unwrap_or(bytes)) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            bytes.drain(..written);
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
            self.length -= written;
            self.pause_until = match fault {
                Fault::Slices(_) => Some(Instant::now() + Duration::from_millis(1)),
                Fault::Bandwidth(rate) => {
                    #[expect(clippy::cast_precision_loss, reason = "a rate needs no precision")]
                    let pause = written as f64 / rate.max(1) as f64;
                    Some(Instant::now() + Duration::from_secs_f64(pause))
                }
                _ => None,
            };
        }
        true
    }
}
