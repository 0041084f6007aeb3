//! One's own account: password, sessions, API tokens.

use super::see;
use crate::auth::sign_in::{self, Client};
use crate::auth::{Signed, SignedForm};
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::page::{Page, Reader, When, html, html_with};
use crate::rights::{self, MAX_TOKEN_DAYS, NewToken};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::Utc;
use selfservice_core::access::Verb;
use selfservice_core::db::PgConnection;
use selfservice_core::models::api_tokens::ApiToken;
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::sessions::ListedSession;
use selfservice_core::models::teams::Team;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// The life of a token where nothing else is asked for, in days.
const TOKEN_DAYS: &str = "90";

/// A session as its owner recognises it.
pub struct SessionRow {
    /// Primary key.
    pub id: Uuid,
    /// The browser in few words.
    pub browser: String,
    /// From where they signed in.
    pub address: String,
    /// How they proved who they are.
    pub identity: &'static str,
    /// Since when.
    pub created_at: When,
    /// When it was used last.
    pub last_seen_at: When,
    /// When it ends at the latest.
    pub expires_at: When,
    /// The one that asks.
    pub present: bool,
    /// For the button.
    pub label: String,
}

impl SessionRow {
    /// A row; `present` is the session that asks.
    pub fn new(session: ListedSession, present: Option<Uuid>) -> Self {
        let browser = browser(&session.user_agent);
        Self {
            label: format!("the session of {browser} from {}", session.address),
            browser,
            id: session.id,
            address: session.address,
            identity: session.identity.as_str(),
            created_at: session.created_at.into(),
            last_seen_at: session.last_seen_at.into(),
            expires_at: session.expires_at.into(),
            present: present == Some(session.id),
        }
    }
}

/// The browser and its system in few words; else its own, cut short.
fn browser(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    // Most of them call themselves by the names of the others too: the particular ones come first.
    let program = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        _ if user_agent.is_empty() => "a browser that does not say its name".to_owned(),
        _ => user_agent.chars().take(60).collect(),
    }
}

/// A token without its secret.
pub struct TokenRow {
    /// The part that names it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The strongest verb that it may use.
    pub verb: Verb,
    /// When it was made.
    pub created_at: When,
    /// When it was used last.
    pub last_used_at: Option<When>,
    /// Until when it is valid.
    pub expires_at: When,
    /// Whether that is over.
    pub expired: bool,
}

impl From<ApiToken> for TokenRow {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            verb: token.verb,
            created_at: token.created_at.into(),
            last_used_at: token.last_used_at.map(When::from),
            expired: token.expires_at <= Utc::now(),
            expires_at: token.expires_at.into(),
        }
    }
}

#[derive(Template)]
#[template(path = "account/show.html")]
struct Account {
    page: Page,
    name: String,
    display_name: String,
    has_password: bool,
    teams: Vec<String>,
    grants: Vec<super::grants::GrantRow>,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
    sessions_path: &'static str,
    tokens_path: &'static str,
    /// The text of a token that was just made; it is shown this once.
    made: Option<Made>,
    token: TokenForm,
    verbs: &'static [Verb],
    max_days: i32,
    mistakes: Mistakes,
    /// What was done.
    done: Option<&'static str>,
    /// How many tokens are valid still, which ends with no session.
    valid_tokens: usize,
}

struct Made {
    name: String,
    text: String,
}

/// What stands beside fields.
#[derive(Default)]
struct Mistakes {
    current: Option<String>,
    /// The password that goes with a new token.
    proof: Option<String>,
    password: Option<String>,
    name: Option<String>,
    verb: Option<String>,
    days: Option<String>,
    other: Option<String>,
}

impl Mistakes {
    fn of(complaints: &[Complaint]) -> Self {
        let of = |field: &str| {
            let mine: Vec<Complaint> = complaints.iter().filter(|one| one.field == field).cloned().collect();
            (!mine.is_empty()).then(|| forms::sentences(&mine))
        };
        Self {
            current: of("current"),
            proof: of(PROOF),
            password: of("password"),
            name: of("name"),
            verb: of("verb"),
            days: of("days"),
            other: of(""),
        }
    }
}

/// The field of a form for a token in which the present password stands.
const PROOF: &str = "proof";

/// What a token is wanted for, as it was typed.
#[derive(Deserialize, Clone)]
pub struct TokenForm {
    #[serde(default, rename = "current")]
    proof: String,
    name: String,
    verb: String,
    days: String,
}

impl Default for TokenForm {
    fn default() -> Self {
        Self {
            proof: String::new(),
            name: String::new(),
            verb: Verb::See.to_string(),
            days: TOKEN_DAYS.to_owned(),
        }
    }
}

impl TokenForm {
    fn read(&self) -> Result<NewToken, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let verb = self.verb.parse().unwrap_or_else(|why| {
            complaints.push(Complaint::new("verb", format!("the scope {why}")));
            Verb::See
        });
        let days = self.days.trim().parse().unwrap_or_else(|_| {
            let text =
                format!("'{}' must be a whole number from 1 to {MAX_TOKEN_DAYS}", self.days.escape_debug());
            complaints.push(Complaint::new("days", text));
            1
        });
        if complaints.is_empty() {
            Ok(NewToken { name: self.name.trim().to_owned(), verb, days })
        } else {
            Err(complaints)
        }
    }
}

impl Account {
    fn read(connection: &mut PgConnection, page: Page, signed: &Signed, idle: Duration) -> AppResult<Self> {
        let id = signed.user.id;
        let sessions = ListedSession::of_user(connection, id, idle)?;
        let tokens: Vec<TokenRow> =
            ApiToken::of_user(connection, id)?.into_iter().map(TokenRow::from).collect();
        Ok(Self {
            page,
            valid_tokens: tokens.iter().filter(|token| !token.expired).count(),
            name: signed.user.name.clone(),
            display_name: signed.user.display_name().to_owned(),
            has_password: signed.user.password_hash.is_some(),
            teams: Team::of_user(connection, id)?.into_iter().map(|team| team.name).collect(),
            grants: NamedGrant::of_user(connection, id)?.into_iter().map(Into::into).collect(),
            sessions: sessions
                .into_iter()
                .map(|session| SessionRow::new(session, signed.session()))
                .collect(),
            tokens,
            sessions_path: "/account/sessions",
            tokens_path: "/account/tokens",
            made: None,
            token: TokenForm::default(),
            verbs: Verb::ALL,
            max_days: MAX_TOKEN_DAYS,
            mistakes: Mistakes::default(),
            done: None,
        })
    }
}

/// What the address says was done just before.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// The reader's account.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Asked>,
) -> AppResult<HttpResponse> {
    reader.signed.in_person()?;
    let (signed, page, idle) =
        (reader.signed.clone(), reader.page("Your account", "account"), state.web.session_idle);
    let shown = state.run(move |connection| Account::read(connection, page, &signed, idle)).await?;
    let done = match asked.done.as_str() {
        "password" => Some("Your password was changed, and every other session of yours has ended."),
        "sessions" => Some("Every other session of yours has ended."),
        _ => None,
    };
    html(&Account { done, ..shown })
}

/// The present password and the new one, twice.
#[derive(Deserialize)]
pub struct PasswordForm {
    #[serde(default)]
    current: String,
    password: String,
    again: String,
}

/// Changes the reader's password: every session ends, and this browser gets a fresh one.
pub async fn change_password(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: SignedForm<PasswordForm>,
) -> AppResult<HttpResponse> {
    let SignedForm { signed, fields: PasswordForm { current, password, again } } = form;
    let client = Client::of(&request, &state);
    let changed = if password == again {
        sign_in::change_password(&state, client, signed.clone(), current, password).await?
    } else {
        Err(vec![Complaint::new("password", "the two new passwords are not the same")])
    };
    match changed {
        Ok(signed_in) => {
            let mut answer = see("/account?done=password");
            let (name, value) = state.cookie.set(&signed_in.secret);
            let value =
                value.parse().map_err(|_| AppError::Internal(anyhow::anyhow!("the cookie is no header")))?;
            answer.headers_mut().insert(name, value);
            Ok(answer)
        }
        Err(complaints) => refused(&state, &request, signed, &complaints, TokenForm::default()).await,
    }
}

/// Ends another session of the reader.
pub async fn end_session(
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let (id, signed) = (id.into_inner(), form.signed);
    let ended = state.transaction(move |connection| rights::end_session(connection, &signed, id)).await?;
    if ended { Ok(see("/account")) } else { Err(AppError::NotFound) }
}

/// Ends every other session of the reader.
pub async fn end_sessions(state: web::Data<AppState>, form: SignedForm) -> AppResult<HttpResponse> {
    let signed = form.signed;
    signed.in_person()?;
    state.transaction(move |connection| rights::end_sessions(connection, &signed, &signed.user)).await?;
    Ok(see("/account?done=sessions"))
}

/// Makes a token and shows its text, this once: there is no address to come back to it.
pub async fn make_token(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: SignedForm<TokenForm>,
) -> AppResult<HttpResponse> {
    let SignedForm { signed, fields } = form;
    let wanted = match fields.read() {
        Ok(wanted) => wanted,
        Err(complaints) => return refused(&state, &request, signed, &complaints, fields).await,
    };
    let client = Client::of(&request, &state);
    let made = sign_in::make_token(&state, client, signed.clone(), fields.proof.clone(), wanted).await?;
    match made {
        Ok((token, text)) => {
            let shown = read(&state, &request, signed).await?;
            html(&Account { made: Some(Made { name: token.name, text }), ..shown })
        }
        Err(mut complaints) => {
            // The form for a new password has a field of that name, too.
            complaints.iter_mut().filter(|one| one.field == "current").for_each(|one| one.field = PROOF);
            refused(&state, &request, signed, &complaints, fields).await
        }
    }
}

/// Takes back a token of the reader.
pub async fn revoke_token(
    state: web::Data<AppState>,
    id: web::Path<String>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    let (id, signed) = (id.into_inner(), form.signed);
    let revoked = state.transaction(move |connection| rights::revoke_token(connection, &signed, &id)).await?;
    if revoked { Ok(see("/account")) } else { Err(AppError::NotFound) }
}

async fn read(state: &AppState, request: &HttpRequest, signed: Signed) -> AppResult<Account> {
    let (page, idle) = (Page::new(request, Some(&signed), "Your account", "account"), state.web.session_idle);
    state.run(move |connection| Account::read(connection, page, &signed, idle)).await
}

async fn refused(
    state: &AppState,
    request: &HttpRequest,
    signed: Signed,
    complaints: &[Complaint],
    token: TokenForm,
) -> AppResult<HttpResponse> {
    let shown = read(state, request, signed).await?;
    let shown = Account { mistakes: Mistakes::of(complaints), token, ..shown };
    html_with(StatusCode::BAD_REQUEST, &shown)
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_told_by_their_own_names() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser(&format!("{chrome} Edg/131.0")), "Edge on Linux");
        assert_eq!(
            browser("Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0"),
            "Firefox on Windows"
        );
        assert_eq!(browser("curl/8"), "curl/8");
        assert_eq!(browser(""), "a browser that does not say its name");
    }
}
