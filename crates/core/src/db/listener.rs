//! LISTEN on a connection of its own, through libpq, so that connection strings, TLS and password files mean the same
//! as for every other connection.
//!
//! A notification is a hint to look: it can be lost while the connection is away, so whoever waits here also looks at
//! the rows after every time-out and after every reconnect.
//!
//! Nothing here waits for the server but `poll`, so the waiting thread always hears its [`Waker`]. (Only a host name
//! may wait for the resolver of the system.) A server that says nothing is asked now and then whether it is still there.

use super::libpq::{Connection, Progress};
use super::socket::step_alone;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Why [`Listener::wait`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// A notification: channel and payload.
    Notified {
        /// The channel's name.
        channel: String,
        /// What the sender put in; may be empty.
        payload: String,
    },
    /// The connection is new: notifications may have been missed before.
    Connected,
    /// A [`Waker`] was used, or a signal came for which one was registered.
    Woken,
    /// Nothing came in time, or the server is away.
    TimedOut,
}

/// Ends a wait of the listener from another thread.
#[derive(Debug)]
pub struct Waker(UnixStream);

impl Waker {
    /// Lets the present wait, or the next one, come back at once.
    pub fn wake(&self) {
        // A full pipe means that a wake is on its way already.
        let _ = (&self.0).write(&[1]);
    }

    /// Another handle.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// The stream to which one byte must be written, for signal handlers.
    pub fn into_stream(self) -> UnixStream {
        self.0
    }
}

/// Listens to some channels, and connects again when the connection breaks.
#[derive(Debug)]
pub struct Listener {
    url: String,
    subscribe: String,
    link: Link,
    backoff: Duration,
    woken: UnixStream,
    waker: Waker,
}

/// How far the connection is.
#[derive(Debug)]
enum Link {
    Down {
        retry_at: Instant,
    },
    /// It is being made; libpq waits for these events.
    Connecting {
        connection: Connection,
        wants: PollFlags,
        until: Instant,
    },
    /// LISTEN was sent.
    Subscribing {
        connection: Connection,
        until: Instant,
    },
    Up {
        connection: Connection,
        heard: Instant,
        /// The server was asked whether it is there, and must answer until then.
        asked: Option<Instant>,
    },
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(2);
/// The server must answer within this time, while connecting and later.
const PATIENCE: Duration = Duration::from_secs(5);
/// A server that was silent for so long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(5);
/// Another connection of this process is being made; soon it is our turn.
const TURN: Duration = Duration::from_millis(20);

impl Listener {
    /// A listener for `channels` on the server that the connection string names. Connects at the first
    /// [`Listener::wait`].
    pub fn new(connection_string: &str, channels: &[&'static str]) -> std::io::Result<Self> {
        let (woken, waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        Ok(Self {
            url: connection_string.to_owned(),
            subscribe: channels.iter().map(|channel| format!("LISTEN {channel};")).collect(),
            link: Link::Down { retry_at: Instant::now() },
            backoff: FIRST_BACKOFF,
            woken,
            waker: Waker(waker),
        })
    }

    /// A handle that ends waits.
    pub fn waker(&self) -> std::io::Result<Waker> {
        self.waker.try_clone()
    }

    /// Waits for a notification or a wake, for at most `timeout`. While the server is away it tries again with growing
    /// pauses, and gives [`Wake::Connected`] once it is back.
    pub fn wait(&mut self, timeout: Duration) -> Wake {
        let deadline = Instant::now() + timeout;
        let mut ready = false;
        loop {
            match self.advance(ready) {
                Ok(Some(wake)) => return wake,
                Ok(None) => {}
                Err(why) => self.lose(&why),
            }
            match self.poll(deadline.min(self.due())) {
                Ok(Ready::Woken) => return Wake::Woken,
                Ok(Ready::Nothing) if Instant::now() >= deadline => return Wake::TimedOut,
                Ok(Ready::Nothing) => ready = false,
                Ok(Ready::Server) => ready = true,
                Err(error) => self.lose(error.desc()),
            }
        }
    }

    /// Goes as far as it can without waiting. `ready`: the server has something, or takes something.
    fn advance(&mut self, ready: bool) -> Result<Option<Wake>, String> {
        let now = Instant::now();
        match &mut self.link {
            Link::Down { retry_at } if now < *retry_at => {}
            Link::Down { retry_at } => match step_alone(|| Connection::start(&self.url)) {
                None => *retry_at = now + TURN,
                Some(connection) => {
                    let (connection, until) = (connection?, now + PATIENCE);
                    self.link = Link::Connecting { connection, wants: PollFlags::POLLOUT, until };
                }
            },
            Link::Connecting { until, .. } | Link::Subscribing { until, .. } if now >= *until => {
                return Err("the server did not answer in time".to_owned());
            }
            Link::Connecting { .. } | Link::Subscribing { .. } if !ready => {}
            Link::Connecting { connection, wants, until } => match step_alone(|| connection.go_on()) {
                // The descriptor stays ready, so the next look comes at once; that must not become a busy loop.
                None => std::thread::sleep(TURN),
                Some(Progress::Reads) => *wants = PollFlags::POLLIN,
                Some(Progress::Writes) => *wants = PollFlags::POLLOUT,
                Some(Progress::Failed) => return Err(connection.message()),
                Some(Progress::Done) => {
                    connection.send(&self.subscribe)?;
                    let (connection, until) = (connection.take(), *until);
                    self.link = Link::Subscribing { connection, until };
                }
            },
            Link::Subscribing { connection, .. } => {
                connection.consume()?;
                if connection.answered()? {
                    let connection = connection.take();
                    self.link = Link::Up { connection, heard: now, asked: None };
                    self.backoff = FIRST_BACKOFF;
                    return Ok(Some(Wake::Connected));
                }
            }
            Link::Up { connection, heard, asked } => {
                if ready {
                    connection.consume()?;
                    *heard = now;
                }
                if let Some((channel, payload)) = connection.notification() {
                    return Ok(Some(Wake::Notified { channel, payload }));
                }
                match asked {
                    Some(_) if connection.answered()? => *asked = None,
                    Some(until) if now >= *until => {
                        return Err("the server did not answer in time".to_owned());
                    }
                    None if now.duration_since(*heard) >= SILENCE => {
                        connection.send("SELECT 1")?;
                        *asked = Some(now + PATIENCE);
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// When something is to be done even if nothing comes.
    fn due(&self) -> Instant {
        match &self.link {
            Link::Down { retry_at } => *retry_at,
            Link::Connecting { until, .. } | Link::Subscribing { until, .. } => *until,
            Link::Up { asked: Some(until), .. } => *until,
            Link::Up { heard, asked: None, .. } => *heard + SILENCE,
        }
    }

    fn lose(&mut self, why: &str) {
        match self.link {
            Link::Up { .. } => tracing::warn!("the connection for notifications broke: {why}"),
            _ => tracing::debug!(why, "the connection for notifications could not be opened"),
        }
        self.link = Link::Down { retry_at: Instant::now() + self.backoff };
        self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
    }

    fn poll(&mut self, until: Instant) -> nix::Result<Ready> {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that the time is over when the wait is.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let server = match &self.link {
            Link::Down { .. } => None,
            Link::Connecting { connection, wants, .. } => Some((connection, *wants)),
            Link::Subscribing { connection, .. } | Link::Up { connection, .. } => {
                Some((connection, connection.wants()))
            }
        };
        let mut descriptors = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        if let Some((connection, wants)) = server {
            descriptors.push(PollFd::new(connection.descriptor()?, wants));
        }
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Ready::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let is_ready = |index: usize| {
            descriptors.get(index).and_then(PollFd::revents).is_some_and(|events| !events.is_empty())
        };
        if is_ready(1) {
            return Ok(Ready::Server);
        }
        if is_ready(0) {
            let mut buffer = [0; 64];
            while matches!(self.woken.read(&mut buffer), Ok(count) if count > 0) {}
            return Ok(Ready::Woken);
        }
        Ok(Ready::Nothing)
    }
}

/// Which descriptor has something.
enum Ready {
    Server,
    Woken,
    Nothing,
}
