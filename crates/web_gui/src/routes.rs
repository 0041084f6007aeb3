//! Every address of the program.

use crate::editors::EDITED;
use crate::error::AppError;
use crate::handlers::{
    account, assets, assigning, audit, editing, environments, event_handlers, grants, health, hostgroups,
    hosts, managers, popup, revisions, schedules, services, sign_in, start, tasks, teams, trying, users, why,
};
use crate::{api, body};
use actix_web::web::{self, ServiceConfig, get, post, resource, scope};
use selfservice_core::models::inventory::Noun;

/// The largest JSON body or form, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Adds every address to the application.
pub fn routes(config: &mut ServiceConfig) {
    limits(config);
    editing_routes(config);
    assigning_routes(config);
    rights_routes(config);
    schedule_routes(config);
    config
        .route("/", get().to(start::show))
        .service(resource("/signin").route(get().to(sign_in::form)).route(post().to(sign_in::submit)))
        .service(
            resource("/signin/link")
                .route(get().to(sign_in::link_form))
                .route(post().to(sign_in::link_submit)),
        )
        .route("/signout", post().to(sign_in::sign_out))
        .route("/popup", get().to(popup::show))
        .route("/tasks", get().to(tasks::list))
        .route("/tasks/{id}", get().to(tasks::show))
        .route("/environments", get().to(environments::list))
        .route("/environments/{id}", get().to(environments::show))
        .route("/hostgroups", get().to(hostgroups::list))
        .route("/hostgroups/{id}", get().to(hostgroups::show))
        .route("/hosts", get().to(hosts::list))
        .route("/hosts/{id}", get().to(hosts::show))
        .route("/services", get().to(services::list))
        .route("/services/{id}", get().to(services::show))
        .route("/event_handlers", get().to(event_handlers::list))
        .route("/event_handlers/{id}", get().to(event_handlers::show))
        .route("/event_handlers/{id}/pause", post().to(event_handlers::pause))
        .route("/event_handlers/{id}/resume", post().to(event_handlers::resume))
        .route("/managers", get().to(managers::list))
        .route("/managers/{id}/drain", post().to(managers::drain))
        .route("/managers/{id}/resume", post().to(managers::resume))
        .route("/embed.js", get().to(assets::embed))
        .route("/assets/{path:.*}", get().to(assets::asset))
        .route("/health", get().to(health::show))
        .service(
            scope("/api/v1")
                .service(
                    resource("/session")
                        .route(get().to(api::session::show))
                        .route(post().to(api::session::create))
                        .route(web::delete().to(api::session::end)),
                )
                .configure(api::routes),
        );
}

/// Making, changing and deleting; they stand before the pages of single objects, because `new` is no id.
fn editing_routes(config: &mut ServiceConfig) {
    for noun in EDITED {
        let folder = noun.table();
        config
            .service(
                resource(format!("/{folder}/new"))
                    .route(get().to(move |state, reader| editing::show(state, reader, noun, None)))
                    .route(
                        post()
                            .to(move |state, request, form| editing::save(state, request, form, noun, None)),
                    ),
            )
            .service(
                resource(format!("/{folder}/{{id}}/edit"))
                    .route(
                        get().to(move |state, reader, id: Id| editing::show(state, reader, noun, Some(*id))),
                    )
                    .route(post().to(move |state, request, form, id: Id| {
                        editing::save(state, request, form, noun, Some(*id))
                    })),
            )
            .service(
                resource(format!("/{folder}/{{id}}/delete"))
                    .route(
                        get().to(move |state, reader, id: Id| editing::ask_delete(state, reader, noun, *id)),
                    )
                    .route(post().to(move |state, request, form, id: Id| {
                        editing::delete(state, request, form, noun, *id)
                    })),
            );
    }
    for noun in [Noun::Hostgroup, Noun::Service] {
        config.route(
            &format!("/{}/{{id}}/apply", noun.table()),
            post().to(move |state, form, id: Id| editing::apply(state, form, noun, *id)),
        );
    }
}

/// What one host has beside its templates, and what a handler was and would do.
fn assigning_routes(config: &mut ServiceConfig) {
    for (word, restore) in [("drop", false), ("restore", true)] {
        config
            .route(
                &format!("/hosts/{{id}}/services/{{service}}/{word}"),
                post().to(move |state, path, form| assigning::change_service(state, path, form, restore)),
            )
            .route(
                &format!("/hosts/{{id}}/services/{{service}}/handlers/{{handler}}/{word}"),
                post().to(move |state, path, form| assigning::change_handler(state, path, form, restore)),
            );
    }
    config
        .route("/event_handlers/{id}/try", get().to(trying::show))
        .route("/event_handlers/{id}/revisions", get().to(revisions::list))
        .route("/event_handlers/{id}/revisions/{revision}/restore", post().to(revisions::restore))
        .route("/hosts/{id}/services", post().to(assigning::add_service))
        .route("/hosts/{id}/services/{service}/handlers", post().to(assigning::add_handler))
        .service(
            resource("/hosts/{id}/join")
                .route(get().to(assigning::ask_join))
                .route(post().to(assigning::join)),
        );
}

/// Users, teams, grants, one's own account, and what was done.
fn rights_routes(config: &mut ServiceConfig) {
    config
        .route("/users", get().to(users::list))
        .route("/users/{id}", get().to(users::show))
        .route("/users/{id}/disable", post().to(users::disable))
        .route("/users/{id}/enable", post().to(users::enable))
        .route("/users/{id}/password", post().to(users::set_password))
        .route("/users/{id}/sessions/end", post().to(users::end_sessions))
        .route("/users/{id}/sessions/{session}/end", post().to(users::end_session))
        .route("/users/{id}/tokens/{token}/revoke", post().to(users::revoke_token))
        .route("/teams", get().to(teams::list))
        .route("/teams/{id}", get().to(teams::show))
        .route("/grants", get().to(grants::list))
        .service(resource("/grants/new").route(get().to(grants::ask)).route(post().to(grants::give)))
        .service(
            resource("/grants/{id}/delete").route(get().to(grants::ask_take)).route(post().to(grants::take)),
        )
        .route("/rights", get().to(why::show))
        .route("/account", get().to(account::show))
        .route("/account/password", post().to(account::change_password))
        .route("/account/sessions/end", post().to(account::end_sessions))
        .route("/account/sessions/{id}/end", post().to(account::end_session))
        .route("/account/tokens", post().to(account::make_token))
        .route("/account/tokens/{id}/revoke", post().to(account::revoke_token))
        .route("/audit", get().to(audit::list));
}

/// What runs by itself, and when.
fn schedule_routes(config: &mut ServiceConfig) {
    config
        .route("/schedules", get().to(schedules::list))
        .service(resource("/schedules/new").route(get().to(schedules::ask)).route(post().to(schedules::make)))
        .route("/schedules/{id}", get().to(schedules::show))
        .route("/schedules/{id}/run", post().to(schedules::run))
        .route("/schedules/{id}/enable", post().to(schedules::enable))
        .route("/schedules/{id}/disable", post().to(schedules::disable))
        .route("/schedules/{id}/delete", post().to(schedules::delete));
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
