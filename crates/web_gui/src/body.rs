//! How long a request's body may take. The server itself bounds the head of a request only, so a client that withholds
//! its body would hold a connection and a handler for ever.

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use futures_util::{StreamExt as _, stream};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest time from the head of a request to the last byte of its body.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// The same body, which fails where it is not complete after `time`. Answers, streams among them, are not bounded.
pub fn bounded(body: Payload, time: Duration) -> Payload {
    if matches!(body, Payload::None) {
        return body;
    }
    let end = Instant::now() + time;
    let pieces = stream::unfold(body, move |mut body| async move {
        let late = || Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into())));
        let piece = timeout_at(end, body.next()).await.unwrap_or_else(|_| late())?;
        Some((piece, body))
    });
    Payload::Stream { payload: Box::pin(pieces) }
}

/// Whether reading a body failed because of its time.
pub fn is_late(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::{bounded, is_late};
    use actix_web::dev::Payload;
    use actix_web::web::Bytes;
    use futures_util::{StreamExt as _, stream};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    fn body(pieces: &'static [&'static str], ends: bool) -> Payload {
        let pieces = stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        if ends {
            Payload::Stream { payload: Box::pin(pieces) }
        } else {
            Payload::Stream { payload: Box::pin(pieces.chain(stream::pending())) }
        }
    }

    #[tokio::test]
    async fn a_body_that_is_withheld_is_an_error_and_no_shorter_body() {
        let mut late = bounded(body(&["name=al"], false), Duration::from_millis(50));
        assert_eq!(late.next().await.unwrap().unwrap(), "name=al");
        assert!(is_late(&late.next().await.unwrap().unwrap_err()));
    }

    #[tokio::test]
    async fn a_body_in_time_is_the_same() {
        let mut whole = bounded(body(&["name=", "alice"], true), LONG);
        assert_eq!(whole.next().await.unwrap().unwrap(), "name=");
        assert_eq!(whole.next().await.unwrap().unwrap(), "alice");
        assert!(whole.next().await.is_none());
        assert!(matches!(bounded(Payload::None, LONG), Payload::None));
    }
}
