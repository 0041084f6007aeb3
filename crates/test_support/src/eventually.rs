//! Waiting for something that another process does.

use std::time::{Duration, Instant};

/// Longer than a busy machine needs, and never the measure of anything.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between the first looks. What takes longer is looked at less often, so that waiting leaves the processor to those
/// who are waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Asks `look` again and again until it gives a value, and gives that. Panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited for {PATIENCE:?}, but never: {what}");
        std::thread::sleep(next_look(begun.elapsed()));
    }
}

/// How long to wait before the next look at what was waited for since `waited`.
pub fn next_look(waited: Duration) -> Duration {
    (waited / 10).clamp(FIRST_PAUSE, LAST_PAUSE)
}
