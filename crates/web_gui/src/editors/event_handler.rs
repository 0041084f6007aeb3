//! The form of an event handler.

use super::{Choices, lists};
use crate::forms::{Column, ColumnName, Field, Fields, Section};
use selfservice_core::models::event_handlers::{Parameter, ParameterType, Risk};
use selfservice_core::models::inventory::{Complaint, Definition, EventHandler};

/// Id of the plugins that managers tell of.
pub const PLUGINS: &str = "known-plugins";
/// Id of the secrets that macros.ini has.
pub const SECRETS: &str = "known-secrets";

const TIMEOUT: i32 = 120;
const ARGUMENT: ColumnName = ("arguments", "");
const RISKS: [(&str, &str); 3] = [
    ("normal", "normal: the exact command is confirmed"),
    ("read-only", "read-only: changes nothing, one click"),
    ("dangerous", "dangerous: the host's name is typed besides"),
];
const PARAMETER: [ColumnName; 9] = [
    ("parameter_name", ""),
    ("parameter_type", "text"),
    ("parameter_label", ""),
    ("parameter_required", "yes"),
    ("parameter_default", ""),
    ("parameter_pattern", ""),
    ("parameter_minimum", ""),
    ("parameter_maximum", ""),
    ("parameter_choices", ""),
];

pub fn sections(choices: &Choices) -> Vec<Section> {
    vec![action(), command(choices), parameters(), rules(), more()]
}

fn action() -> Section {
    Section {
        title: "Event handler",
        note: "a healing action, as the person who may press it reads it",
        fields: vec![
            lists::name(),
            lists::description("What it does, and what to know before."),
            Field::line("runbook_url", "Runbook", "Where the procedure is described: https://..."),
        ],
    }
}

fn command(choices: &Choices) -> Section {
    let help = if choices.plugins.is_empty() {
        "Name of a file in a plugin directory, never a path. No living plugins manager has told of any."
    } else {
        "One of those that the living plugins managers have, listed below; never a path."
    };
    let arguments = Field::rows(
        "arguments",
        "Arguments",
        "One field is exactly one argument, whatever a macro in it expands to: $HOSTADDRESS$, $_HOSTx$, $_SERVICEx$, \
         $_PARAMx$. Write $$ for a dollar sign, and \"\" for an argument that is empty. No shell reads them.",
        "Argument",
        vec![Column::area(ARGUMENT, "Argument").class("code")],
    );
    let secrets = lists::names(
        "secrets",
        "Secrets",
        "Names from [secrets] in macros.ini. The plugin gets their values in its environment; no page and no log \
         shows them.",
        "Secret",
        SECRETS,
    );
    Section {
        title: "Command",
        note: "what the plugins manager starts",
        fields: vec![
            Field::line("plugin", "Plugin", help).required().suggesting(PLUGINS),
            arguments.in_order(),
            secrets,
            Field::tick(
                "empty_macros",
                "Macros may be empty",
                "A known macro without a value expands to nothing; otherwise such a run is refused.",
            ),
        ],
    }
}

fn parameters() -> Section {
    let [name, kind, label, required, default, pattern, minimum, maximum, list] = PARAMETER;
    let types = [
        (ParameterType::Text, "text"),
        (ParameterType::Integer, "whole number"),
        (ParameterType::Choice, "one of a list"),
        (ParameterType::Boolean, "true or false"),
        (ParameterType::Secret, "secret, typed for each run"),
    ];
    let types = types.map(|(kind, text)| (kind.as_str().to_owned(), text.to_owned()));
    let answers = [("yes", "must be filled in"), ("no", "may stay empty")];
    let answers = answers.map(|(value, text)| (value.to_owned(), text.to_owned()));
    let columns = vec![
        Column::line(name, "Name: $_PARAMname$"),
        Column::select(kind, "Type", types.to_vec()),
        Column::line(label, "Label (the name where empty)"),
        Column::select(required, "Required", answers.to_vec()),
        Column::line(default, "Default").class("for-values"),
        Column::line(pattern, "Pattern that the whole text must match").class("for-text"),
        Column::line(minimum, "Smallest number").class("for-integer"),
        Column::line(maximum, "Largest number").class("for-integer"),
        Column::area(list, "Choices, one in a line").class("for-choice"),
    ];
    let help = "Text never begins with '-' or '@' and has no control characters, whatever the pattern says. A secret \
                stands in no argument: the plugin gets it as SELFSERVICE_SECRET_NAME in its environment.";
    let parameters = Field::rows("parameters", "Parameters", help, "Parameter", columns);
    Section {
        title: "Parameters",
        note: "what the person is asked for before a run",
        fields: vec![parameters.in_order()],
    }
}

fn rules() -> Section {
    Section {
        title: "Rules",
        note: "",
        fields: vec![
            Field::select("risk", "Risk", "How much it can break.", &RISKS),
            Field::number(
                "timeout_seconds",
                "Time-out in seconds",
                "The run is ended after so many, 1 to 86400; 120 where empty.",
            ),
            Field::number(
                "max_running",
                "At once",
                "So many of its tasks run at once, on all hosts together; empty: any number.",
            ),
            Field::tick("reason_required", "A reason must be given", ""),
            Field::tick(
                "repeatable",
                "Repeatable",
                "A run whose outcome was lost may be started again by itself. Only for what does no harm twice.",
            ),
        ],
    }
}

fn more() -> Section {
    let tag = vec![Column::line(("tags", ""), "Tag")];
    Section {
        title: "Who may use it",
        note: "",
        fields: vec![
            Field::rows("tags", "Tags", "Labels that grants may name.", "Tag", tag),
            Field::tick(
                "enabled",
                "Enabled",
                "A disabled handler is shown to nobody else and starts nowhere.",
            ),
        ],
    }
}

pub fn empty() -> Fields {
    Fields::default().with("enabled", "yes").with("timeout_seconds", TIMEOUT.to_string())
}

pub fn to_fields(row: &EventHandler) -> Fields {
    let tick = |ticked| if ticked { "yes" } else { "" };
    let mut fields = Fields::default()
        .with("name", &row.name)
        .with("description", &row.description)
        .with("runbook_url", row.runbook_url.clone().unwrap_or_default())
        .with("plugin", &row.plugin)
        .with("empty_macros", tick(row.empty_macros))
        .with("risk", row.risk.as_str())
        .with("timeout_seconds", row.timeout_seconds.to_string())
        .with("max_running", row.max_running.map(|limit| limit.to_string()).unwrap_or_default())
        .with("reason_required", tick(row.reason_required))
        .with("repeatable", tick(row.repeatable))
        .with("enabled", tick(row.enabled));
    for argument in &row.arguments {
        fields.push([ARGUMENT], [quoted(argument)]);
    }
    lists::push_names(&mut fields, "secrets", Some(&row.secrets));
    lists::push_names(&mut fields, "tags", Some(&row.tags));
    for parameter in &row.parameters {
        fields.push(PARAMETER, parameter_row(parameter));
    }
    fields
}

fn parameter_row(parameter: &Parameter) -> [String; 9] {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    [
        parameter.name.clone(),
        parameter.kind.as_str().to_owned(),
        parameter.label.clone().unwrap_or_default(),
        if parameter.required { "yes" } else { "no" }.to_owned(),
        parameter.default.clone().unwrap_or_default(),
        parameter.pattern.clone().unwrap_or_default(),
        number(parameter.minimum),
        number(parameter.maximum),
        parameter.choices.clone().unwrap_or_default().join("\n"),
    ]
}

pub fn read(fields: &Fields, complaints: &mut Vec<Complaint>) -> Definition {
    let risk = match fields.text("risk").as_str() {
        "" => Risk::Normal,
        word => word.parse().unwrap_or_else(|why| {
            complaints.push(Complaint::new("risk", format!("the risk: {why}")));
            Risk::Dangerous
        }),
    };
    let timeout = lists::read_number(fields, "timeout_seconds", 1..=86_400, complaints);
    let runbook_url = fields.text("runbook_url");
    let arguments = fields.rows(&[ARGUMENT]).into_iter().flatten();
    let row = EventHandler {
        name: fields.text("name"),
        description: fields.raw("description").to_owned(),
        plugin: fields.text("plugin"),
        arguments: arguments.map(|argument| unquoted(&argument)).collect(),
        parameters: read_parameters(fields, complaints),
        tags: fields.list(("tags", "")),
        secrets: fields.list(("secrets", "")),
        risk,
        timeout_seconds: timeout.unwrap_or(TIMEOUT),
        reason_required: fields.ticked("reason_required"),
        repeatable: fields.ticked("repeatable"),
        empty_macros: fields.ticked("empty_macros"),
        enabled: fields.ticked("enabled"),
        runbook_url: (!runbook_url.is_empty()).then_some(runbook_url),
        max_running: lists::read_number(fields, "max_running", 1..=i32::MAX, complaints),
    };
    Definition::EventHandler(row)
}

fn read_parameters(fields: &Fields, complaints: &mut Vec<Complaint>) -> Vec<Parameter> {
    let rows = fields.rows(&PARAMETER).into_iter().enumerate();
    rows.map(|(entry, row)| {
        let cells = <[String; 9]>::try_from(row).unwrap_or_default();
        let mut wrong = |text: String| complaints.push(Complaint::of_entry("parameters", entry, text));
        read_parameter(cells, &mut wrong)
    })
    .collect()
}

/// A field that belongs to another type counts only when it was filled in: its complaint comes from the definition.
fn read_parameter(cells: [String; 9], wrong: &mut impl FnMut(String)) -> Parameter {
    let [name, kind, label, required, default, pattern, minimum, maximum, list] = cells;
    let given = |text: String| (!text.is_empty()).then_some(text);
    let kind = kind.trim().parse().unwrap_or_else(|why| {
        wrong(format!("the type: {why}"));
        ParameterType::Text
    });
    let mut number = |text: String, what: &str| {
        let text = text.trim().to_owned();
        let number = text.parse().ok();
        if number.is_none() && !text.is_empty() {
            wrong(format!("the {what} number '{}' must be a whole number", text.escape_debug()));
        }
        number
    };
    let (minimum, maximum) = (number(minimum, "smallest"), number(maximum, "largest"));
    let choices: Vec<String> = list.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Parameter {
        name: name.trim().to_owned(),
        label: given(label.trim().to_owned()),
        kind,
        default: given(default),
        required: required.trim() != "no",
        pattern: given(pattern),
        minimum,
        maximum,
        choices: (!choices.is_empty()).then_some(choices),
    }
}

/// An empty field is no argument, so an argument of quotation marks alone (or none) is written with two more.
fn quoted(argument: &str) -> String {
    if only_quotes(argument) { format!("\"\"{argument}") } else { argument.to_owned() }
}

fn unquoted(typed: &str) -> String {
    match typed.strip_prefix("\"\"").filter(|rest| only_quotes(rest)) {
        Some(rest) => rest.to_owned(),
        None => typed.to_owned(),
    }
}

/// A single quotation mark is an argument as it stands: only what could be read as another is written differently.
fn only_quotes(text: &str) -> bool {
    text.is_empty() || (text.len() > 1 && text.bytes().all(|byte| byte == b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_survives_the_form() {
        for argument in
            ["", "\"", "\"\"", "\"\"\"", "\"\"\"\"", " ", "a\"\"", "SELECT 1;\nSELECT 2", "--x=$HOSTNAME$"]
        {
            let typed = quoted(argument);
            assert!(!typed.is_empty(), "an empty field is no argument");
            assert_eq!(unquoted(&typed), argument, "written as {typed:?}");
        }
    }

    #[test]
    fn a_definition_survives_the_form() {
        let json = serde_json::json!({
            "name": "Restart", "description": "a\nb", "plugin": "ssh.sh", "arguments": ["", "--host", "$HOSTADDRESS$"],
            "parameters": [
                {"name": "n", "type": "integer", "minimum": -1, "maximum": 5, "default": "2", "required": false},
                {"name": "c", "type": "choice", "choices": ["a", " b"]},
                {"name": "t", "type": "text", "pattern": " x+", "label": "Text"}],
            "tags": ["night"], "secrets": ["TOKEN"], "risk": "dangerous", "timeout_seconds": 7,
            "reason_required": true, "repeatable": true, "empty_macros": true, "enabled": false,
            "runbook_url": "https://wiki.example.net", "max_running": 3
        });
        let row: EventHandler = serde_json::from_value(json).unwrap();
        let mut complaints = Vec::new();
        let definition = read(&to_fields(&row), &mut complaints);
        assert_eq!(complaints, []);
        assert_eq!(definition.to_json().unwrap(), Definition::EventHandler(row).to_json().unwrap());
    }

    #[test]
    fn what_is_no_number_is_complained_about_and_kept_in_the_form() {
        let mut fields = empty().with("timeout_seconds", "soon").with("risk", "huge");
        let row = ["n", "integer", "", "yes", "", "", "x", "", ""].map(str::to_owned);
        fields.push(PARAMETER, row);
        let mut complaints = Vec::new();
        read(&fields, &mut complaints);
        let wrong: Vec<_> = complaints.into_iter().map(|one| (one.field, one.entry)).collect();
        assert_eq!(wrong, [("risk", None), ("timeout_seconds", None), ("parameters", Some(0))]);
        assert_eq!(fields.raw("timeout_seconds"), "soon");
    }
}
