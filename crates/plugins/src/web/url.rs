//! Addresses: what a template may look like, and how values get into it without changing which address is meant.

use ureq::http::Uri;

/// Everything but RFC 3986's unreserved characters encoded.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// One segment of a path: encoded, and refused where it would mean another place.
pub fn segment(text: &str) -> Result<String, String> {
    match text {
        "" | "." | ".." => Err(format!("'{text}' would change which path is meant")),
        _ => Ok(encode(text)),
    }
}

/// `NAME=VALUE&...` as a form or a query has it.
pub fn pairs(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// Fills each `{}` with one encoded segment and appends the query.
pub fn fill(template: &str, segments: &[String], query: &[(String, String)]) -> Result<String, String> {
    let places = template.matches("{}").count();
    if places != segments.len() {
        let compared = if segments.len() > places { "more" } else { "fewer" };
        return Err(format!("there are {compared} --segment than {{}} in --url"));
    }
    let mut parts = template.split("{}");
    let mut url = parts.next().unwrap_or_default().to_owned();
    for (value, part) in segments.iter().zip(parts) {
        url.push_str(value);
        url.push_str(part);
    }
    if !query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&pairs(query));
    }
    Ok(url)
}

/// Whether the address names this machine itself, so that nobody stands on the way.
pub fn is_loopback(url: &str) -> bool {
    let Some(uri) = url.parse::<Uri>().ok() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Checks an address as it stands in a handler: what macros paste into it must not change the host or climb out of the
/// path.
pub fn check(option: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Err(format!("{option} must start with http:// or https://, not '{url}'"));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let of_a_host = |byte: u8| byte.is_ascii_alphanumeric() || b".:_[]-".contains(&byte);
    if authority.is_empty() || authority.starts_with('-') || !authority.bytes().all(of_a_host) {
        return Err(format!("{option} names no valid host: '{authority}'"));
    }
    let of_a_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%{}[]".contains(&byte);
    if !url.bytes().all(of_a_url) {
        return Err(format!(
            "{option} holds a character that must be percent-encoded: use {{}} and --segment, or --query"
        ));
    }
    let path = rest.strip_prefix(authority).unwrap_or_default().split('?').next().unwrap_or_default();
    if climbs(path) {
        return Err(format!("{option} must not hold the segments . or .., encoded or not"));
    }
    if url.replace("{}", "x").parse::<Uri>().is_err() {
        return Err(format!("{option} is no valid address: '{url}'"));
    }
    Ok(())
}

/// Servers undo the percent-encoding, some of them twice, and drop what follows a semicolon, before they climb.
fn climbs(path: &str) -> bool {
    let mut decoded = path.to_ascii_lowercase();
    while decoded.contains("%25") {
        decoded = decoded.replace("%25", "%");
    }
    for (encoded, plain) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("%3b", ";")] {
        decoded = decoded.replace(encoded, plain);
    }
    decoded
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default())
        .any(|segment| segment == "." || segment == "..")
}

/// Where `location` leads from `base`: an absolute address, or a path on the same server.
pub fn join(base: &str, location: &str) -> Result<String, String> {
    let base: Uri = base.parse().map_err(|_| format!("'{base}' is no valid address"))?;
    let (Some(scheme), Some(authority)) = (base.scheme_str(), base.authority()) else {
        return Err(format!("'{base}' is no complete address"));
    };
    let joined = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.contains("://") || location.starts_with('#') || location.is_empty() {
        return Err(format!("'{location}' is no address to go on to"));
    } else {
        let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let joined = joined.split('#').next().unwrap_or_default().to_owned();
    check("the address to go on to", &joined)?;
    Ok(joined)
}

/// Whether both are the same scheme, host and port: what credentials are bound to.
pub fn same_origin(one: &str, other: &str) -> bool {
    origin(one).is_some() && origin(one) == origin(other)
}

fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_owned();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_absolute_or_relative() {
        let base = "https://host:8443/a/b?c";
        for (location, joined) in [
            ("/x", "https://host:8443/x"),
            ("x?y=1", "https://host:8443/a/x?y=1"),
            ("http://other/x#top", "http://other/x"),
            ("//other/x", "https://other/x"),
        ] {
            assert_eq!(join(base, location).unwrap(), joined);
        }
        for bad in ["", "#top", "ftp://x/", "/a/../b", "/a b", "file:///etc/passwd"] {
            assert!(join(base, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_compared_with_their_default_ports() {
        assert!(same_origin("https://A/x", "https://a:443/y"));
        assert!(!same_origin("https://a/", "http://a/"));
        assert!(!same_origin("https://a/", "https://a:8443/"));
        assert!(!same_origin("https://a/", "https://b/"));
    }
}
