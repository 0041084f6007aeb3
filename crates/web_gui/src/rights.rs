//! Grants, passwords, sessions and API tokens: who may change them, the change and its audit row. Forms and the API both
//! come through here.

use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::state::AppState;
use actix_web::web;
use selfservice_core::access::Verb;
use selfservice_core::credentials::{self, CredentialError};
use selfservice_core::db::PgConnection;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::inventory::{self, Complaint, EditError, Grant};
use selfservice_core::models::sessions::Session;
use selfservice_core::models::teams::Team;
use selfservice_core::models::users::User;
use selfservice_core::names;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// The longest life of an API token that is made in the browser or by the API, in days.
pub const MAX_TOKEN_DAYS: i32 = 365;
/// So many tokens one user may have at a time.
const MAX_TOKENS: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was done, or what must be mended first.
pub type Done<T> = Result<T, Vec<Complaint>>;

/// Does in one transaction what only those may do who may change everything: for others there is nothing here. A
/// refusal is kept in the audit log as `{action}.refuse`.
pub async fn administer<T: Send + 'static>(
    state: &AppState,
    signed: Signed,
    action: &'static str,
    work: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<T> + Send + 'static,
) -> AppResult<T> {
    state.transaction(move |connection| as_administrator(connection, &signed, action, work)).await?
}

/// The same for what changes who may do what: no two of these happen at once, and the right is looked at when it is
/// their turn.
pub async fn change<T: Send + 'static>(
    state: &AppState,
    signed: Signed,
    action: &'static str,
    work: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<T> + Send + 'static,
) -> AppResult<T> {
    state
        .transaction(move |connection| {
            // Who is refused waits for nobody.
            if signed.access(connection)?.is_admin() {
                inventory::lock_rights(connection)?;
            }
            as_administrator(connection, &signed, action, work)
        })
        .await?
}

/// The inner error is a refusal whose audit row is to be kept.
fn as_administrator<T>(
    connection: &mut PgConnection,
    signed: &Signed,
    action: &str,
    work: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<T>,
) -> AppResult<AppResult<T>> {
    if signed.access(connection)?.is_admin() {
        return work(connection, signed).map(Ok);
    }
    signed.audit(&format!("{action}.refuse"), "").insert(connection)?;
    Ok(Err(AppError::NotFound))
}

/// Reads what only those may read who may change everything.
pub async fn read<T: Send + 'static>(
    state: &AppState,
    signed: Signed,
    work: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<T> + Send + 'static,
) -> AppResult<T> {
    state
        .run(move |connection| {
            if signed.access(connection)?.is_admin() {
                work(connection, &signed)
            } else {
                Err(AppError::NotFound)
            }
        })
        .await
}

/// Gives a right.
pub fn give(connection: &mut PgConnection, signed: &Signed, wanted: &Grant) -> AppResult<Done<NamedGrant>> {
    let viewer = signed.viewer(connection)?;
    let given = match NamedGrant::give(connection, viewer, wanted) {
        Ok(Some(given)) => given,
        Ok(None) => return Ok(Err(vec![Complaint::new("", "this right exists already")])),
        Err(error) => return mended(error),
    };
    let text = given.text();
    let mut audit = signed.audit("grant.add", &text);
    audit.detail = json!({ "id": given.id, "grant": wanted });
    audit.insert(connection)?;
    Ok(Ok(given))
}

/// Takes a right away.
pub fn take(connection: &mut PgConnection, signed: &Signed, id: i64) -> AppResult<Done<()>> {
    let grant = NamedGrant::find(connection, id)?.ok_or(AppError::NotFound)?;
    let viewer = signed.viewer(connection)?;
    if let Err(error) = grant.take(connection, viewer) {
        return mended(error);
    }
    let text = grant.text();
    let mut audit = signed.audit("grant.remove", &text);
    audit.detail = json!({ "id": id });
    audit.insert(connection)?;
    Ok(Ok(()))
}

/// Disables a user, or enables them again; quicker than the form, which must be read first.
pub fn set_disabled(
    connection: &mut PgConnection,
    signed: &Signed,
    id: i64,
    disabled: bool,
) -> AppResult<Done<()>> {
    let user = User::find(connection, id)?.ok_or(AppError::NotFound)?;
    if user.disabled == disabled {
        return Ok(Ok(()));
    }
    let done = inventory::keeping_administrator(connection, signed.user.id, "", |connection| {
        User::set_disabled(connection, id, disabled).map_err(EditError::from)
    });
    if let Err(error) = done {
        return mended(error);
    }
    let action = if disabled { "user.disable" } else { "user.enable" };
    signed.audit(action, &user.name).insert(connection)?;
    Ok(Ok(()))
}

/// Ends one session: one's own, or anybody's for those who may change everything. False: for the others it is not there.
pub fn end_session(connection: &mut PgConnection, signed: &Signed, id: Uuid) -> AppResult<bool> {
    let owner = Session::owner(connection, id)?;
    let Some(owner) = allowed(connection, signed, owner, "session.revoke.refuse")? else { return Ok(false) };
    let ended = Session::end(connection, id)?;
    if ended {
        let mut audit = signed.audit("session.revoke", &owner.name);
        audit.detail = json!({ "session": id });
        audit.insert(connection)?;
    }
    Ok(ended)
}

/// Ends every session of a user, but never the one that asks. Those of somebody else end with their API tokens: whoever
/// does that wants nobody to act as them any more.
pub fn end_sessions(connection: &mut PgConnection, signed: &Signed, owner: &User) -> AppResult<()> {
    let ended = User::sign_out(connection, owner.id, signed.session())?;
    let revoked = if owner.id == signed.user.id { 0 } else { ApiToken::revoke_all(connection, owner.id)? };
    let mut audit = signed.audit("session.revoke", &owner.name);
    audit.detail = json!({ "sessions": ended, "tokens": revoked });
    Ok(audit.insert(connection)?)
}

/// What an API token is wanted for.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// The strongest verb that it may use.
    pub verb: Verb,
    /// How long it is valid.
    pub days: i32,
}

/// Makes a token for the person themselves, who has proved to be one ([`crate::auth::sign_in::make_token`]), and gives it with its text,
/// which nobody can read again.
pub fn make_token(
    connection: &mut PgConnection,
    signed: &Signed,
    wanted: &NewToken,
) -> AppResult<Done<(ApiToken, String)>> {
    let mut complaints = Vec::new();
    if let Err(why) = names::check(&wanted.name) {
        complaints.push(Complaint::new("name", format!("the name {why}")));
    }
    let strongest = signed.access(connection)?.strongest();
    if strongest < Some(wanted.verb) {
        let most = strongest.map_or_else(
            || "you have no rights that a token could use".to_owned(),
            |verb| format!("a token never has more rights than its owner: yours reach up to '{verb}'"),
        );
        complaints.push(Complaint::new("verb", most));
    }
    if !(1..=MAX_TOKEN_DAYS).contains(&wanted.days) {
        let text = format!("{} days: allowed is 1 to {MAX_TOKEN_DAYS}", wanted.days);
        complaints.push(Complaint::new("days", text));
    }
    if ApiToken::of_user(connection, signed.user.id)?.len() >= MAX_TOKENS {
        let text = format!("you have {MAX_TOKENS} tokens; revoke one that nobody uses");
        complaints.push(Complaint::new("", text));
    }
    if !complaints.is_empty() {
        return Ok(Err(complaints));
    }
    let secret = credentials::ApiToken::generate().map_err(anyhow::Error::from)?;
    let life = DAY * wanted.days.unsigned_abs();
    let token = ApiToken::create(connection, &secret, signed.user.id, &wanted.name, wanted.verb, life)?;
    let mut audit = signed.audit("token.add", &token.name);
    audit.detail = json!({ "token": token.id, "verb": token.verb, "expires_at": token.expires_at });
    audit.insert(connection)?;
    Ok(Ok((token, secret.reveal())))
}

/// Takes a token back: one's own, or anybody's for those who may change everything. False: for the others it is not
/// there.
pub fn revoke_token(connection: &mut PgConnection, signed: &Signed, id: &str) -> AppResult<bool> {
    let Some((token, owner)) = ApiToken::find(connection, id)? else { return Ok(false) };
    let Some(owner) = allowed(connection, signed, Some(owner), "token.revoke.refuse")? else {
        return Ok(false);
    };
    let revoked = ApiToken::revoke(connection, id)?;
    if revoked {
        let mut audit = signed.audit("token.revoke", &token.name);
        audit.detail = json!({ "token": id, "owner": owner.name });
        audit.insert(connection)?;
    }
    Ok(revoked)
}

/// Sets the password of somebody else, which ends their sessions and revokes their API tokens. Only a person does, never
/// a token.
pub fn set_password(
    connection: &mut PgConnection,
    signed: &Signed,
    id: i64,
    hash: &str,
) -> AppResult<Done<()>> {
    signed.in_person()?;
    let user = User::find(connection, id)?.ok_or(AppError::NotFound)?;
    if user.id == signed.user.id {
        let text = "your own password is changed on the page of your account, with the present one";
        return Ok(Err(vec![Complaint::new("password", text)]));
    }
    User::set_password(connection, id, Some(hash))?;
    let mut audit = signed.audit("user.password", &user.name);
    audit.detail = json!({ "tokens": ApiToken::revoke_all(connection, id)? });
    audit.insert(connection)?;
    Ok(Ok(()))
}

/// Hashes a new password, with few others at once, or says what is wrong with it.
pub async fn hashed(state: &AppState, password: String) -> AppResult<Done<String>> {
    let permit = state.hashing.acquire().await.map_err(anyhow::Error::from)?;
    let hash = web::block(move || credentials::hash_password(&password)).await?;
    drop(permit);
    match hash {
        Ok(hash) => Ok(Ok(hash)),
        Err(error @ (CredentialError::TooShort | CredentialError::TooLong)) => {
            Ok(Err(vec![Complaint::new("password", error.to_string())]))
        }
        Err(error) => Err(AppError::Internal(error.into())),
    }
}

/// The same for the password of somebody else: nothing is hashed for those who may not set it.
pub async fn hashed_for_another(
    state: &AppState,
    signed: Signed,
    password: String,
) -> AppResult<Done<String>> {
    administer(state, signed, "user.password", |_, _| Ok(())).await?;
    hashed(state, password).await
}

/// How many users lose something with a grant.
pub fn losing(connection: &mut PgConnection, grant: &NamedGrant) -> AppResult<i64> {
    let team = grant.teams_id.map(|id| Team::find(connection, id)).transpose()?.flatten();
    let Some(team) = team else { return Ok(1) };
    Ok(i64::try_from(team.members(connection)?.len()).unwrap_or(i64::MAX))
}

/// What is wrong, as an error for programs.
pub fn fields(complaints: Vec<Complaint>) -> AppError {
    AppError::Fields(
        complaints.into_iter().map(|one| (one.field.to_owned(), forms::sentence(&one.text))).collect(),
    )
}

/// The owner, if the person who asks may end what they have.
fn allowed(
    connection: &mut PgConnection,
    signed: &Signed,
    owner: Option<User>,
    refusal: &str,
) -> AppResult<Option<User>> {
    let Some(owner) = owner else { return Ok(None) };
    let own = owner.id == signed.user.id && signed.in_person().is_ok();
    if own || signed.access(connection)?.is_admin() {
        return Ok(Some(owner));
    }
    signed.audit(refusal, "").insert(connection)?;
    Ok(None)
}

fn mended<T>(error: EditError) -> AppResult<Done<T>> {
    match error {
        EditError::Complaints(complaints) => Ok(Err(complaints)),
        EditError::Query(error) => Err(error.into()),
        EditError::Gone | EditError::Stale(_) | EditError::Busy { .. } | EditError::Forbidden(_) => {
            Err(AppError::NotFound)
        }
    }
}
