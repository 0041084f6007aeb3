//! The one middleware: refuses what foreign sites send, renders every error, sets the headers of every answer.

use crate::auth::Signed;
use crate::body;
use crate::border;
use crate::error::{AppError, Problem};
use crate::handlers::error_page::ErrorPage;
use crate::page::{self, Page};
use crate::patience;
use crate::security;
use crate::state::AppState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use askama::Template as _;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Stands around all routes.
pub async fn answer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let public_url = state.as_ref().map_or("", |state| state.web.public_url.as_str());
    let base = state.as_ref().map_or("", |state| state.web.base_path.as_str());
    let admitted = border::enter(&mut request, base)
        .and_then(|()| security::check_path(request.path()))
        .and_then(|()| security::check_origin(request.request(), public_url));
    let mut response = match admitted {
        Ok(()) => {
            let body = body::bounded(request.take_payload(), body::BODY_TIME);
            request.set_payload(body);
            let limit = state.as_ref().map_or(Duration::ZERO, |state| state.web.database_timeout);
            patience::serve(limit, next.call(request)).await?.map_into_boxed_body()
        }
        Err(error) => request.error_response(error),
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = rendered(response);
    }
    let ancestors = state.as_ref().map_or(&[][..], |state| &state.web.frame_ancestors);
    let path = response.request().path().to_owned();
    security::set_headers(response.headers_mut(), &path, ancestors);
    Ok(border::leave(response, base))
}

/// An error as a page or, for programs, as problem details; what a handler rendered itself stays.
fn rendered(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_made = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().starts_with(b"application/") || kind.as_bytes().starts_with(b"text/html")
    });
    if is_made {
        return response;
    }
    let status = response.status();
    let (request, response) = response.into_parts();
    let error = response.error().and_then(|error| error.as_error::<AppError>());
    let mut problem = error.map_or_else(|| Problem::of_status(status), AppError::problem);
    log(&request, error, &mut problem);
    if error.is_some_and(AppError::is_outage) {
        problem.detail.push_str(after_outage(&request));
    }
    let mut answer = if security::is_api(request.path()) {
        as_json(&problem)
    } else if matches!(error, Some(AppError::SignInNeeded)) && request.method().is_safe() {
        to_sign_in(&request)
    } else {
        as_page(&request, &problem)
    };
    if let Some(methods) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, methods.clone());
    }
    ServiceResponse::new(request, answer)
}

/// Writes a failure of ours to the log, once, and gives the reader a number to find it by.
fn log(request: &HttpRequest, error: Option<&AppError>, problem: &mut Problem) {
    let path = request.path();
    match error {
        Some(error) if error.is_outage() => {
            tracing::warn!(path, error = ?error, "a request failed: the database is away");
        }
        Some(AppError::InventoryBusy) => {}
        _ if problem.status.is_server_error() => {
            let id = Uuid::new_v4();
            tracing::error!(path, correlation.id = %id, error = ?error, "a request failed");
            problem.detail =
                format!("The request could not be done. The log tells more under the number {id}.");
            problem.extra.insert("correlation_id".to_owned(), json!(id));
        }
        _ => {}
    }
}

/// What to do about a request of which nobody knows whether it was done.
fn after_outage(request: &HttpRequest) -> &'static str {
    if request.method().is_safe() {
        ""
    } else if request.path() == "/api/v1/tasks" {
        " Whether the action was taken is not known. Send the request again with the same request_key: that is safe, it \
         makes one task at most."
    } else {
        " Whether it was done is not known: look before you do it again."
    }
}

fn as_json(problem: &Problem) -> HttpResponse {
    let mut body = problem.extra.clone();
    body.insert("title".to_owned(), json!(problem.title));
    body.insert("status".to_owned(), json!(problem.status.as_u16()));
    body.insert("detail".to_owned(), json!(problem.detail));
    started(problem).content_type("application/problem+json").body(Value::Object(body).to_string())
}

fn as_page(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let signed = request.extensions().get::<Signed>().cloned();
    let page = ErrorPage {
        page: Page::new(request, signed.as_ref(), problem.title, "none"),
        status: problem.status.as_u16(),
        detail: problem.detail.clone(),
        retry: problem.status.is_server_error(),
        resumes: problem.status == StatusCode::SERVICE_UNAVAILABLE && request.method().is_safe(),
    };
    let text = page.render().unwrap_or_else(|_| problem.detail.clone());
    started(problem).content_type(page::HTML).body(text)
}

fn started(problem: &Problem) -> actix_web::HttpResponseBuilder {
    let mut builder = HttpResponse::build(problem.status);
    if let Some(seconds) = problem.extra.get("retry_after") {
        builder.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        builder.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    builder
}

fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let asked = request.uri().path_and_query().map_or("/", |path| path.as_str());
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, format!("/signin?next={}", page::encoded(asked))))
        .finish()
}
