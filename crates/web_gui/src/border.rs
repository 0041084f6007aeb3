//! The border between the addresses that browsers know and those that the program knows.
//!
//! Inside, everything stands at the root of its host: routes, rules by path, templates, redirects. Where the settings say
//! that the service lives below a path (`[web] base_path`), that path is taken off each request at the way in, and put in
//! front of each address at the way out. So no page, redirect or rule has to know of it, and none can forget it.

use crate::error::AppError;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::uri::PathAndQuery;

/// The attributes in which pages write addresses.
const ATTRIBUTES: [&str; 3] = [" href=\"", " src=\"", " action=\""];

/// Takes `base` off the address of a request. What lies beside it is nothing of ours.
pub fn enter(request: &mut ServiceRequest, base: &str) -> Result<(), AppError> {
    if base.is_empty() {
        return Ok(());
    }
    let inside = inside(request.uri(), base).ok_or(AppError::NotFound)?;
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(inside);
    let uri = Uri::from_parts(parts).map_err(|_| AppError::NotFound)?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

fn inside(uri: &Uri, base: &str) -> Option<PathAndQuery> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole.strip_prefix(base)?;
    match rest.chars().next() {
        Some('/') => rest.parse().ok(),
        None | Some('?') => format!("/{rest}").parse().ok(),
        Some(_) => None,
    }
}

/// Puts `base` in front of the addresses of an answer: in its headers and, where it is a page, in its links and forms.
pub fn leave(mut response: ServiceResponse<BoxBody>, base: &str) -> ServiceResponse<BoxBody> {
    if base.is_empty() {
        return response;
    }
    move_location(response.headers_mut(), base);
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return response;
    }
    // Pages are made whole; a body that is not would pass unchanged, and its links would lead nowhere.
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(page) => BoxBody::new(moved(page, base)),
            Err(_) => BoxBody::new(bytes),
        },
        Err(body) => body,
    })
}

fn move_location(headers: &mut HeaderMap, base: &str) {
    let moved = headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .filter(|path| path.starts_with('/'))
        .and_then(|path| HeaderValue::try_from(format!("{base}{path}")).ok());
    if let Some(moved) = moved {
        headers.insert(header::LOCATION, moved);
    }
}

/// Data never looks like an attribute: templates write a quotation mark in it as an entity.
fn moved(page: &str, base: &str) -> String {
    ATTRIBUTES.iter().fold(page.to_owned(), |page, attribute| {
        page.replace(&format!("{attribute}/"), &format!("{attribute}{base}/"))
    })
}

#[cfg(test)]
mod tests {
    use super::{inside, moved};

    fn path(whole: &str) -> Option<String> {
        inside(&whole.parse().unwrap(), "/heal").map(|path| path.as_str().to_owned())
    }

    #[test]
    fn only_what_lies_below_the_path_is_ours() {
        assert_eq!(path("/heal/tasks?state=ok").as_deref(), Some("/tasks?state=ok"));
        assert_eq!(path("/heal").as_deref(), Some("/"));
        assert_eq!(path("/heal?theme=dark").as_deref(), Some("/?theme=dark"));
        assert_eq!(path("/heal/").as_deref(), Some("/"));
        assert_eq!(path("/healing/tasks"), None);
        assert_eq!(path("/tasks"), None);
        assert_eq!(path("/tasks?next=/heal/"), None);
    }

    #[test]
    fn addresses_move_and_text_stays() {
        let page = r#"<a class="x" href="/tasks?host=a">/tasks</a><form action="/signout"><img src="https://x/"> href=&#34;/x"#;
        let expected = r#"<a class="x" href="/heal/tasks?host=a">/tasks</a><form action="/heal/signout"><img src="https://x/"> href=&#34;/x"#;
        assert_eq!(moved(page, "/heal"), expected);
    }
}
