//! What a form sent, as text: kept as it was typed, so that a form that is refused comes back with everything in it.

use crate::error::{AppError, AppResult};
use std::collections::BTreeMap;

/// The most fields of one form, rows of lists counted one by one.
const MAX_FIELDS: usize = 2_000;

/// Values by the name of their field, in the order in which they stand in the form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Vec<String>>);

/// One column of a list of rows: the name of its fields, and the value that they have in an empty row.
pub type ColumnName = (&'static str, &'static str);

/// The names that a form knows.
pub struct Known {
    /// Fields that stand in it once.
    pub single: Vec<&'static str>,
    /// Columns of lists: each field stands in it as often as the list has rows.
    pub columns: Vec<&'static str>,
}

impl Fields {
    /// Takes what a form sent.
    ///
    /// # Errors
    /// A field is none of the form's, or stands in it twice: no page of ours sends that.
    pub fn of_form(pairs: Vec<(String, String)>, known: &Known) -> AppResult<Self> {
        if pairs.len() > MAX_FIELDS {
            return Err(AppError::BadRequest(format!("A form must not have more than {MAX_FIELDS} fields.")));
        }
        let mut fields = Self::default();
        for (name, value) in pairs {
            let single = known.single.contains(&name.as_str());
            if !single && !known.columns.contains(&name.as_str()) {
                let name = name.escape_debug();
                return Err(AppError::BadRequest(format!("The form must not have the field '{name}'.")));
            }
            let values = fields.0.entry(name.clone()).or_default();
            if single && !values.is_empty() {
                return Err(AppError::BadRequest(format!("The field '{name}' stands twice in the form.")));
            }
            // Browsers send the line breaks of a text area so.
            values.push(value.replace("\r\n", "\n"));
        }
        Ok(fields)
    }

    /// Sets a field that stands once.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), vec![value.into()]);
        self
    }

    /// Adds a row to a list.
    pub fn push<const N: usize>(&mut self, columns: [ColumnName; N], row: [String; N]) {
        for ((name, _), value) in columns.into_iter().zip(row) {
            self.0.entry(name.to_owned()).or_default().push(value);
        }
    }

    /// A field as it was typed; empty where it is absent.
    pub fn raw(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// A field without white space around it.
    pub fn text(&self, name: &str) -> String {
        self.raw(name).trim().to_owned()
    }

    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.raw(name) == "yes"
    }

    /// The rows of a list that are not empty, as they were typed.
    pub fn rows(&self, columns: &[ColumnName]) -> Vec<Vec<String>> {
        let values: Vec<&[String]> =
            columns.iter().map(|(name, _)| self.0.get(*name).map_or(&[][..], Vec::as_slice)).collect();
        let count = values.iter().map(|column| column.len()).max().unwrap_or_default();
        (0..count)
            .map(|row| {
                let cell = |(column, (_, empty)): (&&[String], &ColumnName)| {
                    column.get(row).map_or(*empty, String::as_str).to_owned()
                };
                values.iter().zip(columns).map(cell).collect::<Vec<_>>()
            })
            .filter(|row| row.iter().zip(columns).any(|(value, (_, empty))| value != empty))
            .collect()
    }

    /// The rows of a list of one column, without white space around them.
    pub fn list(&self, column: ColumnName) -> Vec<String> {
        let rows = self.rows(&[column]).into_iter().flatten();
        rows.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: ColumnName = ("variable_name", "");
    const KIND: ColumnName = ("variable_kind", "text");

    fn known() -> Known {
        Known { single: vec!["name"], columns: vec![NAME.0, KIND.0] }
    }

    fn of(pairs: &[(&str, &str)]) -> AppResult<Fields> {
        Fields::of_form(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(), &known())
    }

    #[test]
    fn rows_are_kept_together_and_empty_ones_left_out() {
        let pairs = [
            ("name", " x "),
            (NAME.0, "a"),
            (KIND.0, "text"),
            (NAME.0, ""),
            (KIND.0, "text"),
            (NAME.0, ""),
            (KIND.0, "integer"),
            (NAME.0, "b\r\nc"),
            (KIND.0, "text"),
        ];
        let fields = of(&pairs).unwrap();
        assert_eq!((fields.raw("name"), fields.text("name").as_str()), (" x ", "x"));
        assert_eq!(fields.rows(&[NAME, KIND]), [["a", "text"], ["", "integer"], ["b\nc", "text"]]);
        assert_eq!(fields.list(NAME), ["a", "b\nc"]);
    }

    #[test]
    fn a_form_has_no_field_that_its_page_does_not_have() {
        for pairs in [&[("state", "x")][..], &[("name", "a"), ("name", "b")], &[("id", "1")]] {
            assert!(of(pairs).is_err(), "{pairs:?}");
        }
    }
}
