//! A command for trying a plugin out: filled in as a plan fills it in, without handler, queue and rights.

use super::{PlanError, expand, fill, with_task};
use crate::config::MacroFile;
use crate::macros::MacroTable;
use crate::models::hosts::{Host, Placement};
use crate::models::services::Service;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the macros of a trial are filled in from.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The host.
    pub host: Host,
    /// Where the host belongs.
    pub placement: Placement,
    /// The service; without one, macros of services stay unknown.
    pub service: Option<Service>,
    /// Values for `$_PARAMname$`.
    pub parameters: BTreeMap<String, String>,
}

/// What a plugin is given in a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialCommand {
    /// Every argument.
    pub argv: Vec<String>,
    /// `NAGIOS_*` variables.
    pub environment: Vec<(String, String)>,
}

impl Trial {
    /// The names of the host's environments, joined with commas.
    pub fn environments(&self) -> String {
        self.placement.environments.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(",")
    }

    /// What a handler with these templates would give its plugin.
    ///
    /// # Errors
    /// A template that does not work here.
    pub fn command(
        &self,
        macros: &MacroFile,
        requester: &str,
        templates: &[String],
        id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<TrialCommand, PlanError> {
        let mut table = MacroTable::new(macros);
        fill(&mut table, &self.host, &self.placement, self.service.as_ref(), &self.parameters, requester);
        let table = with_task(table, id, at);
        Ok(TrialCommand { argv: expand(templates, &table)?, environment: table.nagios_environment() })
    }
}
