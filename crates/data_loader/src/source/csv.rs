//! CSV with a line of column names: a kind a file, by the file's name (`hosts.csv`), or a first column `kind`.
//!
//! A column is a key of that kind. Lists are separated by `;`, mappings are `key=value;key`, a column `vars.NAME` is one
//! variable; a cell that begins with `[` or `{` is JSON. An empty cell says nothing, `[]` and `{}` say that there is none.

use crate::document::{Found, Item, Object, Place, Take};
use crate::problem::Problem;
use csv::{ReaderBuilder, StringRecord, Trim};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io::Read;

const KINDS: [&str; 7] =
    ["environments", "hostgroups", "services", "event_handlers", "hosts", "teams", "grants"];

/// How a column's cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Number,
    Boolean,
    List,
    /// `a=b;c`: values may be absent.
    Mapping,
    /// `a=b;a=c`: lists of values.
    Lists,
}

/// Reads a table; `whole` names the file.
pub(super) fn parse(whole: &Place, input: impl Read, take: &mut Take<'_>) -> Result<(), Problem> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(input);
    let wrong = |error: &csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        Problem::new(&Place { line, ..whole.clone() }, error.to_string())
    };
    let columns = reader.headers().map_err(|error| wrong(&error))?.clone();
    refuse_twice(whole, &columns)?;
    let by_name = whole.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = Place { line, ..whole.clone() };
        let kind = columns.iter().position(|column| column == "kind").and_then(|at| record.get(at));
        let row =
            object(kind.unwrap_or(&by_name), &columns, &record).map_err(|why| Problem::new(&place, why))?;
        if take(Item::Object(Found { row, place })).is_break() {
            break;
        }
    }
    Ok(())
}

fn refuse_twice(whole: &Place, columns: &StringRecord) -> Result<(), Problem> {
    let place = Place { line: 1, ..whole.clone() };
    for (at, column) in columns.iter().enumerate() {
        if columns.iter().take(at).any(|earlier| earlier == column) {
            let message = format!("the column '{}' stands twice", column.escape_debug());
            return Err(Problem::new(&place, message));
        }
    }
    Ok(())
}

fn object(kind: &str, columns: &StringRecord, record: &StringRecord) -> Result<Object, String> {
    let fields = fields(kind, columns, record)?;
    match kind {
        "environments" => row(fields).map(Object::Environment),
        "hostgroups" => row(fields).map(Object::Hostgroup),
        "services" => row(fields).map(Object::Service),
        "event_handlers" => row(fields).map(Object::EventHandler),
        "hosts" => row(fields).map(|host| Object::Host(Box::new(host))),
        "teams" => row(fields).map(Object::Team),
        "grants" => row(fields).map(Object::Grant),
        other => Err(format!(
            "'{}' is no kind of object; the file's name, or a column 'kind', must be one of {}",
            other.escape_debug(),
            KINDS.join(", ")
        )),
    }
}

fn row<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

fn fields(kind: &str, columns: &StringRecord, record: &StringRecord) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (column, cell) in columns.iter().zip(record) {
        if column == "kind" || cell.is_empty() {
            continue;
        }
        if let Some(variable) = column.strip_prefix("vars.") {
            let vars = fields.entry("vars").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(vars) = vars {
                vars.insert(variable.to_owned(), cell.into());
            }
            continue;
        }
        let value = value(shape(kind, column), cell).map_err(|why| format!("column '{column}': {why}"))?;
        fields.insert(column.to_owned(), value);
    }
    Ok(fields)
}

fn shape(kind: &str, column: &str) -> Shape {
    match (kind, column) {
        ("hosts", "handlers" | "dropped_handlers") => Shape::Lists,
        ("hosts", "environments") => Shape::Mapping,
        (
            _,
            "services" | "handlers" | "aliases" | "hostgroups" | "tags" | "members" | "arguments" | "secrets"
            | "dropped_services" | "parameters",
        ) => Shape::List,
        (_, "timeout_seconds" | "max_running") => Shape::Number,
        (_, "reason_required" | "repeatable" | "empty_macros" | "enabled") => Shape::Boolean,
        _ => Shape::Text,
    }
}

fn value(shape: Shape, cell: &str) -> Result<Value, String> {
    if shape != Shape::Text && cell.starts_with(['[', '{']) {
        return serde_json::from_str(cell).map_err(|error| error.to_string());
    }
    let parts = || cell.split(';').map(str::trim).filter(|part| !part.is_empty());
    match shape {
        Shape::Text => Ok(cell.into()),
        Shape::Number => {
            cell.parse::<i64>().map(Value::from).map_err(|_| format!("'{cell}' is no whole number"))
        }
        Shape::Boolean => match cell {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(format!("'{cell}' must be true or false")),
        },
        Shape::List => Ok(parts().map(Value::from).collect::<Vec<_>>().into()),
        Shape::Mapping => {
            let pairs = parts().map(|part| match part.split_once('=') {
                Some((key, value)) => (key.trim().to_owned(), value.trim().into()),
                None => (part.to_owned(), Value::Null),
            });
            Ok(Value::Object(pairs.collect()))
        }
        Shape::Lists => {
            let mut lists: Map<String, Value> = Map::new();
            for part in parts() {
                let (key, value) =
                    part.split_once('=').ok_or_else(|| format!("'{part}' must be SERVICE=HANDLER"))?;
                let list = lists.entry(key.trim()).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(value.trim().into());
                }
            }
            Ok(Value::Object(lists))
        }
    }
}
