//! The form of a service.

use super::lists;
use crate::forms::{Fields, Section};
use selfservice_core::models::inventory::{Complaint, Definition, Service};

pub fn sections() -> Vec<Section> {
    let handlers = lists::names(
        "handlers",
        "Event handlers",
        "In the order in which the popup shows them.",
        "Event handler",
        lists::HANDLERS,
    );
    vec![
        Section {
            title: "Service",
            note: "what can be healed on a host",
            fields: vec![
                lists::name(),
                lists::description("For people."),
                lists::variables("A variable 'port' is the macro $_SERVICEPORT$ of a handler."),
            ],
        },
        Section {
            title: "Template",
            note: "a host that gets the service gets these; for present hosts you decide afterwards",
            fields: vec![handlers.in_order()],
        },
    ]
}

pub fn to_fields(row: &Service) -> Fields {
    let mut fields = Fields::default()
        .with("name", &row.name)
        .with("description", row.description.clone().unwrap_or_default());
    lists::push_variables(&mut fields, row.vars.as_ref());
    lists::push_names(&mut fields, "handlers", row.handlers.as_ref());
    fields
}

pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Definition {
    let row = Service {
        name: fields.text("name"),
        description: Some(fields.raw("description").to_owned()),
        vars: Some(lists::read_variables(fields, complaints)),
        handlers: Some(fields.list(("handlers", ""))),
    };
    Definition::Service(row)
}
