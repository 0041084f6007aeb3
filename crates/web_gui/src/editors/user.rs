//! The form of a user. Passwords have a form of their own.

use super::lists;
use crate::forms::{Field, Fields, Section};
use selfservice_core::models::inventory::{Definition, User};

pub fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "User",
            note: "a person, or a program with API tokens",
            fields: vec![
                Field::line(
                    "name",
                    "Name",
                    "For signing in. It stays: the history and the audit log know people by it.",
                )
                .required(),
                Field::line("display_name", "Shown name", "What pages call them; the name where empty."),
                Field::tick(
                    "disabled",
                    "Disabled",
                    "Has no rights and cannot sign in; sessions end, API tokens are refused.",
                ),
            ],
        },
        Section {
            title: "Rights",
            note: "grants give the others",
            fields: vec![
                Field::tick(
                    "administrator",
                    "Administrator",
                    "May do everything everywhere: run, change the inventory, give and take rights.",
                ),
                lists::names("teams", "Teams", "They share the grants of each.", "Team", lists::TEAMS),
            ],
        },
    ]
}

pub fn to_fields(row: &User) -> Fields {
    let tick = |ticked: Option<bool>| if ticked == Some(true) { "yes" } else { "" };
    let mut fields = Fields::default()
        .with("name", &row.name)
        .with("display_name", row.display_name.clone().unwrap_or_default())
        .with("disabled", tick(row.disabled))
        .with("administrator", tick(row.administrator));
    lists::push_names(&mut fields, "teams", row.teams.as_ref());
    fields
}

pub fn read(fields: &Fields) -> Definition {
    Definition::User(User {
        name: fields.text("name"),
        display_name: Some(fields.text("display_name")),
        disabled: Some(fields.ticked("disabled")),
        administrator: Some(fields.ticked("administrator")),
        teams: Some(fields.list(("teams", ""))),
    })
}
