//! Users: the list, and one of them with what they may, where they are signed in and what signs in as them.

use super::account::{SessionRow, TokenRow};
use super::grants::GrantRow;
use super::{List, paged_for_administrators, see};
use crate::auth::SignedForm;
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::page::{self, Named, Page, Reader, When, html, html_with, url};
use crate::rights;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use selfservice_core::access::Access;
use selfservice_core::db::PgConnection;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::sessions::ListedSession;
use selfservice_core::models::teams::Team;
use selfservice_core::models::users::{ListedUser, User};
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "users/list.html")]
struct UserList {
    page: Page,
    query: String,
    users: Vec<UserRow>,
    next: Option<String>,
}

struct UserRow {
    id: i64,
    name: String,
    display_name: String,
    disabled: bool,
    administrator: bool,
    has_password: bool,
    teams: String,
    last_seen_at: Option<When>,
}

impl From<ListedUser> for UserRow {
    fn from(user: ListedUser) -> Self {
        Self {
            id: user.id,
            name: user.name,
            display_name: user.display_name,
            disabled: user.disabled,
            administrator: user.administrator,
            has_password: user.has_password,
            teams: user.teams.join(", "),
            last_seen_at: user.last_seen_at.map(When::from),
        }
    }
}

/// Everybody, by name.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<List>,
) -> AppResult<HttpResponse> {
    let load = |connection: &mut PgConnection, asked: &List| {
        ListedUser::page(connection, &asked.query, &asked.after, page::limit())
    };
    let name = |user: &ListedUser| user.name.clone();
    let listed = paged_for_administrators(&state, &reader, "/users", asked.into_inner(), load, name).await?;
    html(&UserList {
        page: reader.page("Users", "users"),
        query: listed.query,
        users: listed.rows.into_iter().map(UserRow::from).collect(),
        next: listed.next,
    })
}

#[derive(Template)]
#[template(path = "users/show.html")]
struct UserShow {
    page: Page,
    id: i64,
    name: String,
    display_name: String,
    created_at: When,
    disabled: bool,
    administrator: bool,
    has_password: bool,
    /// The reader's own page is their account's.
    is_reader: bool,
    teams: Vec<Named>,
    grants: Vec<GrantRow>,
    new_grant_url: String,
    audit_url: String,
    rights_url: String,
    sessions: Vec<SessionRow>,
    /// Whether there is a session besides the one that asks, or an API token of somebody else.
    may_end_sessions: bool,
    tokens: Vec<TokenRow>,
    sessions_path: String,
    tokens_path: String,
    /// Why something was not done.
    mistake: Option<String>,
}

impl UserShow {
    fn read(
        connection: &mut PgConnection,
        mut page: Page,
        id: i64,
        reader: i64,
        present: Option<Uuid>,
        idle: Duration,
    ) -> AppResult<Self> {
        let user = User::find(connection, id)?.ok_or(AppError::NotFound)?;
        page.title.clone_from(&user.name);
        let sessions = ListedSession::of_user(connection, id, idle)?;
        let tokens: Vec<TokenRow> =
            ApiToken::of_user(connection, id)?.into_iter().map(TokenRow::from).collect();
        let named = |team: Team| Named { id: team.id, name: team.name };
        Ok(Self {
            page,
            id,
            display_name: user.display_name().to_owned(),
            created_at: user.created_at.into(),
            disabled: user.disabled,
            administrator: Access::load(connection, id, None)?.is_admin(),
            has_password: user.password_hash.is_some(),
            is_reader: id == reader,
            teams: Team::of_user(connection, id)?.into_iter().map(named).collect(),
            grants: NamedGrant::of_user(connection, id)?.into_iter().map(GrantRow::from).collect(),
            new_grant_url: url("/grants/new", &[("user", &user.name)]),
            audit_url: url("/audit", &[("actor", &user.name)]),
            rights_url: url("/rights", &[("user", &user.name)]),
            may_end_sessions: sessions.iter().any(|session| Some(session.id) != present)
                || (id != reader && !tokens.is_empty()),
            sessions: sessions.into_iter().map(|session| SessionRow::new(session, present)).collect(),
            tokens,
            sessions_path: format!("/users/{id}/sessions"),
            tokens_path: format!("/users/{id}/tokens"),
            mistake: None,
            name: user.name,
        })
    }
}

/// One user.
pub async fn show(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let (page, idle) = (reader.page("", "users"), state.web.session_idle);
    let shown = rights::read(&state, reader.signed.clone(), move |connection, signed| {
        UserShow::read(connection, page, *id, signed.user.id, signed.session(), idle)
    })
    .await?;
    html(&shown)
}

/// Takes all rights from a user at once.
pub async fn disable(
    state: web::Data<AppState>,
    request: HttpRequest,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    set_disabled(&state, &request, *id, form, true).await
}

/// Gives them back.
pub async fn enable(
    state: web::Data<AppState>,
    request: HttpRequest,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    set_disabled(&state, &request, *id, form, false).await
}

async fn set_disabled(
    state: &AppState,
    request: &HttpRequest,
    id: i64,
    form: SignedForm,
    disabled: bool,
) -> AppResult<HttpResponse> {
    let (page, idle) = (Page::new(request, Some(&form.signed), "", "users"), state.web.session_idle);
    let action = if disabled { "user.disable" } else { "user.enable" };
    let refused = rights::change(state, form.signed, action, move |connection, signed| {
        let Err(complaints) = rights::set_disabled(connection, signed, id, disabled)? else {
            return Ok(None);
        };
        let shown = UserShow::read(connection, page, id, signed.user.id, signed.session(), idle)?;
        Ok(Some(UserShow { mistake: Some(forms::sentences(&complaints)), ..shown }))
    })
    .await?;
    answer(refused, StatusCode::CONFLICT, id)
}

/// A new password.
#[derive(Deserialize)]
pub struct PasswordForm {
    password: String,
}

/// Sets the password of somebody else.
pub async fn set_password(
    state: web::Data<AppState>,
    request: HttpRequest,
    id: web::Path<i64>,
    form: SignedForm<PasswordForm>,
) -> AppResult<HttpResponse> {
    let SignedForm { signed, fields } = form;
    let (id, idle) = (id.into_inner(), state.web.session_idle);
    let page = Page::new(&request, Some(&signed), "", "users");
    let hash = rights::hashed_for_another(&state, signed.clone(), fields.password).await?;
    let refused = rights::change(&state, signed, "user.password", move |connection, signed| {
        let done = match hash {
            Ok(hash) => rights::set_password(connection, signed, id, &hash)?,
            Err(complaints) => Err(complaints),
        };
        let Err(complaints) = done else { return Ok(None) };
        let shown = UserShow::read(connection, page, id, signed.user.id, signed.session(), idle)?;
        Ok(Some(UserShow { mistake: Some(forms::sentences(&complaints)), ..shown }))
    })
    .await?;
    answer(refused, StatusCode::BAD_REQUEST, id)
}

fn answer(refused: Option<UserShow>, status: StatusCode, id: i64) -> AppResult<HttpResponse> {
    match refused {
        None => Ok(see(&format!("/users/{id}"))),
        Some(page) => html_with(status, &page),
    }
}

/// Ends every session of a user.
pub async fn end_sessions(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    rights::administer(&state, form.signed, "session.revoke", move |connection, signed| {
        let owner = User::find(connection, id)?.ok_or(AppError::NotFound)?;
        rights::end_sessions(connection, signed, &owner)
    })
    .await?;
    Ok(see(&format!("/users/{id}")))
}

/// Ends one session of a user.
pub async fn end_session(
    state: web::Data<AppState>,
    path: web::Path<(i64, Uuid)>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let (id, session) = path.into_inner();
    rights::administer(&state, form.signed, "session.revoke", move |connection, signed| {
        rights::end_session(connection, signed, session).map(|_| ())
    })
    .await?;
    Ok(see(&format!("/users/{id}")))
}

/// Takes back a token of a user.
pub async fn revoke_token(
    state: web::Data<AppState>,
    path: web::Path<(i64, String)>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let (id, token) = path.into_inner();
    rights::administer(&state, form.signed, "token.revoke", move |connection, signed| {
        rights::revoke_token(connection, signed, &token).map(|_| ())
    })
    .await?;
    Ok(see(&format!("/users/{id}")))
}
