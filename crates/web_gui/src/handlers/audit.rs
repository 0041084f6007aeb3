//! The audit log, for those who may change everything.

use super::tasks::{day, span};
use crate::api::input;
use crate::error::{AppError, AppResult};
use crate::page::{self, Page, Reader, When, html};
use crate::rights;
use crate::state::AppState;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use selfservice_core::models::audit::{self, AuditFilter, AuditPlace};
use serde::Deserialize;
use serde_json::Value;

#[derive(Template)]
#[template(path = "audit/list.html")]
struct AuditList {
    page: Page,
    filter: Filter,
    actions: Vec<String>,
    rows: Vec<AuditRow>,
    next: Option<String>,
}

struct AuditRow {
    at: When,
    actor: String,
    identity: String,
    address: String,
    action: String,
    refused: bool,
    object: String,
    task: Option<String>,
    /// Name and value of each member of the detail.
    detail: Vec<(String, String)>,
}

impl From<audit::AuditRow> for AuditRow {
    fn from(row: audit::AuditRow) -> Self {
        let members = row.detail.as_object().into_iter().flatten();
        let filled = members.filter(|(_, value)| !is_empty(value));
        Self {
            at: row.at.into(),
            actor: row.actor,
            identity: row.identity,
            address: row.address,
            refused: row.action.ends_with(".refuse"),
            action: row.action,
            object: row.object,
            task: row.task_id.map(|id| id.to_string()),
            detail: filled.map(|(name, value)| (name.replace('_', " "), shown(value))).collect(),
        }
    }
}

/// Whether it tells nothing: counts of what was copied are mostly all 0.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.values().all(|count| is_empty(count) || *count == 0),
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is searched for, and where the page begins.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Filter {
    #[serde(deserialize_with = "input::strict_text")]
    actor: String,
    #[serde(deserialize_with = "input::strict_text")]
    action: String,
    #[serde(deserialize_with = "input::strict_text")]
    object: String,
    /// A day, UTC.
    #[serde(deserialize_with = "input::strict_text")]
    from: String,
    /// The last day, UTC.
    #[serde(deserialize_with = "input::strict_text")]
    until: String,
    #[serde(deserialize_with = "input::strict_text")]
    after: String,
}

impl Filter {
    fn query(&self) -> AppResult<AuditFilter> {
        let (from, until) = span(day("From", &self.from)?, day("Until", &self.until)?);
        let before = Some(self.after.as_str()).filter(|text| !text.is_empty()).map(place).transpose()?;
        Ok(AuditFilter {
            actor: self.actor.trim().to_owned(),
            action: self.action.trim().to_owned(),
            object: self.object.trim().to_owned(),
            from,
            until,
            before,
        })
    }

    fn fields(&self) -> [(&str, &str); 5] {
        [
            ("actor", &self.actor),
            ("action", &self.action),
            ("object", &self.object),
            ("from", &self.from),
            ("until", &self.until),
        ]
    }
}

/// A place in the log as addresses write it: microseconds since 1970 and the row's number.
pub fn place_text(row: &audit::AuditRow) -> String {
    format!("{}-{}", row.at.timestamp_micros(), row.id)
}

/// The place that an address names.
pub fn place(text: &str) -> AppResult<AuditPlace> {
    let read = || {
        let (at, id) = text.split_once('-')?;
        Some(AuditPlace {
            at: DateTime::<Utc>::from_timestamp_micros(at.parse().ok()?)?,
            id: id.parse().ok()?,
        })
    };
    read().ok_or_else(|| AppError::BadRequest("The list cannot begin there.".to_owned()))
}

/// What was done, newest first.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Filter>,
) -> AppResult<HttpResponse> {
    let filter = asked.into_inner();
    let query = filter.query()?;
    let (mut rows, actions) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        Ok((audit::AuditRow::page(connection, &query, page::limit())?, audit::AuditRow::actions(connection)?))
    })
    .await?;
    let after = page::cut(&mut rows, place_text);
    html(&AuditList {
        page: reader.page("Audit log", "audit"),
        next: after.map(|after| page::next_url("/audit", &filter.fields(), &after)),
        filter,
        actions,
        rows: rows.into_iter().map(AuditRow::from).collect(),
    })
}
