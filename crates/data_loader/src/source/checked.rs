//! An input that is read piece by piece, within its limit and as text.

use crate::document::Place;
use crate::problem::Problem;
use std::io::{self, Read};

/// Passes on what it reads. Where that is too much or no text, reading fails and [`Checked::trouble`] tells why.
pub(super) struct Checked<R> {
    input: R,
    place: Place,
    limit: u64,
    read: u64,
    lines: u64,
    /// What was read last, from a character's beginning on.
    window: Vec<u8>,
    trouble: Option<Problem>,
}

impl<R: Read> Checked<R> {
    /// At most `limit` bytes of `input`, which is called `place`.
    pub fn new(input: R, place: Place, limit: u64) -> Self {
        Self { input, place, limit, read: 0, lines: 0, window: Vec::new(), trouble: None }
    }

    /// What is wrong with the input, whatever the one who read it makes of that.
    pub fn trouble(self) -> Option<Problem> {
        self.trouble
    }

    fn refuse<T>(&mut self, line: u64, why: String) -> io::Result<T> {
        self.trouble = Some(Problem::new(&Place { line, ..self.place.clone() }, why.clone()));
        Err(io::Error::other(why))
    }

    /// Looks whether `more` goes on as text; at the end there is no more.
    fn check(&mut self, more: &[u8]) -> io::Result<()> {
        self.window.extend_from_slice(more);
        let (valid, wrong) = match std::str::from_utf8(&self.window) {
            Ok(text) => (text.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some() || more.is_empty()),
        };
        let text = self.window.drain(..valid);
        self.lines += text.filter(|byte| *byte == b'\n').count() as u64;
        if wrong { self.refuse(self.lines + 1, "is not UTF-8 text".to_owned()) } else { Ok(()) }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = match self.input.read(to) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return self.refuse(0, format!("cannot be read: {error}")),
        };
        self.read += count as u64;
        if self.read > self.limit {
            return self.refuse(0, format!("cannot be read: {}", too_large("it is", self.limit)));
        }
        self.check(to.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

/// The sentence about `what`.
pub(super) fn too_large(what: &str, limit: u64) -> String {
    format!("{what} larger than {} MiB ([loads] max_mib)", limit / 1024 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let first = to.len().min(1);
            self.0.read(&mut to[..first])
        }
    }

    fn complaint(bytes: &[u8]) -> Option<String> {
        let place = super::super::whole("x");
        let mut checked = Checked::new(Drops(bytes), place, 100);
        let read = checked.read_to_end(&mut Vec::new());
        let trouble = checked.trouble();
        assert_eq!(read.is_err(), trouble.is_some());
        trouble.map(|problem| problem.to_string())
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        assert_eq!(complaint("a\nü\n😀".as_bytes()), None);
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        assert_eq!(complaint(b"a\n\xc3\n").unwrap(), "x:2: is not UTF-8 text");
        assert_eq!(complaint(b"a\n\n\xf0\x9f").unwrap(), "x:3: is not UTF-8 text", "cut off");
        assert!(complaint(&[b'a'; 101]).unwrap().contains("larger than"));
    }
}
