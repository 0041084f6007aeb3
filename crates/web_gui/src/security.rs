//! What every answer says to browsers, and which requests of theirs are refused unseen.

use crate::error::AppError;
use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the address belongs to the JSON API.
pub fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// Refuses paths with encoded bytes: the routes see the decoded path and the rules by path the raw one, and no address
/// of ours needs them.
pub fn check_path(path: &str) -> Result<(), AppError> {
    if path.contains('%') { Err(AppError::NotFound) } else { Ok(()) }
}

/// Refuses a request that a page of another site made a browser send.
///
/// Writes need `Sec-Fetch-Site: same-origin` or our exact origin in `Origin`, and none of both may contradict; without
/// both headers the request is refused. Reads of the API are refused where the browser says that another site asks.
/// A request with a token is let through: a browser never adds one by itself, and the cookie does not count beside it.
/// Other `Authorization`, which browsers do add, changes nothing, and where people sign in and out no token counts.
pub fn check_origin(request: &HttpRequest, public_url: &str) -> Result<(), AppError> {
    let headers = request.headers();
    let is_token =
        headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
    if is_token && (request.method().is_safe() || !is_about_sessions(request.path())) {
        return Ok(());
    }
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let ours = public_url.as_bytes();
    let allowed = if request.method().is_safe() && request.method() != Method::TRACE {
        !is_api(request.path())
            || matches!(site, None | Some(b"same-origin" | b"none"))
                && origin.is_none_or(|origin| origin == ours)
    } else {
        (site.is_some() || origin.is_some())
            && site.is_none_or(|site| site == b"same-origin")
            && origin.is_none_or(|origin| origin == ours)
    };
    if allowed {
        return Ok(());
    }
    tracing::warn!(
        path = request.path(),
        origin = ?headers.get(header::ORIGIN),
        site = ?headers.get(FETCH_SITE),
        "a request from another site was refused"
    );
    Err(AppError::Forbidden(format!(
        "Requests from other sites are not accepted. Open the program as {public_url}."
    )))
}

/// Whether the browser says that it loads the page into a frame for somebody else than us. Where it says nothing, over
/// plain http, the popup finds out by itself.
pub fn is_foreign_frame(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    matches!(value(FETCH_DEST), Some(b"iframe" | b"frame" | b"embed" | b"object"))
        && !matches!(value(FETCH_SITE), Some(b"same-origin" | b"none"))
}

/// Whether the address signs people in or out.
fn is_about_sessions(path: &str) -> bool {
    matches!(path, "/signin" | "/signin/link" | "/signout" | "/api/v1/session")
}

/// Pages that the popup's frame shows: they alone may be framed, and only by the origins of the settings.
fn may_be_framed(path: &str) -> bool {
    matches!(path, "/popup" | "/signin" | "/signin/link") || path.starts_with("/tasks/")
}

/// Sets the headers that every answer carries, errors included.
pub fn set_headers(headers: &mut HeaderMap, path: &str, frame_ancestors: &[String]) {
    let ancestors = if may_be_framed(path) && !frame_ancestors.is_empty() {
        frame_ancestors.join(" ")
    } else {
        "'none'".to_owned()
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}; require-trusted-types-for 'script'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it browsers send `Origin: null` with our own forms, and where `Sec-Fetch-Site` is
        // missing, over plain http, nothing would tell them from foreign ones. No other site ever gets a referrer.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (header::VARY, "Sec-Fetch-Site, Origin, Cookie"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A handler that knows better, for assets, has set these already.
    let defaults =
        [(header::CACHE_CONTROL, "no-store"), (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin")];
    for (name, value) in defaults {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
