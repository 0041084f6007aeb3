//! TERM while the plugin works. The signal is handled on a thread of its own, because the main thread may stand in a
//! call that nothing interrupts; that thread undoes what it can, says what was confirmed, and ends the process.

use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::verdict::Failure;

/// Whoever holds it tells how the plugin ended; the other one is late and waits for the end of the process.
static LAST_WORD: Mutex<()> = Mutex::new(());

/// Takes the right to say how the plugin ended.
pub fn last_word() -> MutexGuard<'static, ()> {
    LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a TERM, INT or HUP runs `act` and ends the process with what that gives. The main thread goes on
/// meanwhile, so `act` can wait for what it learns; only its verdict is not told any more. Later signals are ignored:
/// `act` is bounded by itself.
///
/// # Errors
/// Fails where the system refuses the handler or the thread; then nothing may be started that needs an end.
pub fn on_signal(act: impl FnOnce() -> Failure + Send + 'static) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(refused)?;
    spawn(move || {
        if signals.forever().next().is_some() {
            end(act);
        }
    })
}

/// The same as a signal that comes after `limit`.
///
/// # Errors
/// As [`on_signal`].
pub fn after(limit: Duration, act: impl FnOnce() -> Failure + Send + 'static) -> Result<(), Failure> {
    spawn(move || {
        thread::sleep(limit);
        end(act);
    })
}

#[expect(clippy::disallowed_methods, reason = "the main thread may stand in a call that nothing ends")]
fn end(act: impl FnOnce() -> Failure) {
    let _last_word = last_word();
    process::exit(i32::from(act().report()));
}

fn spawn(wait: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    thread::Builder::new().name("cancel".to_owned()).spawn(wait).map_err(refused)?;
    Ok(())
}

fn refused(error: io::Error) -> Failure {
    Failure::unknown(format!("a time-out or cancel could not be obeyed, so nothing was begun: {error}"))
}
