//! The only user of `serde_ini`: reads a file line by line, so that every complaint names file, line, section and key.
//!
//! Rules, the same for all our files: `;` and `#` begin a comment line, also when indented; blank lines are fine; a
//! byte order mark is skipped; a value is what follows the first `=`, trimmed, and is taken literally (no quotes, no
//! escapes, no comment behind it); a section or key that stands twice is refused, because one would silently win.

use serde_ini::{Item, Parser};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A complaint about a file that a person wrote.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {message}", file.display(), Line(*line))]
pub struct IniError {
    file: PathBuf,
    line: usize,
    message: String,
}

impl IniError {
    /// A complaint about the file as a whole.
    pub(super) fn whole(file: &Path, message: String) -> Self {
        Self { file: file.to_owned(), line: 0, message }
    }
}

/// Shown as `:12`, or as nothing for a complaint about the whole file.
struct Line(usize);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ":{}", self.0) }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    value: String,
    line: usize,
}

/// The sections of one file, each taken once by the code that knows its keys.
#[derive(Debug)]
pub struct IniFile {
    path: PathBuf,
    sections: BTreeMap<String, (usize, Vec<Entry>)>,
    known: Vec<&'static str>,
}

impl IniFile {
    /// Reads `path`. Fails where the file cannot be read, is not UTF-8 or breaks the rules of the module's head.
    pub fn read(path: &Path) -> Result<Self, IniError> {
        let bytes =
            std::fs::read(path).map_err(|error| IniError::whole(path, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| IniError::whole(path, "is not UTF-8".to_owned()))?;
        Self::parse(path, &text)
    }

    /// As [`IniFile::read`] for text that is at hand; `path` only names it in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, IniError> {
        let mut file = Self { path: path.to_owned(), sections: BTreeMap::new(), known: Vec::new() };
        let mut current: Option<String> = None;
        for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = index + 1;
            match parse_line(raw.trim()) {
                Ok(None) => {}
                Ok(Some(Item::Section { name })) => {
                    let name = name.trim().to_owned();
                    if let Some((first, _)) = file.sections.insert(name.clone(), (line, Vec::new())) {
                        return Err(
                            file.error(line, format!("section [{name}] stands in line {first} already"))
                        );
                    }
                    current = Some(name);
                }
                Ok(Some(Item::Value { key, value })) => {
                    let key = key.trim().to_owned();
                    let Some(entries) = current
                        .as_ref()
                        .and_then(|name| file.sections.get_mut(name))
                        .map(|(_, entries)| entries)
                    else {
                        return Err(
                            file.error(line, format!("key '{key}' stands before the first [section]"))
                        );
                    };
                    if let Some(first) = entries.iter().find(|entry| entry.key == key).map(|entry| entry.line)
                    {
                        return Err(file.error(line, format!("key '{key}' stands in line {first} already")));
                    }
                    entries.push(Entry { key, value: value.trim().to_owned(), line });
                }
                Ok(Some(Item::Empty | Item::Comment { .. })) => {}
                Err(message) => return Err(file.error(line, message)),
            }
        }
        Ok(file)
    }

    /// Takes section `name`; one that is absent is empty.
    pub fn section(&mut self, name: &'static str) -> Section {
        self.known.push(name);
        let entries = self.sections.remove(name).map(|(_, entries)| entries).unwrap_or_default();
        Section { path: self.path.clone(), name, entries, known: Vec::new() }
    }

    /// Refuses sections that nobody took, naming the allowed ones.
    pub fn finish(self) -> Result<(), IniError> {
        match self.sections.iter().next() {
            None => Ok(()),
            Some((name, (line, _))) => Err(self.error(
                *line,
                format!("section [{name}] is not known; allowed are {}", quoted(self.known.iter().copied())),
            )),
        }
    }

    fn error(&self, line: usize, message: String) -> IniError {
        IniError { file: self.path.clone(), line, message }
    }
}

/// One section while its keys are read.
#[derive(Debug)]
pub struct Section {
    path: PathBuf,
    name: &'static str,
    entries: Vec<Entry>,
    known: Vec<&'static str>,
}

impl Section {
    /// Takes `key` parsed as `T`, or `None` where it is absent or empty. `allowed` completes "must be ...".
    pub fn optional<T: FromStr>(&mut self, key: &'static str, allowed: &str) -> Result<Option<T>, IniError> {
        self.known.push(key);
        let Some(index) = self.entries.iter().position(|entry| entry.key == key) else {
            return Ok(None);
        };
        let entry = self.entries.remove(index);
        if entry.value.is_empty() {
            return Ok(None);
        }
        let message = || format!("[{}] {key} = '{}' is wrong: must be {allowed}", self.name, entry.value);
        entry.value.parse().map(Some).map_err(|_| self.error(entry.line, message()))
    }

    /// As [`Section::optional`], with `default` where nothing is written.
    pub fn value<T: FromStr>(&mut self, key: &'static str, default: T, allowed: &str) -> Result<T, IniError> {
        Ok(self.optional(key, allowed)?.unwrap_or(default))
    }

    /// A whole number within `range`.
    pub fn number(
        &mut self,
        key: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, IniError> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let line = self.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.line);
        let number = self.value(key, default, &allowed)?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(self.error(line, format!("[{}] {key} = {number} is wrong: must be {allowed}", self.name)))
        }
    }

    /// `true`, `yes`, `on`, `1` or their opposites.
    pub fn switch(&mut self, key: &'static str, default: bool) -> Result<bool, IniError> {
        Ok(self.value(key, Switch(default), "true or false")?.0)
    }

    /// The words of a value, split at white space.
    pub fn words(&mut self, key: &'static str, default: &str) -> Result<Vec<String>, IniError> {
        let text: String = self.value(key, default.to_owned(), "words")?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Where `key` stands, for a complaint that only the caller can make. Call before the key is taken.
    pub fn line_of(&self, key: &str) -> usize {
        self.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.line)
    }

    /// A complaint at `line` about this section.
    pub fn error(&self, line: usize, message: String) -> IniError {
        IniError { file: self.path.clone(), line, message }
    }

    /// Takes everything that is left as (key, value, line): for sections whose keys are names that people choose.
    pub fn rest(&mut self) -> Vec<(String, String, usize)> {
        self.entries.drain(..).map(|entry| (entry.key, entry.value, entry.line)).collect()
    }

    /// Refuses keys that nobody took, naming the allowed ones.
    pub fn finish(self) -> Result<(), IniError> {
        match self.entries.first() {
            None => Ok(()),
            Some(entry) => Err(self.error(
                entry.line,
                format!(
                    "[{}] has no key '{}'; allowed are {}",
                    self.name,
                    entry.key,
                    quoted(self.known.iter().copied())
                ),
            )),
        }
    }
}

struct Switch(bool);

impl FromStr for Switch {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Self(true)),
            "false" | "no" | "off" | "0" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

fn parse_line(line: &str) -> Result<Option<Item>, String> {
    if line.is_empty() || line.starts_with([';', '#']) {
        return Ok(None);
    }
    match Parser::from_str(line).next() {
        Some(Ok(item)) => Ok(Some(item)),
        _ if line.starts_with('[') => Err(format!("'{line}' is not a section: it must end with ']'")),
        _ => Err(format!("'{line}' is neither a [section] nor key = value")),
    }
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<IniFile, String> {
        IniFile::parse(Path::new("settings.ini"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_comments_indents_byte_order_marks_and_equals_signs() {
        let mut file = parse("\u{feff}; a\n\n   # b\n  [web] \n  url = a=b ; c\n on=Yes\n").unwrap();
        let mut web = file.section("web");
        assert_eq!(web.optional::<String>("url", "text").unwrap().unwrap(), "a=b ; c");
        assert!(web.switch("on", false).unwrap());
        web.finish().unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn every_complaint_names_file_line_section_and_key() {
        assert_eq!(parse("a = 1").unwrap_err(), "settings.ini:1: key 'a' stands before the first [section]");
        assert_eq!(parse("[a]\nx=1\nx=2").unwrap_err(), "settings.ini:3: key 'x' stands in line 2 already");
        assert_eq!(
            parse("[a]\n[b]\n[a]").unwrap_err(),
            "settings.ini:3: section [a] stands in line 1 already"
        );
        assert_eq!(
            parse("[a]\nword").unwrap_err(),
            "settings.ini:2: 'word' is neither a [section] nor key = value"
        );
        assert_eq!(parse("[a").unwrap_err(), "settings.ini:1: '[a' is not a section: it must end with ']'");
        let mut file = parse("[web]\nlisten = x\nport = 99999\nprot = 1\n[wed]").unwrap();
        let mut web = file.section("web");
        assert_eq!(
            web.number("port", 80, 1..=65535).unwrap_err().to_string(),
            "settings.ini:3: [web] port = 99999 is wrong: must be a whole number from 1 to 65535"
        );
        web.optional::<String>("listen", "text").unwrap();
        assert_eq!(
            web.finish().unwrap_err().to_string(),
            "settings.ini:4: [web] has no key 'prot'; allowed are port, listen"
        );
        assert_eq!(
            file.finish().unwrap_err().to_string(),
            "settings.ini:5: section [wed] is not known; allowed are web"
        );
    }
}
