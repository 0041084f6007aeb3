//! Signals: TERM and INT ask to stop (a second one hurries), HUP to read settings and macros again.

use anyhow::Context as _;
use selfservice_core::db::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was asked for since the start.
#[derive(Clone, Default)]
pub struct Signals {
    stops: Arc<AtomicUsize>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen; each signal wakes the manager's loop.
    pub fn listen(waker: Waker) -> anyhow::Result<Self> {
        let signals = Self::default();
        let mut incoming =
            Incoming::new([SIGTERM, SIGINT, SIGHUP]).context("while registering for signals")?;
        let for_thread = signals.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in incoming.forever() {
                    match signal {
                        SIGHUP => for_thread.reload.store(true, Ordering::SeqCst),
                        _ => drop(for_thread.stops.fetch_add(1, Ordering::SeqCst)),
                    }
                    waker.wake();
                }
            })
            .context("while starting the signal thread")?;
        Ok(signals)
    }

    /// Whether the manager should stop.
    pub fn stop(&self) -> bool {
        self.stops.load(Ordering::SeqCst) > 0
    }

    /// Whether it should not wait for its runs.
    pub fn hurry(&self) -> bool {
        self.stops.load(Ordering::SeqCst) > 1
    }

    /// Whether settings and macros should be read again; true once for each time.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::SeqCst)
    }
}
