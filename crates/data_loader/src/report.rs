//! What a load did, in lines for people.

use crate::problem::Problem;
use selfservice_core::models::inventory::{Change, Changes, Noun};
use std::collections::BTreeMap;
use std::fmt;

/// The result of a load or a plan; `Display` gives one line for each object, and a summary.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What changed, or would.
    pub changes: Changes,
    /// What was passed over, and why.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// Whether the database was as the files say.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// Numbers for the audit log.
    pub(crate) fn counts(&self) -> serde_json::Value {
        let (added, changed) = self.count();
        let named = |counts: BTreeMap<Noun, usize>| -> BTreeMap<&str, usize> {
            counts.into_iter().map(|(noun, count)| (noun.as_str(), count)).collect()
        };
        serde_json::json!({"added": named(added), "changed": named(changed)})
    }

    fn count(&self) -> (BTreeMap<Noun, usize>, BTreeMap<Noun, usize>) {
        let (mut added, mut changed) = (BTreeMap::new(), BTreeMap::new());
        for ((noun, _), change) in &self.changes.objects {
            let counts = match change {
                Change::Added => &mut added,
                Change::Changed(_) => &mut changed,
            };
            *counts.entry(*noun).or_default() += 1;
        }
        (added, changed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((noun, name), change) in &self.changes.objects {
            match change {
                Change::Added => writeln!(f, "added {noun} {name}")?,
                Change::Changed(fields) => {
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    writeln!(f, "changed {noun} {name} ({})", fields.join(", "))?;
                }
            }
        }
        let copies = &self.changes.copies;
        for (count, what) in [
            (copies.services_added, "services given to hosts by their host groups"),
            (copies.services_removed, "services taken from hosts with their last origin"),
            (copies.handlers_changed, "event handlers given to services of hosts, or put in another order"),
            (copies.handlers_removed, "event handlers taken from services of hosts"),
        ] {
            if count > 0 {
                writeln!(f, "{what}: {count}")?;
            }
        }
        if self.is_unchanged() {
            return writeln!(f, "nothing to change");
        }
        let (added, changed) = self.count();
        writeln!(f, "{} added; {} changed", in_words(&added), in_words(&changed))
    }
}

fn in_words(counts: &BTreeMap<Noun, usize>) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|(noun, count)| format!("{count} {noun}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
