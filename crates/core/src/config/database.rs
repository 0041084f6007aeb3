//! `[database]`

use super::ini::{IniError, IniFile};
use std::time::Duration;

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct DatabaseSettings {
    url: String,
    /// Connections that one program keeps at most.
    pub pool_size: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// The server ends a statement that takes longer.
    pub statement_timeout: Duration,
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSettings").field("pool_size", &self.pool_size).finish_non_exhaustive()
    }
}

impl DatabaseSettings {
    pub(super) fn read(file: &mut IniFile, override_url: Option<String>) -> Result<Self, IniError> {
        let mut section = file.section("database");
        let url =
            section.value("url", "postgres:///selfservice".to_owned(), "a PostgreSQL connection string")?;
        let settings = Self {
            url: override_url.unwrap_or(url),
            pool_size: section.number("pool_size", 10, 1..=500)?,
            connect_timeout: seconds(section.number("connect_timeout_seconds", 5, 1..=60)?),
            statement_timeout: seconds(section.number("statement_timeout_seconds", 30, 1..=3600)?),
        };
        section.finish()?;
        Ok(settings)
    }

    /// Settings for `url` with the defaults: for tools and tests.
    pub fn for_url(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            pool_size: 5,
            connect_timeout: seconds(5),
            statement_timeout: seconds(30),
        }
    }

    /// The libpq connection string, with what keeps a half-open connection from hanging a program: a bound on
    /// connecting, TCP keep-alives and `tcp_user_timeout` (milliseconds; no meaning for a unix socket).
    pub fn connection_string(&self, program: &str) -> String {
        let bounds = [
            ("connect_timeout", self.connect_timeout.as_secs().max(2).to_string()),
            ("application_name", program.to_owned()),
            ("keepalives_idle", "5".to_owned()),
            ("keepalives_interval", "2".to_owned()),
            ("keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "10000".to_owned()),
        ];
        let missing = bounds.iter().filter(|(key, _)| !self.url.contains(&format!("{key}=")));
        if self.url.starts_with("postgres://") || self.url.starts_with("postgresql://") {
            let first = if self.url.contains('?') { '&' } else { '?' };
            missing.enumerate().fold(self.url.clone(), |url, (index, (key, value))| {
                let separator = if index == 0 { first } else { '&' };
                format!("{url}{separator}{key}={value}")
            })
        } else {
            missing.fold(self.url.clone(), |url, (key, value)| format!("{url} {key}={value}"))
        }
    }

    /// Whether the connection string itself carries a password.
    pub fn holds_password(&self) -> bool {
        let authority =
            self.url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
        let in_url = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        in_url || self.url.contains("password=")
    }
}

pub(super) fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_added_in_both_forms_and_never_twice() {
        let url =
            DatabaseSettings::for_url("postgres://u@h/db?connect_timeout=9").connection_string("web_gui");
        assert!(url.starts_with("postgres://u@h/db?connect_timeout=9&application_name=web_gui&"), "{url}");
        assert_eq!(url.matches("connect_timeout").count(), 1);
        let words = DatabaseSettings::for_url("host=/run dbname=x").connection_string("tasks");
        assert!(words.starts_with("host=/run dbname=x connect_timeout=5 application_name=tasks "), "{words}");
    }

    #[test]
    fn passwords_are_noticed() {
        assert!(DatabaseSettings::for_url("postgres://u:p@h/db").holds_password());
        assert!(DatabaseSettings::for_url("host=h password=p").holds_password());
        assert!(!DatabaseSettings::for_url("postgres://u@h:5432/db").holds_password());
    }
}
