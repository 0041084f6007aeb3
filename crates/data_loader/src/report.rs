//! What a load did, in lines for people and as JSON for programs.

use crate::problem::Problem;
use selfservice_core::models::inventory::{Change, Changes, HAND, Kept, Noun};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// The result of a load or a plan; `Display` gives a line for each object, for the first of very many, and a
/// summary.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The source's name.
    pub source: String,
    /// What changed, or would.
    pub changes: Changes,
    /// What was passed over, and why.
    pub warnings: Vec<Problem>,
    /// Whether what the source names no more was to be removed.
    pub prune: bool,
}

/// So many objects of a kind to which the same happened are named to people.
const TOLD: usize = 200;

/// Objects by what happened to them.
#[derive(Debug, Default)]
struct Counts {
    added: BTreeMap<Noun, usize>,
    changed: BTreeMap<Noun, usize>,
    removed: BTreeMap<Noun, usize>,
    released: BTreeMap<Noun, usize>,
}

impl Report {
    /// Whether the database was as the source says.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// Everything that a person should look at, as lines.
    pub fn warnings(&self) -> Vec<String> {
        let passed_over = self.warnings.iter().map(ToString::to_string);
        passed_over.chain(self.changes.in_use.iter().cloned()).collect()
    }

    /// What the source brought and names no more, where it was not to be removed; a sentence.
    pub fn unnamed(&self) -> Option<String> {
        let missing: BTreeMap<Noun, usize> = self
            .changes
            .missing
            .iter()
            .map(|(noun, missing)| (*noun, usize::try_from(missing.missing).unwrap_or_default()))
            .collect();
        (!self.prune && !missing.is_empty()).then(|| {
            format!("'{}' names no more: {}; --prune would remove them", self.source, in_words(&missing))
        })
    }

    /// Numbers for the audit log.
    pub(crate) fn counts(&self) -> Value {
        let counts = self.count();
        json!({
            "source": self.source,
            "added": named(&counts.added),
            "changed": named(&counts.changed),
            "removed": named(&counts.removed),
            "released": named(&counts.released),
        })
    }

    /// All of it, for `--report`.
    pub fn to_json(&self) -> Value {
        let objects = self.changes.objects.iter().map(|((noun, name), change)| match change {
            Change::Changed(fields) => {
                json!({"kind": noun.as_str(), "name": name, "change": word(change), "fields": fields})
            }
            _ => json!({"kind": noun.as_str(), "name": name, "change": word(change)}),
        });
        let kept = self.changes.kept.iter().map(|kept| {
            json!({"kind": kept.noun.as_str(), "name": kept.name, "field": kept.field, "belongs_to": kept.owner})
        });
        let missing = self.changes.missing.iter().map(
            |(noun, missing)| json!({"kind": noun.as_str(), "missing": missing.missing, "of": missing.of}),
        );
        let copies = &self.changes.copies;
        json!({
            "source": self.source,
            "counts": self.counts(),
            "unchanged": self.changes.unchanged,
            "objects": objects.collect::<Vec<_>>(),
            "kept": kept.collect::<Vec<_>>(),
            "missing": missing.collect::<Vec<_>>(),
            "warnings": self.warnings(),
            "copies": {
                "services_added": copies.services_added,
                "services_removed": copies.services_removed,
                "handlers_changed": copies.handlers_changed,
                "handlers_removed": copies.handlers_removed,
            },
        })
    }

    fn count(&self) -> Counts {
        let mut all = Counts::default();
        for ((noun, _), change) in &self.changes.objects {
            let counts = match change {
                Change::Added => &mut all.added,
                Change::Changed(_) => &mut all.changed,
                Change::Removed => &mut all.removed,
                Change::Released => &mut all.released,
            };
            *counts.entry(*noun).or_default() += 1;
        }
        all
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.count();
        let mut told: BTreeMap<(Noun, &str), usize> = BTreeMap::new();
        for ((noun, name), change) in &self.changes.objects {
            let word = word(change);
            let before = told.entry((*noun, word)).or_default();
            *before += 1;
            if *before > TOLD {
                continue;
            }
            write!(f, "{word} {noun} {name}")?;
            match change {
                Change::Changed(fields) => {
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    writeln!(f, " ({})", fields.join(", "))?;
                }
                Change::Released => writeln!(f, " (stays, somebody else brought it, too)")?,
                Change::Added | Change::Removed => writeln!(f)?,
            }
        }
        for ((noun, word), count) in &told {
            if let Some(more @ 1..) = count.checked_sub(TOLD) {
                writeln!(f, "{word} {more} more {noun}{} (--report names all of them)", plural(more))?;
            }
        }
        for Kept { noun, name, field, owner } in self.changes.kept.iter().take(TOLD) {
            match (noun, owner.as_str()) {
                (Noun::Grant, _) => writeln!(f, "not given: {noun} {name} (taken by hand)")?,
                (_, HAND) => writeln!(f, "kept {noun} {name} ({field}: set by hand)")?,
                (_, owner) => writeln!(f, "kept {noun} {name} ({field}: '{owner}' ranks higher)")?,
            }
        }
        if let Some(more @ 1..) = self.changes.kept.len().checked_sub(TOLD) {
            writeln!(f, "kept {more} more field{} (--report names all of them)", plural(more))?;
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
        write!(f, "{} added; {} changed", in_words(&counts.added), in_words(&counts.changed))?;
        for (counts, what) in [(&counts.removed, "removed"), (&counts.released, "released")] {
            if !counts.is_empty() {
                write!(f, "; {} {what}", in_words(counts))?;
            }
        }
        if self.changes.unchanged > 0 {
            write!(f, "; {} unchanged", self.changes.unchanged)?;
        }
        writeln!(f)
    }
}

fn word(change: &Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Changed(_) => "changed",
        Change::Removed => "removed",
        Change::Released => "released",
    }
}

fn named(counts: &BTreeMap<Noun, usize>) -> BTreeMap<&str, usize> {
    counts.iter().map(|(noun, count)| (noun.as_str(), *count)).collect()
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn in_words(counts: &BTreeMap<Noun, usize>) -> String {
    let words: Vec<String> =
        counts.iter().map(|(noun, count)| format!("{count} {noun}{}", plural(*count))).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
