//! `/api/v1/session`: who is signed in, signing in with name and password, signing out.

use crate::auth::Signed;
use crate::auth::sign_in::{self, Client, SignedIn};
use crate::body::Json;
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use selfservice_core::models::tasks::Identity;
use selfservice_core::models::users::User;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of GET and POST.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionShape<'a> {
    user: UserShape<'a>,
    identity: Identity,
    /// What a browser sends in `X-CSRF-Token` with everything that changes something.
    csrf_token: &'a str,
    expires_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SessionUser)]
pub(super) struct UserShape<'a> {
    name: &'a str,
    display_name: &'a str,
}

impl<'a> From<&'a User> for UserShape<'a> {
    fn from(user: &'a User) -> Self {
        Self { name: &user.name, display_name: user.display_name() }
    }
}

/// Who asks.
pub async fn show(signed: Signed) -> HttpResponse {
    HttpResponse::Ok().json(SessionShape {
        user: (&signed.user).into(),
        identity: signed.identity,
        csrf_token: &signed.csrf_token,
        expires_at: signed.expires_at,
    })
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    name: String,
    password: String,
}

/// Signs in.
pub async fn create(
    state: web::Data<AppState>,
    request: HttpRequest,
    body: Json<Credentials>,
) -> AppResult<HttpResponse> {
    let client = Client::of(&request, &state);
    let Credentials { name, password } = body.into_inner();
    let signed_in = sign_in::with_password(&state, client, &name, password).await?;
    Ok(begun(&state, &signed_in))
}

/// The answer with the cookie of a new session.
pub(super) fn begun(state: &AppState, signed_in: &SignedIn) -> HttpResponse {
    HttpResponse::Ok().insert_header(state.cookie.set(&signed_in.secret)).json(SessionShape {
        user: (&signed_in.user).into(),
        identity: signed_in.session.identity,
        csrf_token: &signed_in.session.csrf_token,
        expires_at: signed_in.session.expires_at,
    })
}

/// Signs out.
pub async fn end(state: web::Data<AppState>, signed: Signed) -> AppResult<HttpResponse> {
    sign_in::sign_out(&state, signed).await?;
    Ok(HttpResponse::NoContent().insert_header(state.cookie.clear()).finish())
}
