//! YAML files as `docs/INVENTORY.md` describes them. Unknown keys, unknown tags and keys that stand twice are refused;
//! limits on depth, size and aliases keep a small file from becoming a large document.

use super::sections::{Located, Sections};
use crate::document::{Place, Take};
use crate::problem::Problem;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess};
use serde_saphyr::{Error, MessageFormatter as _, Options, Spanned, UserMessageFormatter};
use std::io::Read;

/// Reads our own form; `whole` names the file in complaints and places.
pub(super) fn parse(whole: &Place, input: impl Read, take: &mut Take<'_>) -> Result<(), Problem> {
    let sections = Sections::<Lines>::new(whole, take);
    serde_saphyr::with_deserializer_from_reader_with_options(input, options(), |yaml| sections.read(yaml))
        .map_err(|error| complaint(whole, &error))
}

/// Every value has a line.
struct Lines;

impl Located for Lines {
    fn next<'de, T: DeserializeOwned, A: SeqAccess<'de>>(
        values: &mut A,
    ) -> Result<Option<(T, u64)>, A::Error> {
        Ok(values.next_element::<Spanned<T>>()?.map(located))
    }

    fn value<'de, T: DeserializeOwned, A: MapAccess<'de>>(members: &mut A) -> Result<(T, u64), A::Error> {
        Ok(located(members.next_value::<Spanned<T>>()?))
    }
}

fn located<T>(found: Spanned<T>) -> (T, u64) {
    (found.value, found.referenced.line())
}

/// Reads `text` as `T` within our limits, and complains with the line.
pub(super) fn read<T: DeserializeOwned>(whole: &Place, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| complaint(whole, &error))
}

fn complaint(whole: &Place, error: &Error) -> Problem {
    let line = error.location().map_or(0, |location| location.line());
    Problem::new(&Place { line, ..whole.clone() }, UserMessageFormatter.format_message(error))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 10_000_000,
            max_nodes: 5_000_000,
            max_depth: 16,
            max_aliases: 10_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}
