//! How long a request's body may take, and JSON in which each name stands once. The server itself bounds the head of a
//! request only, so a client that withholds its body would hold a connection and a handler for ever.

use crate::error::AppError;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
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

/// A JSON body. An object that names something twice, at whatever depth, is refused: two readers of it could take
/// different values.
#[derive(Debug)]
pub struct Json<T>(T);

impl<T> Json<T> {
    /// What the body says.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = web::Json::<Plain>::from_request(request, payload);
        Box::pin(async move {
            let Plain(value) = body.await?.into_inner();
            let read = serde_json::from_value(value).map(Self);
            Ok(read.map_err(|error| {
                AppError::BadRequest(format!("The JSON body is not understood: {error}."))
            })?)
        })
    }
}

/// A JSON value in which no object has a name twice.
#[derive(Debug)]
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Plain(value)) = entries.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("'{}' stands twice", name.escape_debug())));
            }
            let Plain(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Plain, bounded, is_late};
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

    #[test]
    fn no_object_names_something_twice() {
        let read = |text: &str| serde_json::from_str::<Plain>(text).map(|plain| plain.0);
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"a": {"b": [{"c": null, "c": null}]}}"#,
            r#"[{"a": 1, "b": 2, "a": 3}]"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("stands twice"), "{text}: {error}");
        }
        for text in
            [r#"{"a": {"a": [-1, 1.5, true, null, "a\n", {"a": 18446744073709551615}]}, "A": []}"#, "7"]
        {
            assert_eq!(read(text).unwrap(), serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
        assert!(read(&"[".repeat(10_000)).is_err(), "and a deep one is refused before it is built");
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
