//! JSON of the same form as our YAML. Keys that stand twice are refused wherever they stand: one would silently win.

use super::sections::{Located, Sections};
use crate::document::{Place, Take};
use crate::problem::Problem;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::io::Read;

/// Reads our own form; `whole` names where it came from.
pub(super) fn parse(whole: &Place, input: impl Read, take: &mut Take<'_>) -> Result<(), Problem> {
    let mut json = serde_json::Deserializer::from_reader(input);
    Sections::<Entries>::new(whole, take)
        .read(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| complaint(whole, &error))
}

/// Reads any JSON, and complains with the line.
pub(super) fn read(whole: &Place, text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map(|Unique(value)| value).map_err(|error| complaint(whole, &error))
}

fn complaint(whole: &Place, error: &serde_json::Error) -> Problem {
    let place = Place { line: error.line().try_into().unwrap_or_default(), ..whole.clone() };
    Problem::new(&place, error.to_string())
}

/// Values have no line.
struct Entries;

impl Located for Entries {
    fn next<'de, T: DeserializeOwned, A: SeqAccess<'de>>(
        values: &mut A,
    ) -> Result<Option<(T, u64)>, A::Error> {
        values.next_element::<Unique>()?.map(Unique::read).transpose()
    }

    fn value<'de, T: DeserializeOwned, A: MapAccess<'de>>(members: &mut A) -> Result<(T, u64), A::Error> {
        members.next_value::<Unique>()?.read()
    }
}

/// Any JSON in which no key stands twice in one object.
struct Unique(Value);

impl Unique {
    fn read<T: DeserializeOwned, E: serde::de::Error>(self) -> Result<(T, u64), E> {
        serde_json::from_value(self.0).map(|value| (value, 0)).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk).map(Self)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            let Unique(value) = members.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
