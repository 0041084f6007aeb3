//! Grants: who may do what, where; giving and taking them.

use super::editing::{self, FormPage, SuggestedForm};
use super::see;
use crate::api::input;
use crate::auth::{SignedFields, SignedForm};
use crate::editors::{self, Choices, grant as form};
use crate::error::{AppError, AppResult};
use crate::forms::{self, Fields};
use crate::page::{self, Named, Page, Reader, html, html_with};
use crate::rights;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use selfservice_core::access::Verb;
use selfservice_core::db::PgConnection;
use selfservice_core::models::grants::{GrantFilter, NamedGrant};
use selfservice_core::models::inventory::{Complaint, Dependant, Noun};
use serde::Deserialize;

/// A grant as people read it.
pub struct GrantRow {
    /// Primary key.
    pub id: i64,
    /// `users` or `teams`.
    pub folder: &'static str,
    /// Whose it is.
    pub who: Named,
    /// What the verb means.
    pub may: &'static str,
    /// With which handlers.
    pub with: String,
    /// On which hosts.
    pub on: String,
    /// The whole as a name for buttons.
    pub text: String,
}

impl From<NamedGrant> for GrantRow {
    fn from(grant: NamedGrant) -> Self {
        let (text, may) = (grant.text(), may(&grant));
        let (folder, id, name) = match (grant.users_id, grant.teams_id) {
            (Some(id), _) => ("users", id, grant.user),
            (None, id) => ("teams", id.unwrap_or_default(), grant.team),
        };
        Self {
            id: grant.id,
            folder,
            who: Named { id, name: name.unwrap_or_default() },
            may,
            with: match (grant.handler, grant.tag) {
                (Some(handler), _) => format!("the handler {handler}"),
                (None, Some(tag)) => format!("handlers with the tag {tag}"),
                (None, None) => "every handler".to_owned(),
            },
            on: match (grant.hostgroup, grant.environment) {
                (Some(group), Some(environment)) => format!("hosts of {group} in {environment}"),
                (Some(group), None) => format!("hosts of {group}"),
                (None, Some(environment)) => format!("every host in {environment}"),
                (None, None) => "every host".to_owned(),
            },
            text,
        }
    }
}

/// What its verb means.
fn may(grant: &NamedGrant) -> &'static str {
    let for_every_handler = grant.handler.is_none() && grant.tag.is_none();
    match grant.verb {
        Verb::See => "see",
        // Hosts are changed with grants for every handler only.
        Verb::Admin if for_every_handler && grant.environment.is_none() && grant.hostgroup.is_none() => {
            "do everything, give rights too"
        }
        Verb::Admin if for_every_handler => "see, run and change hosts",
        Verb::Run | Verb::Admin => "see and run",
    }
}

#[derive(Template)]
#[template(path = "grants/list.html")]
struct GrantList {
    page: Page,
    filter: Filter,
    verbs: &'static [Verb],
    grants: Vec<GrantRow>,
    next: Option<String>,
}

/// What the form above the list restricts it to, and where its page begins.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Filter {
    #[serde(deserialize_with = "input::strict_text")]
    user: String,
    #[serde(deserialize_with = "input::strict_text")]
    team: String,
    #[serde(deserialize_with = "input::strict_text")]
    environment: String,
    #[serde(deserialize_with = "input::strict_text")]
    hostgroup: String,
    #[serde(deserialize_with = "input::strict_text")]
    handler: String,
    #[serde(deserialize_with = "input::strict_text")]
    tag: String,
    #[serde(deserialize_with = "input::strict_text")]
    verb: String,
    #[serde(deserialize_with = "input::strict_text")]
    after: String,
}

impl Filter {
    /// What is searched for, and the number to begin after.
    pub fn query(&self) -> AppResult<(GrantFilter, i64)> {
        let wrong = |what: &str, why: String| AppError::BadRequest(format!("{what}: {why}."));
        let verb = Some(&self.verb).filter(|word| !word.is_empty()).map(|word| word.parse()).transpose();
        let after = Some(&self.after).filter(|text| !text.is_empty()).map(|text| text.parse()).transpose();
        let filter = GrantFilter {
            user: self.user.trim().to_owned(),
            team: self.team.trim().to_owned(),
            environment: self.environment.trim().to_owned(),
            hostgroup: self.hostgroup.trim().to_owned(),
            handler: self.handler.trim().to_owned(),
            tag: self.tag.trim().to_owned(),
            verb: verb.map_err(|why| wrong("verb", why))?,
        };
        let after = after.map_err(|_| wrong("after", "the list cannot begin there".to_owned()))?;
        Ok((filter, after.unwrap_or_default()))
    }

    fn fields(&self) -> [(&str, &str); 7] {
        [
            ("user", &self.user),
            ("team", &self.team),
            ("environment", &self.environment),
            ("hostgroup", &self.hostgroup),
            ("handler", &self.handler),
            ("tag", &self.tag),
            ("verb", &self.verb),
        ]
    }
}

/// All grants that fit.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Filter>,
) -> AppResult<HttpResponse> {
    let filter = asked.into_inner();
    let (query, after) = filter.query()?;
    let mut grants = rights::read(&state, reader.signed.clone(), move |connection, _| {
        Ok(NamedGrant::page(connection, &query, after, page::limit())?)
    })
    .await?;
    let after = page::cut(&mut grants, |grant| grant.id.to_string());
    html(&GrantList {
        page: reader.page("Grants", "grants"),
        next: after.map(|after| page::next_url("/grants", &filter.fields(), &after)),
        filter,
        verbs: Verb::ALL,
        grants: grants.into_iter().map(GrantRow::from).collect(),
    })
}

/// The form, with what the address names filled in.
pub async fn ask(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Filter>,
) -> AppResult<HttpResponse> {
    let typed = asked.fields().into_iter().fold(Fields::default(), |all, (name, text)| all.with(name, text));
    let macros = state.macros.clone();
    let choices = rights::read(&state, reader.signed.clone(), move |connection, signed| {
        let viewer = signed.viewer(connection)?;
        Ok(Choices::load(connection, viewer, &macros, Noun::Grant)?)
    })
    .await?;
    html(&form_page(reader.page("", "grants"), &choices, &typed, &[]))
}

/// Gives a grant.
pub async fn give(
    state: web::Data<AppState>,
    request: HttpRequest,
    fields: SignedFields,
) -> AppResult<HttpResponse> {
    let SignedFields { signed, pairs } = fields;
    let typed = FormPage::plain_fields(pairs, &form::sections())?;
    let mut complaints = Vec::new();
    let wanted = form::read(&typed, &mut complaints);
    let page = Page::new(&request, Some(&signed), "", "grants");
    let macros = state.macros.clone();
    let refused = rights::change(&state, signed, "grant.add", move |connection, signed| {
        if complaints.is_empty() {
            match rights::give(connection, signed, &wanted)? {
                Ok(_) => return Ok(None),
                Err(found) => complaints = found,
            }
        }
        let viewer = signed.viewer(connection)?;
        Ok(Some((complaints, Choices::load(connection, viewer, &macros, Noun::Grant)?)))
    })
    .await?;
    let Some((complaints, choices)) = refused else { return Ok(see("/grants")) };
    let page = form_page(page, &choices, &typed, &complaints);
    html_with(StatusCode::BAD_REQUEST, &page)
}

fn form_page(mut page: Page, choices: &Choices, typed: &Fields, complaints: &[Complaint]) -> FormPage {
    page.title = "New grant".to_owned();
    let form = SuggestedForm {
        action: "/grants/new".to_owned(),
        cancel: "/grants".to_owned(),
        submit: "Give it".to_owned(),
        sections: editors::sections(Noun::Grant, choices),
        suggestions: choices.suggestions(),
        ..SuggestedForm::default()
    };
    FormPage::plain(page, form, typed, complaints)
}

/// The question before a grant is taken: who loses it.
pub async fn ask_take(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    let facts =
        rights::read(&state, reader.signed.clone(), move |connection, _| facts(connection, id)).await?;
    html(&take_page(reader.page("", "grants"), facts, None))
}

/// Takes a grant.
pub async fn take(
    state: web::Data<AppState>,
    request: HttpRequest,
    id: web::Path<i64>,
    form: SignedForm<editing::DeleteForm>,
) -> AppResult<HttpResponse> {
    let (id, page) = (id.into_inner(), Page::new(&request, Some(&form.signed), "", "grants"));
    let refused = rights::change(&state, form.signed, "grant.remove", move |connection, signed| {
        match rights::take(connection, signed, id)? {
            Ok(()) => Ok(None),
            Err(complaints) => Ok(Some((complaints, facts(connection, id)?))),
        }
    })
    .await?;
    let Some((complaints, facts)) = refused else { return Ok(see("/grants")) };
    let page = take_page(page, facts, Some(forms::sentences(&complaints)));
    html_with(StatusCode::CONFLICT, &page)
}

fn facts(connection: &mut PgConnection, id: i64) -> AppResult<(NamedGrant, i64)> {
    let grant = NamedGrant::find(connection, id)?.ok_or(AppError::NotFound)?;
    let losing = rights::losing(connection, &grant)?;
    Ok((grant, losing))
}

fn take_page(mut page: Page, facts: (NamedGrant, i64), obstacle: Option<String>) -> editing::DeletePage {
    let (grant, losing) = facts;
    let text = match &grant.team {
        Some(team) => format!("Users who lose it, because they are in the team {team}"),
        None => format!("User who loses it: {}", grant.user.as_deref().unwrap_or_default()),
    };
    let name = grant.text();
    page.title = "Take a grant away".to_owned();
    editing::DeletePage {
        page,
        noun: Noun::Grant,
        name,
        action: format!("/grants/{}/delete", grant.id),
        cancel: "/grants".to_owned(),
        version: String::new(),
        dependants: if losing == 0 { Vec::new() } else { vec![Dependant { text, count: losing }] },
        obstacle,
    }
}
