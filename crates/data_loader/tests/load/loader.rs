//! A database of its own and files to load into it.

use data_loader::source::{Format, Input, Reader};
use data_loader::{Document, Item, LoadError, Mode, Object, Options, Problem, Report, load};
use selfservice_core::config::{LoadSettings, MacroFile, Settings};
use std::ops::ControlFlow;
use std::path::PathBuf;
use test_support::TestDatabase;

pub struct Loader {
    pub database: TestDatabase,
    pub directory: tempfile::TempDir,
    pub settings: LoadSettings,
}

pub const OPTIONS: Options<'static> = Options {
    mode: Mode::Apply,
    program: "data_loader",
    object: "inventory.yaml",
    source: None,
    prune: false,
    allow_shrink: false,
    take_over: false,
};

impl Loader {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.ini");
        std::fs::write(&path, "[loads]\nranking = high\n").unwrap();
        let settings = Settings::read(&path, None).unwrap().loads;
        Self { database: TestDatabase::new(), directory, settings }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn load(&self, text: &str, mode: Mode) -> Result<Report, LoadError> {
        self.load_with(text, Options { mode, ..OPTIONS })
    }

    pub fn load_with(&self, text: &str, options: Options<'_>) -> Result<Report, LoadError> {
        self.load_files(&[self.file("inventory.yaml", text)], &MacroFile::default(), options)
    }

    pub fn load_files(
        &self,
        files: &[PathBuf],
        macros: &MacroFile,
        options: Options<'_>,
    ) -> Result<Report, LoadError> {
        let inputs: Vec<Input> = files.iter().cloned().map(Input::File).collect();
        let reader =
            Reader { settings: &self.settings, macros, format: None, environment: None, with_rights: false };
        load(
            self.database.pool(),
            &self.settings,
            macros,
            |take| reader.read(&inputs, take, |_| {}),
            &options,
        )
    }

    /// Inventories of other programs: their hosts are `imported`.
    pub fn load_inputs(
        &self,
        inputs: &[Input],
        format: Option<Format>,
        options: Options<'_>,
    ) -> Result<Report, LoadError> {
        let macros = MacroFile::default();
        let reader = Reader {
            settings: &self.settings,
            macros: &macros,
            format,
            environment: Some("imported"),
            with_rights: false,
        };
        let read = |take: &mut data_loader::Take<'_>| reader.read(inputs, take, |_| {});
        load(self.database.pool(), &self.settings, &macros, read, &options)
    }

    pub fn load_document(
        &self,
        document: Result<Document, Problem>,
        options: Options<'_>,
    ) -> Result<Report, LoadError> {
        let read = |take: &mut data_loader::Take<'_>| {
            let _ = document.map_err(|problem| vec![problem])?.give(take);
            Ok(())
        };
        load(self.database.pool(), &self.settings, &MacroFile::default(), read, &options)
    }

    pub fn apply(&self, text: &str) -> String {
        self.load(text, Mode::Apply).unwrap().to_string()
    }

    pub fn apply_with(&self, text: &str, options: Options<'_>) -> String {
        self.load_with(text, options).unwrap().to_string()
    }

    /// The complaints, each without its directory.
    pub fn refused(&self, text: &str) -> Vec<String> {
        match self.load(text, Mode::Apply) {
            Err(LoadError::Refused(problems)) => {
                let directory = format!("{}/", self.directory.path().display());
                problems.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// The names of the hosts that an input names, or the first complaint.
pub fn read_hosts(reader: &Reader<'_>, input: Input) -> Result<Vec<String>, String> {
    let mut hosts = Vec::new();
    let mut take = |item| {
        if let Item::Object(found) = item
            && let Object::Host(host) = found.row
        {
            hosts.push(host.name);
        }
        ControlFlow::Continue(())
    };
    reader.read(&[input], &mut take, |_| {}).map_err(|problems| problems[0].to_string())?;
    Ok(hosts)
}
