//! One form for everything that is edited: its fields are described here, filled with what was typed, and rendered by one
//! template. It works without JavaScript; `form.js` adds and moves rows where it can.

mod fields;

pub use fields::{ColumnName, Fields, Known};

use selfservice_core::models::inventory::Complaint;

/// Empty rows at the end of each list.
const EMPTY_ROWS: usize = 1;
/// Empty rows after somebody without JavaScript asked for more.
const MORE_ROWS: usize = 8;

/// A part of a form with a heading.
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What stands beside it; may be empty.
    pub note: &'static str,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// One field, or one list of rows.
pub struct Field {
    /// What complaints call it.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What is allowed; may be empty.
    pub help: &'static str,
    /// What is wrong with it.
    pub error: Option<String>,
    /// What is stored, where that is something else than what was typed.
    pub stored: Option<String>,
    /// How it is filled in.
    pub control: Control,
}

/// How a field is filled in.
pub enum Control {
    /// One line.
    Line {
        /// `text`, `number` or `url`.
        kind: &'static str,
        /// Id of a list of suggestions; empty: none.
        suggestions: &'static str,
        /// Whether it must be filled in.
        required: bool,
        /// What was typed.
        value: String,
    },
    /// Several lines.
    Area {
        /// What was typed.
        value: String,
    },
    /// One of a few.
    Select {
        /// All of them.
        options: Vec<Choice>,
    },
    /// Yes or no.
    Tick {
        /// Which it is.
        ticked: bool,
    },
    /// A list.
    Rows {
        /// What one row is called.
        item: &'static str,
        /// Whether the order means something.
        ordered: bool,
        /// Its columns.
        columns: Vec<Column>,
        /// Its rows; the last ones are empty.
        rows: Vec<Row>,
    },
}

/// A column of a list.
pub struct Column {
    /// Name of its fields and their value in an empty row.
    pub name: ColumnName,
    /// What people call it; hidden where it is the only one.
    pub label: &'static str,
    /// How it is filled in.
    pub input: Input,
    /// A word of the style sheet; may be empty.
    pub class: &'static str,
}

/// How a cell is filled in.
#[derive(Clone)]
pub enum Input {
    /// One line, with the id of a list of suggestions (empty: none).
    Line(&'static str),
    /// Several lines.
    Area,
    /// One of these: value and text.
    Select(Vec<(String, String)>),
}

/// A row of a list.
pub struct Row {
    /// One cell for each column.
    pub cells: Vec<Cell>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Whether it is there to be filled in, and holds nothing.
    pub spare: bool,
}

/// A cell of a row.
pub struct Cell {
    /// Name of the field.
    pub name: &'static str,
    /// Label of the column, and its class.
    pub label: &'static str,
    /// A word of the style sheet; may be empty.
    pub class: &'static str,
    /// What was typed.
    pub value: String,
    /// Id of the list of suggestions; empty: none.
    pub suggestions: &'static str,
    /// Whether it has several lines.
    pub area: bool,
    /// What can be chosen; empty for what is typed.
    pub options: Vec<Choice>,
}

/// One of a few.
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub text: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// Names that a field suggests.
pub struct Suggestions {
    /// What fields call the list.
    pub id: &'static str,
    /// The names.
    pub names: Vec<String>,
}

/// A complaint in the list above the form.
pub struct Mistake {
    /// The field that it leads to; empty: none.
    pub field: &'static str,
    /// The sentence.
    pub text: String,
}

impl Field {
    /// A line of text.
    pub fn line(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(name, label, help, line("text"))
    }

    /// A number.
    pub fn number(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(name, label, help, line("number"))
    }

    /// Several lines of text.
    pub fn area(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(name, label, help, Control::Area { value: String::new() })
    }

    /// Yes or no.
    pub fn tick(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self::new(name, label, help, Control::Tick { ticked: false })
    }

    /// One of a few: value and text.
    pub fn select(
        name: &'static str,
        label: &'static str,
        help: &'static str,
        options: &[(&str, &str)],
    ) -> Self {
        let choice = |(value, text): &(&str, &str)| Choice {
            value: (*value).to_owned(),
            text: (*text).to_owned(),
            chosen: false,
        };
        Self::new(name, label, help, Control::Select { options: options.iter().map(choice).collect() })
    }

    /// A list.
    pub fn rows(
        name: &'static str,
        label: &'static str,
        help: &'static str,
        item: &'static str,
        columns: Vec<Column>,
    ) -> Self {
        Self::new(name, label, help, Control::Rows { item, ordered: false, columns, rows: Vec::new() })
    }

    fn new(name: &'static str, label: &'static str, help: &'static str, control: Control) -> Self {
        Self { name, label, help, error: None, stored: None, control }
    }

    /// Says that it must be filled in.
    #[must_use]
    pub fn required(mut self) -> Self {
        if let Control::Line { required, .. } = &mut self.control {
            *required = true;
        }
        self
    }

    /// Names the list of suggestions.
    #[must_use]
    pub fn suggesting(mut self, id: &'static str) -> Self {
        if let Control::Line { suggestions, .. } = &mut self.control {
            *suggestions = id;
        }
        self
    }

    /// Says that the order of the rows means something.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        if let Control::Rows { ordered, .. } = &mut self.control {
            *ordered = true;
        }
        self
    }

    /// Puts what was typed, what is wrong with it, and what is stored into the field.
    fn fill(&mut self, typed: &Fields, complaints: &[Complaint], stored: Option<&Fields>, more: bool) {
        let mine: Vec<&Complaint> =
            complaints.iter().filter(|complaint| complaint.field == self.name).collect();
        match &mut self.control {
            Control::Line { value, .. } | Control::Area { value } => typed.raw(self.name).clone_into(value),
            Control::Select { options } => choose(options, typed.raw(self.name)),
            Control::Tick { ticked } => *ticked = typed.ticked(self.name),
            Control::Rows { columns, rows, .. } => *rows = filled_rows(columns, typed, &mine, more),
        }
        let whole: Vec<String> = mine
            .iter()
            .filter(|complaint| complaint.entry.is_none())
            .map(|one| sentence(&one.text))
            .collect();
        self.error = (!whole.is_empty()).then(|| whole.join(" "));
        self.stored = stored.map(|stored| self.shown(stored)).filter(|shown| *shown != self.shown(typed));
    }

    /// The field as text, to be compared and shown.
    fn shown(&self, fields: &Fields) -> String {
        match &self.control {
            Control::Rows { columns, .. } => {
                let names: Vec<ColumnName> = columns.iter().map(|column| column.name).collect();
                let rows = fields.rows(&names).into_iter();
                let row = |row: Vec<String>| {
                    row.into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" · ")
                };
                rows.map(row).collect::<Vec<_>>().join("\n")
            }
            Control::Tick { .. } => if fields.ticked(self.name) { "yes" } else { "no" }.to_owned(),
            _ => fields.text(self.name),
        }
    }
}

impl Column {
    /// A column of lines.
    pub fn line(name: ColumnName, label: &'static str) -> Self {
        Self { name, label, input: Input::Line(""), class: "" }
    }

    /// A column of lines with a list of suggestions.
    pub fn suggesting(name: ColumnName, label: &'static str, id: &'static str) -> Self {
        Self { name, label, input: Input::Line(id), class: "" }
    }

    /// A column of texts of several lines.
    pub fn area(name: ColumnName, label: &'static str) -> Self {
        Self { name, label, input: Input::Area, class: "" }
    }

    /// A column of choices: value and text.
    pub fn select(name: ColumnName, label: &'static str, options: Vec<(String, String)>) -> Self {
        Self { name, label, input: Input::Select(options), class: "" }
    }

    /// With a word of the style sheet.
    #[must_use]
    pub fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    fn cell(&self, value: String) -> Cell {
        let (suggestions, area, mut options) = match &self.input {
            Input::Line(id) => (*id, false, Vec::new()),
            Input::Area => ("", true, Vec::new()),
            Input::Select(options) => ("", false, choices(options)),
        };
        choose(&mut options, &value);
        Cell { name: self.name.0, label: self.label, class: self.class, value, suggestions, area, options }
    }
}

/// The names of all fields of a form.
pub fn known(sections: &[Section]) -> Known {
    let mut known = Known { single: Vec::new(), columns: Vec::new() };
    for field in sections.iter().flat_map(|section| &section.fields) {
        match &field.control {
            Control::Rows { columns, .. } => known.columns.extend(columns.iter().map(|column| column.name.0)),
            _ => known.single.push(field.name),
        }
    }
    known
}

/// Puts what was typed into all fields, and gives the complaints as a list.
pub fn fill(
    sections: &mut [Section],
    typed: &Fields,
    complaints: &[Complaint],
    stored: Option<&Fields>,
    more: bool,
) -> Vec<Mistake> {
    for field in sections.iter_mut().flat_map(|section| &mut section.fields) {
        field.fill(typed, complaints, stored, more);
    }
    let known =
        |name: &str| sections.iter().flat_map(|section| &section.fields).any(|field| field.name == name);
    let mistake = |complaint: &Complaint| Mistake {
        field: if known(complaint.field) { complaint.field } else { "" },
        text: sentence(&complaint.text),
    };
    complaints.iter().map(mistake).collect()
}

/// The complaint as a sentence of its own.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}

/// All complaints as sentences, one after the other.
pub fn sentences(complaints: &[Complaint]) -> String {
    complaints.iter().map(|one| sentence(&one.text)).collect::<Vec<_>>().join(" ")
}

fn line(kind: &'static str) -> Control {
    Control::Line { kind, suggestions: "", required: false, value: String::new() }
}

fn choices(options: &[(String, String)]) -> Vec<Choice> {
    let choice =
        |(value, text): &(String, String)| Choice { value: value.clone(), text: text.clone(), chosen: false };
    options.iter().map(choice).collect()
}

/// Chooses `value`; one that is not among the options is added, so that nothing typed is lost.
fn choose(options: &mut Vec<Choice>, value: &str) {
    let Some(first) = options.first() else { return };
    let wanted = if value.is_empty() { first.value.clone() } else { value.to_owned() };
    for option in options.iter_mut() {
        option.chosen = option.value == wanted;
    }
    if !options.iter().any(|option| option.chosen) {
        options.push(Choice { text: wanted.clone(), value: wanted, chosen: true });
    }
}

fn filled_rows(columns: &[Column], typed: &Fields, complaints: &[&Complaint], more: bool) -> Vec<Row> {
    let names: Vec<ColumnName> = columns.iter().map(|column| column.name).collect();
    let typed = typed.rows(&names);
    let filled = typed.len();
    let empty: Vec<String> = names.iter().map(|(_, empty)| (*empty).to_owned()).collect();
    let spare = if more { MORE_ROWS } else { EMPTY_ROWS };
    typed
        .into_iter()
        .chain(std::iter::repeat_n(empty, spare))
        .enumerate()
        .map(|(number, values)| {
            let wrong = complaints.iter().filter(|complaint| complaint.entry == Some(number));
            let texts: Vec<String> = wrong.map(|complaint| sentence(&complaint.text)).collect();
            Row {
                cells: columns.iter().zip(values).map(|(column, value)| column.cell(value)).collect(),
                error: (!texts.is_empty()).then(|| texts.join(" ")),
                spare: number >= filled,
            }
        })
        .collect()
}
