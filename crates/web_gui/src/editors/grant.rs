//! The form of a grant. A grant is given and taken, never changed.

use super::lists;
use crate::forms::{Field, Fields, Section};
use selfservice_core::access::Verb;
use selfservice_core::models::inventory::{Complaint, Grant};

const VERBS: [(&str, &str); 3] = [
    ("see", "see: hosts, handlers, runs and their output"),
    ("run", "run: see, and run, cancel, do again"),
    ("admin", "admin: run, and change the hosts there"),
];

/// The sections of the form, empty.
pub fn sections() -> Vec<Section> {
    vec![
        Section {
            title: "Who",
            note: "a user or a team",
            fields: vec![
                Field::line("user", "User", "One person.").suggesting(lists::USERS),
                Field::line("team", "Team", "Everybody in it, also who joins later.")
                    .suggesting(lists::TEAMS),
            ],
        },
        Section {
            title: "What",
            note: "with which handlers",
            fields: vec![
                Field::select("verb", "May", "Each includes the ones before it.", &VERBS),
                Field::line("handler", "Handler", "Only with this one; empty: with every handler.")
                    .suggesting(lists::HANDLERS),
                Field::line("tag", "or handlers with the tag", "Also those that get the tag later."),
            ],
        },
        Section {
            title: "Where",
            note: "a host counts that fits both; empty fits every host",
            fields: vec![
                Field::line(
                    "environment",
                    "Environment",
                    "Only hosts in it. To run on a host in several, a right in each of them is needed.",
                )
                .suggesting(lists::ENVIRONMENTS),
                Field::line("hostgroup", "Host group", "Only hosts of this group.")
                    .suggesting(lists::HOSTGROUPS),
            ],
        },
    ]
}

/// The grant that a form holds; a verb that is not known is complained about.
pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Grant {
    let given = |name: &str| Some(fields.text(name)).filter(|text| !text.is_empty());
    let verb = given("verb").map_or(Ok(Verb::See), |word| word.parse()).unwrap_or_else(|why| {
        complaints.push(Complaint::new("verb", format!("the verb: {why}")));
        Verb::See
    });
    Grant {
        user: given("user"),
        team: given("team"),
        environment: given("environment"),
        hostgroup: given("hostgroup"),
        handler: given("handler"),
        tag: given("tag"),
        verb,
    }
}
