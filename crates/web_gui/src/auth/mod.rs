//! Who asks: session cookies and API tokens, and the proof that a writing request comes from our own pages.

pub mod cookie;
pub mod sign_in;

use crate::error::{AppError, AppResult};
use crate::state::AppState;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use selfservice_core::access::{Access, Verb};
use selfservice_core::credentials;
use selfservice_core::db::{PgConnection, QueryError};
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::sessions::{Recognised, Session};
use selfservice_core::models::tasks::Identity;
use selfservice_core::models::users::User;
use selfservice_core::models::visible::Viewer;
use selfservice_core::plan::Requester;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Somebody who proved who they are. Handlers take it as an argument; there is no other way to one.
///
/// A writing request with a cookie must bring the session's token in `X-CSRF-Token`; forms bring it in a field and use
/// [`SignedForm`].
#[derive(Debug, Clone)]
pub struct Signed {
    /// Who.
    pub user: User,
    /// How they proved it.
    pub identity: Identity,
    /// The strongest verb of the API token that asks, if one does.
    pub token_verb: Option<Verb>,
    /// What a writing request must bring; empty for API tokens, which need none.
    pub csrf_token: String,
    /// When the session or token ends.
    pub expires_at: DateTime<Utc>,
    /// From where.
    pub address: String,
    /// Whether their session's menu has what administrators have; decisions read rights anew ([`Signed::access`]).
    pub administers: bool,
    proof: Proof,
}

#[derive(Debug, Clone)]
enum Proof {
    Session(Uuid),
    Token(String),
}

impl Signed {
    /// Who asks, as far as a plan depends on it.
    pub fn requester(&self) -> Requester {
        Requester {
            users_id: self.user.id,
            name: self.user.name.clone(),
            identity: self.identity,
            token_verb: self.token_verb,
        }
    }

    /// What they may do, read anew.
    pub fn access(&self, connection: &mut PgConnection) -> Result<Access, QueryError> {
        Access::load(connection, self.user.id, self.token_verb)
    }

    /// They as a reader of lists.
    pub fn viewer(&self, connection: &mut PgConnection) -> Result<Viewer, QueryError> {
        Ok(Viewer::new(self.user.id, &self.access(connection)?))
    }

    /// Whether the session or token still counts: for streams that outlive the request that opened them.
    pub fn still_valid(&self, connection: &mut PgConnection, idle: Duration) -> Result<bool, QueryError> {
        match &self.proof {
            Proof::Session(id) => Session::still_valid(connection, *id, idle),
            Proof::Token(id) => ApiToken::still_valid(connection, id),
        }
    }

    /// The session, unless a token asks.
    pub fn session(&self) -> Option<Uuid> {
        match self.proof {
            Proof::Session(id) => Some(id),
            Proof::Token(_) => None,
        }
    }

    /// Refuses API tokens, for what a person does for themselves: a token that leaked must not beget others.
    pub fn in_person(&self) -> AppResult<()> {
        match self.proof {
            Proof::Session(_) => Ok(()),
            Proof::Token(_) => {
                Err(AppError::Forbidden("An API token cannot do that: sign in for it.".to_owned()))
            }
        }
    }

    /// An audit row of theirs, to be inserted in the transaction that does what it tells.
    pub fn audit<'a>(&'a self, action: &'a str, object: &'a str) -> NewAudit<'a> {
        NewAudit {
            users_id: Some(self.user.id),
            actor: &self.user.name,
            identity: self.identity.as_str(),
            address: &self.address,
            action,
            object,
            task_id: None,
            detail: json!({}),
        }
    }

    /// Whether `token` is the one that this session's writing requests must bring.
    fn brought(&self, token: Option<&str>) -> AppResult<()> {
        let right =
            token.is_some_and(|token| credentials::same(token.as_bytes(), self.csrf_token.as_bytes()));
        if self.session().is_none() || right {
            Ok(())
        } else {
            Err(AppError::Forbidden(
                "The page is out of date: load it again and repeat what you did.".to_owned(),
            ))
        }
    }
}

impl FromRequest for Signed {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let signed = authenticate(&request).await?;
            if !request.method().is_safe() {
                signed.brought(header_text(&request, "x-csrf-token"))?;
            }
            Ok(signed)
        })
    }
}

/// A form that a signed-in person sent from one of our pages: its `csrf_token` was checked. `F` are its other fields.
pub struct SignedForm<F = NoFields> {
    /// Who sent it.
    pub signed: Signed,
    /// What it holds besides the token.
    pub fields: F,
}

/// The fields of a form that is a button and nothing else.
#[derive(serde::Deserialize)]
pub struct NoFields {}

#[derive(serde::Deserialize)]
struct WithToken<F> {
    csrf_token: String,
    #[serde(flatten)]
    fields: F,
}

impl<F: DeserializeOwned + 'static> FromRequest for SignedForm<F> {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, AppResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let form = web::Form::<WithToken<F>>::from_request(&request, payload);
        Box::pin(async move {
            let signed = authenticate(&request).await?;
            let form = form.await.map_err(|_| AppError::BadRequest("The form is incomplete.".to_owned()))?;
            let WithToken { csrf_token, fields } = form.into_inner();
            signed.brought(Some(&csrf_token))?;
            Ok(Self { signed, fields })
        })
    }
}

/// A form of ours whose fields are read as they stand, also those that stand in it more than once: its `csrf_token` was
/// checked and taken out.
pub struct SignedFields {
    /// Who sent it.
    pub signed: Signed,
    /// Names and values in their order.
    pub pairs: Vec<(String, String)>,
}

impl FromRequest for SignedFields {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, AppResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let form = web::Form::<Vec<(String, String)>>::from_request(&request, payload);
        Box::pin(async move {
            let signed = authenticate(&request).await?;
            let incomplete = || AppError::BadRequest("The form is incomplete.".to_owned());
            let pairs = form.await.map_err(|_| incomplete())?.into_inner();
            let (tokens, pairs): (Vec<_>, Vec<_>) =
                pairs.into_iter().partition(|(name, _)| name == "csrf_token");
            let [(_, token)] = <[_; 1]>::try_from(tokens).map_err(|_| incomplete())?;
            signed.brought(Some(&token))?;
            Ok(Self { signed, pairs })
        })
    }
}

/// A token where the request brings one, else the cookie; what was found also serves the error page's menu.
async fn authenticate(request: &HttpRequest) -> AppResult<Signed> {
    let state = request
        .app_data::<web::Data<AppState>>()
        .cloned()
        .ok_or_else(|| AppError::Internal(anyhow::anyhow!("the routes were set up without their state")))?;
    let address = peer_address(request);
    let signed = if request.headers().contains_key(header::AUTHORIZATION) {
        with_token(&state, request, address).await?
    } else {
        with_cookie(&state, request, address).await?
    };
    request.extensions_mut().insert(signed.clone());
    Ok(signed)
}

async fn with_token(state: &AppState, request: &HttpRequest, address: String) -> AppResult<Signed> {
    let token = header_text(request, "authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|text| credentials::ApiToken::parse(text.trim()))
        .ok_or(AppError::SignInNeeded)?;
    let found = state.run(move |connection| Ok(ApiToken::authenticate(connection, &token)?)).await?;
    let (token, user) = found.ok_or(AppError::SignInNeeded)?;
    Ok(Signed {
        user,
        identity: Identity::Token,
        token_verb: Some(token.verb),
        csrf_token: String::new(),
        expires_at: token.expires_at,
        address,
        administers: false,
        proof: Proof::Token(token.id),
    })
}

async fn with_cookie(state: &AppState, request: &HttpRequest, address: String) -> AppResult<Signed> {
    let secret = state.cookie.read(request).ok_or(AppError::SignInNeeded)?.to_owned();
    let idle = state.web.session_idle;
    let found = state.run(move |connection| Ok(Session::find_valid(connection, &secret, idle)?)).await?;
    let Recognised { session, user, administers } = found.ok_or(AppError::SignInNeeded)?;
    Ok(Signed {
        user,
        identity: session.identity,
        token_verb: None,
        csrf_token: session.csrf_token,
        expires_at: session.expires_at,
        address,
        administers,
        proof: Proof::Session(session.id),
    })
}

/// The address at the other end of the connection. Headers that proxies add are not believed.
pub fn peer_address(request: &HttpRequest) -> String {
    request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default()
}

/// The one value of a header; `None` where it is absent, doubled or not text.
fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}
