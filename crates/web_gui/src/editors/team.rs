//! The form of a team.

use super::lists;
use crate::forms::{Fields, Section};
use selfservice_core::models::inventory::{Definition, Team};

pub fn sections() -> Vec<Section> {
    vec![Section {
        title: "Team",
        note: "its members share the grants that it has",
        fields: vec![
            lists::name(),
            lists::names("members", "Members", "Names of users.", "Member", lists::USERS),
        ],
    }]
}

pub fn to_fields(row: &Team) -> Fields {
    let mut fields = Fields::default().with("name", &row.name);
    lists::push_names(&mut fields, "members", row.members.as_ref());
    fields
}

pub fn read(fields: &Fields) -> Definition {
    Definition::Team(Team { name: fields.text("name"), members: Some(fields.list(("members", ""))) })
}
