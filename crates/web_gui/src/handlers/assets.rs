//! Style, scripts and pictures, built into the program.

use crate::error::{AppError, AppResult};
use actix_web::http::header::{self, ETag, EntityTag, Header as _, HeaderValue, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Stands for the content of all files together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for (name, file) in Files::iter().filter_map(|name| Some((name.clone(), Files::get(&name)?))) {
        all.update(name.as_bytes());
        all.update(file.metadata.sha256_hash());
    }
    short(&all.finalize())
});

/// Where pages find a file. The address holds the version of all files, so browsers may keep it for ever, and scripts
/// that import each other by relative addresses always fit together.
pub fn url(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// The scripts that the popup is made of: named in the page's head, they are loaded at once and not one after the
/// other.
pub fn popup_modules() -> Vec<String> {
    let modules = Files::iter().filter(|name| name.starts_with("popup/") && content_type(name).is_some());
    modules.map(|name| url(&name)).collect()
}

/// A file of `/assets`, with or without a version before its name.
pub async fn asset(request: HttpRequest, path: web::Path<String>) -> AppResult<HttpResponse> {
    let (version, name) = match path.split_once('/') {
        Some((version, name)) if version.len() == VERSION.len() => (Some(version), name),
        _ => (None, path.as_str()),
    };
    // A page of another version gets what there is, and asks again.
    let caching = if version == Some(VERSION.as_str()) { FOR_EVER } else { ASK_AGAIN };
    serve(&request, name, caching, "same-origin")
}

/// `/embed.js`, which pages of any site may load.
pub async fn embed(request: HttpRequest) -> AppResult<HttpResponse> {
    serve(&request, "embed.js", ASK_AGAIN, "cross-origin")
}

/// For addresses that hold the version.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Browsers keep the file and ask each time whether it changed: a new version of the program works at once.
const ASK_AGAIN: &str = "no-cache";

fn serve(
    request: &HttpRequest,
    name: &str,
    caching: &'static str,
    readers: &'static str,
) -> AppResult<HttpResponse> {
    let kind = content_type(name).ok_or(AppError::NotFound)?;
    let file = Files::get(name).ok_or(AppError::NotFound)?;
    let tag = EntityTag::new_strong(tag_of(&file));
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Ok(IfNoneMatch::Any) => true,
        Err(_) => false,
    };
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static(readers)));
    if known {
        return Ok(answer.finish());
    }
    Ok(answer.content_type(kind).body(file.data.into_owned()))
}

/// What may be served, by the ending of its name; the type checker's files may not.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn tag_of(file: &EmbeddedFile) -> String {
    short(&file.metadata.sha256_hash())
}

/// The first half of a SHA-256, in hexadecimal digits.
fn short(hash: &[u8]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
