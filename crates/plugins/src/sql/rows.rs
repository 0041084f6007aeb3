//! What a statement gave, and how it is printed.

use serde_json::Value;

use super::options::Form;

/// The most bytes of values that are kept: a row limit alone does not bound a column of documents.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Wider columns are not padded.
const WIDEST: usize = 60;

/// Rows up to a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    pub columns: Vec<String>,
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// There were more.
    pub truncated: bool,
    /// Rows that a statement changed.
    pub changed: Option<u64>,
    limit: usize,
    bytes: usize,
}

impl Rows {
    /// Keeps at most `limit` rows.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes one row; false: it is one too many, and so are all that follow.
    pub fn push(&mut self, row: Vec<Option<String>>) -> bool {
        let bytes: usize = row.iter().flatten().map(String::len).sum();
        if self.rows.len() >= self.limit || self.bytes + bytes > MAX_BYTES {
            self.truncated = true;
            return false;
        }
        self.bytes += bytes;
        self.rows.push(row);
        true
    }

    /// The first column of the first row.
    pub fn value(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// As a sentence's beginning.
    pub fn describe(&self) -> String {
        let plural = |count: usize| if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        match (self.columns.is_empty(), self.changed) {
            (true, Some(changed)) => {
                format!("{} changed", plural(usize::try_from(changed).unwrap_or(usize::MAX)))
            }
            (true, None) => "done".to_owned(),
            (false, _) if self.truncated => {
                format!("the first {} of more, truncated", plural(self.rows.len()))
            }
            (false, _) => plural(self.rows.len()),
        }
    }

    /// The rows as text; nothing where the statement gives none.
    pub fn print(&self, form: Form) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let mut text = match form {
            Form::Table => self.table(),
            Form::Csv => self.csv(),
            Form::Json => self.json(),
        };
        // In JSON the summary alone says it, so that the document stays one.
        if self.truncated && form == Form::Table {
            text.push_str(&format!("[more rows were left out after {}]\n", self.rows.len()));
        }
        text
    }

    fn table(&self) -> String {
        let shown = |cell: &Option<String>| cell.as_deref().map_or("NULL".to_owned(), visible);
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let width = |column: usize, name: &String| {
            let widest =
                cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(name.chars().count()).min(WIDEST)
        };
        let names: Vec<String> = self.columns.iter().map(|name| visible(name)).collect();
        let widths: Vec<usize> = names.iter().enumerate().map(|(column, name)| width(column, name)).collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut text = String::new();
        for line in [&names, &rule].into_iter().chain(&cells) {
            let padded: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(padded.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// RFC 4180, except for the line ends; NULL is an empty field, an empty text is `""`.
    fn csv(&self) -> String {
        let quote = |text: &str| {
            if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.to_owned()
            }
        };
        let mut text = self.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().map(|cell| cell.as_deref().map_or_else(String::new, quote)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// One object per row and line. Values are text or null, as the server writes them: a number that a program's
    /// floating point could not hold stays whole.
    fn json(&self) -> String {
        let quote = |text: &str| Value::from(text).to_string();
        let object = |row: &Vec<Option<String>>| {
            let pairs = self.columns.iter().zip(row).map(|(name, cell)| {
                format!("{}:{}", quote(name), cell.as_deref().map_or_else(|| "null".to_owned(), quote))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        };
        let objects: Vec<String> = self.rows.iter().map(object).collect();
        if objects.is_empty() { "[]\n".to_owned() } else { format!("[{}]\n", objects.join(",\n ")) }
    }
}

/// On one line and without what moves a terminal's cursor.
fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control();
            let plain = (!escaped).then_some(character);
            plain.into_iter().chain(escaped.then(|| character.escape_default()).into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(2);
        rows.columns = vec!["id".to_owned(), "name".to_owned()];
        assert!(rows.push(vec![Some("1".to_owned()), Some("a \"b\",\nc".to_owned())]));
        assert!(rows.push(vec![Some(String::new()), None]));
        assert!(!rows.push(vec![None, None]));
        rows
    }

    #[test]
    fn each_form_tells_null_from_nothing() {
        let rows = rows();
        assert_eq!(
            rows.print(Form::Table),
            "id  name\n--  ---------\n1   a \"b\",\\nc\n    NULL\n[more rows were left out after 2]\n"
        );
        assert_eq!(rows.print(Form::Csv), "id,name\n1,\"a \"\"b\"\",\nc\"\n\"\",\n");
        let json: Value = serde_json::from_str(&rows.print(Form::Json)).unwrap();
        assert_eq!(json, serde_json::json!([{"id": "1", "name": "a \"b\",\nc"}, {"id": "", "name": null}]));
        assert_eq!(rows.describe(), "the first 2 rows of more, truncated");
    }
}
