//! Signing in and out: what the form and the API have in common.

use super::{Signed, peer_address};
use crate::error::{AppError, AppResult};
use crate::rights::{self, Done, NewToken};
use crate::state::AppState;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use selfservice_core::credentials::{check_new_password, secret_hash, verify_password};
use selfservice_core::db::PgConnection;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::audit::NewAudit;
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::sessions::{NewSession, Session};
use selfservice_core::models::signin::{self, Attempt};
use selfservice_core::models::tasks::Identity;
use selfservice_core::models::users::User;
use selfservice_core::names::{MAX_NAME_LENGTH, is_invisible};
use serde_json::json;
use std::time::Duration;

const REFUSED: &str = "The name or the password is wrong.";
const LINK_REFUSED: &str = "This link was used already, or its time is over. Ask for a new one.";
/// A browser's description of itself is kept up to this length, in characters.
const MAX_USER_AGENT: usize = 300;

/// A new session, and the secret for its cookie.
pub struct SignedIn {
    /// Whose session.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The cookie's value.
    pub secret: String,
}

/// The browser that asks.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    user_agent: String,
    life: Duration,
}

impl Client {
    /// The browser behind a request.
    pub fn of(request: &HttpRequest, state: &AppState) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            address: peer_address(request),
            user_agent: user_agent.unwrap_or_default().chars().take(MAX_USER_AGENT).collect(),
            life: state.web.session_life,
        }
    }

    /// Makes the session, with its audit row.
    fn begin(&self, connection: &mut PgConnection, user: User, identity: Identity) -> AppResult<SignedIn> {
        let new = NewSession {
            users_id: user.id,
            identity,
            address: &self.address,
            user_agent: &self.user_agent,
            life: self.life,
        };
        let (session, secret) = new.insert(connection)?;
        self.audit("session.create", &user.name, Some(user.id), identity).insert(connection)?;
        Ok(SignedIn { user, session, secret })
    }

    /// Refuses who has to wait. The audit log gets no row: nobody can take rows from it again, so strangers must not
    /// add more than the delays let through.
    fn may_try(&self, attempt: Attempt) -> AppResult<()> {
        let Attempt::Wait(seconds) = attempt else {
            return Ok(());
        };
        tracing::warn!(
            address = self.address,
            seconds,
            "a sign-in was refused unseen: too many failed before it"
        );
        Err(AppError::TooManyTries { seconds })
    }

    fn audit<'a>(
        &'a self,
        action: &'a str,
        actor: &'a str,
        users_id: Option<i64>,
        identity: Identity,
    ) -> NewAudit<'a> {
        NewAudit {
            users_id,
            actor,
            identity: identity.as_str(),
            address: &self.address,
            action,
            object: "",
            task_id: None,
            detail: json!({}),
        }
    }
}

/// Signs in with name and password. Unknown names, wrong passwords and disabled users get the same answer after the
/// same work.
pub async fn with_password(
    state: &web::Data<AppState>,
    client: Client,
    name: &str,
    password: String,
) -> AppResult<SignedIn> {
    let name = readable(name);
    let user = begin_attempt(state, client.clone(), name.clone()).await?;
    let hash = user.as_ref().filter(|user| !user.disabled).and_then(|user| user.password_hash.clone());
    let right = is_right(state, password, hash).await?;
    state
        .transaction(move |connection| {
            // Locked and read again: the password may have been changed while the old one was looked at.
            let current = user.map_or(Ok(None), |user| {
                User::locked(connection, user.id).map(|now| {
                    now.filter(|now| right && !now.disabled && now.password_hash == user.password_hash)
                })
            })?;
            let Some(user) = current else {
                client.audit("session.refuse", &name, None, Identity::Password).insert(connection)?;
                return Ok(None);
            };
            signin::forget_failures(connection, &name, &client.address)?;
            client.begin(connection, user, Identity::Password).map(Some)
        })
        .await?
        .ok_or(AppError::SignInRefused(REFUSED))
}

/// Counts the attempt, and finds the user if there is one.
async fn begin_attempt(state: &AppState, client: Client, name: String) -> AppResult<Option<User>> {
    state
        .run(move |connection| {
            client.may_try(signin::begin_attempt(connection, &name, &client.address)?)?;
            Ok(User::by_name(connection, &name)?)
        })
        .await
}

/// Looks at a password off the runtime, with few others at once.
async fn is_right(state: &AppState, password: String, hash: Option<String>) -> AppResult<bool> {
    let permit = state.hashing.acquire().await.map_err(anyhow::Error::from)?;
    let right = web::block(move || verify_password(&password, hash.as_deref())).await?;
    drop(permit);
    Ok(right)
}

/// Uses a one-time link up.
pub async fn with_link(state: &web::Data<AppState>, client: Client, secret: &str) -> AppResult<SignedIn> {
    let hash = secret_hash(secret);
    let trying = client.clone();
    // Committed by itself, so that parallel tries are counted too.
    state
        .run(move |connection| trying.may_try(signin::begin_link_attempt(connection, &trying.address)?))
        .await?;
    state
        .transaction(move |connection| {
            let Some(user) = signin::take_link(connection, &hash)? else {
                client.audit("session.refuse", "", None, Identity::Link).insert(connection)?;
                return Ok(None);
            };
            signin::forget_link_failure(connection, &client.address)?;
            client.begin(connection, user, Identity::Link).map(Some)
        })
        .await?
        .ok_or(AppError::SignInRefused(LINK_REFUSED))
}

/// What a look at the present password of somebody who is signed in found. A stolen session does not know it.
pub struct Looked {
    hash: Option<String>,
    right: bool,
}

impl Looked {
    /// Looks at it, where there is one. Tries count as sign-ins do.
    pub async fn at(
        state: &web::Data<AppState>,
        client: &Client,
        signed: &Signed,
        password: String,
    ) -> AppResult<Self> {
        signed.in_person()?;
        let hash = signed.user.password_hash.clone();
        if hash.is_none() {
            return Ok(Self { hash, right: true });
        }
        begin_attempt(state, client.clone(), signed.user.name.clone()).await?;
        let right = is_right(state, password, hash.clone()).await?;
        Ok(Self { hash, right })
    }

    /// The user, locked, if it was right and still is; else the refusal of `action` is kept.
    pub fn user(
        &self,
        connection: &mut PgConnection,
        client: &Client,
        signed: &Signed,
        action: &str,
    ) -> AppResult<Done<User>> {
        let user = User::locked(connection, signed.user.id)?
            .filter(|user| self.right && !user.disabled && user.password_hash == self.hash);
        let Some(user) = user else {
            signed.audit(&format!("{action}.refuse"), &signed.user.name).insert(connection)?;
            return Ok(Err(vec![Complaint::new("current", "the present password is wrong")]));
        };
        signin::forget_failures(connection, &user.name, &client.address)?;
        Ok(Ok(user))
    }
}

/// Changes the password of somebody who proves that they know the present one, where there is one. Every session of theirs
/// ends, and a new one begins: a cookie that somebody else took is worth nothing any more.
pub async fn change_password(
    state: &web::Data<AppState>,
    client: Client,
    signed: Signed,
    current: String,
    new: String,
) -> AppResult<Done<SignedIn>> {
    signed.in_person()?;
    if let Err(why) = check_new_password(&new) {
        return Ok(Err(vec![Complaint::new("password", why.to_string())]));
    }
    let looked = Looked::at(state, &client, &signed, current).await?;
    let hash = match rights::hashed(state, new).await? {
        Ok(hash) => hash,
        Err(complaints) => return Ok(Err(complaints)),
    };
    state
        .transaction(move |connection| {
            let user = match looked.user(connection, &client, &signed, "user.password")? {
                Ok(user) => user,
                Err(complaints) => return Ok(Err(complaints)),
            };
            User::set_password(connection, user.id, Some(&hash))?;
            signed.audit("user.password", &user.name).insert(connection)?;
            client.begin(connection, user, signed.identity).map(Ok)
        })
        .await
}

/// Makes an API token for somebody who proves that they know their password, where there is one.
pub async fn make_token(
    state: &web::Data<AppState>,
    client: Client,
    signed: Signed,
    current: String,
    wanted: NewToken,
) -> AppResult<Done<(ApiToken, String)>> {
    let looked = Looked::at(state, &client, &signed, current).await?;
    state
        .transaction(move |connection| {
            if let Err(complaints) = looked.user(connection, &client, &signed, "token.add")? {
                return Ok(Err(complaints));
            }
            rights::make_token(connection, &signed, &wanted)
        })
        .await
}

/// Ends the session of the request, if a session asks.
pub async fn sign_out(state: &web::Data<AppState>, signed: Signed) -> AppResult<()> {
    state
        .transaction(move |connection| {
            if let Some(id) = signed.session()
                && Session::end(connection, id)?
            {
                signed.audit("session.end", "").insert(connection)?;
            }
            Ok(())
        })
        .await
}

/// A name as it may stand in the audit log, whatever was typed.
fn readable(name: &str) -> String {
    name.trim().chars().filter(|character| !is_invisible(*character)).take(MAX_NAME_LENGTH).collect()
}
