//! Waiting for something that another process does.

use std::time::{Duration, Instant};

/// Asks `look` again and again until it gives a value, and gives that. Panics with `what` after a minute: long
/// enough for a loaded machine, and never the measure of anything.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited for a minute, but never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
