//! `POST /hosts`, `GET`, `PUT` and `DELETE /hosts/{id}`, and the same for environments, host groups, services, event
//! handlers, teams and users: one object as a file for `data_loader` has it, for those who may change it.
//!
//! Every answer has the object's version in `ETag`. A change or a deletion brings back in `If-Match` the version that it
//! is meant for; where somebody else was quicker, it is refused with 412.

use crate::auth::Signed;
use crate::body::Json;
use crate::editors::{EDITED, Read};
use crate::endpoint::{Endpoint, api};
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::state::AppState;
use crate::store::{self, Desk, Outcome};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use selfservice_core::models::inventory::{self as rows, Complaint, Definition, Noun, Stored, Target};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::marker::PhantomData;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

type Id = web::Path<i64>;
type Body = Json<Value>;

/// The addresses of all kinds; the lists are in modules of their own.
pub(super) fn endpoints() -> Vec<Endpoint> {
    EDITED.into_iter().flat_map(of_kind).chain([hosts_list()]).collect()
}

fn hosts_list() -> Endpoint {
    api(Method::GET, "/hosts", super::hosts::list).says("Hosts by name", "Those that the asker may see.")
}

fn of_kind(noun: Noun) -> Vec<Endpoint> {
    match noun {
        Noun::Environment => with::<rows::Environment>(noun),
        Noun::Hostgroup => with::<rows::Hostgroup>(noun),
        Noun::Host => with::<rows::Host>(noun),
        Noun::Service => with::<rows::Service>(noun),
        Noun::EventHandler => with::<rows::EventHandler>(noun),
        Noun::Team => with::<rows::Team>(noun),
        Noun::User => with::<rows::User>(noun),
        Noun::Grant => Vec::new(),
    }
}

/// The addresses of one kind, whose definition is a `T`.
fn with<T: ToSchema + 'static>(noun: Noun) -> Vec<Endpoint> {
    let (all, one) = (format!("/{}", noun.table()), format!("/{}/{{id}}", noun.table()));
    let etag = "The version, in quotation marks.";
    let make = api(Method::POST, all, move |state, signed, body: Body| create(state, signed, noun, body))
        .says(&format!("Make: {noun}"), "")
        .takes::<T>()
        .answers::<Kept<T>>(201, "It was made.")
        .gives_header(201, "ETag", etag)
        .gives_header(201, "Location", "Its address.");
    let read = api(Method::GET, &one, move |state, signed, id: Id| show(state, signed, noun, *id))
        .says(&format!("Read: {noun}"), "For those who may change it.")
        .answers::<Kept<T>>(200, "Its definition.")
        .gives_header(200, "ETag", etag);
    let write = api(Method::PUT, &one, move |state, request, signed, id: Id, body: Body| {
        change(state, request, signed, noun, *id, body)
    });
    let write = if_match(write)
        .says(
            &format!("Change: {noun}"),
            "What the body does not name stays; an event handler is given as a whole.",
        )
        .takes::<T>()
        .answers::<Kept<T>>(200, "Its definition as it is now.")
        .gives_header(200, "ETag", etag);
    let remove = api(Method::DELETE, one, move |state, request, signed, id: Id| {
        delete(state, request, signed, noun, *id)
    });
    let remove = if_match(remove)
        .says(&format!("Delete: {noun}"), "")
        .answers_plain(204, "It was deleted.", None)
        .refuses(409, "Tasks of it wait or run, or nobody would administer everything any more.");
    let refused =
        |endpoint: Endpoint| endpoint.refuses(404, "It does not exist, or the asker may not change any.");
    vec![refused(make), read, write, remove]
}

/// Says in the document that an address wants the version of its object.
pub(super) fn if_match(endpoint: Endpoint) -> Endpoint {
    endpoint
        .takes_header("If-Match", "The version that the request is meant for, as `ETag` had it.", true)
        .refuses(412, "Somebody else was quicker: read it again.")
        .refuses(428, "`If-Match` is missing.")
}

/// An object with its id, in the document.
struct Kept<T>(PhantomData<T>);

impl<T: ToSchema> PartialSchema for Kept<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property("id", i64::schema())
            .property("definition", Ref::from_schema_name(T::name()))
            .required("id")
            .required("definition")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Kept<T> {
    fn name() -> Cow<'static, str> {
        format!("Kept{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

async fn create(
    state: web::Data<AppState>,
    signed: Signed,
    noun: Noun,
    body: Body,
) -> AppResult<HttpResponse> {
    let stored = save(state, signed, noun, None, read(noun, body)?).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/{}/{}", noun.table(), stored.id)));
    shown(answer, stored)
}

async fn show(state: web::Data<AppState>, signed: Signed, noun: Noun, id: i64) -> AppResult<HttpResponse> {
    let stored = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_edit(connection, &access, noun, Some(id))?;
            Stored::find(connection, noun, id)?.ok_or(AppError::NotFound)
        })
        .await?;
    shown(HttpResponse::Ok(), stored)
}

async fn change(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    noun: Noun,
    id: i64,
    body: Body,
) -> AppResult<HttpResponse> {
    let (read, version) = (read(noun, body)?, version_of(request.headers())?);
    shown(HttpResponse::Ok(), save(state, signed, noun, Some((id, version)), read).await?)
}

/// Makes an object, or changes the one with this id and version; gives what is stored then.
async fn save(
    state: web::Data<AppState>,
    signed: Signed,
    noun: Noun,
    present: Option<(i64, String)>,
    read: Read,
) -> AppResult<Stored> {
    let macros = state.macros.clone();
    let (outcome, stored) = state
        .transaction(move |connection| {
            let target =
                present.as_ref().map_or(Target::New, |(id, version)| Target::Present { id: *id, version });
            let outcome = Desk::of(noun, connection, &signed)?.save(&macros, noun, target, read)?;
            let stored = match &outcome {
                Outcome::Done(saved) => Stored::find(connection, noun, saved.id)?,
                _ => None,
            };
            Ok((outcome, stored))
        })
        .await?;
    stored.ok_or_else(|| refusal(noun, outcome))
}

async fn delete(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    noun: Noun,
    id: i64,
) -> AppResult<HttpResponse> {
    let version = version_of(request.headers())?;
    let outcome = state
        .transaction(move |connection| Desk::of(noun, connection, &signed)?.delete(noun, id, &version))
        .await?;
    match outcome {
        Outcome::Deleted => Ok(HttpResponse::NoContent().finish()),
        other => Err(refusal(noun, other)),
    }
}

fn read(noun: Noun, body: Body) -> AppResult<Read> {
    Definition::from_json(noun, body.into_inner())
        .map(Read::of_program)
        .map_err(|error| AppError::BadRequest(format!("The JSON body is not understood: {error}.")))
}

fn shown(mut answer: actix_web::HttpResponseBuilder, stored: Stored) -> AppResult<HttpResponse> {
    let version = stored.version()?;
    let definition = stored.definition.to_json().map_err(anyhow::Error::from)?;
    answer.insert_header((header::ETAG, format!("\"{version}\"")));
    Ok(answer.json(json!({ "id": stored.id, "definition": definition })))
}

/// The one strong version that `If-Match` names.
pub(super) fn version_of(headers: &HeaderMap) -> AppResult<String> {
    let given = headers.get(header::IF_MATCH).map(HeaderValue::to_str).and_then(Result::ok);
    let version = given.and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
    version.filter(|text| !text.contains('"')).map(str::to_owned).ok_or_else(|| {
        let status = StatusCode::PRECONDITION_REQUIRED;
        AppError::Condition {
            status,
            detail: "Bring the version that you read, as 'ETag' had it, in 'If-Match'.".to_owned(),
        }
    })
}

/// Somebody else was quicker.
pub(super) fn stale(noun: impl std::fmt::Display) -> AppError {
    AppError::Condition {
        status: StatusCode::PRECONDITION_FAILED,
        detail: format!("The {noun} has been changed since you read it. Read it again and decide anew."),
    }
}

fn refusal(noun: Noun, outcome: Outcome) -> AppError {
    match outcome {
        Outcome::Mend(complaints) if complaints.iter().all(|one| one.field.is_empty()) => {
            AppError::Conflict { detail: forms::sentences(&complaints), task_id: None }
        }
        Outcome::Mend(complaints) => {
            let named = |one: Complaint| {
                let place = one.entry.map(|entry| format!("{}.{entry}", one.field));
                (place.unwrap_or_else(|| one.field.to_owned()), forms::sentence(&one.text))
            };
            AppError::Fields(complaints.into_iter().map(named).collect())
        }
        Outcome::Refused(complaints) => store::refusal(&complaints),
        Outcome::Stale(_) => stale(noun),
        Outcome::Busy(tasks) => AppError::Conflict {
            detail: format!(
                "Tasks of the {noun} wait or run ({tasks}). Wait until they have ended, or cancel them."
            ),
            task_id: None,
        },
        Outcome::Done(_) | Outcome::Deleted => AppError::NotFound,
    }
}
