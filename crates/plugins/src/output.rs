//! Standard output. A reader that went away changes nothing about the work, so errors of writing are ignored.

use std::io::{self, Write};

/// Writes bytes as they are and passes them on at once: people watch them live.
pub fn bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _written = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Writes one line.
pub fn line(text: &str) {
    bytes(format!("{text}\n").as_bytes());
}

/// Writes one line beside the result: what was tried on the way.
pub fn note(text: &str) {
    let _written = io::stderr().lock().write_all(format!("{}\n", one_line(text)).as_bytes());
}

/// The text without control characters, which could end the line or look like another one.
pub fn one_line(text: &str) -> String {
    let plain = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        character if character.is_control() => '?',
        character => character,
    };
    text.chars().map(plain).collect()
}

/// At most 160 characters of a text that somebody else wrote, on one line.
pub fn shortened(text: &str) -> String {
    const LIMIT: usize = 160;
    let text = one_line(text);
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
