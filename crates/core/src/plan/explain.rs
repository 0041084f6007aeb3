//! A command before anybody runs it: what each argument becomes on one host, and where every value comes from.

use super::{Trial, fill, with_task};
use crate::config::MacroFile;
use crate::macro_names::OF_A_RUN;
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
        match OF_A_RUN.iter().find(|(known, _)| *known == name) {
            Some((_, origin)) => origin.replace("{host}", host).replace("{service}", service),
            None if file.macros.contains_key(name) => "macros.ini".to_owned(),
            None => "nothing gives it a value".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_offered_is_what_a_run_fills_in() {
        let json = serde_json::json!({
            "id": 1, "name": "web-1", "address": "10.0.0.1", "description": "", "vars": {}, "tags": [], "max_running": null
        });
        let host = serde_json::from_value(json).unwrap();
        let json = serde_json::json!({"id": 1, "name": "os", "description": "", "vars": {}});
        let service = serde_json::from_value(json).unwrap();
        let mut table = MacroTable::new(&MacroFile::default());
        fill(&mut table, &host, &Default::default(), Some(&service), &Default::default(), "alice");
        let table = with_task(table, Uuid::nil(), Utc::now());
        let offered: BTreeSet<String> =
            macros::offered(&MacroFile::default()).into_iter().map(|one| one.name).collect();
        let filled: BTreeSet<String> = table.names().map(str::to_owned).collect();
        assert_eq!(offered, filled);
    }
}
