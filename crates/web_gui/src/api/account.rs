//! One's own password, sessions and API tokens; and those of others for those who may change everything.

use super::session::SessionShape;
use super::shapes::Time;
use crate::auth::Signed;
use crate::auth::sign_in::{self, Client};
use crate::body::Json;
use crate::endpoint::{Endpoint, api};
use crate::error::{AppError, AppResult};
use crate::rights::{self, NewToken};
use crate::state::AppState;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use selfservice_core::access::Verb;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::sessions::ListedSession;
use selfservice_core::models::tasks::Identity;
use selfservice_core::models::users::User;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A session without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionItem {
    id: Uuid,
    identity: Identity,
    address: String,
    user_agent: String,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
    /// Whether it is the one that asks.
    present: bool,
}

impl SessionItem {
    fn new(session: ListedSession, present: Option<Uuid>) -> Self {
        Self {
            present: present == Some(session.id),
            id: session.id,
            identity: session.identity,
            address: session.address,
            user_agent: session.user_agent,
            created_at: Time(session.created_at),
            last_seen_at: Time(session.last_seen_at),
            expires_at: Time(session.expires_at),
        }
    }
}

/// Sessions, the last used first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionItems {
    sessions: Vec<SessionItem>,
}

/// An API token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenItem {
    id: String,
    name: String,
    verb: Verb,
    created_at: Time,
    last_used_at: Option<Time>,
    expires_at: Time,
}

impl From<ApiToken> for TokenItem {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            verb: token.verb,
            created_at: Time(token.created_at),
            last_used_at: token.last_used_at.map(Time),
            expires_at: Time(token.expires_at),
        }
    }
}

/// Tokens, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenItems {
    tokens: Vec<TokenItem>,
}

/// The addresses of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        api(Method::GET, "/sessions", sessions).says("One's own sessions", "Not by a token."),
        api(Method::DELETE, "/sessions/{id}", end_session).says("End a session", "One's own.").answers_plain(
            204,
            "It has ended.",
            None,
        ),
        api(Method::GET, "/users/{id}/sessions", sessions_of)
            .says("Somebody's sessions", "For those who administer everything."),
        api(Method::GET, "/tokens", tokens).says("One's own API tokens", "Not by a token."),
        api(Method::POST, "/tokens", make_token)
            .says("Make an API token", "Not by a token. The answer alone has its text.")
            .answers::<MadeToken>(201, "It was made.")
            .gives_header(201, "Location", "Its address.")
            .refuses(429, "Too many tries failed; `retry_after` says when to try again."),
        api(Method::DELETE, "/tokens/{id}", revoke_token)
            .says("Revoke an API token", "One's own.")
            .answers_plain(204, "It counts nowhere any more.", None),
        api(Method::GET, "/users/{id}/tokens", tokens_of)
            .says("Somebody's API tokens", "For those who administer everything."),
        api(Method::PUT, "/session/password", change_password)
            .says(
                "Change one's own password",
                "Not by a token. Every session ends; the answer sets the cookie of a fresh one.",
            )
            .answers::<SessionShape<'_>>(200, "The fresh session.")
            .gives_header(200, "Set-Cookie", "The session.")
            .refuses(429, "Too many tries failed; `retry_after` says when to try again."),
    ]
}

/// `GET /sessions`: one's own.
pub(super) async fn sessions(
    state: web::Data<AppState>,
    signed: Signed,
) -> AppResult<web::Json<SessionItems>> {
    signed.in_person()?;
    let (id, present, idle) = (signed.user.id, signed.session(), state.web.session_idle);
    let rows = state.run(move |connection| Ok(ListedSession::of_user(connection, id, idle)?)).await?;
    let sessions = rows.into_iter().map(|session| SessionItem::new(session, present)).collect();
    Ok(web::Json(SessionItems { sessions }))
}

/// `GET /users/{id}/sessions`
pub(super) async fn sessions_of(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<web::Json<SessionItems>> {
    let (present, idle) = (signed.session(), state.web.session_idle);
    let rows = rights::read(&state, signed, move |connection, _| {
        let user = User::find(connection, *id)?.ok_or(AppError::NotFound)?;
        Ok(ListedSession::of_user(connection, user.id, idle)?)
    })
    .await?;
    let sessions = rows.into_iter().map(|session| SessionItem::new(session, present)).collect();
    Ok(web::Json(SessionItems { sessions }))
}

/// `DELETE /sessions/{id}`
pub(super) async fn end_session(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<Uuid>,
) -> AppResult<HttpResponse> {
    let ended = state.transaction(move |connection| rights::end_session(connection, &signed, *id)).await?;
    gone(ended)
}

/// `GET /tokens`: one's own.
pub(super) async fn tokens(state: web::Data<AppState>, signed: Signed) -> AppResult<web::Json<TokenItems>> {
    signed.in_person()?;
    let id = signed.user.id;
    let rows = state.run(move |connection| Ok(ApiToken::of_user(connection, id)?)).await?;
    Ok(web::Json(TokenItems { tokens: rows.into_iter().map(TokenItem::from).collect() }))
}

/// `GET /users/{id}/tokens`
pub(super) async fn tokens_of(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<web::Json<TokenItems>> {
    let rows = rights::read(&state, signed, move |connection, _| {
        let user = User::find(connection, *id)?.ok_or(AppError::NotFound)?;
        Ok(ApiToken::of_user(connection, user.id)?)
    })
    .await?;
    Ok(web::Json(TokenItems { tokens: rows.into_iter().map(TokenItem::from).collect() }))
}

/// What a token is wanted for, and the present password, where there is one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"current": "the present password", "name": "nightly", "verb": "run", "days": 90})))]
pub(super) struct TokenRequest {
    #[serde(default)]
    current: String,
    name: String,
    verb: Verb,
    days: i32,
}

/// A new token with its text, which is never told again.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    token: TokenItem,
    secret: String,
}

/// `POST /tokens`: one's own, in person.
pub(super) async fn make_token(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    body: Json<TokenRequest>,
) -> AppResult<HttpResponse> {
    let client = Client::of(&request, &state);
    let TokenRequest { current, name, verb, days } = body.into_inner();
    let made = sign_in::make_token(&state, client, signed, current, NewToken { name, verb, days }).await?;
    let (token, secret) = made.map_err(rights::fields)?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/tokens/{}", token.id)))
        .json(MadeToken { token: token.into(), secret }))
}

/// `DELETE /tokens/{id}`
pub(super) async fn revoke_token(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<String>,
) -> AppResult<HttpResponse> {
    let revoked = state.transaction(move |connection| rights::revoke_token(connection, &signed, &id)).await?;
    gone(revoked)
}

/// The present password, where there is one, and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    #[serde(default)]
    current: String,
    password: String,
}

/// `PUT /session/password`: one's own. Every session ends, and the answer sets the cookie of a fresh one.
pub(super) async fn change_password(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    body: Json<PasswordChange>,
) -> AppResult<HttpResponse> {
    let client = Client::of(&request, &state);
    let PasswordChange { current, password } = body.into_inner();
    let changed = sign_in::change_password(&state, client, signed, current, password).await?;
    let signed_in = changed.map_err(rights::fields)?;
    Ok(super::session::begun(&state, &signed_in))
}

fn gone(gone: bool) -> AppResult<HttpResponse> {
    if gone { Ok(HttpResponse::NoContent().finish()) } else { Err(AppError::NotFound) }
}
