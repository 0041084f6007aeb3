//! Whether an answer is what was expected.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::options::pointer;
use crate::arguments::BadArgument;
use crate::output::shortened;
use crate::verdict::Severity;

/// Statuses and ranges of them, such as `200,204,300-399`.
#[derive(Debug, Clone, Default)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    pub fn parse(option: &str, text: &str) -> Result<Self, BadArgument> {
        let status =
            |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status) && text.len() == 3);
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(status(first)?..=status(last)?)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges
            .map(Self)
            .ok_or_else(|| BadArgument(format!("{option} must look like 200,204,300-399, not '{text}'")))
    }

    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// A JSON pointer and the value that is looked for there.
#[derive(Debug, Clone)]
pub struct PointerValue {
    pub pointer: String,
    pub value: String,
}

impl PointerValue {
    /// Parses `POINTER=VALUE`; the first `=` ends the pointer.
    pub fn parse(option: &str, text: String) -> Result<Self, BadArgument> {
        let Some((at, value)) = text.split_once('=') else {
            return Err(BadArgument(format!("{option} must look like POINTER=VALUE, not '{text}'")));
        };
        Ok(Self { pointer: pointer(option, at.to_owned())?, value: value.to_owned() })
    }

    pub fn holds(&self, document: &Value) -> bool {
        document.pointer(&self.pointer).is_some_and(|found| plain(found) == self.value)
    }

    fn describe(&self, document: &Value) -> String {
        match document.pointer(&self.pointer) {
            Some(found) => format!("{} is {}", self.pointer, shortened(&plain(found))),
            None => format!("there is no {}", self.pointer),
        }
    }
}

/// Text without quotes, anything else as JSON writes it.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an answer must be.
#[derive(Debug, Clone)]
pub struct Expectations {
    pub ok: Statuses,
    pub warning: Statuses,
    pub texts: Vec<String>,
    pub json: Vec<PointerValue>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            ok: Statuses(vec![200..=299]),
            warning: Statuses::default(),
            texts: Vec::new(),
            json: Vec::new(),
        }
    }
}

impl Expectations {
    /// The severity of an answer and, where it is not as expected, why. `complete`: nothing of the body was left out.
    pub fn judge(&self, status: u16, body: &[u8], complete: bool) -> (Severity, Option<String>) {
        if self.warning.contain(status) {
            return (Severity::Warning, None);
        }
        if !self.ok.contain(status) {
            return (Severity::Critical, None);
        }
        let text = String::from_utf8_lossy(body);
        if let Some(missing) = self.texts.iter().find(|wanted| !text.contains(wanted.as_str())) {
            let where_looked = if complete { "the answer" } else { "the part of the answer that was read" };
            return (
                Severity::Critical,
                Some(format!("{where_looked} does not hold '{}'", shortened(missing))),
            );
        }
        if self.json.is_empty() {
            return (Severity::Ok, None);
        }
        let document: Value = match serde_json::from_slice(body) {
            Ok(document) => document,
            Err(_) if !complete => {
                return (
                    Severity::Critical,
                    Some("the answer is longer than --max-body, so its JSON can't be read".to_owned()),
                );
            }
            Err(error) => return (Severity::Critical, Some(format!("the answer is no JSON: {error}"))),
        };
        match self.json.iter().find(|expected| !expected.holds(&document)) {
            Some(wrong) => {
                let found = wrong.describe(&document);
                (Severity::Critical, Some(format!("{found}, expected was {}", shortened(&wrong.value))))
            }
            None => (Severity::Ok, None),
        }
    }
}

/// A server may refuse HEAD where it takes the real method, so only what it says about the credentials and about itself
/// counts.
pub fn judge_check(status: u16) -> Severity {
    match status {
        401 | 403 | 407 => Severity::Critical,
        501 => Severity::Ok,
        500..=599 => Severity::Warning,
        _ => Severity::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_compare_text_numbers_and_nothing() {
        let document = serde_json::json!({"a": [{"b/c": "up", "n": 3}], "none": null});
        for (text, holds) in [
            ("/a/0/b~1c=up", true),
            ("/a/0/n=3", true),
            ("/a/0/n=03", false),
            ("/none=null", true),
            ("/missing=null", false),
            ("/a/1/n=3", false),
        ] {
            assert_eq!(PointerValue::parse("x", text.to_owned()).unwrap().holds(&document), holds, "{text}");
        }
        assert!(PointerValue::parse("x", "a=b".to_owned()).is_err());
    }

    #[test]
    fn lists_of_statuses_have_a_form() {
        for bad in ["", "20", "2000", "600", "200,", "200-", "+20", "a"] {
            assert!(Statuses::parse("x", bad).is_err(), "{bad}");
        }
        assert!(Statuses::parse("x", "200,300-302").unwrap().contain(301));
    }
}
