//! `[web]`

use super::database::seconds;
use super::ini::{IniError, IniFile};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// How `web_gui` is reached, and by whom it may be framed.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address that people use, without a slash at the end: links and the check of `Origin` follow it.
    pub public_url: String,
    /// The path below which the service lives on that host: `/selfservice`, or empty for the root.
    pub base_path: String,
    /// Origins that may frame the popup, such as `https://grafana.example.com`. Nobody else may.
    pub frame_ancestors: Vec<String>,
    /// How the session cookie is set.
    pub cookie_mode: CookieMode,
    /// A session's life.
    pub session_life: Duration,
    /// A session ends earlier when it was not used for so long.
    pub session_idle: Duration,
    /// A request waits so long for the database in all, however often it asks; then it is answered with 503.
    pub database_timeout: Duration,
}

/// Whether the popup is framed by a page of the same registrable domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// `SameSite=Lax`: Grafana and we share a domain.
    SameSite,
    /// `SameSite=None; Secure; Partitioned` (CHIPS): Grafana lives on another domain; needs https or localhost.
    CrossSite,
}

impl FromStr for CookieMode {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "same-site" => Ok(Self::SameSite),
            "cross-site" => Ok(Self::CrossSite),
            _ => Err(()),
        }
    }
}

/// An origin as RFC 6454 writes it: scheme, host, port, nothing behind.
struct Origin(String);

impl FromStr for Origin {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(())?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if rest.is_empty() || !rest.chars().all(plain) { Err(()) } else { Ok(Self(text.to_owned())) }
    }
}

/// A path without a slash at its end, of plain segments.
struct BasePath(String);

impl FromStr for BasePath {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = |segment: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
            !matches!(segment, "" | "." | "..") && segment.chars().all(allowed)
        };
        let segments = text.strip_prefix('/').ok_or(())?;
        if segments.split('/').all(plain) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl WebSettings {
    /// The address, as people use it, of what the program knows as `path`.
    pub fn address(&self, path: &str) -> String {
        format!("{}{}{path}", self.public_url, self.base_path)
    }

    pub(super) fn read(file: &mut IniFile) -> Result<Self, IniError> {
        let mut section = file.section("web");
        let listen = section.value(
            "listen",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            "ADDRESS:PORT, such as 127.0.0.1:8080",
        )?;
        let public_url = section
            .optional::<Origin>("public_url", "http(s)://HOST[:PORT] without a path")?
            .map_or_else(|| format!("http://{listen}"), |origin| origin.0);
        let base_path = section
            .optional::<BasePath>("base_path", "a path such as /selfservice, without a slash at its end")?
            .map_or_else(String::new, |path| path.0);
        let line = section.line_of("frame_ancestors");
        let frame_ancestors = section.words("frame_ancestors", "")?;
        if let Some(wrong) = frame_ancestors.iter().find(|word| word.parse::<Origin>().is_err()) {
            return Err(section.error(
                line,
                format!(
                    "[web] frame_ancestors: '{wrong}' is not an origin such as https://grafana.example.com"
                ),
            ));
        }
        let settings = Self {
            listen,
            public_url,
            base_path,
            frame_ancestors,
            cookie_mode: section.value("cookie_mode", CookieMode::SameSite, "same-site or cross-site")?,
            session_life: seconds(section.number("session_hours", 10, 1..=720)? * 3600),
            session_idle: seconds(section.number("session_idle_minutes", 240, 1..=43200)? * 60),
            database_timeout: Duration::from_millis(
                section.number("database_timeout_ms", 2500, 100..=60_000)?.into(),
            ),
        };
        section.finish()?;
        Ok(settings)
    }
}
