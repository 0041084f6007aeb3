//! The form of a host group.

use super::lists;
use crate::forms::{Fields, Section};
use selfservice_core::models::inventory::{Definition, Hostgroup};

pub fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Host group",
            note: "hosts that are alike",
            fields: vec![lists::name(), lists::description("For people.")],
        },
        Section {
            title: "Template",
            note: "a host that joins gets these; for present members you decide afterwards",
            fields: vec![lists::names("services", "Services", "", "Service", lists::SERVICES)],
        },
    ]
}

pub fn to_fields(row: &Hostgroup) -> Fields {
    let mut fields = Fields::default()
        .with("name", &row.name)
        .with("description", row.description.clone().unwrap_or_default());
    lists::push_names(&mut fields, "services", row.services.as_ref());
    fields
}

pub fn read(fields: &Fields) -> Definition {
    let row = Hostgroup {
        name: fields.text("name"),
        description: Some(fields.raw("description").to_owned()),
        services: Some(fields.list(("services", ""))),
    };
    Definition::Hostgroup(row)
}
