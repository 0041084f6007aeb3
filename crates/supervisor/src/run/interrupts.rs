//! Ctrl-C, TERM and a closed terminal, also where a background shell had made us ignore them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Collects the signals that ask us to stop.
pub struct Interrupts {
    count: Arc<AtomicUsize>,
    wakes: Receiver<()>,
}

impl Interrupts {
    /// Catches INT, TERM and HUP from now on.
    pub fn catch() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let (sender, wakes) = mpsc::channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                counted.fetch_add(1, Ordering::SeqCst);
                if sender.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { count, wakes })
    }

    /// How many signals have come.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Sleeps for `time`, or until the next signal. Signals that were counted already may cut it short.
    pub fn sleep(&self, time: Duration) {
        if self.wakes.recv_timeout(time) == Err(RecvTimeoutError::Disconnected) {
            thread::sleep(time);
        }
    }
}
