//! What one host has: services and host groups, and handlers of its own beside those that its services bring.

use super::see;
use crate::auth::{Signed, SignedForm};
use crate::error::{AppError, AppResult};
use crate::forms;
use crate::page::{Page, Reader, html};
use crate::state::AppState;
use crate::store::{self, Desk, Outcome};
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::db::PgConnection;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hostgroups::Hostgroup;
use selfservice_core::models::inventory::{Assignment, Joining, Noun};
use selfservice_core::models::services::Service;
use serde::Deserialize;

/// What a form of the host's page brings: the name of what the host is to get.
#[derive(Deserialize)]
pub struct Named {
    name: String,
}

#[derive(Template)]
#[template(path = "hosts/join.html")]
struct JoinPage {
    page: Page,
    host: i64,
    host_name: String,
    hostgroup: String,
    joining: Vec<Joining>,
    /// How many of these the host does not have yet.
    gets: usize,
}

/// Gives the host a service of its own (option 1 of the overview).
pub async fn add_service(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm<Named>,
) -> AppResult<HttpResponse> {
    let (id, name) = (id.into_inner(), form.fields.name.trim().to_owned());
    let (signed, macros) = (form.signed, state.macros.clone());
    let done = state
        .transaction(move |connection| {
            let services_id = Service::named(connection, &name)?.map(|service| service.id);
            let mut desk = Desk::open(connection, &signed)?;
            if let Some(refused) = desk.begins_host(id)? {
                return Ok(refused);
            }
            if let Some(services_id) = services_id
                && let Some(refused) = desk.assign(id, Assignment::RestoreService { services_id })?
            {
                return Ok(refused);
            }
            desk.change_host(&macros, id, |host| host.services.get_or_insert_default().push(name))
        })
        .await?;
    answer(id, done)
}

/// Shows what the services of a host group would mean for the host (option 2 of the overview), before it joins.
pub async fn ask_join(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
    asked: web::Query<Named>,
) -> AppResult<HttpResponse> {
    let (signed, id, name) = (reader.signed.clone(), id.into_inner(), asked.into_inner().name);
    let (host_name, hostgroup, joining) = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_edit(connection, &access, Noun::Host, Some(id))?;
            let viewer = signed.viewer(connection)?;
            let hostgroup = Hostgroup::named_visible(connection, viewer, name.trim())?
                .ok_or_else(|| unknown(Noun::Hostgroup, name.trim()))?;
            let host = crate::lookup::host(connection, &access, id)?.0;
            let joining = Joining::of(connection, viewer, id, hostgroup.id)?;
            Ok((host.name, hostgroup.name, joining))
        })
        .await?;
    html(&JoinPage {
        page: reader.page(format!("{host_name} joins {hostgroup}"), "hosts"),
        host: id,
        host_name,
        hostgroup,
        gets: joining.iter().filter(|service| !service.there).count(),
        joining,
    })
}

/// Lets the host join a host group, which brings its services.
pub async fn join(
    state: web::Data<AppState>,
    id: web::Path<i64>,
    form: SignedForm<Named>,
) -> AppResult<HttpResponse> {
    let (id, name) = (id.into_inner(), form.fields.name.trim().to_owned());
    let (signed, macros) = (form.signed, state.macros.clone());
    let done = state
        .transaction(move |connection| {
            Desk::open(connection, &signed)?.change_host(&macros, id, |host| {
                host.hostgroups.get_or_insert_default().push(name);
            })
        })
        .await?;
    answer(id, done)
}

/// Gives the host a handler for one of its services.
pub async fn add_handler(
    state: web::Data<AppState>,
    path: web::Path<(i64, i64)>,
    form: SignedForm<Named>,
) -> AppResult<HttpResponse> {
    let ((id, services_id), name) = (path.into_inner(), form.fields.name.trim().to_owned());
    assign(&state, form.signed, id, move |connection, signed| {
        let viewer = signed.viewer(connection)?;
        let handler = EventHandler::by_name(connection, &name)?;
        let handler = handler
            .map(|handler| selfservice_core::models::visible::handler(connection, viewer, handler.id))
            .transpose()?
            .flatten()
            .ok_or_else(|| unknown(Noun::EventHandler, &name))?;
        Ok(Assignment::GiveHandler { services_id, event_handlers_id: handler.id })
    })
    .await
}

/// Takes a handler away on the host, or gives an inherited one back.
pub async fn change_handler(
    state: web::Data<AppState>,
    path: web::Path<(i64, i64, i64)>,
    form: SignedForm,
    restore: bool,
) -> AppResult<HttpResponse> {
    let (id, services_id, event_handlers_id) = path.into_inner();
    let assignment = if restore {
        Assignment::RestoreHandler { services_id, event_handlers_id }
    } else {
        Assignment::DropHandler { services_id, event_handlers_id }
    };
    assign(&state, form.signed, id, move |_, _| Ok(assignment)).await
}

/// Takes a service away on the host, or gives an inherited one back.
pub async fn change_service(
    state: web::Data<AppState>,
    path: web::Path<(i64, i64)>,
    form: SignedForm,
    restore: bool,
) -> AppResult<HttpResponse> {
    let (id, services_id) = path.into_inner();
    let assignment = if restore {
        Assignment::RestoreService { services_id }
    } else {
        Assignment::DropService { services_id }
    };
    assign(&state, form.signed, id, move |_, _| Ok(assignment)).await
}

/// Makes one assignment; doing it twice is as good as once.
async fn assign(
    state: &AppState,
    signed: Signed,
    id: i64,
    which: impl FnOnce(&mut PgConnection, &Signed) -> AppResult<Assignment> + Send + 'static,
) -> AppResult<HttpResponse> {
    let refused = state
        .transaction(move |connection| {
            let mut desk = Desk::open(connection, &signed)?;
            if let Some(refused) = desk.begins_host(id)? {
                return Ok(Some(refused));
            }
            let assignment = desk.with(which)?;
            desk.assign(id, assignment)
        })
        .await?;
    match refused {
        None => Ok(see(&format!("/hosts/{id}"))),
        Some(refused) => answer(id, refused),
    }
}

fn answer(id: i64, outcome: Outcome) -> AppResult<HttpResponse> {
    match outcome {
        Outcome::Mend(complaints) => Err(AppError::BadRequest(forms::sentences(&complaints))),
        Outcome::Refused(complaints) => Err(store::refusal(&complaints)),
        _ => Ok(see(&format!("/hosts/{id}"))),
    }
}

fn unknown(noun: Noun, name: &str) -> AppError {
    AppError::BadRequest(format!("There is no {noun} '{name}', or you may not see it."))
}
