//! Clocks that can be set, one for each program, through libfaketime. Only the wall clock: monotonic clocks do not jump.

use std::fs;
use std::path::{Path, PathBuf};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The clock of one program and of what it starts.
pub struct Clock {
    /// The program reads how far it goes wrong from here.
    file: PathBuf,
}

impl Clock {
    /// A clock that goes right.
    pub fn right(file: PathBuf) -> Self {
        let clock = Self { file };
        clock.set(0);
        clock
    }

    /// Lets the clock go wrong by so many seconds from now on.
    pub fn set(&self, seconds: i64) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// What the program must be started with.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", library().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

fn library() -> &'static str {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    found.expect("libfaketime is missing: install the package faketime (`make test` does)")
}
