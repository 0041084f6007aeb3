//! `macros.ini`: macros and secrets that the user defines.

use super::ini::{IniError, IniFile};
use super::refuse_readable_by_others;
use crate::macro_names::{is_name, is_standard};
use std::collections::BTreeMap;
use std::path::Path;

/// A value that must not reach argv, pages or logs. It has no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a value is no secret that could be masked. The text completes `[secrets] NAME ...` and `this field ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Masking it would make output useless.
    #[error("is too short: it can be masked only with {MIN_SECRET_LENGTH} characters or more")]
    Short,
    /// Output holds it anyway.
    #[error("is a common word or a repeated character: masking it would hide ordinary output")]
    Common,
}

impl Secret {
    /// A value that can be masked in output.
    pub fn new(value: String) -> Result<Self, WeakSecret> {
        if value.chars().count() < MIN_SECRET_LENGTH {
            return Err(WeakSecret::Short);
        }
        if is_common(&value) {
            return Err(WeakSecret::Common);
        }
        Ok(Self(value))
    }

    /// The value itself: for the environment of a plugin, and for masking.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The shortest secret that can be masked in output without making the output useless.
pub const MIN_SECRET_LENGTH: usize = 6;

/// What plugins print all the time, and what is no secret because everybody tries it first.
const COMMON_WORDS: [&str; 40] = [
    "123456",
    "12345678",
    "address",
    "admin123",
    "administrator",
    "change_me",
    "changeit",
    "changeme",
    "command",
    "connection",
    "critical",
    "database",
    "default",
    "development",
    "disabled",
    "enabled",
    "example",
    "failed",
    "finished",
    "grafana",
    "hostname",
    "jenkins",
    "localhost",
    "localhost.localdomain",
    "manager",
    "passwd",
    "password",
    "password1",
    "postgres",
    "production",
    "restart",
    "running",
    "secret",
    "server",
    "service",
    "staging",
    "started",
    "success",
    "unknown",
    "warning",
];

fn is_common(secret: &str) -> bool {
    let repeated = secret.chars().skip(1).zip(secret.chars()).all(|(one, other)| one == other);
    repeated || COMMON_WORDS.iter().any(|word| word.eq_ignore_ascii_case(secret))
}

/// The contents of `macros.ini`.
#[derive(Debug, Clone, Default)]
pub struct MacroFile {
    /// `[macros]`: `USER1` to `USER256`, `ADMINEMAIL`, and any upper-case name that Nagios does not use.
    pub macros: BTreeMap<String, String>,
    /// `[secrets]`: given to a plugin as `SELFSERVICE_SECRET_<NAME>` where its handler declares the name.
    pub secrets: BTreeMap<String, Secret>,
}

impl MacroFile {
    /// Reads `path`. A file with secrets that others may read is refused.
    pub fn read(path: &Path) -> Result<Self, IniError> {
        let mut file = IniFile::read(path)?;
        let mut result = Self::default();
        let mut section = file.section("macros");
        for (name, value, line) in section.rest() {
            check_name(&name).map_err(|why| section.error(line, format!("[macros] {name} {why}")))?;
            if value.contains('\0') {
                return Err(section.error(line, format!("[macros] {name} must not contain a NUL character")));
            }
            result.macros.insert(name, value);
        }
        let mut section = file.section("secrets");
        for (name, value, line) in section.rest() {
            check_name(&name).map_err(|why| section.error(line, format!("[secrets] {name} {why}")))?;
            let secret =
                Secret::new(value).map_err(|why| section.error(line, format!("[secrets] {name} {why}")))?;
            if result.macros.contains_key(&name) {
                return Err(section.error(line, format!("[secrets] {name} stands in [macros] already")));
            }
            result.secrets.insert(name, secret);
        }
        file.finish()?;
        if !result.secrets.is_empty() {
            refuse_readable_by_others(path, "holds secrets")?;
        }
        Ok(result)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(
            "is not a macro name: use capital letters, digits and '_', beginning with a letter".to_owned()
        );
    }
    let user_set = name.starts_with("USER") || matches!(name, "ADMINEMAIL" | "ADMINPAGER");
    if is_standard(name) && !user_set {
        return Err("is a macro that Nagios defines itself; choose another name".to_owned());
    }
    Ok(())
}
