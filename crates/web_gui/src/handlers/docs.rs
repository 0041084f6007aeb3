//! The documentation of the JSON API, which the browser makes from the `OpenAPI` document.

use crate::error::AppResult;
use crate::page::{Page, Reader, html};
use actix_web::HttpResponse;
use askama::Template;

#[derive(Template)]
#[template(path = "docs/show.html")]
struct Docs {
    page: Page,
}

/// The page. It is for everybody who is signed in: what is sent from it is sent in their name.
pub async fn show(reader: Reader) -> AppResult<HttpResponse> {
    html(&Docs { page: reader.page("JSON API", "docs") })
}
