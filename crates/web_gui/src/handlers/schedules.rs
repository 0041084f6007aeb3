//! Schedules: what runs by itself, when, and what came of it. For those who administer everything.

use super::editing::{FormPage, SuggestedForm};
use super::see;
use crate::auth::{SignedFields, SignedForm};
use crate::editors::{Choices, schedule as form};
use crate::error::AppResult;
use crate::page::{self, Page, Reader, When, html, html_with};
use crate::rights;
use crate::scheduling::{self, Act, Kept, Saved};
use crate::state::AppState;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use selfservice_core::config::Programs;
use selfservice_core::models::schedule_runs::ScheduleRun;
use selfservice_core::models::schedules::{Missed, Overlap, Schedule, Source, Target};
use selfservice_core::schedule::Rule;
use serde::Deserialize;
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
    fn new(schedule: Schedule, target: Target, programs: &Programs, last: Option<ScheduleRun>) -> Self {
        let next_at = next_at(&schedule);
        let what = match (schedule.source, &schedule.program) {
            (Source::Gui, Some(program)) => program_in_words(program, programs),
            (Source::Gui, None) => in_words(target),
            (Source::Settings, _) => schedule.command.join(" "),
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

/// When it runs next.
pub fn next_at(schedule: &Schedule) -> Option<DateTime<Utc>> {
    match schedule.source {
        Source::Gui => schedule.next_at.filter(|_| schedule.enabled),
        // The schedulers keep the times of their lines to themselves.
        Source::Settings => Rule::of(schedule).ok().and_then(|rule| rule.next_at(Utc::now())),
    }
}

fn program_in_words(program: &str, programs: &Programs) -> String {
    match programs.get(program) {
        Some(command) => format!("{program}: {}", command.join(" ")),
        None => format!("{program}, which settings.ini does not name any more"),
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
    let programs = state.programs.clone();
    let (schedules, after) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        let mut found = Schedule::page(connection, "", &after, page::limit())?;
        let after = page::cut(&mut found, |schedule| schedule.name.clone());
        let rows = found.into_iter().map(|schedule| {
            let target = schedule.target(connection)?;
            let last = ScheduleRun::recent(connection, &schedule.run_name(), 1)?.pop();
            Ok(Row::new(schedule, target, &programs, last))
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
    let programs = state.programs.clone();
    let (schedule, row, user, runs) = rights::read(&state, reader.signed.clone(), move |connection, _| {
        let schedule = scheduling::find(connection, id)?;
        let target = schedule.target(connection)?;
        let runs = ScheduleRun::recent(connection, &schedule.run_name(), RUNS)?;
        let user = target.user.clone();
        let row = Row::new(schedule.clone(), target, &programs, runs.first().cloned());
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

/// The empty form.
pub async fn ask(state: web::Data<AppState>, reader: Reader) -> AppResult<HttpResponse> {
    let choices = rights::read(&state, reader.signed.clone(), |connection, signed| {
        let viewer = signed.viewer(connection)?;
        Ok(Choices::of_schedule(connection, viewer)?)
    })
    .await?;
    let form = form_of(None, &state.programs, &choices);
    html(&FormPage::plain(reader.page("New schedule", "schedules"), form, &form::empty(), &[]))
}

/// The form of one that a person made.
pub async fn edit(state: web::Data<AppState>, reader: Reader, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let id = id.into_inner();
    let (choices, kept) = rights::read(&state, reader.signed.clone(), move |connection, signed| {
        let viewer = signed.viewer(connection)?;
        Ok((Choices::of_schedule(connection, viewer)?, Kept::find(connection, id)?))
    })
    .await?;
    let form = SuggestedForm { version: kept.version(), ..form_of(Some(id), &state.programs, &choices) };
    let page = reader.page(format!("Edit {}", kept.draft.name), "schedules");
    html(&FormPage::plain(page, form, &form::to_fields(&kept.draft), &[]))
}

fn form_of(id: Option<i64>, programs: &Programs, choices: &Choices) -> SuggestedForm {
    let folder = "/schedules";
    let (action, cancel, submit) = match id {
        None => (format!("{folder}/new"), folder.to_owned(), "Make it"),
        Some(id) => (format!("{folder}/{id}/edit"), format!("{folder}/{id}"), "Save"),
    };
    SuggestedForm {
        action,
        cancel,
        submit: submit.to_owned(),
        sections: form::sections(programs),
        suggestions: choices.suggestions(),
        ..SuggestedForm::default()
    }
}

/// Makes a schedule that runs with the rights of who makes it.
pub async fn make(
    state: web::Data<AppState>,
    request: HttpRequest,
    fields: SignedFields,
) -> AppResult<HttpResponse> {
    save(state, request, fields, None).await
}

/// Changes one; from then on it runs with the rights of who changes it.
pub async fn change(
    state: web::Data<AppState>,
    request: HttpRequest,
    fields: SignedFields,
    id: web::Path<i64>,
) -> AppResult<HttpResponse> {
    save(state, request, fields, Some(id.into_inner())).await
}

async fn save(
    state: web::Data<AppState>,
    request: HttpRequest,
    fields: SignedFields,
    id: Option<i64>,
) -> AppResult<HttpResponse> {
    let SignedFields { signed, mut pairs } = fields;
    let version = FormPage::take_version(&mut pairs);
    let typed = FormPage::plain_fields(pairs, &form::sections(&state.programs))?;
    let mut complaints = Vec::new();
    let draft = form::read(&typed, &mut complaints);
    let title = if id.is_some() { format!("Edit {}", draft.name) } else { "New schedule".to_owned() };
    let page = Page::new(&request, Some(&signed), title, "schedules");
    let action = if id.is_some() { "schedule.change" } else { "schedule.add" };
    let (shared, sent) = (state.clone(), version.clone());
    let (saved, choices) = rights::administer(&state, signed, action, move |connection, signed| {
        let target = id.map(|id| (id, sent.as_str()));
        let saved = scheduling::save(connection, signed, &shared.programs, target, draft, complaints)?;
        let viewer = signed.viewer(connection)?;
        Ok((saved, Choices::of_schedule(connection, viewer)?))
    })
    .await?;
    let form = form_of(id, &state.programs, &choices);
    let (status, form, complaints) = match saved {
        Saved::Done(kept) => return Ok(see(&format!("/schedules/{}", kept.schedule.id))),
        Saved::Mend(complaints) => (StatusCode::BAD_REQUEST, SuggestedForm { version, ..form }, complaints),
        Saved::Stale(kept) => {
            let stored = Some(form::to_fields(&kept.draft));
            let submit = "Save mine over it".to_owned();
            (
                StatusCode::CONFLICT,
                SuggestedForm { version: kept.version(), stored, submit, ..form },
                Vec::new(),
            )
        }
    };
    html_with(status, &FormPage::plain(page, form, &typed, &complaints))
}

/// Asks for a run beside its times.
pub async fn run(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    act(&state, id.into_inner(), form, Act::Run).await
}

/// Lets its times count again, from now on.
pub async fn enable(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    act(&state, id.into_inner(), form, Act::Enable).await
}

/// Lets its times pass.
pub async fn disable(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    act(&state, id.into_inner(), form, Act::Disable).await
}

/// Removes it; its runs stay in the tasks' history.
pub async fn delete(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm,
) -> AppResult<HttpResponse> {
    act(&state, id.into_inner(), form, Act::Remove).await?;
    Ok(see("/schedules"))
}

async fn act(state: &AppState, id: i64, form: SignedForm, act: Act) -> AppResult<HttpResponse> {
    rights::administer(state, form.signed, act.action(), move |connection, signed| {
        scheduling::act(connection, signed, id, act)
    })
    .await?;
    Ok(see(&format!("/schedules/{id}")))
}
