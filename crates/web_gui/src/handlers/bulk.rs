//! Changing several hosts at once: chosen in the list, shown before, made on all of them or on none.

use super::see;
use crate::auth::{Signed, SignedFields};
use crate::bulk::{self, Change, FIELDS, MOST, Planned};
use crate::editors::Choices;
use crate::error::{AppError, AppResult};
use crate::forms::Suggestions;
use crate::page::{Page, Reader, html, html_with};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use selfservice_core::models::inventory::Noun;
use serde_json::json;

#[derive(Template)]
#[template(path = "hosts/bulk.html")]
struct BulkPage {
    page: Page,
    fields: Vec<Field>,
    suggestions: Vec<Suggestions>,
    hosts: Vec<Planned>,
    /// Hosts that would be different.
    differ: usize,
    /// Whether something is to be done, so that there is something to show.
    asked: bool,
    /// Whether it can be done on all of them.
    ready: bool,
    /// Why it was not done.
    obstacle: Option<String>,
}

struct Field {
    name: &'static str,
    label: &'static str,
    list: &'static str,
    value: String,
}

/// The form, and what the change would mean. It reads only, so it is asked for by its address.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Vec<(String, String)>>,
) -> AppResult<HttpResponse> {
    let pairs = asked.into_inner();
    let page = reader.page("", "hosts");
    html(&shown(&state, reader.signed.clone(), page, &pairs, None).await?)
}

/// Makes the change that was shown.
pub async fn make(
    state: web::Data<AppState>,
    request: HttpRequest,
    form: SignedFields,
) -> AppResult<HttpResponse> {
    let SignedFields { signed, pairs } = form;
    let change = readable(&pairs)?;
    let versions = pairs.iter().filter(|(name, _)| name == "version").map(|(_, value)| value.clone());
    let hosts: Vec<(i64, String)> = chosen(&pairs)?.into_iter().zip(versions).collect();
    if change.is_empty() || hosts.len() != chosen(&pairs)?.len() {
        return Err(AppError::BadRequest("The form is incomplete.".to_owned()));
    }
    let (editor, shared) = (signed.clone(), state.clone());
    let done = state
        .transaction(move |connection| bulk::make(connection, &editor, &shared.macros, &change, &hosts))
        .await;
    match done {
        Ok(_) => Ok(see("/hosts")),
        Err(AppError::Conflict { detail, .. }) => {
            let who = signed.clone();
            let why = detail.clone();
            state
                .transaction(move |connection| {
                    let mut audit = who.audit("host.change.refuse", "");
                    audit.detail = json!({ "why": why });
                    Ok(audit.insert(connection)?)
                })
                .await?;
            let page = Page::new(&request, Some(&signed), "", "hosts");
            let shown = shown(&state, signed, page, &pairs, Some(detail)).await?;
            html_with(StatusCode::CONFLICT, &shown)
        }
        Err(error) => Err(error),
    }
}

async fn shown(
    state: &web::Data<AppState>,
    signed: Signed,
    mut page: Page,
    pairs: &[(String, String)],
    obstacle: Option<String>,
) -> AppResult<BulkPage> {
    let (change, ids) = (readable(pairs)?, chosen(pairs)?);
    let fields = FIELDS
        .iter()
        .map(|(name, label, list)| Field { name, label, list, value: change.field(name).to_owned() })
        .collect();
    let (asked, shared) = (!change.is_empty(), state.clone());
    let (hosts, suggestions) = state
        .run(move |connection| {
            let hosts = bulk::plan(connection, &signed, &shared.macros, &change, &ids)?;
            let viewer = signed.viewer(connection)?;
            let choices = Choices::load(connection, viewer, &shared.macros, Noun::Host)?;
            Ok((hosts, choices.suggestions()))
        })
        .await?;
    page.title = format!("Change {} hosts", hosts.len());
    let differ = hosts.iter().filter(|host| !host.changes.is_empty()).count();
    let ready = differ > 0 && hosts.iter().all(|host| host.mistakes.is_empty());
    Ok(BulkPage { page, fields, suggestions, hosts, differ, asked, ready, obstacle })
}

/// The change that an address or a form names; PostgreSQL would refuse NUL.
fn readable(pairs: &[(String, String)]) -> AppResult<Change> {
    if pairs.iter().any(|(_, value)| value.contains('\0')) {
        return Err(AppError::BadRequest("The form must not contain the character U+0000.".to_owned()));
    }
    Ok(Change::read(pairs))
}

/// The hosts that were chosen, in their order.
fn chosen(pairs: &[(String, String)]) -> AppResult<Vec<i64>> {
    let named = pairs.iter().filter(|(name, _)| name == "host").map(|(_, value)| value.parse().ok());
    let ids: Vec<i64> = named.collect::<Option<_>>().ok_or(AppError::NotFound)?;
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    match ids.len() {
        0 => Err(AppError::BadRequest(
            "Choose the hosts that are to be changed first, in the list.".to_owned(),
        )),
        many if many > MOST || once.len() != many => {
            Err(AppError::BadRequest(format!("Choose at most {MOST} hosts, each once.")))
        }
        _ => Ok(ids),
    }
}
