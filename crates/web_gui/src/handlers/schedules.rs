//! Schedules: what runs by itself, when, and what came of it. For those who administer everything.

use super::editing::{FormPage, SuggestedForm};
use super::see;
use crate::auth::{SignedFields, SignedForm};
use crate::editors::{Choices, schedule as form};
use crate::error::{AppError, AppResult};
use crate::forms::Fields;
use crate::page::{self, Page, Reader, When, html, html_with};
use crate::rights;
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::Utc;
use selfservice_core::db::PgConnection;
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::schedule_runs::{ScheduleRun, database_time};
use selfservice_core::models::schedules::{Missed, Overlap, Schedule, Source, Target};
use selfservice_core::schedule::{Draft, Rule};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// Runs that one page tells of.
const RUNS: i64 = 50;
/// Tasks that a run leads to.
const TASKS: usize = 20;

#[derive(Template)]
#[template(path = "schedules/list.html")]
struct ScheduleList {
    page: Page,
    schedules: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: i64,
    name: String,
    from_settings: bool,
    enabled: bool,
    expression: String,
    time_zone: String,
    what: String,
    next_at: Option<When>,
    /// It was asked for and waits for a scheduler.
    asked: bool,
    last: Option<RunRow>,
}

impl Row {
    fn new(schedule: Schedule, target: Target, last: Option<ScheduleRun>) -> Self {
        let next_at = match schedule.source {
            Source::Gui => schedule.next_at.filter(|_| schedule.enabled),
            // The schedulers keep the times of their lines to themselves.
            Source::Settings => Rule::of(&schedule).ok().and_then(|rule| rule.next_at(Utc::now())),
        };
        let what = match schedule.source {
            Source::Gui => in_words(target),
            Source::Settings => schedule.command.join(" "),
        };
        Self {
            id: schedule.id,
            name: schedule.name,
            from_settings: schedule.source == Source::Settings,
            enabled: schedule.enabled,
            expression: schedule.expression,
            time_zone: schedule.time_zone,
            what,
            next_at: next_at.map(When::from),
            asked: schedule.run_requested_at.is_some(),
            last: last.map(RunRow::from),
        }
    }
}

fn in_words(target: Target) -> String {
    let Target { host, hostgroup, service, handler, .. } = target;
    let on = match (host, hostgroup) {
        (Some(host), _) => host,
        (None, group) => format!("the hosts of {}", group.unwrap_or_default()),
    };
    format!("{} on {on} ({})", handler.unwrap_or_default(), service.unwrap_or_default())
}

struct RunRow {
    slot: When,
    tone: &'static str,
    word: &'static str,
    outcome: String,
    requested_by: Option<String>,
    tasks: Vec<Uuid>,
    /// Beside those.
    more_tasks: usize,
}

impl From<ScheduleRun> for RunRow {
    fn from(run: ScheduleRun) -> Self {
        let (tone, word) = match (run.finished_at, run.exit_code) {
            (None, _) => ("running", "Running"),
            (Some(_), Some(0)) => ("ok", "Done"),
            (Some(_), Some(1)) => ("warning", "Warnings"),
            (Some(_), Some(_)) => ("critical", "Failed"),
            (Some(_), None) => ("warning", "Not run"),
        };
        Self {
            slot: run.slot.into(),
            tone,
            word,
            outcome: run.outcome.unwrap_or_default(),
            requested_by: run.requested_by,
            more_tasks: run.task_ids.len().saturating_sub(TASKS),
            tasks: run.task_ids.into_iter().take(TASKS).collect(),
        }
    }
}

/// Where the list begins.
#[derive(Deserialize)]
pub struct Start {
    #[serde(default, deserialize_with = "crate::api::input::strict_text")]
    after: String,
}

/// All schedules by name.
pub async fn list(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Start>,
) -> AppResult<HttpResponse> {
    let Start { after } = asked.into_inner();
    let (schedules, after) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        let mut found = Schedule::page(connection, &after, page::limit())?;
        let after = page::cut(&mut found, |schedule| schedule.name.clone());
        let rows = found.into_iter().map(|schedule| {
            let target = schedule.target(connection)?;
            let last = ScheduleRun::recent(connection, &schedule.run_name(), 1)?.pop();
            Ok(Row::new(schedule, target, last))
        });
        Ok((rows.collect::<AppResult<Vec<_>>>()?, after))
    })
    .await?;
    html(&ScheduleList {
        page: reader.page("Schedules", "schedules"),
        schedules,
        next: after.map(|after| page::next_url("/schedules", &[], &after)),
    })
}

#[derive(Template)]
#[template(path = "schedules/show.html")]
struct ScheduleShow {
    page: Page,
    row: Row,
    user: Option<String>,
    missed: Missed,
    most_missed: i32,
    jitter_seconds: i32,
    overlap: Overlap,
    reason: Option<String>,
    parameters: Vec<(String, String)>,
    runs: Vec<RunRow>,
}

/// One schedule and its last runs.
pub async fn show(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    let (schedule, row, user, runs) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        let schedule = find(connection, id)?;
        let target = schedule.target(connection)?;
        let runs = ScheduleRun::recent(connection, &schedule.run_name(), RUNS)?;
        let user = target.user.clone();
        let row = Row::new(schedule.clone(), target, runs.first().cloned());
        Ok((schedule, row, user, runs))
    })
    .await?;
    let parameters = schedule.parameters.as_object().into_iter().flatten();
    html(&ScheduleShow {
        page: reader.page(&schedule.name, "schedules"),
        row,
        user,
        missed: schedule.missed,
        most_missed: schedule.most_missed,
        jitter_seconds: schedule.jitter_seconds,
        overlap: schedule.overlap,
        parameters: parameters
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        reason: schedule.reason,
        runs: runs.into_iter().map(RunRow::from).collect(),
    })
}

fn find(connection: &mut PgConnection, id: i64) -> AppResult<Schedule> {
    Schedule::find(connection, id)?.ok_or(AppError::NotFound)
}

/// The empty form.
pub async fn ask(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let choices = rights::read(&state, reader.signed.clone(), |connection, signed| {
        let viewer = signed.viewer(connection)?;
        Ok(Choices::of_schedule(connection, viewer)?)
    })
    .await?;
    html(&form_page(reader.page("", "schedules"), &choices, &form::empty(), &[]))
}

fn form_page(mut page: Page, choices: &Choices, typed: &Fields, complaints: &[Complaint]) -> FormPage {
    page.title = "New schedule".to_owned();
    let form = SuggestedForm {
        action: "/schedules/new".to_owned(),
        cancel: "/schedules".to_owned(),
        submit: "Make it".to_owned(),
        sections: form::sections(),
        suggestions: choices.suggestions(),
    };
    FormPage::plain(page, form, typed, complaints)
}

/// Makes a schedule that runs with the rights of who makes it.
pub async fn make(
    state: web::Data<AppState>,
    request: HttpRequest,
    fields: SignedFields,
) -> AppResult<HttpResponse> {
    let SignedFields { signed, pairs } = fields;
    let typed = FormPage::plain_fields(pairs, &form::sections())?;
    let mut complaints = Vec::new();
    let draft = form::read(&typed, &mut complaints);
    let page = Page::new(&request, Some(&signed), "", "schedules");
    let done = rights::administer(&state, signed, "schedule.add", move |connection, signed| {
        match add(connection, signed, draft, &mut complaints)? {
            Some(id) => Ok(Ok(id)),
            None => {
                let viewer = signed.viewer(connection)?;
                Ok(Err((complaints, Choices::of_schedule(connection, viewer)?)))
            }
        }
    })
    .await?;
    match done {
        Ok(id) => Ok(see(&format!("/schedules/{id}"))),
        Err((complaints, choices)) => {
            let page = form_page(page, &choices, &typed, &complaints);
            html_with(StatusCode::BAD_REQUEST, &page)
        }
    }
}

/// `None`: something is wrong, which is among the complaints then.
fn add(
    connection: &mut PgConnection,
    signed: &crate::auth::Signed,
    draft: Draft,
    complaints: &mut Vec<Complaint>,
) -> AppResult<Option<i64>> {
    let now = database_time(connection)?;
    let schedule = match draft.check(connection, signed.user.id, now)? {
        Ok(schedule) if complaints.is_empty() => schedule,
        Ok(_) => return Ok(None),
        Err(found) => {
            complaints.extend(found);
            return Ok(None);
        }
    };
    let Some(id) = schedule.insert(connection)? else {
        complaints.push(Complaint::new("name", "there is a schedule of that name already"));
        return Ok(None);
    };
    let mut audit = signed.audit("schedule.add", &schedule.name);
    audit.detail = json!({
        "id": id, "expression": schedule.expression, "time_zone": schedule.time_zone,
        "parameters": schedule.parameters, "missed": schedule.missed, "overlap": schedule.overlap,
    });
    audit.insert(connection)?;
    Ok(Some(id))
}

/// Asks for a run beside its times.
pub async fn run(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    change(&state, id.into_inner(), form, "schedule.run", |connection, schedule, by| {
        Ok(Schedule::request_run(connection, schedule.id, by)?)
    })
    .await
}

/// Lets its times count again, from now on.
pub async fn enable(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    change(&state, id.into_inner(), form, "schedule.enable", |connection, schedule, _| {
        let now = database_time(connection)?;
        let rule = Rule::of(schedule).map_err(|why| AppError::BadRequest(format!("{why}.")))?;
        Ok(Schedule::enable(connection, schedule.id, true, now, rule.next_at(now))?)
    })
    .await
}

/// Lets its times pass.
pub async fn disable(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    change(&state, id.into_inner(), form, "schedule.disable", |connection, schedule, _| {
        let now = database_time(connection)?;
        Ok(Schedule::enable(connection, schedule.id, false, now, None)?)
    })
    .await
}

/// Removes it; its runs stay in the tasks' history.
pub async fn delete(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    change(&state, id.into_inner(), form, "schedule.remove", |connection, schedule, _| {
        Ok(Schedule::delete(connection, schedule.id)?)
    })
    .await?;
    Ok(see("/schedules"))
}

/// Does `work`, which says whether the schedule was one that this can be done with, and writes the audit row.
async fn change(
    state: &AppState,
    id: i64,
    form: SignedForm,
    action: &'static str,
    work: impl FnOnce(&mut PgConnection, &Schedule, &str) -> AppResult<bool> + Send + 'static,
) -> AppResult<HttpResponse> {
    rights::administer(state, form.signed, action, move |connection, signed| {
        let schedule = find(connection, id)?;
        if !work(connection, &schedule, &signed.user.name)? {
            return Err(AppError::NotFound);
        }
        let mut audit = signed.audit(action, &schedule.name);
        audit.detail = json!({ "id": id });
        audit.insert(connection)?;
        Ok(())
    })
    .await?;
    Ok(see(&format!("/schedules/{id}")))
}
