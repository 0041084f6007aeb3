//! Fields that several forms have: names, descriptions, custom variables, numbers.

use crate::forms::{Column, ColumnName, Field, Fields};
use selfservice_core::models::inventory::Complaint;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Id of the suggested host groups.
pub const HOSTGROUPS: &str = "known-hostgroups";
/// Id of the suggested services.
pub const SERVICES: &str = "known-services";
/// Id of the suggested event handlers.
pub const HANDLERS: &str = "known-handlers";

/// Id of the suggested users.
pub const USERS: &str = "known-users";
/// Id of the suggested teams.
pub const TEAMS: &str = "known-teams";
/// Id of the suggested environments.
pub const ENVIRONMENTS: &str = "known-environments";

const VARIABLE: [ColumnName; 2] = [("variable_name", ""), ("variable_value", "")];

pub fn name() -> Field {
    Field::line("name", "Name", "Unique. It must not begin with '-' or '@', and not look like another one.")
        .required()
}

pub fn description(help: &'static str) -> Field {
    Field::area("description", "Description", help)
}

/// A list of names of other objects.
pub fn names(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    item: &'static str,
    suggestions: &'static str,
) -> Field {
    Field::rows(name, label, help, item, vec![Column::suggesting((name, ""), item, suggestions)])
}

/// Custom variables; `help` names the macro that expands to one.
pub fn variables(help: &'static str) -> Field {
    let [name, value] = VARIABLE;
    let columns = vec![Column::line(name, "Name").class("short"), Column::area(value, "Value")];
    Field::rows("vars", "Custom variables", help, "Variable", columns)
}

pub fn push_variables(fields: &mut Fields, vars: Option<&BTreeMap<String, String>>) {
    for (name, value) in vars.into_iter().flatten() {
        fields.push(VARIABLE, [name.clone(), value.clone()]);
    }
}

pub fn push_names(fields: &mut Fields, column: &'static str, names: Option<&Vec<String>>) {
    for name in names.into_iter().flatten() {
        fields.push([(column, "")], [name.clone()]);
    }
}

/// The names of the variables, row by row.
pub fn variable_names(fields: &Fields) -> Vec<String> {
    keys(fields, &VARIABLE)
}

/// The first column of a list without white space, row by row.
pub fn keys(fields: &Fields, columns: &[ColumnName]) -> Vec<String> {
    let first = |row: Vec<String>| row.into_iter().next().unwrap_or_default().trim().to_owned();
    fields.rows(columns).into_iter().map(first).collect()
}

/// The variables; a name that stands twice is complained about, since only one of the two could be kept.
pub fn read_variables(fields: &Fields, complaints: &mut Vec<Complaint>) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    for (entry, row) in fields.rows(&VARIABLE).into_iter().enumerate() {
        let [name, value] = <[String; 2]>::try_from(row).unwrap_or_default();
        let name = name.trim().to_owned();
        if vars.contains_key(&name) {
            let text = format!("the variable '{name}' stands twice");
            complaints.push(Complaint::of_entry("vars", entry, text));
        }
        vars.insert(name, value);
    }
    vars
}

/// A whole number; an empty field gives `None`.
pub fn read_number<T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy>(
    fields: &Fields,
    name: &'static str,
    allowed: RangeInclusive<T>,
    complaints: &mut Vec<Complaint>,
) -> Option<T> {
    let typed = fields.text(name);
    if typed.is_empty() {
        return None;
    }
    let number = typed.parse().ok().filter(|number| allowed.contains(number));
    if number.is_none() {
        let (first, last) = (allowed.start(), allowed.end());
        let text = format!("'{}' must be a whole number from {first} to {last}", typed.escape_debug());
        complaints.push(Complaint::new(name, text));
    }
    number
}
