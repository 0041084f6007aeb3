//! The form of an environment.

use super::lists;
use crate::forms::{Field, Fields, Section};
use selfservice_core::models::event_handlers::Risk;
use selfservice_core::models::inventory::{COLOURS, Complaint, Definition, Environment};

const RISKS: [(&str, &str); 3] = [
    ("read-only", "none: the handler's own risk decides"),
    ("normal", "normal: the exact command is confirmed"),
    ("dangerous", "dangerous: the host's name is typed besides"),
];

pub fn sections() -> Vec<Section> {
    // Grey comes first, because a new environment is grey.
    let colours: Vec<(&str, &str)> = COLOURS.iter().rev().map(|colour| (*colour, *colour)).collect();
    vec![Section {
        title: "Environment",
        note: "a host in several needs the right in each of them",
        fields: vec![
            lists::name(),
            lists::description("For people."),
            Field::select("colour", "Colour", "Of its sign, wherever one of its hosts is shown.", &colours),
            Field::select(
                "minimum_risk",
                "Least confirmation",
                "Handlers that change something count as at least this risky on its hosts.",
                &RISKS,
            ),
        ],
    }]
}

pub fn to_fields(row: &Environment) -> Fields {
    Fields::default()
        .with("name", &row.name)
        .with("description", row.description.clone().unwrap_or_default())
        .with("colour", row.colour.clone().unwrap_or_default())
        .with("minimum_risk", row.minimum_risk.map_or("", Risk::as_str))
}

pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Definition {
    let minimum_risk = match fields.text("minimum_risk").as_str() {
        "" => None,
        word => word
            .parse()
            .map_err(|why| complaints.push(Complaint::new("minimum_risk", format!("the risk: {why}"))))
            .ok(),
    };
    let row = Environment {
        name: fields.text("name"),
        description: Some(fields.raw("description").to_owned()),
        colour: Some(fields.text("colour")).filter(|colour| !colour.is_empty()),
        minimum_risk,
    };
    Definition::Environment(row)
}
