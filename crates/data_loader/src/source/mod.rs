//! Where inventory comes from: one file per format, all ending in a [`crate::Document`].

mod yaml;

use crate::document::{Document, Place};
use crate::load::LoadError;
use crate::problem::Problem;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Reads all files as one document; the complaints of all of them are gathered.
pub fn read(files: &[PathBuf]) -> Result<Document, LoadError> {
    let mut document = Document::default();
    let mut problems = Vec::new();
    for file in files {
        let read = read_file(file).and_then(|more| document.append(more));
        problems.extend(read.err());
    }
    if problems.is_empty() { Ok(document) } else { Err(LoadError::Refused(problems)) }
}

/// Reads one file. Fails where it cannot be read, is too large, is not UTF-8 or is not what its format allows.
fn read_file(path: &Path) -> Result<Document, Problem> {
    let whole = Place { file: path.into(), line: 0 };
    let bytes = bounded(path).map_err(|error| Problem::new(&whole, format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let lines = before.unwrap_or_default().iter().filter(|&&byte| byte == b'\n');
        let place = Place { line: lines.map(|_| 1).sum::<u64>() + 1, ..whole.clone() };
        Problem::new(&place, "is not UTF-8 text")
    })?;
    yaml::parse(&whole, &text)
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        Err(io::Error::other(format!(
            "it is larger than {} MiB; split it into several files",
            MAX_FILE_BYTES / 1024 / 1024
        )))
    }
}
