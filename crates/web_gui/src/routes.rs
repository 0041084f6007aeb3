//! Every address of the program.

use crate::editors::EDITED;
use crate::endpoint::{self, Endpoint, page};
use crate::error::AppError;
use crate::handlers::{
    account, assets, assigning, audit, bulk, docs, editing, environments, event_handlers, grants, health,
    hostgroups, hosts, managers, popup, revisions, schedules, services, sign_in, start, tasks, teams, trying,
    users, why,
};
use crate::{api, body};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use selfservice_core::models::inventory::Noun;

/// The largest JSON body or form, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Adds every address to the application.
pub fn routes(config: &mut ServiceConfig) {
    limits(config);
    endpoint::register(config, endpoints());
}

/// Every address. The first that fits is taken: `new` is no id, so making stands before the pages of single objects.
pub fn endpoints() -> Vec<Endpoint> {
    [editing(), assigning(), sessions(), pages(), rights(), scheduled(), api::endpoints()]
        .into_iter()
        .flatten()
        .collect()
}

fn sessions() -> Vec<Endpoint> {
    vec![
        page(Method::GET, "/signin", sign_in::form),
        page(Method::POST, "/signin", sign_in::submit),
        page(Method::GET, "/signin/link", sign_in::link_form),
        page(Method::POST, "/signin/link", sign_in::link_submit),
        page(Method::POST, "/signout", sign_in::sign_out),
    ]
}

fn pages() -> Vec<Endpoint> {
    vec![
        page(Method::GET, "/", start::show),
        page(Method::GET, "/popup", popup::show),
        page(Method::GET, "/tasks", tasks::list),
        page(Method::GET, "/tasks/{id}", tasks::show),
        page(Method::GET, "/environments", environments::list),
        page(Method::GET, "/environments/{id}", environments::show),
        page(Method::GET, "/hostgroups", hostgroups::list),
        page(Method::GET, "/hostgroups/{id}", hostgroups::show),
        page(Method::GET, "/hosts", hosts::list),
        page(Method::GET, "/hosts/{id}", hosts::show),
        page(Method::GET, "/services", services::list),
        page(Method::GET, "/services/{id}", services::show),
        page(Method::GET, "/event_handlers", event_handlers::list),
        page(Method::GET, "/event_handlers/{id}", event_handlers::show),
        page(Method::POST, "/event_handlers/{id}/pause", event_handlers::pause),
        page(Method::POST, "/event_handlers/{id}/resume", event_handlers::resume),
        page(Method::GET, "/managers", managers::list),
        page(Method::POST, "/managers/{id}/drain", managers::drain),
        page(Method::POST, "/managers/{id}/resume", managers::resume),
        page(Method::GET, "/docs", docs::show),
        page(Method::GET, "/embed.js", assets::embed),
        page(Method::GET, "/assets/{path:.*}", assets::asset),
        page(Method::GET, "/health", health::show),
    ]
}

/// Making, changing and deleting.
fn editing() -> Vec<Endpoint> {
    let edited = EDITED.into_iter().flat_map(editing_of);
    let applied = [Noun::Hostgroup, Noun::Service].map(|noun| {
        let path = format!("/{}/{{id}}/apply", noun.table());
        page(Method::POST, path, move |state, form, id: Id| editing::apply(state, form, noun, *id))
    });
    edited.chain(applied).collect()
}

fn editing_of(noun: Noun) -> [Endpoint; 6] {
    let folder = noun.table();
    let (new, edit, delete) =
        (format!("/{folder}/new"), format!("/{folder}/{{id}}/edit"), format!("/{folder}/{{id}}/delete"));
    [
        page(Method::GET, &new, move |state, reader| editing::show(state, reader, noun, None)),
        page(Method::POST, new, move |state, request, form| editing::save(state, request, form, noun, None)),
        page(Method::GET, &edit, move |state, reader, id: Id| editing::show(state, reader, noun, Some(*id))),
        page(Method::POST, edit, move |state, request, form, id: Id| {
            editing::save(state, request, form, noun, Some(*id))
        }),
        page(Method::GET, &delete, move |state, reader, id: Id| {
            editing::ask_delete(state, reader, noun, *id)
        }),
        page(Method::POST, delete, move |state, request, form, id: Id| {
            editing::delete(state, request, form, noun, *id)
        }),
    ]
}

/// What one host has beside its templates, and what a handler was and would do.
fn assigning() -> Vec<Endpoint> {
    let changes = [("drop", false), ("restore", true)].into_iter().flat_map(|(word, restore)| {
        let service = format!("/hosts/{{id}}/services/{{service}}/{word}");
        let handler = format!("/hosts/{{id}}/services/{{service}}/handlers/{{handler}}/{word}");
        [
            page(Method::POST, service, move |state, path, form| {
                assigning::change_service(state, path, form, restore)
            }),
            page(Method::POST, handler, move |state, path, form| {
                assigning::change_handler(state, path, form, restore)
            }),
        ]
    });
    let others = [
        page(Method::GET, "/hosts/bulk", bulk::show),
        page(Method::POST, "/hosts/bulk", bulk::make),
        page(Method::GET, "/event_handlers/{id}/try", trying::show),
        page(Method::GET, "/event_handlers/{id}/revisions", revisions::list),
        page(Method::POST, "/event_handlers/{id}/revisions/{revision}/restore", revisions::restore),
        page(Method::POST, "/hosts/{id}/services", assigning::add_service),
        page(Method::POST, "/hosts/{id}/services/{service}/handlers", assigning::add_handler),
        page(Method::GET, "/hosts/{id}/join", assigning::ask_join),
        page(Method::POST, "/hosts/{id}/join", assigning::join),
    ];
    changes.chain(others).collect()
}

/// Users, teams, grants, one's own account, and what was done.
fn rights() -> Vec<Endpoint> {
    vec![
        page(Method::GET, "/users", users::list),
        page(Method::GET, "/users/{id}", users::show),
        page(Method::POST, "/users/{id}/disable", users::disable),
        page(Method::POST, "/users/{id}/enable", users::enable),
        page(Method::POST, "/users/{id}/password", users::set_password),
        page(Method::POST, "/users/{id}/sessions/end", users::end_sessions),
        page(Method::POST, "/users/{id}/sessions/{session}/end", users::end_session),
        page(Method::POST, "/users/{id}/tokens/{token}/revoke", users::revoke_token),
        page(Method::GET, "/teams", teams::list),
        page(Method::GET, "/teams/{id}", teams::show),
        page(Method::GET, "/grants", grants::list),
        page(Method::GET, "/grants/new", grants::ask),
        page(Method::POST, "/grants/new", grants::give),
        page(Method::GET, "/grants/{id}/delete", grants::ask_take),
        page(Method::POST, "/grants/{id}/delete", grants::take),
        page(Method::GET, "/rights", why::show),
        page(Method::GET, "/account", account::show),
        page(Method::POST, "/account/password", account::change_password),
        page(Method::POST, "/account/sessions/end", account::end_sessions),
        page(Method::POST, "/account/sessions/{id}/end", account::end_session),
        page(Method::POST, "/account/tokens", account::make_token),
        page(Method::POST, "/account/tokens/{id}/revoke", account::revoke_token),
        page(Method::GET, "/audit", audit::list),
    ]
}

/// What runs by itself, and when.
fn scheduled() -> Vec<Endpoint> {
    vec![
        page(Method::GET, "/schedules", schedules::list),
        page(Method::GET, "/schedules/new", schedules::ask),
        page(Method::POST, "/schedules/new", schedules::make),
        page(Method::GET, "/schedules/{id}", schedules::show),
        page(Method::GET, "/schedules/{id}/edit", schedules::edit),
        page(Method::POST, "/schedules/{id}/edit", schedules::change),
        page(Method::POST, "/schedules/{id}/run", schedules::run),
        page(Method::POST, "/schedules/{id}/enable", schedules::enable),
        page(Method::POST, "/schedules/{id}/disable", schedules::disable),
        page(Method::POST, "/schedules/{id}/delete", schedules::delete),
    ]
}

/// The number in an address.
type Id = web::Path<i64>;

/// What bodies, queries and paths may be; what is wrong with them is said in our own words.
fn limits(config: &mut ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default().limit(BODY_LIMIT).error_handler(|error, _| bad_body(&error).into()),
        )
        .app_data(
            web::FormConfig::default().limit(BODY_LIMIT).error_handler(|error, _| bad_form(&error).into()),
        )
        .app_data(web::PathConfig::default().error_handler(|_, _| AppError::NotFound.into()))
        .app_data(web::QueryConfig::default().error_handler(|error, _| bad_query(&error).into()));
}

fn bad_query(error: &actix_web::error::QueryPayloadError) -> AppError {
    AppError::BadRequest(match error {
        actix_web::error::QueryPayloadError::Deserialize(error) => {
            format!("The address is not understood: {error}.")
        }
        _ => "The address is not understood.".to_owned(),
    })
}

fn bad_body(error: &actix_web::error::JsonPayloadError) -> AppError {
    use actix_web::error::JsonPayloadError;
    AppError::BadRequest(match error {
        JsonPayloadError::ContentType => "The body must be JSON, sent as application/json.".to_owned(),
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            format!("The body must not be larger than {BODY_LIMIT} bytes.")
        }
        JsonPayloadError::Deserialize(error) => format!("The JSON body is not understood: {error}."),
        JsonPayloadError::Payload(error) if body::is_late(error) => return AppError::TooSlow,
        _ => "The body could not be read.".to_owned(),
    })
}

fn bad_form(error: &actix_web::error::UrlencodedError) -> AppError {
    match error {
        actix_web::error::UrlencodedError::Payload(error) if body::is_late(error) => AppError::TooSlow,
        _ => AppError::BadRequest("The form is incomplete or too large.".to_owned()),
    }
}
