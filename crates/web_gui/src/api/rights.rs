//! Users, teams, grants and what follows from them: lists, giving and taking, who may what.
//!
//! One user or team is read, made, changed and deleted as the inventory is ([`super::inventory`]). A grant is given and
//! taken, and never changes, so taking one needs no version.

use super::input;
use super::lists::{self, Query, cut};
use super::shapes::Time;
use crate::auth::Signed;
use crate::body::Json;
use crate::endpoint::{Endpoint, api};
use crate::error::{AppError, AppResult};
use crate::handlers::audit::{place, place_text};
use crate::rights;
use crate::state::AppState;
use crate::why::{Answer, Asked};
use actix_web::http::{Method, header};
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use selfservice_core::access::{Lack, Verb, Why};
use selfservice_core::models::audit::{AuditFilter, AuditRow};
use selfservice_core::models::grants::{GrantFilter, NamedGrant};
use selfservice_core::models::inventory::Grant;
use selfservice_core::models::teams::ListedTeam;
use selfservice_core::models::users::{ListedUser, User};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A user in a list.
#[derive(Debug, Serialize, ToSchema)]
struct UserBrief {
    id: i64,
    name: String,
    display_name: String,
    disabled: bool,
    administrator: bool,
    has_password: bool,
    teams: Vec<String>,
    last_seen_at: Option<Time>,
}

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserPage {
    users: Vec<UserBrief>,
    next: Option<String>,
}

/// A team in a list.
#[derive(Debug, Serialize, ToSchema)]
struct TeamBrief {
    id: i64,
    name: String,
    members: i64,
    grants: i64,
}

/// A page of teams.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TeamPage {
    teams: Vec<TeamBrief>,
    next: Option<String>,
}

/// The addresses of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let only = "For those who administer everything; others get 404.";
    let none = "It does not exist, or the asker does not administer everything.";
    let last = "Nobody would administer everything any more.";
    vec![
        api(Method::GET, "/users", users).says("Users by name", only).refuses(404, none),
        api(Method::GET, "/teams", teams).says("Teams by name", only).refuses(404, none),
        api(Method::PUT, "/users/{id}/password", set_password)
            .says(
                "Set somebody's password",
                "Not by a token. It ends their sessions and revokes their API tokens.",
            )
            .answers_plain(204, "It was set.", None),
        api(Method::DELETE, "/users/{id}/sessions", end_sessions)
            .says(
                "End somebody's sessions",
                "All of them, with their API tokens; of oneself, all but the one that asks, and no token.",
            )
            .answers_plain(204, "They have ended.", None),
        api(Method::GET, "/grants", grants)
            .says("Grants in the order in which they were given", only)
            .refuses(404, none),
        api(Method::POST, "/grants", give)
            .says("Give a right", only)
            .answers::<GrantShape>(201, "It was given.")
            .gives_header(201, "Location", "Its address.")
            .refuses(404, none)
            .refuses(409, "It exists already."),
        api(Method::GET, "/grants/{id}", grant).says("One grant", only),
        api(Method::DELETE, "/grants/{id}", take)
            .says("Take a right away", only)
            .answers_plain(204, "It was taken.", None)
            .refuses(409, last),
        api(Method::GET, "/rights", why)
            .says(
                "Why somebody may or may not",
                "Everybody may ask about themselves; about others, those who administer everything.",
            )
            .refuses(404, none),
        api(Method::GET, "/audit", audit).says("The audit log, newest first", only).refuses(404, none),
    ]
}

/// `GET /users`: everybody, for those who may change everything.
pub(super) async fn users(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<UserPage>> {
    let (query, after, read) = asked.into_inner().checked()?;
    let mut rows = rights::read(&state, signed, move |connection, _| {
        Ok(ListedUser::page(connection, &query, &after, read)?)
    })
    .await?;
    let next = cut(&mut rows, read, |user| user.name.clone());
    let brief = |user: ListedUser| UserBrief {
        id: user.id,
        name: user.name,
        display_name: user.display_name,
        disabled: user.disabled,
        administrator: user.administrator,
        has_password: user.has_password,
        teams: user.teams,
        last_seen_at: user.last_seen_at.map(Time),
    };
    Ok(web::Json(UserPage { users: rows.into_iter().map(brief).collect(), next }))
}

/// `GET /teams`: every team, for those who may change everything.
pub(super) async fn teams(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<Query>,
) -> AppResult<web::Json<TeamPage>> {
    let (query, after, read) = asked.into_inner().checked()?;
    let mut rows = rights::read(&state, signed, move |connection, _| {
        Ok(ListedTeam::page(connection, &query, &after, read)?)
    })
    .await?;
    let next = cut(&mut rows, read, |team| team.name.clone());
    let brief = |team: ListedTeam| TeamBrief {
        id: team.id,
        name: team.name,
        members: team.members,
        grants: team.grants,
    };
    Ok(web::Json(TeamPage { teams: rows.into_iter().map(brief).collect(), next }))
}

/// A grant; what is null means any.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GivenGrant)]
pub(super) struct GrantShape {
    id: i64,
    user: Option<String>,
    team: Option<String>,
    verb: Verb,
    environment: Option<String>,
    hostgroup: Option<String>,
    handler: Option<String>,
    tag: Option<String>,
    /// The same in words.
    text: String,
}

impl From<NamedGrant> for GrantShape {
    fn from(grant: NamedGrant) -> Self {
        Self {
            text: grant.text(),
            id: grant.id,
            user: grant.user,
            team: grant.team,
            verb: grant.verb,
            environment: grant.environment,
            hostgroup: grant.hostgroup,
            handler: grant.handler,
            tag: grant.tag,
        }
    }
}

/// Which grants; absent means any.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantQuery {
    #[serde(default, deserialize_with = "input::strict_text")]
    user: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    team: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    environment: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    hostgroup: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    handler: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    tag: String,
    verb: Option<Verb>,
    #[serde(default)]
    after: i64,
    /// Rows in one answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
}

/// A page of grants, in the order in which they were given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantPage {
    grants: Vec<GrantShape>,
    next: Option<i64>,
}

/// `GET /grants`
pub(super) async fn grants(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<GrantQuery>,
) -> AppResult<web::Json<GrantPage>> {
    let asked = asked.into_inner();
    let read = lists::read(asked.limit)?;
    let filter = GrantFilter {
        user: asked.user,
        team: asked.team,
        environment: asked.environment,
        hostgroup: asked.hostgroup,
        handler: asked.handler,
        tag: asked.tag,
        verb: asked.verb,
    };
    let mut rows = rights::read(&state, signed, move |connection, _| {
        Ok(NamedGrant::page(connection, &filter, asked.after, read)?)
    })
    .await?;
    let more = cut(&mut rows, read, |grant| grant.id.to_string()).is_some();
    let next = rows.last().filter(|_| more).map(|grant| grant.id);
    Ok(web::Json(GrantPage { grants: rows.into_iter().map(GrantShape::from).collect(), next }))
}

/// `GET /grants/{id}`
pub(super) async fn grant(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<web::Json<GrantShape>> {
    let grant = rights::read(&state, signed, move |connection, _| {
        NamedGrant::find(connection, *id)?.ok_or(AppError::NotFound)
    })
    .await?;
    Ok(web::Json(grant.into()))
}

/// `POST /grants`: gives a right; one that exists already is a conflict.
pub(super) async fn give(
    state: web::Data<AppState>,
    signed: Signed,
    body: Json<Grant>,
) -> AppResult<HttpResponse> {
    let wanted = body.into_inner();
    let given = rights::change(&state, signed, "grant.add", move |connection, signed| {
        rights::give(connection, signed, &wanted)
    })
    .await?;
    match given {
        Ok(grant) => Ok(HttpResponse::Created()
            .insert_header((header::LOCATION, format!("/api/v1/grants/{}", grant.id)))
            .json(GrantShape::from(grant))),
        Err(complaints) if complaints.iter().all(|one| one.field.is_empty()) => {
            Err(AppError::Conflict { detail: crate::forms::sentences(&complaints), task_id: None })
        }
        Err(complaints) => Err(rights::fields(complaints)),
    }
}

/// `DELETE /grants/{id}`
pub(super) async fn take(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<HttpResponse> {
    let taken = rights::change(&state, signed, "grant.remove", move |connection, signed| {
        rights::take(connection, signed, *id)
    })
    .await?;
    done(taken)
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    password: String,
}

/// `PUT /users/{id}/password`: somebody else's; it ends their sessions and revokes their tokens.
pub(super) async fn set_password(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
    body: Json<NewPassword>,
) -> AppResult<HttpResponse> {
    let hash = rights::hashed_for_another(&state, signed.clone(), body.into_inner().password).await?;
    let hash = hash.map_err(rights::fields)?;
    let set = rights::change(&state, signed, "user.password", move |connection, signed| {
        rights::set_password(connection, signed, *id, &hash)
    })
    .await?;
    set.map_err(rights::fields)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /users/{id}/sessions`: all of them, but never the one that asks; somebody else's with their tokens.
pub(super) async fn end_sessions(
    state: web::Data<AppState>,
    signed: Signed,
    id: web::Path<i64>,
) -> AppResult<HttpResponse> {
    rights::administer(&state, signed, "session.revoke", move |connection, signed| {
        let owner = User::find(connection, *id)?.ok_or(AppError::NotFound)?;
        rights::end_sessions(connection, signed, &owner)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What is asked about rights; `user` is the one who asks where it is absent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RightsQuery {
    #[serde(default, deserialize_with = "input::strict_text")]
    user: String,
    #[serde(deserialize_with = "input::strict_text")]
    host: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    service: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    handler: String,
}

/// Why somebody may or may not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Why)]
struct WhyShape {
    granted: bool,
    /// Environments of the host in which no grant counts, though one is needed there.
    missing_in: Vec<String>,
    grants: Vec<WeighedShape>,
}

/// A grant held against the question.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WeighedGrant)]
struct WeighedShape {
    #[serde(flatten)]
    grant: GrantShape,
    /// Why it does not count; empty where it does.
    lacks: Vec<Lack>,
    counts_in: Vec<String>,
}

impl From<Why> for WhyShape {
    fn from(why: Why) -> Self {
        let weighed = why.weighed.into_iter().map(|one| WeighedShape {
            grant: one.grant.into(),
            lacks: one.lacks,
            counts_in: one.counts_in,
        });
        Self { granted: why.may, missing_in: why.missing_in, grants: weighed.collect() }
    }
}

/// What a person may on a host.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rights)]
pub(super) struct RightsShape {
    user: String,
    host: String,
    handler: Option<String>,
    /// What is in the way besides grants, in sentences.
    obstacles: Vec<String>,
    /// Whether the handler could be run now; null where none was named.
    may_run: Option<bool>,
    see: WhyShape,
    run: Option<WhyShape>,
    change: WhyShape,
    /// Who may run the handler, or see the host where none was named; null for those who may only ask about themselves.
    others: Option<Vec<String>>,
}

/// `GET /rights`: why somebody may or may not do something on a host.
pub(super) async fn why(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<RightsQuery>,
) -> AppResult<web::Json<RightsShape>> {
    let RightsQuery { user, host, service, handler } = asked.into_inner();
    let asked = Asked { user, host, service, handler };
    let found = state.run(move |connection| Answer::find(connection, &signed, &asked)).await?;
    let answer = found.map_err(rights::fields)?;
    Ok(web::Json(RightsShape {
        may_run: answer.handler.as_ref().map(|_| answer.may_run()),
        user: answer.user.name,
        host: answer.host.name,
        handler: answer.handler.map(|handler| handler.name),
        obstacles: answer.obstacles,
        see: answer.see.into(),
        run: answer.run.map(WhyShape::from),
        change: answer.change.into(),
        others: answer.others.map(|people| people.into_iter().map(|(_, name)| name).collect()),
    }))
}

/// What is searched for in the audit log; absent means any.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    #[serde(default, deserialize_with = "input::strict_text")]
    actor: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    action: String,
    #[serde(default, deserialize_with = "input::strict_text")]
    object: String,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "input::strict_text")]
    after: String,
    /// Rows in one answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
}

/// A row of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct AuditShape {
    id: i64,
    at: Time,
    users_id: Option<i64>,
    actor: String,
    identity: String,
    address: String,
    action: String,
    object: String,
    task_id: Option<uuid::Uuid>,
    detail: serde_json::Value,
}

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    entries: Vec<AuditShape>,
    next: Option<String>,
}

/// `GET /audit`
pub(super) async fn audit(
    state: web::Data<AppState>,
    signed: Signed,
    asked: web::Query<AuditQuery>,
) -> AppResult<web::Json<AuditPage>> {
    let asked = asked.into_inner();
    let read = lists::read(asked.limit)?;
    let filter = AuditFilter {
        actor: asked.actor,
        action: asked.action,
        object: asked.object,
        from: asked.from,
        until: asked.until,
        before: Some(asked.after.as_str()).filter(|text| !text.is_empty()).map(place).transpose()?,
    };
    let mut rows =
        rights::read(&state, signed, move |connection, _| Ok(AuditRow::page(connection, &filter, read)?))
            .await?;
    let next = cut(&mut rows, read, place_text);
    let shape = |row: AuditRow| AuditShape {
        id: row.id,
        at: Time(row.at),
        users_id: row.users_id,
        actor: row.actor,
        identity: row.identity,
        address: row.address,
        action: row.action,
        object: row.object,
        task_id: row.task_id,
        detail: row.detail,
    };
    Ok(web::Json(AuditPage { entries: rows.into_iter().map(shape).collect(), next }))
}

fn done(done: rights::Done<()>) -> AppResult<HttpResponse> {
    match done {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(complaints) => {
            Err(AppError::Conflict { detail: crate::forms::sentences(&complaints), task_id: None })
        }
    }
}
