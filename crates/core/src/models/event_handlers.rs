//! Event handlers: healing actions, each a plugin with an argument template and the parameters a person is asked for.

use super::TextArray;
use crate::config::Secret;
use crate::db::schema::event_handlers;
use crate::text_enum::text_enum;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::{Deserialize, Serialize};

text_enum! {
    /// How much a handler can break, in growing order.
    Risk {
        /// Changes nothing: one click.
        ReadOnly = "read-only",
        /// A confirmation that shows the exact command.
        Normal = "normal",
        /// The host's name is typed besides.
        Dangerous = "dangerous",
    }
}

/// A row of `event_handlers`.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Deserialize)]
#[diesel(table_name = event_handlers, check_for_backend(Pg))]
pub struct EventHandler {
    /// Primary key.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// What it does, for the person who may press it.
    pub description: String,
    /// Name of the plugin; never a path.
    pub plugin: String,
    /// One template an argument.
    #[diesel(deserialize_as = TextArray)]
    pub arguments: Vec<String>,
    /// What the person is asked for; read it with [`EventHandler::parameters`].
    parameters: serde_json::Value,
    /// Labels that grants may name.
    #[diesel(deserialize_as = TextArray)]
    pub tags: Vec<String>,
    /// Names of secrets that the plugin gets in its environment.
    #[diesel(deserialize_as = TextArray)]
    pub secrets: Vec<String>,
    /// How much it can break.
    pub risk: Risk,
    /// The run is ended after so many seconds.
    pub timeout_seconds: i32,
    /// Whether the person must say why.
    pub reason_required: bool,
    /// Whether a lost task may be started again without a person.
    pub repeatable: bool,
    /// Whether known macros without a value expand to nothing.
    pub empty_macros: bool,
    /// A disabled handler is shown to nobody and starts nowhere.
    pub enabled: bool,
    /// Where the procedure is described.
    pub runbook_url: Option<String>,
    /// Grows by one with every change.
    pub revision: i32,
    /// So many of its tasks run at once, on all hosts together; `None`: no limit.
    pub max_running: Option<i32>,
    /// Since when new requests are refused and queued tasks wait.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why.
    pub paused_reason: Option<String>,
}

text_enum! {
    /// The type of a parameter.
    ParameterType {
        /// One line of text.
        Text = "text",
        /// A whole number.
        Integer = "integer",
        /// One of a list.
        Choice = "choice",
        /// `true` or `false`.
        Boolean = "boolean",
        /// Typed anew for each run, and never shown, stored in clear or passed as an argument.
        Secret = "secret",
    }
}

/// One thing that a person fills in before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Name in requests and, in capitals, in the macro `$_PARAMname$`.
    pub name: String,
    /// What the form calls it; the name where absent.
    #[serde(default)]
    pub label: Option<String>,
    /// What values there are.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// Value that the form starts with.
    #[serde(default)]
    pub default: Option<String>,
    /// Whether it must be filled in.
    #[serde(default = "yes")]
    pub required: bool,
    /// Text: a regular expression that the whole value must match (linear time, no look-around).
    #[serde(default)]
    pub pattern: Option<String>,
    /// Integer: the smallest value.
    #[serde(default)]
    pub minimum: Option<i64>,
    /// Integer: the largest value.
    #[serde(default)]
    pub maximum: Option<i64>,
    /// Choice: the list.
    #[serde(default)]
    pub choices: Option<Vec<String>>,
}

/// The longest text value, in characters.
const MAX_TEXT_LENGTH: usize = 1000;

fn yes() -> bool {
    true
}

impl Parameter {
    /// Checks a value that a person gave. The error completes "this field ...".
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return if self.required { Err("must not be empty".to_owned()) } else { Ok(()) };
        }
        if let Some(character) = value.chars().find(|c| crate::names::is_invisible(*c)) {
            return Err(format!("must not contain the character U+{:04X}", u32::from(character)));
        }
        match self.kind {
            ParameterType::Text => check_text(value, self.pattern.as_deref()),
            ParameterType::Integer => check_integer(value, self.minimum, self.maximum),
            ParameterType::Choice => {
                let choices = self.choices.as_deref().unwrap_or_default();
                if choices.iter().any(|choice| choice == value) {
                    Ok(())
                } else {
                    Err(format!("must be one of {}", choices.join(", ")))
                }
            }
            ParameterType::Boolean if matches!(value, "true" | "false") => Ok(()),
            ParameterType::Boolean => Err("must be true or false".to_owned()),
            ParameterType::Secret => Err("is a secret: it is sent under 'secrets'".to_owned()),
        }
    }

    /// Checks a value that a person typed for a secret parameter; `None`: nothing was typed into an optional one. The error
    /// completes "this field ..." and says nothing of the value.
    pub fn check_secret(&self, value: &str) -> Result<Option<Secret>, String> {
        if value.is_empty() {
            return if self.required { Err("must not be empty".to_owned()) } else { Ok(None) };
        }
        if value.chars().any(crate::names::is_invisible) {
            return Err("must not contain control characters or characters that nobody sees".to_owned());
        }
        if value.chars().count() > MAX_TEXT_LENGTH {
            return Err(format!("must not be longer than {MAX_TEXT_LENGTH} characters"));
        }
        Secret::new(value.to_owned()).map(Some).map_err(|why| why.to_string())
    }

    /// Whether its value is a secret.
    pub fn is_secret(&self) -> bool {
        self.kind == ParameterType::Secret
    }

    /// The name of a secret parameter behind `SELFSERVICE_SECRET_` in the plugin's environment.
    pub fn secret_name(&self) -> String {
        self.name.to_uppercase()
    }

    /// Checks the definition itself, as an engineer wrote it. The error completes "the parameter ...".
    pub fn check_definition(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !self.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !self.name.chars().all(plain) {
            return Err("needs a name of letters, digits and '_' that begins with a letter".to_owned());
        }
        let belongs = [
            ("pattern", self.pattern.is_some(), ParameterType::Text),
            ("minimum", self.minimum.is_some(), ParameterType::Integer),
            ("maximum", self.maximum.is_some(), ParameterType::Integer),
            ("choices", self.choices.is_some(), ParameterType::Choice),
        ];
        if let Some((key, _, kind)) = belongs.iter().find(|(_, given, kind)| *given && *kind != self.kind) {
            return Err(format!("has '{key}', which only the type {kind} knows"));
        }
        if self.kind == ParameterType::Choice && self.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err("needs 'choices'".to_owned());
        }
        if let Some(pattern) = &self.pattern {
            compile(pattern).map_err(|error| format!("has a pattern that is not understood: {error}"))?;
        }
        match self.default.as_deref().filter(|default| !default.is_empty()) {
            Some(_) if self.is_secret() => {
                Err("has a default, which everybody could read: a secret is typed each time".to_owned())
            }
            Some(default) => self.check(default).map_err(|why| format!("has a default that {why}")),
            None => Ok(()),
        }
    }
}

/// Anchored as a whole: the value `ok\nrm` must not pass the pattern `ok`.
fn compile(pattern: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    regex_lite::Regex::new(&format!(r"\A(?:{pattern})\z"))
}

fn check_text(value: &str, pattern: Option<&str>) -> Result<(), String> {
    // A program that gets the value could read it as an option or as a file to include.
    if value.starts_with(['-', '@']) {
        return Err("must not begin with '-' or '@'".to_owned());
    }
    if value.chars().count() > MAX_TEXT_LENGTH {
        return Err(format!("must not be longer than {MAX_TEXT_LENGTH} characters"));
    }
    let Some(pattern) = pattern else { return Ok(()) };
    match compile(pattern) {
        Ok(regex) if regex.is_match(value) => Ok(()),
        Ok(_) => Err(format!("must match the pattern {pattern}")),
        Err(_) => Err(format!("cannot be checked: the handler's pattern {pattern} is not understood")),
    }
}

fn check_integer(value: &str, minimum: Option<i64>, maximum: Option<i64>) -> Result<(), String> {
    let inside = |number: i64| minimum.is_none_or(|m| number >= m) && maximum.is_none_or(|m| number <= m);
    let plain = value.parse::<i64>().is_ok_and(|number| inside(number) && number.to_string() == value);
    match (plain, minimum, maximum) {
        (true, ..) => Ok(()),
        (false, Some(minimum), Some(maximum)) => {
            Err(format!("must be a whole number from {minimum} to {maximum}"))
        }
        (false, Some(minimum), None) => Err(format!("must be a whole number, {minimum} or more")),
        (false, None, Some(maximum)) => Err(format!("must be a whole number, {maximum} or less")),
        (false, None, None) => Err("must be a whole number".to_owned()),
    }
}

impl EventHandler {
    /// The parameters in the order of the form.
    pub fn parameters(&self) -> Result<Vec<Parameter>, serde_json::Error> {
        serde_json::from_value(self.parameters.clone())
    }

    /// The handler with this id.
    pub fn find(connection: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        event_handlers::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The handler of this name.
    pub fn by_name(connection: &mut PgConnection, name: &str) -> QueryResult<Option<Self>> {
        event_handlers::table
            .filter(event_handlers::name.eq(name))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// Refuses new requests and lets queued tasks wait, until somebody lets it go on. False: there is no such handler,
    /// or it is paused already. Run it in a transaction with the audit row.
    pub fn pause(connection: &mut PgConnection, id: i64, by: &str, reason: &str) -> QueryResult<bool> {
        let rows = diesel::sql_query(
            "UPDATE event_handlers SET paused_at = clock_timestamp(), paused_by = $2, paused_reason = $3 \
             WHERE id = $1 AND paused_at IS NULL",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(by)
        .bind::<Text, _>(reason)
        .execute(connection)?;
        Ok(rows == 1)
    }

    /// Lets a paused handler go on; losses before that do not count any more. False: there is no such handler, or it
    /// is not paused. Run it in a transaction with the audit row.
    pub fn resume(connection: &mut PgConnection, id: i64) -> QueryResult<bool> {
        let rows = diesel::sql_query(
            "UPDATE event_handlers SET paused_at = NULL, paused_by = NULL, paused_reason = NULL, \
             resumed_at = clock_timestamp() WHERE id = $1 AND paused_at IS NOT NULL",
        )
        .bind::<BigInt, _>(id)
        .execute(connection)?;
        Ok(rows == 1)
    }

    /// Why nothing of it starts, without a full stop: `restart is paused since 2026-11-24 12:03 UTC by alice: ...`.
    pub fn pause_text(&self) -> Option<String> {
        let (at, by) = (self.paused_at?, self.paused_by.as_deref()?);
        let reason = self.paused_reason.as_deref()?;
        Some(format!("{} is paused since {} by {by}: {reason}", self.name, at.format("%F %H:%M UTC")))
    }

    /// Handlers by name, after the name `after`, at most `limit`.
    pub fn page(
        connection: &mut PgConnection,
        like: &str,
        after: &str,
        limit: i64,
    ) -> QueryResult<Vec<Self>> {
        event_handlers::table
            .filter(event_handlers::name.gt(after))
            .filter(event_handlers::name_key.like(super::contains(like)))
            .order(event_handlers::name)
            .limit(limit)
            .select(Self::as_select())
            .load(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(json: &str) -> Parameter {
        let text = format!(r#"{{"name": "x", {json}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        let named = parameter(r#""type": "text", "pattern": "ok|fine""#);
        assert_eq!(named.check("ok"), Ok(()));
        assert_eq!(named.check("fine"), Ok(()));
        for value in ["okay", "not ok", "finest"] {
            assert_eq!(named.check(value), Err("must match the pattern ok|fine".to_owned()));
        }
        for value in ["ok\nrm", "ok\n", "ok\0", "ok\u{2028}"] {
            assert!(named.check(value).unwrap_err().starts_with("must not contain the character U+"));
        }
    }

    #[test]
    fn a_pattern_that_backtracking_engines_choke_on_is_harmless() {
        let evil = parameter(r#""type": "text", "pattern": "(a+)+$""#);
        assert!(evil.check(&format!("{}!", "a".repeat(999))).is_err());
        assert_eq!(evil.check(&"a".repeat(5000)), Err("must not be longer than 1000 characters".to_owned()));
    }

    #[test]
    fn text_cannot_become_an_option_or_a_file_to_include() {
        let text = parameter(r#""type": "text""#);
        for value in ["-oProxyCommand=x", "--help", "@/etc/passwd"] {
            assert_eq!(text.check(value), Err("must not begin with '-' or '@'".to_owned()));
        }
        assert_eq!(
            text.check("; | & $( ) ' \" `x` a\tb").unwrap_err(),
            "must not contain the character U+0009"
        );
        assert_eq!(text.check("; | & $( ) ' \" `x`"), Ok(()), "no shell reads it");
    }

    #[test]
    fn numbers_choices_and_switches() {
        let number = parameter(r#""type": "integer", "minimum": 0, "maximum": 120"#);
        assert_eq!(number.check("30"), Ok(()));
        for value in ["-1", "121", "3.5", "030", "+3", " 3", "0x10", "99999999999999999999"] {
            assert_eq!(
                number.check(value),
                Err("must be a whole number from 0 to 120".to_owned()),
                "{value}"
            );
        }
        let choice = parameter(r#""type": "choice", "choices": ["a", "b"]"#);
        assert_eq!((choice.check("b"), choice.check("c")), (Ok(()), Err("must be one of a, b".to_owned())));
        assert!(parameter(r#""type": "boolean""#).check("yes").is_err());
        assert_eq!(number.check(""), Err("must not be empty".to_owned()));
        assert_eq!(parameter(r#""type": "integer", "required": false"#).check(""), Ok(()));
    }

    #[test]
    fn a_secret_can_be_masked_and_is_not_told_of() {
        let secret = parameter(r#""type": "secret""#);
        assert_eq!(secret.check_secret("correct horse").unwrap().unwrap().expose(), "correct horse");
        assert_eq!(secret.check_secret("-begins with it").unwrap().unwrap().expose(), "-begins with it");
        for (value, why) in [
            ("", "must not be empty"),
            ("tooxs", "is too short"),
            ("password", "is a common word"),
            ("aaaaaaaa", "is a common word"),
            ("two\nlines", "must not contain control"),
            ("nul\0nul", "must not contain control"),
        ] {
            let error = secret.check_secret(value).unwrap_err();
            assert!(error.starts_with(why), "{value:?}: {error}");
            assert!(value.is_empty() || !error.contains(value));
        }
        assert!(secret.check_secret(&"x1".repeat(501)).is_err());
        assert_eq!(parameter(r#""type": "secret", "required": false"#).check_secret(""), Ok(None));
        assert!(secret.check("correct horse").unwrap_err().contains("'secrets'"));
        let open = parameter(r#""type": "secret", "default": "correct horse""#).check_definition();
        assert!(open.unwrap_err().contains("everybody could read"));
        assert!(parameter(r#""type": "secret", "pattern": "a""#).check_definition().is_err());
    }

    #[test]
    fn definitions_are_checked_as_well() {
        let wrong = |json: &str| parameter(json).check_definition().unwrap_err();
        assert!(wrong(r#""type": "choice""#).contains("needs 'choices'"));
        assert!(wrong(r#""type": "text", "minimum": 1"#).contains("only the type integer knows"));
        assert!(wrong(r#""type": "text", "pattern": "(""#).contains("not understood"));
        assert!(wrong(r#""type": "integer", "maximum": 5, "default": "6""#).contains("default that must be"));
        assert!(
            serde_json::from_str::<Parameter>(r#"{"name": "x", "type": "text", "patern": "a"}"#).is_err()
        );
    }
}
