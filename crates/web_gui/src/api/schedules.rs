//! `/schedules`: what runs by itself, for those who administer everything.
//!
//! One that a person made is read, made, changed and deleted as the inventory is ([`super::inventory`]). Lines of
//! `settings.ini` are listed, shown and run; they have no definition.

use super::inventory::{if_match, stale, version_of};
use super::lists::{Query, cut};
use super::shapes::Time;
use crate::auth::Signed;
use crate::body::Json;
use crate::endpoint::{Endpoint, api};
use crate::error::AppResult;
use crate::handlers::schedules::next_at;
use crate::rights;
use crate::scheduling::{self, Act, Kept, Saved};
use crate::state::AppState;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use selfservice_core::db::PgConnection;
use selfservice_core::models::schedule_runs::ScheduleRun;
use selfservice_core::models::schedules::{Schedule, Source};
use selfservice_core::schedule::Draft;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Runs that the answer about one schedule tells of.
const RUNS: i64 = 50;

/// A schedule or a line of `settings.ini`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
struct ScheduleShape {
    id: i64,
    name: String,
    source: Source,
    enabled: bool,
    /// Five fields of crontab(5), or a word such as `@daily`.
    expression: String,
    time_zone: String,
    next_at: Option<Time>,
    /// Somebody wants it to run now.
    run_requested_at: Option<Time>,
    run_requested_by: Option<String>,
    /// Of a line: the program and its arguments.
    command: Option<Vec<String>>,
    /// Of one that a person made.
    definition: Option<Draft>,
    /// With whose rights.
    user: Option<String>,
    /// The last one.
    last_run: Option<RunShape>,
}

/// A run of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleRun)]
struct RunShape {
    /// The time for which it was due.
    slot: Time,
    started_at: Time,
    finished_at: Option<Time>,
    /// 0 done, 1 partly, other numbers: not.
    exit_code: Option<i32>,
    /// How it ended, in words.
    outcome: Option<String>,
    /// Who asked for it; null: its time had come.
    requested_by: Option<String>,
    /// What it queued.
    task_ids: Vec<Uuid>,
}

/// A schedule with its last runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleWithRuns)]
pub(super) struct ShownSchedule {
    #[serde(flatten)]
    schedule: ScheduleShape,
    /// Newest first.
    runs: Vec<RunShape>,
}

/// A page of schedules.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SchedulePage {
    schedules: Vec<ScheduleShape>,
    next: Option<String>,
}

/// A schedule's definition with its id.
#[derive(Debug, Serialize, ToSchema)]
struct KeptSchedule {
    id: i64,
    definition: Draft,
}

impl From<ScheduleRun> for RunShape {
    fn from(run: ScheduleRun) -> Self {
        Self {
            slot: Time(run.slot),
            started_at: Time(run.started_at),
            finished_at: run.finished_at.map(Time),
            exit_code: run.exit_code,
            outcome: run.outcome,
            requested_by: run.requested_by,
            task_ids: run.task_ids,
        }
    }
}

impl ScheduleShape {
    fn new(connection: &mut PgConnection, schedule: Schedule, last: Option<ScheduleRun>) -> AppResult<Self> {
        let target = schedule.target(connection)?;
        let line = schedule.source == Source::Settings;
        Ok(Self {
            id: schedule.id,
            next_at: next_at(&schedule).map(Time),
            user: target.user.clone(),
            definition: (!line).then(|| Draft::of(&schedule, target)),
            command: line.then_some(schedule.command),
            name: schedule.name,
            source: schedule.source,
            enabled: schedule.enabled,
            expression: schedule.expression,
            time_zone: schedule.time_zone,
            run_requested_at: schedule.run_requested_at.map(Time),
            run_requested_by: schedule.run_requested_by,
            last_run: last.map(RunShape::from),
        })
    }
}

/// The addresses of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let only = "For those who administer everything; others get 404.";
    let none = "It does not exist, or the asker does not administer everything.";
    let etag = "The version, in quotation marks.";
    let act = |method: Method, path: &str, act: Act, summary: &str, done: u16, what: &str| {
        api(method, path, move |state, signed, id: web::Path<i64>| acted(state, signed, *id, act, done))
            .says(summary, only)
            .answers_plain(done, what, None)
            .refuses(404, none)
    };
    vec![
        api(Method::GET, "/schedules", list)
            .says("Schedules and lines of settings.ini by name", only)
            .refuses(404, none),
        api(Method::POST, "/schedules", create)
            .says("Make a schedule", "It runs with the rights of who makes it, looked at each time.")
            .answers::<KeptSchedule>(201, "It was made.")
            .gives_header(201, "ETag", etag)
            .gives_header(201, "Location", "Its address.")
            .refuses(404, none),
        api(Method::GET, "/schedules/{id}", show)
            .says("One schedule with its last runs", only)
            .answers::<ShownSchedule>(200, "The schedule.")
            .gives_header(200, "ETag", "The version, in quotation marks; a line of settings.ini has none."),
        if_match(api(Method::PUT, "/schedules/{id}", change))
            .says(
                "Change a schedule",
                "As a whole: what the body does not name takes its default. Then it runs with the rights of who changes it, \
                 and its times count from that moment on.",
            )
            .answers::<KeptSchedule>(200, "As it is now.")
            .gives_header(200, "ETag", etag),
        if_match(api(Method::DELETE, "/schedules/{id}", remove))
            .says("Delete a schedule", "Its runs stay in the history of the tasks.")
            .answers_plain(204, "It was deleted.", None),
        act(Method::POST, "/schedules/{id}/run", Act::Run, "Let a schedule run now", 202, "It was asked for."),
        act(Method::POST, "/schedules/{id}/enable", Act::Enable, "Switch a schedule on", 204, "Its times count."),
        act(Method::POST, "/schedules/{id}/disable", Act::Disable, "Switch a schedule off", 204, "Its times pass."),
    ]
}

async fn list(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<SchedulePage>> {
    let (query, after, read) = asked.into_inner().checked()?;
    let (schedules, next) = rights::read(&state, signed, move |connection, _| {
        let mut rows = Schedule::page(connection, &query, &after, read)?;
        let next = cut(&mut rows, read, |schedule| schedule.name.clone());
        let shapes = rows.into_iter().map(|schedule| {
            let last = ScheduleRun::recent(connection, &schedule.run_name(), 1)?.pop();
            ScheduleShape::new(connection, schedule, last)
        });
        Ok((shapes.collect::<AppResult<Vec<_>>>()?, next))
    })
    .await?;
    Ok(web::Json(SchedulePage { schedules, next }))
}

async fn show(state: web::Data<AppState>, signed: Signed, id: web::Path<i64>) -> AppResult<HttpResponse> {
    let (shown, version) = rights::read(&state, signed, move |connection, _| {
        let schedule = scheduling::find(connection, *id)?;
        let version = (schedule.source == Source::Gui).then(|| schedule.revision.to_string());
        let runs = ScheduleRun::recent(connection, &schedule.run_name(), RUNS)?;
        let schedule = ScheduleShape::new(connection, schedule, runs.first().cloned())?;
        Ok((ShownSchedule { schedule, runs: runs.into_iter().map(RunShape::from).collect() }, version))
    })
    .await?;
    let mut answer = HttpResponse::Ok();
    if let Some(version) = version {
        answer.insert_header((header::ETAG, format!("\"{version}\"")));
    }
    Ok(answer.json(shown))
}

async fn create(state: web::Data<AppState>, signed: Signed, body: Json<Draft>) -> AppResult<HttpResponse> {
    let made = save(&state, signed, None, body.into_inner()).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/schedules/{}", made.schedule.id)));
    Ok(shown(answer, made))
}

async fn change(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    id: web::Path<i64>,
    body: Json<Draft>,
) -> AppResult<HttpResponse> {
    let version = version_of(request.headers())?;
    let changed = save(&state, signed, Some((*id, version)), body.into_inner()).await?;
    Ok(shown(HttpResponse::Ok(), changed))
}

async fn save(
    state: &web::Data<AppState>,
    signed: Signed,
    target: Option<(i64, String)>,
    draft: Draft,
) -> AppResult<Box<Kept>> {
    let shared = state.clone();
    let action = if target.is_some() { "schedule.change" } else { "schedule.add" };
    let saved = rights::administer(state, signed, action, move |connection, signed| {
        let target = target.as_ref().map(|(id, version)| (*id, version.as_str()));
        scheduling::save(connection, signed, &shared.programs, target, draft, Vec::new())
    })
    .await?;
    match saved {
        Saved::Done(kept) => Ok(kept),
        Saved::Mend(complaints) => Err(rights::fields(complaints)),
        Saved::Stale(_) => Err(stale("schedule")),
    }
}

async fn remove(
    state: web::Data<AppState>,
    request: HttpRequest,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<HttpResponse> {
    let version = version_of(request.headers())?;
    rights::administer(&state, signed, Act::Remove.action(), move |connection, signed| {
        if Kept::find(connection, *id)?.version() != version {
            return Err(stale("schedule"));
        }
        scheduling::act(connection, signed, *id, Act::Remove)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn acted(
    state: web::Data<AppState>,
    signed: Signed,
    id: i64,
    act: Act,
    done: u16,
) -> AppResult<HttpResponse> {
    rights::administer(&state, signed, act.action(), move |connection, signed| {
        scheduling::act(connection, signed, id, act)
    })
    .await?;
    let status = actix_web::http::StatusCode::from_u16(done).map_err(anyhow::Error::from)?;
    Ok(HttpResponse::build(status).finish())
}

fn shown(mut answer: actix_web::HttpResponseBuilder, kept: Box<Kept>) -> HttpResponse {
    answer.insert_header((header::ETAG, format!("\"{}\"", kept.version())));
    answer.json(KeptSchedule { id: kept.schedule.id, definition: kept.draft })
}
