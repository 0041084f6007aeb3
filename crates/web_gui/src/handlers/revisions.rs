//! What an event handler has been: its revisions, what each changed, and the way back.

use super::see;
use crate::auth::SignedForm;
use crate::editors::Read;
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::page::{Page, Reader, When, html};
use crate::rights;
use crate::state::AppState;
use crate::store::{self, Desk, Outcome};
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::inventory::{Definition, Noun, Stored, Target};
use selfservice_core::models::revisions::Revision;
use serde::Deserialize;
use serde_json::Value;

/// Revisions that the page shows.
const SHOWN: i64 = 50;

#[derive(Template)]
#[template(path = "event_handlers/revisions.html")]
struct Revisions {
    page: Page,
    id: i64,
    /// What the handler is; going back is only from there.
    version: String,
    revisions: Vec<RevisionRow>,
}

struct RevisionRow {
    number: i32,
    author: String,
    at: When,
    current: bool,
    /// Empty for the first one that is known.
    changes: Vec<FieldChange>,
}

struct FieldChange {
    field: String,
    was: String,
    is: String,
}

/// The revisions, newest first; only those see them who may change the handler.
pub async fn list(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let (handler, version, revisions) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_edit(connection, &access, Noun::EventHandler, Some(id))?;
            let handler = EventHandler::find(connection, id)?.ok_or(AppError::NotFound)?;
            let version =
                Stored::find(connection, Noun::EventHandler, id)?.ok_or(AppError::NotFound)?.version()?;
            // One more, to tell what the last one that is shown has changed.
            Ok((handler, version, Revision::of_handler(connection, id, SHOWN + 1)?))
        })
        .await?;
    let older = revisions.iter().skip(1).map(Some).chain(std::iter::repeat(None));
    let rows = revisions.iter().zip(older).take(usize::try_from(SHOWN).unwrap_or(usize::MAX));
    html(&Revisions {
        page: reader.page(format!("Revisions of {}", handler.name), "event_handlers"),
        id,
        version,
        revisions: rows
            .map(|(revision, older)| RevisionRow {
                number: revision.revision,
                author: revision.author.clone(),
                at: revision.changed_at.into(),
                current: revision.revision == handler.revision,
                changes: older
                    .map(|older| changes(&older.definition, &revision.definition))
                    .unwrap_or_default(),
            })
            .collect(),
    })
}

/// What the button brings: the handler that its reader saw.
#[derive(Deserialize)]
pub struct RestoreForm {
    version: String,
}

/// Makes the handler again what it was, unless it is not any more what the reader saw; that is a new revision. Its name and limit, which no revision is about, stay.
pub async fn restore(
    state: web::Data<AppState>,
    path: web::Path<(i64, i32)>,
    form: SignedForm<RestoreForm>,
) -> AppResult<HttpResponse> {
    let (id, number) = path.into_inner();
    let macros = state.macros.clone();
    let SignedForm { signed, fields: RestoreForm { version } } = form;
    let outcome = rights::administer(&state, signed, "handler.restore", move |connection, signed| {
        let mut desk = Desk::open(connection, signed)?;
        let (old, now) = desk.with(|connection, _| {
            let old = Revision::find(connection, id, number)?.ok_or(AppError::NotFound)?;
            let now = Stored::find(connection, Noun::EventHandler, id)?.ok_or(AppError::NotFound)?;
            Ok((old, now))
        })?;
        let old = Definition::from_json(Noun::EventHandler, old.definition).map_err(anyhow::Error::from)?;
        let (Definition::EventHandler(mut old), Definition::EventHandler(now)) = (old, now.definition) else {
            return Err(AppError::NotFound);
        };
        old.name = now.name;
        old.max_running = now.max_running;
        let target = Target::Present { id, version: &version };
        desk.save(&macros, Noun::EventHandler, target, Read::of_program(Definition::EventHandler(old)))
    })
    .await?;
    match outcome {
        Outcome::Mend(complaints) => {
            let sentences = forms::sentences(&complaints);
            Err(AppError::BadRequest(format!("That revision cannot be used any more. {sentences}")))
        }
        Outcome::Stale(_) => Err(AppError::Conflict {
            detail: "Somebody has changed the handler since you looked. Look at its revisions again."
                .to_owned(),
            task_id: None,
        }),
        _ => Ok(see(&format!("/event_handlers/{id}"))),
    }
}

/// Field by field, what was and what is.
fn changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let fields = new.as_object().into_iter().flatten();
    fields
        .filter(|(field, value)| old.get(*field) != Some(*value))
        .map(|(field, value)| FieldChange {
            field: field.replace('_', " "),
            was: shown(old.get(field)),
            is: shown(Some(value)),
        })
        .collect()
}

/// A value for people: a list has a line for each entry.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(answer)) => if *answer { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(entries)) => {
            entries.iter().map(|entry| shown(Some(entry))).collect::<Vec<_>>().join("\n")
        }
        Some(other) => other.to_string(),
    }
}
