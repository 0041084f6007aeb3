//! Signing in with name and password or with a one-time link, and signing out.

use crate::auth::SignedForm;
use crate::auth::sign_in::{self, Client, SignedIn};
use crate::error::{AppError, AppResult};
use crate::page::{Page, html, html_with};
use crate::state::AppState;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "signin.html")]
struct SignIn {
    page: Page,
    name: String,
    next: String,
    message: Option<String>,
}

#[derive(Template)]
#[template(path = "signin_link.html")]
struct SignInLink {
    page: Page,
    token: String,
    message: Option<String>,
}

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub struct Form {
    #[serde(default)]
    next: String,
    name: String,
    password: String,
}

/// A one-time link's secret.
#[derive(Deserialize)]
pub struct LinkToken {
    #[serde(default)]
    token: String,
}

/// The form.
pub async fn form(request: HttpRequest, asked: web::Query<Next>) -> AppResult<HttpResponse> {
    html(&SignIn {
        page: Page::new(&request, None, "Sign in", "none"),
        name: String::new(),
        next: local(&asked.next).to_owned(),
        message: None,
    })
}

/// Signs in and goes on to `next`; a refusal shows the form again.
pub async fn submit(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: web::Form<Form>,
) -> AppResult<HttpResponse> {
    let client = Client::of(&request, &state);
    let Form { next, name, password } = form.into_inner();
    match sign_in::with_password(&state, client, &name, password).await {
        Ok(signed_in) => Ok(welcome(&state, &signed_in, local(&next))),
        Err(error @ (AppError::SignInRefused(_) | AppError::TooManyTries { .. })) => {
            let page = SignIn {
                page: Page::new(&request, None, "Sign in", "none"),
                name,
                next: local(&next).to_owned(),
                message: Some(error.problem().detail),
            };
            refused(&page, &error)
        }
        Err(error) => Err(error),
    }
}

/// The button for a one-time link. Looking at the link, as previews of chat programs do, does not use it up.
pub async fn link_form(request: HttpRequest, asked: web::Query<LinkToken>) -> AppResult<HttpResponse> {
    html(&SignInLink {
        page: Page::new(&request, None, "Sign in", "none"),
        token: asked.into_inner().token,
        message: None,
    })
}

/// Uses a one-time link up.
pub async fn link_submit(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: web::Form<LinkToken>,
) -> AppResult<HttpResponse> {
    let client = Client::of(&request, &state);
    match sign_in::with_link(&state, client, &form.token).await {
        Ok(signed_in) => Ok(welcome(&state, &signed_in, "/")),
        Err(error @ (AppError::SignInRefused(_) | AppError::TooManyTries { .. })) => {
            let page = SignInLink {
                page: Page::new(&request, None, "Sign in", "none"),
                token: String::new(),
                message: Some(error.problem().detail),
            };
            refused(&page, &error)
        }
        Err(error) => Err(error),
    }
}

/// Signs out.
pub async fn sign_out(state: web::Data<AppState>, form: SignedForm) -> AppResult<HttpResponse> {
    sign_in::sign_out(&state, form.signed).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header(state.cookie.clear())
        .insert_header((header::LOCATION, "/signin"))
        .finish())
}

fn welcome(state: &AppState, signed_in: &SignedIn, next: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header(state.cookie.set(&signed_in.secret))
        .insert_header((header::LOCATION, next))
        .finish()
}

/// A form with the reason, under the refusal's status.
fn refused(page: &impl Template, error: &AppError) -> AppResult<HttpResponse> {
    html_with(error.problem().status, &page)
}

/// `next` where it is the address of a page of ours, else the start page.
fn local(next: &str) -> &str {
    const PAGES: [&str; 17] = [
        "",
        "tasks",
        "environments",
        "hostgroups",
        "hosts",
        "services",
        "event_handlers",
        "managers",
        "docs",
        "popup",
        "account",
        "rights",
        "schedules",
        "users",
        "teams",
        "grants",
        "audit",
    ];
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let page = next.strip_prefix('/').map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_ours =
        next.bytes().all(plain) && !next.starts_with("//") && page.is_some_and(|page| PAGES.contains(&page));
    if is_ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_our_own_pages_follow_a_sign_in() {
        for next in ["/", "/tasks/1?x=y", "/popup?host=db-1&theme=dark", "/?theme=dark", "/schedules"] {
            assert_eq!(local(next), next);
        }
        let foreign = [
            "//evil.example",
            "/\\evil.example",
            "https:evil.example",
            "https://evil.example",
            "evil",
            "",
            "/\t/evil.example",
            "/tasks\r\nSet-Cookie: a=b",
            "/signin?next=/",
            "/api/v1/session",
            "/./evil",
            "/tasks/\\x",
        ];
        for next in foreign {
            assert_eq!(local(next), "/", "{next:?}");
        }
    }
}
