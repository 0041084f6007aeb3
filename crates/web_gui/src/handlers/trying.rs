//! A handler's command on one host, before anybody runs it.

use crate::error::{AppError, AppResult};
use crate::page::{self, Page, Reader, html};
use crate::state::AppState;
use crate::store;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::Utc;
use selfservice_core::config::MacroFile;
use selfservice_core::db::PgConnection;
use selfservice_core::models::effective::EffectiveService;
use selfservice_core::models::event_handlers::{EventHandler, Parameter, ParameterType};
use selfservice_core::models::hosts::Host;
use selfservice_core::models::inventory::Noun;
use selfservice_core::models::services::Service;
use selfservice_core::models::visible::{self, Viewer};
use selfservice_core::plan::{ExplainedArgument, PlanError, Trial, parameters_of};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What stands before the name of a parameter in the address.
const PARAMETER: &str = "parameter.";
/// Names that are suggested; more are typed.
const SUGGESTED: i64 = 500;

#[derive(Template)]
#[template(path = "event_handlers/try.html")]
struct TryPage {
    page: Page,
    id: i64,
    plugin: String,
    host: Typed,
    service: Typed,
    hosts: Vec<String>,
    services: Vec<String>,
    parameters: Vec<ParameterField>,
    /// None before anything was asked for.
    command: Option<Vec<ArgumentRow>>,
    secrets: Vec<SecretRow>,
    /// Addresses below which the plugin is asked on that host; none where the handler is not assigned there.
    ask: Option<Ask>,
}

/// Where the plugin can be asked.
struct Ask {
    check: String,
    help: String,
}

impl Ask {
    fn new(host: &str, service: &str, handler: i64) -> Self {
        let id = handler.to_string();
        let url = |kind| {
            page::url("/popup", &[("host", host), ("service", service), ("handler", &id), ("kind", kind)])
        };
        Self { check: url("check"), help: url("help") }
    }
}

/// What the plugin gets in its environment, without its value.
struct SecretRow {
    name: String,
    origin: &'static str,
}

impl SecretRow {
    fn of(handler: &EventHandler, declared: &[Parameter]) -> Vec<Self> {
        let kept =
            handler.secrets.iter().cloned().map(|name| Self { name, origin: "[secrets] of macros.ini" });
        let typed = declared.iter().filter(|parameter| parameter.is_secret());
        let typed = typed.map(|parameter| Self {
            name: parameter.secret_name(),
            origin: "typed by the person for each run",
        });
        kept.chain(typed).collect()
    }
}

/// A field with what was typed into it.
#[derive(Default)]
struct Typed {
    value: String,
    error: Option<String>,
}

struct ParameterField {
    name: String,
    label: String,
    field: String,
    typed: Typed,
    options: Vec<String>,
}

struct ArgumentRow {
    template: String,
    value: String,
    error: Option<String>,
    macros: Vec<MacroRow>,
}

struct MacroRow {
    name: String,
    value: String,
    origin: String,
}

/// The form, and what the command becomes once a host is chosen. It reads only, so it is asked for by its address.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    id: web::Path<i64>,
    asked: web::Query<Vec<(String, String)>>,
) -> AppResult<HttpResponse> {
    let (signed, id) = (reader.signed.clone(), id.into_inner());
    let asked: BTreeMap<String, String> = asked.into_inner().into_iter().collect();
    if asked.values().any(|value| value.contains('\0')) {
        return Err(AppError::BadRequest("The address must not contain the character U+0000.".to_owned()));
    }
    let macros = state.macros.clone();
    let page = reader.page("", "event_handlers");
    let shown = state
        .run(move |connection| {
            let access = signed.access(connection)?;
            store::must_edit(connection, &access, Noun::EventHandler, Some(id))?;
            let viewer = Viewer::new(signed.user.id, &access);
            let handler = EventHandler::find(connection, id)?.ok_or(AppError::NotFound)?;
            TryPage::read(connection, viewer, &macros, &signed.user.name, &handler, &asked, page)
        })
        .await?;
    html(&shown)
}

impl TryPage {
    fn read(
        connection: &mut PgConnection,
        viewer: Viewer,
        macros: &MacroFile,
        requester: &str,
        handler: &EventHandler,
        asked: &BTreeMap<String, String>,
        mut page: Page,
    ) -> AppResult<Self> {
        page.title = format!("Try {}", handler.name);
        let declared = handler.parameters().map_err(anyhow::Error::from)?;
        let typed = |name: &str| asked.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let (host_name, service_name) = (typed("host"), typed("service"));
        let mut shown = Self {
            page,
            id: handler.id,
            plugin: handler.plugin.clone(),
            hosts: visible::names(connection, viewer, Noun::Host, None, SUGGESTED)?,
            services: visible::names(connection, viewer, Noun::Service, None, SUGGESTED)?,
            host: Typed { value: host_name.clone(), error: None },
            service: Typed { value: service_name.clone(), error: None },
            parameters: declared
                .iter()
                .filter(|parameter| !parameter.is_secret())
                .map(|parameter| ParameterField::new(parameter, asked))
                .collect(),
            command: None,
            secrets: SecretRow::of(handler, &declared),
            ask: None,
        };
        if !asked.contains_key("host") {
            return Ok(shown);
        }
        let host = Host::named(connection, &host_name)?;
        let service = Service::named(connection, &service_name)?;
        if host.is_none() {
            shown.host.error = Some(format!("There is no host '{host_name}'."));
        }
        if service.is_none() && !service_name.is_empty() {
            shown.service.error = Some(format!("There is no service '{service_name}'."));
        }
        let Some(parameters) = shown.parameters(handler, asked)? else { return Ok(shown) };
        let Some(host) = host.filter(|_| shown.service.error.is_none()) else { return Ok(shown) };
        let placement = Host::placement(connection, host.id)?;
        if let Some(service) = &service
            && EffectiveService::handler_on(connection, host.id, service.id, handler.id)?.is_some()
        {
            shown.ask = Some(Ask::new(&host.name, &service.name, handler.id));
        }
        let trial = Trial { host, placement, service, parameters };
        let explained = trial.explain(macros, requester, handler, Uuid::nil(), Utc::now());
        shown.command = Some(explained.into_iter().map(ArgumentRow::from).collect());
        Ok(shown)
    }

    /// The values of all parameters; none where one cannot be accepted, which then stands at its field.
    fn parameters(
        &mut self,
        handler: &EventHandler,
        asked: &BTreeMap<String, String>,
    ) -> AppResult<Option<BTreeMap<String, String>>> {
        let given = asked
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PARAMETER)?.to_owned(), value.clone())))
            .collect();
        match parameters_of(handler, &given) {
            Ok(parameters) => Ok(Some(parameters)),
            Err(PlanError::Parameters(errors)) => {
                for field in &mut self.parameters {
                    field.typed.error = errors.get(&field.name).map(|why| format!("This field {why}."));
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl ParameterField {
    fn new(parameter: &Parameter, asked: &BTreeMap<String, String>) -> Self {
        let field = format!("{PARAMETER}{}", parameter.name);
        let value = asked.get(&field).cloned().or_else(|| parameter.default.clone()).unwrap_or_default();
        let options = match parameter.kind {
            ParameterType::Choice => parameter.choices.clone().unwrap_or_default(),
            ParameterType::Boolean => vec!["true".to_owned(), "false".to_owned()],
            ParameterType::Text | ParameterType::Integer | ParameterType::Secret => Vec::new(),
        };
        Self {
            name: parameter.name.clone(),
            label: parameter.label.clone().unwrap_or_else(|| parameter.name.clone()),
            field,
            typed: Typed { value, error: None },
            options,
        }
    }
}

impl From<ExplainedArgument> for ArgumentRow {
    fn from(argument: ExplainedArgument) -> Self {
        let (value, error) = match argument.becomes {
            Ok(value) => (value, None),
            Err(error) => (String::new(), Some(crate::forms::sentence(&error.to_string()))),
        };
        let macros = argument.macros.into_iter().map(|one| MacroRow {
            value: one.value.unwrap_or_default(),
            name: format!("${}$", one.name),
            origin: one.origin,
        });
        Self { template: argument.template, value, error, macros: macros.collect() }
    }
}
