//! What requests bring: read strictly, and refused with a sentence that names the part and the rule.

use crate::error::AppError;
use selfservice_core::models::tasks::TaskKind;
use serde::de::{Deserialize, Deserializer, Error as _};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The most parameters of one request; no handler has near so many.
const MAX_PARAMETERS: usize = 100;
/// The longest text in a query, in characters.
const MAX_QUERY_TEXT: usize = 200;
/// The longest reason, in characters.
const MAX_REASON: usize = 1000;

/// What a task is for where nothing is said.
pub fn run() -> TaskKind {
    TaskKind::Run
}

/// Reads an object of texts, not more than a handler could have.
pub fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::deserialize(deserializer)?;
    if values.len() > MAX_PARAMETERS {
        return Err(D::Error::custom(format!("there are more than {MAX_PARAMETERS} parameters")));
    }
    Ok(values)
}

/// Reads an object of texts that are secrets: what is wrong with one is said without it.
pub fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: BTreeMap<String, serde_json::Value> = BTreeMap::deserialize(deserializer)?;
    if values.len() > MAX_PARAMETERS {
        return Err(D::Error::custom(format!("there are more than {MAX_PARAMETERS} secrets")));
    }
    values
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => Ok((name, text)),
            _ => Err(D::Error::custom("each of the secrets must be a text")),
        })
        .collect()
}

/// A UUID in its usual form of 36 characters. Every other form is none: one task has one name.
pub fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// The task that a path names.
pub fn task_id(text: &str) -> Result<Uuid, AppError> {
    uuid(text).ok_or(AppError::NotFound)
}

/// Reads a UUID in its usual form.
pub fn strict_uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    uuid(&text).ok_or_else(|| D::Error::custom("a UUID needs the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
}

/// Reads a UUID in its usual form, or null.
pub fn optional_uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    struct Strict(Uuid);
    impl<'de> Deserialize<'de> for Strict {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            strict_uuid(deserializer).map(Self)
        }
    }
    Ok(Option::<Strict>::deserialize(deserializer)?.map(|strict| strict.0))
}

/// A text from a query: short, and without control characters, which no name has.
pub fn query_text(name: &str, text: &str) -> Result<(), AppError> {
    text_rule(text).map_err(|rule| AppError::BadRequest(format!("'{name}' {rule}.")))
}

/// Reads a text from a query, as [`query_text`] wants it.
pub fn strict_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    text_rule(&text).map_err(|rule| D::Error::custom(format!("a text {rule}")))?;
    Ok(text)
}

/// The rule that a text from a query breaks; PostgreSQL would refuse NUL.
fn text_rule(text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_QUERY_TEXT {
        return Err(format!("must not be longer than {MAX_QUERY_TEXT} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

/// How many rows to give: `default` where nothing was asked for.
pub fn limit(asked: Option<i64>, default: i64, most: i64) -> Result<i64, AppError> {
    match asked {
        None => Ok(default),
        Some(number) if (1..=most).contains(&number) => Ok(number),
        Some(_) => Err(AppError::BadRequest(format!("'limit' must be a whole number from 1 to {most}."))),
    }
}

/// A place in a byte stream.
pub fn offset(asked: Option<i64>) -> Result<i64, AppError> {
    asked
        .map_or(Some(0), |number| Some(number).filter(|number| *number >= 0))
        .ok_or_else(|| AppError::BadRequest("'offset' must not be negative.".to_owned()))
}

/// The reason that a person gave; white space alone is none.
pub fn reason(given: Option<String>) -> Result<Option<String>, AppError> {
    let Some(text) = given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    reason_rule(&text).map_err(|rule| AppError::BadRequest(format!("The reason {rule}.")))?;
    Ok(Some(text))
}

/// The rule that a reason breaks.
pub fn reason_rule(text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_REASON {
        return Err(format!("must not be longer than {MAX_REASON} characters"));
    }
    let misleading = |c: char| selfservice_core::names::is_invisible(c) && !matches!(c, '\n' | '\t');
    match text.chars().find(|c| misleading(*c)) {
        None => Ok(()),
        Some(character) => Err(format!("must not contain the character U+{:04X}", u32::from(character))),
    }
}
