//! Why somebody may or may not do something on a host, for the page and the API. A person may ask about themselves where
//! they see the host and the handler; who may change everything asks about anybody, and is told who else may.

use crate::auth::Signed;
use crate::error::AppResult;
use selfservice_core::access::{Access, Question, Verb, Why};
use selfservice_core::db::PgConnection;
use selfservice_core::models::effective::EffectiveService;
use selfservice_core::models::event_handlers::EventHandler;
use selfservice_core::models::hosts::{Host, Placement};
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::users::User;
use selfservice_core::models::visible::{self, Viewer};

/// What is asked, by name; empty: the reader, any service, no handler in particular.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who.
    pub user: String,
    /// Where.
    pub host: String,
    /// For which service.
    pub service: String,
    /// With which handler.
    pub handler: String,
}

/// The answer.
pub struct Answer {
    /// About whom.
    pub user: User,
    /// Where.
    pub host: Host,
    /// Where that belongs.
    pub placement: Placement,
    /// With what, if a handler was named.
    pub handler: Option<EventHandler>,
    /// What is in the way besides rights, in sentences.
    pub obstacles: Vec<String>,
    /// Seeing the host, or the handler and its runs on it.
    pub see: Why,
    /// Running the handler, if one was named.
    pub run: Option<Why>,
    /// Changing the host.
    pub change: Why,
    /// What there is on the host for the person, where no handler was named.
    pub handlers: Vec<HandlerLine>,
    /// Everybody who may run the handler, or see the host where none was named; only for those who may change everything.
    pub others: Option<Vec<(i64, String)>>,
}

/// A handler on the host, and what the person may do with it.
pub struct HandlerLine {
    /// The service that has it there.
    pub service: String,
    /// The handler.
    pub handler: String,
    /// Whether they may see it.
    pub see: bool,
    /// Whether they may run it.
    pub run: bool,
}

impl Answer {
    /// Whether the handler could be run now, as far as it is the person's.
    pub fn may_run(&self) -> bool {
        self.obstacles.is_empty() && self.run.as_ref().is_some_and(|run| run.may)
    }

    /// Looks for the answer. The inner error names what is not there, or not for the reader, field by field.
    pub fn find(
        connection: &mut PgConnection,
        signed: &Signed,
        asked: &Asked,
    ) -> AppResult<Result<Self, Vec<Complaint>>> {
        let access = signed.access(connection)?;
        let is_admin = access.is_admin();
        let mut complaints = Vec::new();
        let user = named_user(connection, signed, is_admin, &asked.user)?;
        if user.is_none() {
            let text =
                if is_admin { "there is no user" } else { "you may only ask about yourself, not about" };
            complaints.push(Complaint::new("user", format!("{text} '{}'", asked.user)));
        }
        let host = Host::named(connection, &asked.host)?;
        let placement = host.as_ref().map(|host| Host::placement(connection, host.id)).transpose()?;
        let host = host.zip(placement).filter(|(_, placement)| access.may_see(placement));
        let (Some(user), Some((host, placement))) = (user, host.clone()) else {
            if host.is_none() {
                complaints.push(not_there("host", "host", &asked.host));
            }
            return Ok(Err(complaints));
        };
        let services = EffectiveService::of_host(connection, host.id)?;
        let handler = match asked.handler.as_str() {
            "" => None,
            name => {
                let named = EventHandler::by_name(connection, name)?
                    .filter(|handler| is_admin || access.may(Verb::See, &placement, handler));
                // A grant for every handler shows those only that are effective on a host which its owner sees.
                let viewer = Viewer::new(signed.user.id, &access);
                let found = match named {
                    Some(named) if !is_admin => visible::handler(connection, viewer, named.id)?,
                    named => named,
                };
                if found.is_none() {
                    complaints.push(not_there("handler", "event handler", name));
                }
                found
            }
        };
        if !asked.service.is_empty() && !services.iter().any(|one| one.service.name == asked.service) {
            let text = format!("the host has no service '{}'", asked.service);
            complaints.push(Complaint::new("service", text));
        }
        if !complaints.is_empty() {
            return Ok(Err(complaints));
        }
        let theirs = Access::load(connection, user.id, None)?;
        let asks = |verb| Question { verb, placement: &placement, handler: handler.as_ref() };
        let (see, change) =
            (asks(Verb::See).why(connection, user.id)?, asks(Verb::Admin).why(connection, user.id)?);
        let run = match &handler {
            Some(_) => Some(asks(Verb::Run).why(connection, user.id)?),
            None => None,
        };
        let strongest = if handler.is_some() { Verb::Run } else { Verb::See };
        let others = if is_admin { Some(asks(strongest).who_may(connection)?) } else { None };
        Ok(Ok(Self {
            obstacles: obstacles(&user, handler.as_ref(), &services, &asked.service),
            handlers: if handler.is_some() {
                Vec::new()
            } else {
                handler_lines(&services, &asked.service, &placement, &access, &theirs)
            },
            user,
            host,
            see,
            run,
            change,
            others,
            handler,
            placement,
        }))
    }
}

/// The reader, or whom they may ask about.
fn named_user(
    connection: &mut PgConnection,
    signed: &Signed,
    is_admin: bool,
    name: &str,
) -> AppResult<Option<User>> {
    if name.is_empty() || name == signed.user.name {
        return Ok(Some(signed.user.clone()));
    }
    Ok(if is_admin { User::by_name(connection, name)? } else { None })
}

fn not_there(field: &'static str, noun: &str, name: &str) -> Complaint {
    Complaint::new(field, format!("there is no {noun} '{name}', or you may not see it"))
}

/// What nobody's grants change.
fn obstacles(
    user: &User,
    handler: Option<&EventHandler>,
    services: &[EffectiveService],
    service: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    if user.disabled {
        found.push(format!("{} is disabled, and a disabled user may do nothing.", user.name));
    }
    let Some(handler) = handler else { return found };
    if !handler.enabled {
        found.push(format!("The handler {} is disabled: nobody can run it.", handler.name));
        return found;
    }
    let mut having = services.iter().filter(|one| service.is_empty() || one.service.name == service);
    if !having.any(|one| one.handlers.iter().any(|row| row.handler.id == handler.id)) {
        let of = if service.is_empty() { "any service".to_owned() } else { format!("the service {service}") };
        found.push(format!("The handler {} is not assigned to {of} of this host.", handler.name));
    }
    if let Some(text) = handler.pause_text() {
        found.push(format!("{text}."));
    }
    found
}

fn handler_lines(
    services: &[EffectiveService],
    service: &str,
    placement: &Placement,
    reader: &Access,
    theirs: &Access,
) -> Vec<HandlerLine> {
    let wanted = services.iter().filter(|one| service.is_empty() || one.service.name == service);
    wanted
        .flat_map(|one| one.handlers.iter().map(move |row| (one, row)))
        .filter(|(_, row)| reader.may(Verb::See, placement, &row.handler))
        .map(|(one, row)| HandlerLine {
            service: one.service.name.clone(),
            handler: row.handler.name.clone(),
            see: theirs.may(Verb::See, placement, &row.handler),
            run: theirs.may(Verb::Run, placement, &row.handler),
        })
        .collect()
}
