//! The session cookie.

use actix_web::HttpRequest;
use actix_web::http::header;
use anyhow::bail;
use selfservice_core::config::{CookieMode, WebSettings};
use std::time::Duration;

/// The cookie's name and attributes, which follow from the settings.
#[derive(Debug, Clone)]
pub struct SessionCookie {
    name: &'static str,
    attributes: &'static str,
    /// The service's own part of its host: others there do not get the cookie.
    path: String,
    max_age: Duration,
}

impl SessionCookie {
    /// Browsers keep `__Host-` and `Secure` cookies for https and for loopback addresses only; elsewhere the cookie is
    /// a plain one, with a warning. An error: `cookie_mode = cross-site` where `Secure` is not possible.
    pub fn new(settings: &WebSettings) -> anyhow::Result<Self> {
        // `__Host-` is for cookies of a whole host.
        let secure =
            if settings.base_path.is_empty() { "__Host-selfservice" } else { "__Secure-selfservice" };
        let (name, attributes) = match (is_trustworthy(&settings.public_url), settings.cookie_mode) {
            (true, CookieMode::SameSite) => (secure, "HttpOnly; Secure; SameSite=Lax"),
            (true, CookieMode::CrossSite) => (secure, "HttpOnly; Secure; SameSite=None; Partitioned"),
            (false, CookieMode::CrossSite) => {
                bail!("[web] cookie_mode: cross-site needs a public_url with https, or one on localhost")
            }
            (false, CookieMode::SameSite) => {
                tracing::warn!(
                    public_url = settings.public_url,
                    "people sign in over plain http: passwords and sessions can be read on the way; use https"
                );
                ("selfservice", "HttpOnly; SameSite=Lax")
            }
        };
        let path = if settings.base_path.is_empty() { "/".to_owned() } else { settings.base_path.clone() };
        Ok(Self { name, attributes, path, max_age: settings.session_life })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The secret that the request brought, if any. Two of the name are none: below a path, another host of the same domain
    /// can set one beside ours.
    pub fn read<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let mut found = request
            .headers()
            .get_all(header::COOKIE)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name);
        let (_, secret) = found.next()?;
        found.next().is_none().then_some(secret)
    }

    /// The header that gives the cookie to a browser.
    pub fn set(&self, secret: &str) -> (header::HeaderName, String) {
        self.header(secret, self.max_age.as_secs())
    }

    /// The header that takes the cookie from a browser.
    pub fn clear(&self) -> (header::HeaderName, String) {
        self.header("", 0)
    }

    fn header(&self, value: &str, seconds: u64) -> (header::HeaderName, String) {
        let Self { name, attributes, path, .. } = self;
        (header::SET_COOKIE, format!("{name}={value}; Path={path}; Max-Age={seconds}; {attributes}"))
    }
}

/// Whether browsers treat the address as secure.
fn is_trustworthy(public_url: &str) -> bool {
    let Some(rest) = public_url.strip_prefix("http://") else {
        return public_url.starts_with("https://");
    };
    let host = rest.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(rest, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::is_trustworthy;

    #[test]
    fn secure_cookies_are_for_https_and_loopback() {
        for url in [
            "https://x.example",
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://[::1]:8080",
            "http://[::1]",
        ] {
            assert!(is_trustworthy(url), "{url}");
        }
        for url in
            ["http://10.0.0.5:8080", "http://localhost.evil.example", "http://127.0.0.1.evil.example:80"]
        {
            assert!(!is_trustworthy(url), "{url}");
        }
    }
}
