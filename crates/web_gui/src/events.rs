//! Hints from PostgreSQL for the streams: one thread listens, every stream hears.
//!
//! A hint only says which tasks to look at again; the rows are the truth. Hints can be lost while the connection is
//! away, so a stream also looks when the connection is new and after every [`Hearing::next`] that ran out of time.

use selfservice_core::db::{Listener, TASK_CHANGED, Wake, Waker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, watch};
use uuid::Uuid;

/// Messages that a slow stream may be behind; afterwards it looks without having heard.
const BACKLOG: usize = 256;
/// Streams that look at the database at once: fewer than the pool has connections, so that hundreds of readers of a busy
/// task hold up nobody but each other.
const LOOKING: usize = 4;
/// The listening thread has nothing to do but to wait.
const TURN: Duration = Duration::from_secs(3600);

/// What the database said.
#[derive(Debug, Clone)]
enum Hint {
    /// These tasks changed.
    Tasks(Arc<[Uuid]>),
    /// Anything may have changed.
    Reconnected,
}

/// Gives hints to any number of streams. Clones share the thread.
#[derive(Debug, Clone)]
pub struct Events {
    hints: broadcast::Sender<Hint>,
    closing: watch::Sender<bool>,
    waker: Arc<Waker>,
    looking: Arc<Semaphore>,
}

/// What a stream should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Look at the rows: they changed, or it was quiet for long enough.
    Look,
    /// Say goodbye: the program ends.
    Closing,
}

impl Events {
    /// Starts the thread that listens on the server of `connection_string`. It ends after [`Events::close`], and does
    /// not mind when the server is away.
    pub fn start(connection_string: &str) -> std::io::Result<Self> {
        let listener = Listener::new(connection_string, &[TASK_CHANGED])?;
        let events = Self::new(listener.waker()?);
        let thread = events.clone();
        std::thread::Builder::new().name("listener".to_owned()).spawn(move || thread.listen(listener))?;
        Ok(events)
    }

    fn new(waker: Waker) -> Self {
        Self {
            hints: broadcast::Sender::new(BACKLOG),
            closing: watch::Sender::new(false),
            waker: Arc::new(waker),
            looking: Arc::new(Semaphore::new(LOOKING)),
        }
    }

    /// Ends the thread and tells every stream to end, so that a shutdown does not wait for browsers.
    pub fn close(&self) {
        self.closing.send_replace(true);
        self.waker.wake();
    }

    /// Begins to hear about `task`.
    pub fn hear(&self, task: Uuid) -> Hearing {
        Hearing { task, hints: self.hints.subscribe(), closing: self.closing.subscribe() }
    }

    /// Does `look` when it is this stream's turn.
    pub async fn in_turn<T>(&self, look: impl Future<Output = T>) -> T {
        // The semaphore is never closed; if it were, a look without a turn is better than none.
        let _turn = self.looking.acquire().await;
        look.await
    }

    fn listen(&self, mut listener: Listener) {
        while !*self.closing.borrow() {
            let hint = match listener.wait(TURN) {
                Wake::Notified { payload, .. } => {
                    Hint::Tasks(payload.split(',').filter_map(|id| id.parse().ok()).collect())
                }
                Wake::Connected => Hint::Reconnected,
                Wake::Woken | Wake::TimedOut => continue,
            };
            // Nobody may be listening, which is fine.
            let _ = self.hints.send(hint);
        }
    }
}

/// One stream's ear.
#[derive(Debug)]
pub struct Hearing {
    task: Uuid,
    hints: broadcast::Receiver<Hint>,
    closing: watch::Receiver<bool>,
}

impl Hearing {
    /// Waits until the task may have changed, for at most `patience`. Hints that came while the stream was busy count,
    /// and many of them count as one.
    pub async fn next(&mut self, patience: Duration) -> Heard {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => return Heard::Closing,
            () = changed(&mut self.hints, self.task) => {}
            () = tokio::time::sleep(patience) => {}
        }
        // The look that follows sees everything that was said until now.
        self.hints = self.hints.resubscribe();
        Heard::Look
    }
}

async fn changed(hints: &mut broadcast::Receiver<Hint>, task: Uuid) {
    loop {
        match hints.recv().await {
            Ok(Hint::Tasks(ids)) if !ids.contains(&task) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            // Without a thread that hears there is only the clock.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> Events {
        let listener = Listener::new("", &[]).unwrap();
        Events::new(listener.waker().unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_hints_about_the_task_wake_the_stream() {
        let (events, task) = (silent(), Uuid::from_u128(7));
        let mut hearing = events.hear(task);
        events.hints.send(Hint::Tasks(Arc::new([Uuid::from_u128(8)]))).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), hearing.next(LONG)).await.is_err());
        events.hints.send(Hint::Tasks(Arc::new([task]))).unwrap();
        events.hints.send(Hint::Reconnected).unwrap();
        assert_eq!(hearing.next(LONG).await, Heard::Look);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), hearing.next(LONG)).await.is_err(),
            "both hints led to one look"
        );
    }

    #[tokio::test]
    async fn a_stream_that_is_behind_looks_and_a_closing_program_ends_it() {
        let events = silent();
        let mut hearing = events.hear(Uuid::from_u128(7));
        for _ in 0..=BACKLOG {
            events.hints.send(Hint::Tasks(Arc::new([Uuid::from_u128(8)]))).unwrap();
        }
        assert_eq!(hearing.next(LONG).await, Heard::Look);
        assert_eq!(hearing.next(Duration::ZERO).await, Heard::Look);
        events.close();
        assert_eq!(hearing.next(LONG).await, Heard::Closing);
    }
}
