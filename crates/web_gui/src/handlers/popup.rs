//! `/popup`: the page that holds the popup component. It shows nothing of the inventory itself: the component asks the
//! API, which asks for the right.

use crate::error::AppResult;
use crate::page::{html, theme};
use crate::security;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "popup.html")]
struct Popup {
    theme: &'static str,
    environment: String,
    host: String,
    service: String,
    task: String,
    handler: String,
    kind: String,
    retry_of: String,
    foreign_frame: bool,
}

/// What the address names; unknown names are for others.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    environment: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    task: String,
    #[serde(default)]
    handler: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    retry_of: String,
}

/// The page.
pub async fn show(request: HttpRequest, asked: web::Query<Asked>) -> AppResult<HttpResponse> {
    let asked = asked.into_inner();
    html(&Popup {
        theme: theme(request.query_string()),
        environment: asked.environment,
        host: asked.host,
        service: asked.service,
        task: asked.task,
        handler: asked.handler,
        kind: asked.kind,
        retry_of: asked.retry_of,
        foreign_frame: security::is_foreign_frame(request.headers()),
    })
}
