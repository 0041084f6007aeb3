//! Style, scripts and pictures, built into the program.

use crate::error::{AppError, AppResult};
use actix_web::http::header::{self, ETag, EntityTag, Header as _, HeaderValue, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// A file of `/assets`.
pub async fn asset(request: HttpRequest, name: web::Path<String>) -> AppResult<HttpResponse> {
    serve(&request, &name, "same-origin")
}

/// `/embed.js`, which pages of any site may load.
pub async fn embed(request: HttpRequest) -> AppResult<HttpResponse> {
    serve(&request, "embed.js", "cross-origin")
}

/// Browsers keep the file and ask each time whether it changed: a new version of the program works at once.
fn serve(request: &HttpRequest, name: &str, readers: &'static str) -> AppResult<HttpResponse> {
    let kind = content_type(name).ok_or(AppError::NotFound)?;
    let file = Files::get(name).ok_or(AppError::NotFound)?;
    let tag = EntityTag::new_strong(version(&file));
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Ok(IfNoneMatch::Any) => true,
        Err(_) => false,
    };
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
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

fn version(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
