//! A command before anybody runs it: what each argument becomes on one host, and where every value comes from.

use super::{Trial, fill, with_task};
use crate::config::MacroFile;
use crate::macros::{self, MacroError, MacroTable};
use crate::models::event_handlers::EventHandler;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedArgument {
    /// As the handler has it.
    pub template: String,
    /// What the plugin would get, or why there is no such run.
    pub becomes: Result<String, MacroError>,
    /// The macros in it, in their order.
    pub macros: Vec<ExplainedMacro>,
}

/// One macro of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedMacro {
    /// Without its dollar signs.
    pub name: String,
    /// What it expands to; nothing for a secret, which no argument may hold.
    pub value: Result<String, MacroError>,
    /// Where the value comes from, in words.
    pub origin: String,
}

impl Trial {
    /// What the handler's arguments become here.
    pub fn explain(
        &self,
        file: &MacroFile,
        requester: &str,
        handler: &EventHandler,
        id: Uuid,
        at: DateTime<Utc>,
    ) -> Vec<ExplainedArgument> {
        let mut table = MacroTable::new(file);
        table.allow_empty(handler.empty_macros);
        for parameter in handler.parameters().unwrap_or_default().iter().filter(|one| one.is_secret()) {
            table.refuse_parameter(&parameter.name);
        }
        fill(&mut table, &self.host, &self.placement, self.service.as_ref(), &self.parameters, requester);
        let table = with_task(table, id, at);
        handler
            .arguments
            .iter()
            .map(|template| ExplainedArgument {
                template: template.clone(),
                becomes: table.expand(template),
                macros: macros::names_in(template)
                    .map(|name| ExplainedMacro {
                        name: name.to_owned(),
                        value: table.expand(&format!("${name}$")),
                        origin: self.origin(file, name),
                    })
                    .collect(),
            })
            .collect()
    }

    fn origin(&self, file: &MacroFile, name: &str) -> String {
        let host = &self.host.name;
        let service = self.service.as_ref().map_or("no service", |service| service.name.as_str());
        let custom = |prefix: &str| name.strip_prefix(prefix).map(str::to_lowercase);
        if file.secrets.contains_key(name) {
            return "[secrets] of macros.ini".to_owned();
        }
        if let Some(variable) = custom("_HOST") {
            return format!("variable '{variable}' of the host {host}");
        }
        if let Some(variable) = custom("_SERVICE") {
            return format!("variable '{variable}' of the service {service}");
        }
        if let Some(parameter) = custom("_PARAM") {
            return format!("parameter '{parameter}' of the run");
        }
        match name {
            "HOSTADDRESS" => format!("address of the host {host}"),
            "HOSTGROUPNAME" | "HOSTGROUPNAMES" => format!("host groups of the host {host}"),
            "ENVIRONMENTNAME" => format!("environments of the host {host}"),
            "HOSTNAME" | "HOSTDISPLAYNAME" => format!("name of the host {host}"),
            "HOSTALIAS" => format!("description of the host {host}, or its name"),
            "SERVICEDESC" | "SERVICEDISPLAYNAME" => format!("name of the service {service}"),
            "_TASKUSER" => "who asks for the run".to_owned(),
            "_TASKUUID" => "the run's own number, another one each time".to_owned(),
            "LONGDATETIME" | "SHORTDATETIME" | "DATE" | "TIME" | "TIMET" => "the time of the run".to_owned(),
            _ if file.macros.contains_key(name) => "macros.ini".to_owned(),
            _ => "nothing gives it a value".to_owned(),
        }
    }
}
