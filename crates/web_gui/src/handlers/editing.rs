//! Making, changing and deleting: the same pages for every kind of object.

use super::see;
use crate::auth::{SignedFields, SignedForm};
use crate::editors::{self, Choices};
use crate::error::{AppError, AppResult};
use crate::forms::{self, Control, Fields, Mistake, Section, Suggestions};
use crate::page::{Page, Reader, html, html_with};
use crate::rights;
use crate::state::AppState;
use crate::store::{self, Desk, Outcome};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::macros::OfferedMacro;
use selfservice_core::models::inventory::{self, Complaint, Dependant, Noun, Stored, Target};
use selfservice_core::models::visible::Viewer;
use serde::Deserialize;

/// Fields that every form has besides its own.
const VERSION: &str = "version";
const MORE: &str = "more";

#[derive(Template)]
#[template(path = "editing/form.html")]
pub(super) struct FormPage {
    page: Page,
    /// Where the form goes, and where its reader goes who gives up.
    action: String,
    cancel: String,
    submit: String,
    version: String,
    /// Somebody else has changed the object meanwhile.
    stale: bool,
    mistakes: Vec<Mistake>,
    sections: Vec<Section>,
    suggestions: Vec<Suggestions>,
    /// What arguments may name, for completion.
    macros: Vec<OfferedMacro>,
    delete_url: Option<String>,
}

#[derive(Template)]
#[template(path = "editing/delete.html")]
pub(super) struct DeletePage {
    pub page: Page,
    pub noun: Noun,
    pub name: String,
    pub action: String,
    pub cancel: String,
    pub version: String,
    pub dependants: Vec<Dependant>,
    /// Why it cannot be deleted now.
    pub obstacle: Option<String>,
}

/// A form of something that is not in the inventory: where it goes, its fields and what they suggest.
#[derive(Default)]
pub(super) struct SuggestedForm {
    /// Which state of its object it was filled from.
    pub version: String,
    /// What is stored by now, where somebody else was quicker.
    pub stored: Option<Fields>,
    pub action: String,
    pub cancel: String,
    pub submit: String,
    pub sections: Vec<Section>,
    pub suggestions: Vec<Suggestions>,
}

impl FormPage {
    /// The page of a form with what was typed and what is wrong with it.
    pub(super) fn plain(page: Page, form: SuggestedForm, typed: &Fields, complaints: &[Complaint]) -> Self {
        let SuggestedForm { version, stored, action, cancel, submit, mut sections, suggestions } = form;
        let mistakes = forms::fill(&mut sections, typed, complaints, stored.as_ref(), false);
        Self {
            page,
            action,
            cancel,
            submit,
            version,
            stale: stored.is_some(),
            mistakes,
            sections,
            suggestions,
            macros: Vec::new(),
            delete_url: None,
        }
    }

    /// Which state of its object a form was filled from.
    pub(super) fn take_version(pairs: &mut Vec<(String, String)>) -> String {
        taken(pairs, VERSION).unwrap_or_default()
    }

    /// What such a form sent: the page has the field of the version too, and no rows.
    pub(super) fn plain_fields(mut pairs: Vec<(String, String)>, sections: &[Section]) -> AppResult<Fields> {
        pairs.retain(|(name, _)| name != VERSION);
        Fields::of_form(pairs, &forms::known(sections))
    }

    /// Whether it has lists, which may need more empty rows.
    fn has_rows(&self) -> bool {
        let mut fields = self.sections.iter().flat_map(|section| &section.fields);
        fields.any(|field| matches!(field.control, Control::Rows { .. }))
    }
}

/// What a form is shown with.
#[derive(Default)]
struct Shown {
    typed: Fields,
    version: String,
    complaints: Vec<Complaint>,
    stored: Option<Fields>,
    more: bool,
}

/// The form of an object that is there, or the empty one (`id` is none).
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    noun: Noun,
    id: Option<i64>,
) -> AppResult<HttpResponse> {
    let signed = reader.signed.clone();
    let macros = state.macros.clone();
    let (choices, stored) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_edit(connection, &access, noun, id)?;
            let stored =
                id.map(|id| Stored::find(connection, noun, id)?.ok_or(AppError::NotFound)).transpose()?;
            let viewer = Viewer::new(signed.user.id, &access);
            Ok((Choices::load(connection, viewer, &macros, noun)?, stored))
        })
        .await?;
    let (version, typed) = match stored {
        None => (String::new(), editors::empty(noun)),
        Some(stored) => (stored.version()?, editors::to_fields(&stored.definition)),
    };
    let shown = Shown { version, typed, ..Shown::default() };
    html(&form_page(reader.page("", noun.table()), noun, id, &choices, shown))
}

/// Takes the form of a new object (`id` is none) or of one that is there.
pub async fn save(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: SignedFields,
    noun: Noun,
    id: Option<i64>,
) -> AppResult<HttpResponse> {
    let SignedFields { signed, mut pairs } = form;
    let version = taken(&mut pairs, VERSION).unwrap_or_default();
    let more = taken(&mut pairs, MORE).is_some();
    let known = forms::known(&editors::sections(noun, &Choices::default()));
    let typed = Fields::of_form(pairs, &known)?;
    let page = Page::new(&request, Some(&signed), "", noun.table());
    let macros = state.macros.clone();
    let (outcome, choices, shown) = state
        .transaction(move |connection| {
            let target = id.map_or(Target::New, |id| Target::Present { id, version: &version });
            let outcome = if more {
                let access = signed.access(connection)?;
                store::must_edit(connection, &access, noun, id)?;
                None
            } else {
                let read = editors::read(noun, &typed)?;
                Some(Desk::of(noun, connection, &signed)?.save(&macros, noun, target, read)?)
            };
            let viewer = signed.viewer(connection)?;
            let choices = Choices::load(connection, viewer, &macros, noun)?;
            Ok((outcome, choices, Shown { typed, version, more, ..Shown::default() }))
        })
        .await?;
    let (status, shown) = match outcome {
        None => (StatusCode::OK, shown),
        Some(Outcome::Done(saved)) => return Ok(see(&format!("/{}/{}", noun.table(), saved.id))),
        Some(Outcome::Mend(complaints)) => (StatusCode::BAD_REQUEST, Shown { complaints, ..shown }),
        Some(Outcome::Refused(complaints)) if complaints.is_empty() => return Err(AppError::NotFound),
        Some(Outcome::Refused(complaints)) => (StatusCode::FORBIDDEN, Shown { complaints, ..shown }),
        Some(Outcome::Stale(stored)) => {
            let stored_fields = Some(editors::to_fields(&stored.definition));
            let version = stored.version()?;
            (StatusCode::CONFLICT, Shown { version, stored: stored_fields, ..shown })
        }
        Some(Outcome::Busy(_) | Outcome::Deleted) => {
            return Err(AppError::Internal(anyhow::anyhow!("a form was answered like a deletion")));
        }
    };
    let page = form_page(page, noun, id, &choices, shown);
    html_with(status, &page)
}

/// The question before something is deleted: what hangs on it.
pub async fn ask_delete(
    state: web::Data<AppState>,
    reader: Reader,
    noun: Noun,
    id: i64,
) -> AppResult<HttpResponse> {
    let signed = reader.signed.clone();
    let (stored, dependants) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_delete(connection, &access, noun, id)?;
            delete_facts(connection, noun, id)
        })
        .await?;
    html(&delete_page(reader.page("", noun.table()), noun, &stored, dependants, None)?)
}

/// What a deletion brings.
#[derive(Deserialize)]
pub struct DeleteForm {
    version: String,
}

/// Deletes something, unless it is not what was looked at.
pub async fn delete(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: SignedForm<DeleteForm>,
    noun: Noun,
    id: i64,
) -> AppResult<HttpResponse> {
    let SignedForm { signed, fields } = form;
    let page = Page::new(&request, Some(&signed), "", noun.table());
    let (outcome, facts) = state
        .transaction(move |connection| {
            let outcome = Desk::of(noun, connection, &signed)?.delete(noun, id, &fields.version)?;
            let facts = match outcome {
                Outcome::Stale(_) | Outcome::Busy(_) | Outcome::Mend(_) => {
                    Some(delete_facts(connection, noun, id)?)
                }
                _ => None,
            };
            Ok((outcome, facts))
        })
        .await?;
    let obstacle = match outcome {
        Outcome::Deleted => return Ok(see(&format!("/{}", noun.table()))),
        Outcome::Refused(complaints) => return Err(store::refusal(&complaints)),
        Outcome::Mend(complaints) => forms::sentences(&complaints),
        Outcome::Busy(1) => {
            "One of its tasks waits or runs. Wait until it has ended, or cancel it.".to_owned()
        }
        Outcome::Busy(tasks) => {
            format!("{tasks} of its tasks wait or run. Wait until they have ended, or cancel them.")
        }
        _ => "Somebody has changed it since you looked. Look again at what hangs on it.".to_owned(),
    };
    let (stored, dependants) = facts.ok_or(AppError::NotFound)?;
    let page = delete_page(page, noun, &stored, dependants, Some(obstacle))?;
    html_with(StatusCode::CONFLICT, &page)
}

/// Gives what a template says to those that have it.
pub async fn apply(
    state: web::Data<AppState>,
    form: SignedForm,
    noun: Noun,
    id: i64,
) -> AppResult<HttpResponse> {
    let action = if noun == Noun::Hostgroup { "hostgroup.apply" } else { "service.apply" };
    rights::administer(&state, form.signed, action, move |connection, signed| {
        Desk::open(connection, signed)?.apply(noun, id).map(|_| ())
    })
    .await?;
    Ok(see(&format!("/{}/{id}", noun.table())))
}

fn delete_facts(connection: &mut PgConnection, noun: Noun, id: i64) -> AppResult<(Stored, Vec<Dependant>)> {
    let stored = Stored::find(connection, noun, id)?.ok_or(AppError::NotFound)?;
    Ok((stored, inventory::dependants(connection, noun, id)?))
}

fn delete_page(
    mut page: Page,
    noun: Noun,
    stored: &Stored,
    dependants: Vec<Dependant>,
    obstacle: Option<String>,
) -> AppResult<DeletePage> {
    let path = format!("/{}/{}", noun.table(), stored.id);
    let name = stored.definition.name().to_owned();
    page.title = format!("Delete {name}");
    Ok(DeletePage {
        page,
        noun,
        name,
        action: format!("{path}/delete"),
        cancel: path,
        version: stored.version()?,
        dependants,
        obstacle,
    })
}

fn form_page(mut page: Page, noun: Noun, id: Option<i64>, choices: &Choices, shown: Shown) -> FormPage {
    let folder = noun.table();
    let Shown { typed, version, complaints, stored, more } = shown;
    let mut sections = editors::sections(noun, choices);
    let mistakes = forms::fill(&mut sections, &typed, &complaints, stored.as_ref(), more);
    let name = stored.as_ref().unwrap_or(&typed).text("name");
    let (title, action, cancel, submit) = match id {
        None => {
            (format!("New {noun}"), format!("/{folder}/new"), format!("/{folder}"), format!("Create {noun}"))
        }
        Some(id) => (
            format!("Edit {name}"),
            format!("/{folder}/{id}/edit"),
            format!("/{folder}/{id}"),
            if stored.is_some() { "Save mine over it" } else { "Save" }.to_owned(),
        ),
    };
    page.title = title;
    FormPage {
        page,
        action,
        cancel,
        submit,
        version,
        stale: stored.is_some(),
        mistakes,
        sections,
        suggestions: choices.suggestions(),
        macros: choices.macros.clone(),
        delete_url: id.map(|id| format!("/{folder}/{id}/delete")),
    }
}

/// Takes a field out of what a form sent.
fn taken(pairs: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let position = pairs.iter().position(|(key, _)| key == name)?;
    Some(pairs.remove(position).1)
}
