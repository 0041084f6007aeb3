//! `[database]`

use super::ini::{IniError, IniFile};
use std::time::Duration;

/// Migrations and loads end by themselves; this is for a server that never answers.
const LONG_WORK: Duration = Duration::from_secs(3600);

/// See [`DatabaseSettings::keeping_plans`].
const KEEP_PLANS: &str = "; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
    SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct DatabaseSettings {
    url: String,
    /// Connections that one program keeps at most.
    pub pool_size: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// A use of the database is given up after this, whatever the server and the network do.
    pub operation_timeout: Duration,
    /// The server ends a statement that takes longer.
    pub statement_timeout: Duration,
    keep_plans: bool,
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
            operation_timeout: seconds(section.number("operation_timeout_seconds", 5, 1..=3600)?),
            statement_timeout: seconds(section.number("statement_timeout_seconds", 30, 1..=3600)?),
            keep_plans: false,
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
            operation_timeout: seconds(60),
            statement_timeout: seconds(60),
            keep_plans: false,
        }
    }

    /// The same for work that may take long: migrations and loads.
    pub fn for_long_work(&self) -> Self {
        Self { operation_timeout: LONG_WORK, statement_timeout: LONG_WORK, ..self.clone() }
    }

    /// The same for whoever must have an answer within `limit`.
    pub fn answering_within(&self, limit: Duration) -> Self {
        Self { operation_timeout: self.operation_timeout.min(limit), ..self.clone() }
    }

    /// The same for a program that makes the same few statements over and over: the server plans each once for a
    /// connection. The plan must stay right while tables grow from nothing, so it goes by indexes whatever the
    /// statistics say at the time.
    pub fn keeping_plans(&self) -> Self {
        Self { keep_plans: true, ..self.clone() }
    }

    /// What a new connection is told.
    ///
    /// - The server gives up what its client has given up: a statement, the wait for a lock, a transaction of which
    ///   nothing is heard any more. The first two come a little before the client gives up: an answer that says why is
    ///   better than a connection that is cut.
    /// - A commit that was acknowledged is on the disk, whatever the server, the database or the role say: a task that was
    ///   accepted is there after a crash, and one that was claimed is not claimed again.
    /// - No statement is compiled to machine code: ours touch few rows, and where the statistics say otherwise, as they do of
    ///   fresh tables, compiling takes longer than the whole answer may.
    /// - Messages are English, by which outages are told from refusals; where the role may not choose that, they stay as
    ///   they are.
    pub fn session(&self) -> String {
        let tenths = |count: u32| (self.operation_timeout * count / 10).as_millis();
        let plans = if self.keep_plans { KEEP_PLANS } else { "" };
        format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET jit = off{plans}; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
             SELECT set_config('lc_messages', 'C', false) WHERE has_parameter_privilege('lc_messages', 'SET')",
            tenths(9).min(self.statement_timeout.as_millis()),
            tenths(8),
            tenths(20)
        )
    }

    /// How long libpq takes at most to find out that a connection cannot be made.
    pub fn connect_limit(&self) -> Duration {
        let hosts = u32::try_from(self.url.matches(',').count()).unwrap_or(0) + 1;
        self.libpq_timeout() * hosts
    }

    /// libpq takes no less than 2 s, for each host.
    fn libpq_timeout(&self) -> Duration {
        self.connect_timeout.min(self.operation_timeout).max(seconds(2))
    }

    /// The libpq connection string, with what keeps a half-open connection from hanging a program: a bound on
    /// connecting, TCP keep-alives and `tcp_user_timeout` (milliseconds; no meaning for a unix socket). Where it names
    /// several hosts, one that only reads is passed over.
    pub fn connection_string(&self, program: &str) -> String {
        let bounds = [
            ("connect_timeout", self.libpq_timeout().as_secs().to_string()),
            ("application_name", program.to_owned()),
            ("keepalives_idle", "5".to_owned()),
            ("keepalives_interval", "2".to_owned()),
            ("keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "10000".to_owned()),
            (
                "target_session_attrs",
                if self.names_several_hosts() { "read-write" } else { "any" }.to_owned(),
            ),
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

    fn names_several_hosts(&self) -> bool {
        let authority = self.authority();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let mut words = self.url.split(['?', '&', ' ']);
        hosts.contains(',') || words.any(|word| word.starts_with("host") && word.contains(','))
    }

    /// User, password, hosts and ports of a URL.
    fn authority(&self) -> &str {
        self.url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""))
    }

    /// What a program takes from here when it starts: keys and values, the URL among them.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        vec![
            ("[database] url", self.url.clone()),
            ("[database] pool_size", self.pool_size.to_string()),
            ("[database] connect_timeout_seconds", self.connect_timeout.as_secs().to_string()),
            ("[database] operation_timeout_seconds", self.operation_timeout.as_secs().to_string()),
            ("[database] statement_timeout_seconds", self.statement_timeout.as_secs().to_string()),
        ]
    }

    /// Whether the connection string itself carries a password.
    pub fn holds_password(&self) -> bool {
        let in_url = self.authority().rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
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
    fn of_several_hosts_one_that_takes_writes_is_wanted() {
        let attribute = |url: &str| {
            let url = DatabaseSettings::for_url(url).connection_string("x");
            url.split(['?', '&', ' '])
                .find_map(|word| word.strip_prefix("target_session_attrs="))
                .map(str::to_owned)
        };
        for url in ["postgres://u:a,b@h/db", "host=/run dbname=x", "postgres://u@/db?host=%2Frun"] {
            assert_eq!(attribute(url).as_deref(), Some("any"), "{url}");
        }
        for url in ["postgres://u@a,b:5433/db", "host=a,b dbname=x", "postgres://u@/db?host=a,b"] {
            assert_eq!(attribute(url).as_deref(), Some("read-write"), "{url}");
        }
        let chosen = attribute("postgres://a,b/db?target_session_attrs=primary");
        assert_eq!(chosen.as_deref(), Some("primary"));
    }

    #[test]
    fn passwords_are_noticed() {
        assert!(DatabaseSettings::for_url("postgres://u:p@h/db").holds_password());
        assert!(DatabaseSettings::for_url("host=h password=p").holds_password());
        assert!(!DatabaseSettings::for_url("postgres://u@h:5432/db").holds_password());
    }
}
