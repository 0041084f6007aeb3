//! The whole inventory as one YAML file that loads back to the same: kinds, objects and keys in an order that does not
//! change, nothing in it that differs from one export to the next, so that it is fit for version control.

use selfservice_core::db::{DbError, Pool, QueryError};
use selfservice_core::models::inventory::{self, Noun};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use serde_saphyr::SerializerOptions;
use std::io::{self, Write};

/// Why the inventory was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The file cannot be written.
    #[error("the inventory cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A value has no form in YAML.
    #[error("the inventory cannot be written as YAML: {0}")]
    Form(#[from] serde_saphyr::SerializeError),
}

impl From<QueryError> for ExportError {
    fn from(error: QueryError) -> Self {
        Self::Database(DbError::Query(error))
    }
}

/// Sections with their keys, in the order of a file.
const SECTIONS: &[(&str, Noun, &[&str])] = &[
    ("environments", Noun::Environment, &["name", "description", "colour", "minimum_risk"]),
    (
        "event_handlers",
        Noun::EventHandler,
        &[
            "name",
            "description",
            "plugin",
            "arguments",
            "parameters",
            "risk",
            "timeout_seconds",
            "reason_required",
            "tags",
            "secrets",
            "empty_macros",
            "repeatable",
            "max_running",
            "enabled",
            "runbook_url",
        ],
    ),
    ("services", Noun::Service, &["name", "description", "vars", "handlers"]),
    ("hostgroups", Noun::Hostgroup, &["name", "description", "services"]),
    (
        "hosts",
        Noun::Host,
        &[
            "name",
            "address",
            "description",
            "aliases",
            "vars",
            "environments",
            "hostgroups",
            "services",
            "dropped_services",
            "handlers",
            "dropped_handlers",
            "tags",
            "max_running",
        ],
    ),
    ("teams", Noun::Team, &["name", "members"]),
    ("grants", Noun::Grant, &["team", "user", "environment", "hostgroup", "handler", "tag", "verb"]),
];

/// Writes everything that there is, as it was at one moment.
pub fn export(pool: &Pool, mut to: impl Write) -> Result<(), ExportError> {
    writeln!(to, "# The inventory of Self Service Manager: data_loader export")?;
    pool.transaction(|connection| {
        inventory::hold_still(connection)?;
        for (section, noun, keys) in SECTIONS {
            let mut begun = false;
            inventory::export(connection, *noun, |definition| {
                if !begun {
                    writeln!(to, "\n{section}:")?;
                    begun = true;
                }
                let entry = [Entry { keys, definition: &definition }];
                to.write_all(serde_saphyr::to_string_with_options(&entry, options())?.as_bytes())?;
                Ok::<(), ExportError>(())
            })?;
        }
        to.flush()?;
        Ok(())
    })
}

/// Text in quotes rather than in blocks: what is read back is then exactly what was written, whatever white space it holds.
fn options() -> SerializerOptions {
    serde_saphyr::ser_options! { prefer_block_scalars: false }
}

/// The keys of an object that say something, in their order.
struct Entry<'a> {
    keys: &'a [&'a str],
    definition: &'a Value,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for key in self.keys {
            match self.definition.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::Array(parameters)) if *key == "parameters" => {
                    let parameters: Vec<Entry<'_>> =
                        parameters.iter().map(|definition| Entry { keys: PARAMETER, definition }).collect();
                    map.serialize_entry(key, &parameters)?;
                }
                Some(value) => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

const PARAMETER: &[&str] =
    &["name", "label", "type", "default", "required", "pattern", "minimum", "maximum", "choices"];
