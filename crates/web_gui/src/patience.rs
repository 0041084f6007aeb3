//! How long a request may wait for the database in all. Each use takes its time from what the uses before it have left,
//! so a request that asks three times does not wait three times as long.

use std::cell::Cell;
use std::time::Duration;

tokio::task_local! {
    /// What is left of the request that this task serves.
    static LEFT: Cell<Duration>;
}

/// Serves a request whose uses of the database may take so long together.
pub async fn serve<F: Future>(limit: Duration, request: F) -> F::Output {
    LEFT.scope(Cell::new(limit), request).await
}

/// What the present request may still wait. Outside of a request, in a stream that outlives it, each use has the whole
/// `limit`.
pub fn left(limit: Duration) -> Duration {
    LEFT.try_with(Cell::get).unwrap_or(limit)
}

/// The present request has waited for so long.
pub fn spend(time: Duration) {
    // Outside of a request nothing is counted.
    let _ = LEFT.try_with(|left| left.set(left.get().saturating_sub(time)));
}

#[cfg(test)]
mod tests {
    use super::{left, serve, spend};
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn what_one_use_takes_the_next_one_lacks() {
        serve(LIMIT, async {
            assert_eq!(left(Duration::MAX), LIMIT);
            spend(LIMIT / 4);
            tokio::task::yield_now().await;
            assert_eq!(left(Duration::MAX), LIMIT * 3 / 4);
            spend(LIMIT * 2);
            assert_eq!(left(Duration::MAX), Duration::ZERO);
        })
        .await;
        assert_eq!(left(LIMIT), LIMIT, "outside of a request");
    }
}
