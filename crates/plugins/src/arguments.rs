//! Reading a command line: long options only, each with its value as the next argument, so that a value is never
//! taken for an option or for a part of one.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::vec::IntoIter;

use thiserror::Error;

/// A command line that can't be used; the sentence says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadArgument(pub String);

/// The arguments behind the plugin's name, in their order.
#[derive(Debug)]
pub struct Arguments {
    plugin: PathBuf,
    rest: IntoIter<OsString>,
}

impl Arguments {
    /// `plugin` is the path under which the plugin was called; its settings lie in `../etc` from there.
    pub fn new(plugin: PathBuf, rest: Vec<OsString>) -> Self {
        Self { plugin, rest: rest.into_iter() }
    }

    /// A file in the `etc` directory that belongs to the plugin's directory.
    pub fn etc(&self, name: &str) -> PathBuf {
        let directory = self.plugin.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
        directory.join("../etc").join(name)
    }

    /// A file beside the plugin.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.plugin.with_file_name(name)
    }

    /// The next option with its dashes, or `None` at the end.
    pub fn option(&mut self) -> Result<Option<String>, BadArgument> {
        match self.word()? {
            Some(word) if word.starts_with("--") => Ok(Some(word)),
            Some(word) => Err(BadArgument(format!("unknown argument '{word}'"))),
            None => Ok(None),
        }
    }

    /// The value of the option that was just read.
    pub fn value(&mut self, option: &str) -> Result<String, BadArgument> {
        self.word()?.ok_or_else(|| BadArgument(format!("{option} needs a value")))
    }

    /// A whole number within `range`.
    pub fn number<T>(&mut self, option: &str, range: RangeInclusive<T>) -> Result<T, BadArgument>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.value(option)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => Err(BadArgument(format!(
                "{option} must be a whole number from {} to {}, not '{text}'",
                range.start(),
                range.end()
            ))),
        }
    }

    /// `NAME=VALUE`; the name is not empty.
    pub fn pair(&mut self, option: &str) -> Result<(String, String), BadArgument> {
        let text = self.value(option)?;
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(BadArgument(format!("{option} must look like NAME=VALUE, not '{text}'"))),
        }
    }

    fn word(&mut self) -> Result<Option<String>, BadArgument> {
        let word = self.rest.next().map(OsString::into_string).transpose();
        word.map_err(|word| BadArgument(format!("'{}' is no UTF-8", word.to_string_lossy())))
    }
}

/// The error for an option that the plugin does not have.
pub fn unknown(option: &str) -> BadArgument {
    BadArgument(format!("unknown argument '{option}'"))
}

/// Refuses control characters: a line break in a request would be a second header or a second request.
pub fn refuse_controls(what: &str, value: &str) -> Result<(), BadArgument> {
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        let sentence = format!("{what} must not contain line breaks or other control characters");
        return Err(BadArgument(sentence));
    }
    Ok(())
}
