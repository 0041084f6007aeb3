//! The form of a host.

use super::{Choices, lists};
use crate::forms::{Column, ColumnName, Field, Fields, Section};
use selfservice_core::models::inventory::{Complaint, Definition, Host};
use std::collections::BTreeMap;

const PLACE: [ColumnName; 2] = [("environment", ""), ("environment_hostgroup", "")];

pub fn sections(choices: &Choices) -> Vec<Section> {
    vec![machine(), place(choices), options()]
}

fn machine() -> Section {
    let alias = vec![Column::line(("aliases", ""), "Alias")];
    Section {
        title: "Host",
        note: "a machine, or whatever has an address",
        fields: vec![
            lists::name(),
            Field::line(
                "address",
                "Address",
                "Host name or IP address that plugins connect to; the name where nothing is written.",
            ),
            lists::description("For people."),
            Field::rows(
                "aliases",
                "Aliases",
                "Other names that Grafana or a person may use for it.",
                "Alias",
                alias,
            ),
        ],
    }
}

fn place(choices: &Choices) -> Section {
    let environments = std::iter::once((String::new(), "none".to_owned()))
        .chain(choices.environments.iter().map(|name| (name.clone(), name.clone())))
        .collect();
    let [environment, hostgroup] = PLACE;
    let columns = vec![
        Column::select(environment, "Environment", environments),
        Column::suggesting(hostgroup, "as host group (may be empty)", lists::HOSTGROUPS),
    ];
    Section {
        title: "Where it belongs",
        note: "rights and confirmations depend on it",
        fields: vec![
            Field::rows(
                "environments",
                "Environments",
                "A run needs the right in each of them.",
                "Environment",
                columns,
            ),
            lists::names(
                "hostgroups",
                "Host groups",
                "It gets the services of each; they go again when it leaves.",
                "Host group",
                lists::HOSTGROUPS,
            ),
            lists::names(
                "services",
                "Services of its own",
                "Beside those that its host groups bring.",
                "Service",
                lists::SERVICES,
            ),
        ],
    }
}

fn options() -> Section {
    let tag = vec![Column::line(("tags", ""), "Tag")];
    Section {
        title: "Running",
        note: "",
        fields: vec![
            lists::variables("A variable 'sshuser' is the macro $_HOSTSSHUSER$ of a handler."),
            Field::rows(
                "tags",
                "Tags",
                "A plugins manager serves the host when it has all of them. One word each.",
                "Tag",
                tag,
            ),
            Field::number(
                "max_running",
                "At once",
                "So many tasks run on it at once, of all handlers together; empty: any number.",
            ),
        ],
    }
}

pub fn to_fields(row: &Host) -> Fields {
    let limit = row.max_running.filter(|limit| *limit > 0);
    let mut fields = Fields::default()
        .with("name", &row.name)
        .with("address", row.address.clone().unwrap_or_default())
        .with("description", row.description.clone().unwrap_or_default())
        .with("max_running", limit.map(|limit| limit.to_string()).unwrap_or_default());
    lists::push_names(&mut fields, "aliases", row.aliases.as_ref());
    lists::push_names(&mut fields, "hostgroups", row.hostgroups.as_ref());
    lists::push_names(&mut fields, "services", row.services.as_ref());
    lists::push_names(&mut fields, "tags", row.tags.as_ref());
    lists::push_variables(&mut fields, row.vars.as_ref());
    for (environment, hostgroup) in row.environments.iter().flatten() {
        fields.push(PLACE, [environment.clone(), hostgroup.clone().unwrap_or_default()]);
    }
    fields
}

/// The environments, row by row.
pub fn environment_names(fields: &Fields) -> Vec<String> {
    lists::keys(fields, &PLACE)
}

pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Definition {
    let name = fields.text("name");
    let address = fields.text("address");
    let limit = lists::read_number(fields, "max_running", 1..=i32::MAX, complaints);
    let row = Host {
        address: Some(if address.is_empty() { name.clone() } else { address }),
        name,
        description: Some(fields.raw("description").to_owned()),
        vars: Some(lists::read_variables(fields, complaints)),
        aliases: Some(fields.list(("aliases", ""))),
        environments: Some(read_environments(fields, complaints)),
        hostgroups: Some(fields.list(("hostgroups", ""))),
        services: Some(fields.list(("services", ""))),
        tags: Some(fields.list(("tags", ""))),
        max_running: Some(limit.unwrap_or_default()),
        ..Host::default()
    };
    Definition::Host(row)
}

fn read_environments(fields: &Fields, complaints: &mut Vec<Complaint>) -> BTreeMap<String, Option<String>> {
    let mut environments = BTreeMap::new();
    for (entry, row) in fields.rows(&PLACE).into_iter().enumerate() {
        let [environment, hostgroup] = <[String; 2]>::try_from(row).unwrap_or_default();
        let (environment, hostgroup) = (environment.trim(), hostgroup.trim());
        let wrong = match environment {
            "" => Some(format!("choose the environment in which it stands as '{hostgroup}'")),
            name if environments.contains_key(name) => Some(format!("'{name}' stands twice in environments")),
            _ => None,
        };
        match wrong {
            Some(text) => complaints.push(Complaint::of_entry("environments", entry, text)),
            None => {
                let hostgroup = (!hostgroup.is_empty()).then(|| hostgroup.to_owned());
                environments.insert(environment.to_owned(), hostgroup);
            }
        }
    }
    environments
}
