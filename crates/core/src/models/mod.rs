//! One file per table: the row, the insert, and its queries as associated functions.

pub mod api_tokens;
pub mod audit;
pub mod confirmations;
pub mod effective;
pub mod environments;
pub mod event_handlers;
pub mod expired;
pub mod grants;
pub mod hostgroups;
pub mod hosts;
pub mod inventory;
pub mod loads;
pub mod logs;
pub mod plugins;
pub mod revisions;
pub mod schedule_runs;
pub mod schedules;
pub mod services;
pub mod sessions;
pub mod signin;
pub mod tasks;
pub mod teams;
mod text_array;
pub mod typed_secrets;
pub mod users;
pub mod visible;
pub mod wait_reason;
pub mod workers;

pub use text_array::{ByteaArray, TextArray, UuidArray};

/// A LIKE pattern for "contains this, as a person types it": case is folded and LIKE's own signs are escaped.
pub fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Custom variables as (name, text); a value that is not text is written as JSON.
fn variables(vars: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    vars.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}
