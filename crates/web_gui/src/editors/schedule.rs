//! The form of a schedule.

use super::lists;
use crate::forms::{Field, Fields, Section};
use selfservice_core::config::Programs;
use selfservice_core::models::inventory::Complaint;
use selfservice_core::models::schedules::{Missed, Overlap};
use selfservice_core::schedule::Draft;
use std::collections::BTreeMap;

/// The list of suggested hosts.
pub const HOSTS: &str = "known-hosts";
const MISSED: [(&str, &str); 3] = [
    ("skip", "skip: they are passed over"),
    ("once", "once: the newest one runs late"),
    ("all", "all: the newest ones run, up to a number"),
];
const OVERLAP: [(&str, &str); 2] = [
    ("skip", "skip: its time is passed over"),
    ("allow", "allow: it runs; where the same is active already, nothing is added"),
];

/// The sections of the form, empty. A program is chosen from the settings, never typed.
pub fn sections(programs: &Programs) -> Vec<Section> {
    let named: Vec<(String, String)> = programs
        .iter()
        .map(|(name, command)| (name.clone(), format!("{name}: {}", command.join(" "))))
        .collect();
    let none = [("", "none: an action on hosts, below")];
    let options: Vec<(&str, &str)> =
        none.into_iter().chain(named.iter().map(|(name, text)| (name.as_str(), text.as_str()))).collect();
    vec![
        Section {
            title: "When",
            note: "as in crontab",
            fields: vec![
                Field::line("name", "Name", "What it is for.").required(),
                Field::line(
                    "expression",
                    "Times",
                    "Minute, hour, day, month, weekday, such as 30 2 * * MON-FRI; or @hourly, @daily, @weekly, @monthly.",
                )
                .required(),
                Field::line("time_zone", "Time zone", "Such as Europe/Berlin. Daylight saving neither loses nor repeats a run.")
                    .required(),
                Field::tick("enabled", "Switched on", "Its times count."),
            ],
        },
        Section {
            title: "What",
            note: "with your rights, looked at each time",
            fields: vec![
                Field::select("program", "Program", "One of those under [programs] in settings.ini; it needs the right to administer everything.", &options),
                Field::line("host", "Host", "One host ...").suggesting(HOSTS),
                Field::line("hostgroup", "or host group", "... or all of a group that have the service with the handler.")
                    .suggesting(lists::HOSTGROUPS),
                Field::line("service", "Service", "").suggesting(lists::SERVICES),
                Field::line("handler", "Event handler", "None that is dangerous: a person confirms those each time.")
                    .suggesting(lists::HANDLERS),
                Field::area("parameters", "Parameters", "A line for each: name = value. What is absent takes its default."),
                Field::line("reason", "Reason", "For handlers that ask for one."),
            ],
        },
        Section {
            title: "How",
            note: "where things do not go as planned",
            fields: vec![
                Field::select("missed", "Missed times", "When no scheduler ran.", &MISSED),
                Field::number("most_missed", "At most", "So many missed times run, from 1 to 100; for 'all'."),
                Field::number("jitter_seconds", "Late by up to", "Seconds, from 0 to 3600: spreads what has the same time."),
                Field::select("overlap", "While the run before is active", "", &OVERLAP),
            ],
        },
    ]
}

/// What an empty form holds.
pub fn empty() -> Fields {
    Fields::default()
        .with("time_zone", "UTC")
        .with("enabled", "yes")
        .with("missed", "skip")
        .with("most_missed", "10")
        .with("jitter_seconds", "0")
        .with("overlap", "skip")
}

/// What the form of one that is there holds.
pub fn to_fields(draft: &Draft) -> Fields {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let parameters: Vec<String> =
        draft.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    Fields::default()
        .with("name", &draft.name)
        .with("expression", &draft.expression)
        .with("time_zone", &draft.time_zone)
        .with("enabled", if draft.enabled { "yes" } else { "" })
        .with("program", text(&draft.program))
        .with("host", text(&draft.host))
        .with("hostgroup", text(&draft.hostgroup))
        .with("service", text(&draft.service))
        .with("handler", text(&draft.handler))
        .with("parameters", parameters.join("\n"))
        .with("reason", text(&draft.reason))
        .with("missed", draft.missed.as_str())
        .with("most_missed", draft.most_missed.to_string())
        .with("jitter_seconds", draft.jitter_seconds.to_string())
        .with("overlap", draft.overlap.as_str())
}

/// The schedule that a form holds; what cannot be read is complained about and replaced by something harmless.
pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Draft {
    let given = |name: &str| Some(fields.text(name)).filter(|text| !text.is_empty());
    let mut number = |name: &'static str| {
        fields.text(name).parse().unwrap_or_else(|_| {
            complaints.push(Complaint::new(name, "this must be a whole number"));
            1
        })
    };
    let (most_missed, jitter_seconds) = (number("most_missed"), number("jitter_seconds"));
    let missed = fields.text("missed").parse().unwrap_or_else(|why| {
        complaints.push(Complaint::new("missed", format!("missed times: {why}")));
        Missed::Skip
    });
    let overlap = fields.text("overlap").parse().unwrap_or_else(|why| {
        complaints.push(Complaint::new("overlap", format!("overlap: {why}")));
        Overlap::Skip
    });
    Draft {
        name: fields.text("name"),
        expression: fields.text("expression"),
        time_zone: fields.text("time_zone"),
        enabled: fields.ticked("enabled"),
        program: given("program"),
        host: given("host"),
        hostgroup: given("hostgroup"),
        service: given("service"),
        handler: given("handler"),
        parameters: parameters(fields.raw("parameters"), complaints),
        reason: given("reason"),
        missed,
        most_missed,
        jitter_seconds,
        overlap,
    }
}

fn parameters(text: &str, complaints: &mut Vec<Complaint>) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once('=') else {
            complaints.push(Complaint::new("parameters", format!("the line '{line}' must be: name = value")));
            continue;
        };
        if parameters.insert(name.trim().to_owned(), value.trim().to_owned()).is_some() {
            complaints.push(Complaint::new("parameters", format!("'{}' stands twice", name.trim())));
        }
    }
    parameters
}
