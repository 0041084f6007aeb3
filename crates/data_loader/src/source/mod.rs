//! Where inventory comes from: one file per format, all ending in a [`crate::Document`].

mod ansible;
mod csv;
mod fetch;
mod foreign;
pub mod influxdb;
mod json;
mod nagios;
mod prometheus;
mod yaml;

use crate::document::{Document, Place};
use crate::load::LoadError;
use crate::problem::Problem;
use fetch::Fetched;
use foreign::Gathered;
use selfservice_core::config::{LoadSettings, MacroFile};
use std::path::{Path, PathBuf};

/// What an inventory is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Our own, in YAML
    Yaml,
    /// The same in JSON
    Json,
    /// Tables of our own objects: `hosts.csv`, `services.csv` ...
    Csv,
    /// An inventory of Ansible, or what `ansible-inventory --list` prints
    Ansible,
    /// Object files of Nagios
    Nagios,
    /// A configuration of Prometheus, or a list of targets (`file_sd`, `http_sd`)
    Prometheus,
}

/// Where something is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// An address.
    Url(String),
    /// What a program prints that stands under this name in `[load_commands]`.
    Command(String),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else if let Some(name) = text.strip_prefix("command:") {
            Self::Command(name.to_owned())
        } else {
            Self::File(text.into())
        }
    }
}

/// How inputs are read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// Limits, and the commands that may be named.
    pub settings: &'a LoadSettings,
    /// Which macros the arguments of a handler may hold.
    pub macros: &'a MacroFile,
    /// What the inputs are written in; by their names and first characters where nothing is said.
    pub format: Option<Format>,
    /// The environment of hosts of other programs' inventories, which know of none.
    pub environment: Option<&'a str>,
}

impl Reader<'_> {
    /// Reads all inputs as one document; the complaints of all of them are gathered. `done` is told after each.
    pub fn read(&self, inputs: &[Input], mut done: impl FnMut(&Input)) -> Result<Document, LoadError> {
        let mut document = Document::default();
        let mut others = Others::default();
        let mut problems = Vec::new();
        for input in inputs {
            let read = self.read_one(input, &mut others).and_then(|more| document.append(more));
            problems.extend(read.err());
            done(input);
        }
        let Others { nagios, mut gathered } = others;
        problems.extend(nagios.gather(self.macros, &mut gathered).err());
        problems.extend(document.append(gathered.into_document(self.environment)).err());
        if problems.is_empty() { Ok(document) } else { Err(LoadError::Refused(problems)) }
    }

    fn read_one(&self, input: &Input, others: &mut Others) -> Result<Document, Problem> {
        let fetched = match input {
            Input::File(path) => self.fetch_file(path)?,
            Input::Url(url) => fetch::url(self.settings, url)?,
            Input::Command(name) => fetch::command(self.settings, name)?,
        };
        let Fetched { place, text } = &fetched;
        match self.format.or_else(|| guess(&place.file, text)) {
            Some(Format::Yaml) => return yaml::parse(place, text),
            Some(Format::Json) => return json::parse(place, text),
            Some(Format::Csv) => return csv::parse(place, text),
            Some(Format::Ansible) => ansible::parse(place, text, &mut others.gathered)?,
            Some(Format::Nagios) => others.nagios.read(place, text)?,
            Some(Format::Prometheus) => prometheus::parse(self, place, text, &mut others.gathered)?,
            None => {
                return Err(Problem::new(place, "cannot be told by its name what it is; say so by --format"));
            }
        }
        Ok(Document::default())
    }

    fn fetch_file(&self, path: &Path) -> Result<Fetched, Problem> {
        fetch::file(self.settings, path)
    }
}

/// What inventories of other programs say, until all of them are read: they speak of one object in several files.
#[derive(Debug, Default)]
struct Others {
    nagios: nagios::Objects,
    gathered: Gathered,
}

/// What a text is by the end of its name; JSON also by what it begins with.
fn guess(file: &Path, text: &str) -> Option<Format> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "yaml" | "yml" => Some(Format::Yaml),
        "csv" => Some(Format::Csv),
        "cfg" | "cache" => Some(Format::Nagios),
        "ini" => Some(Format::Ansible),
        _ => match text.trim_start().chars().next() {
            // Our own form is an object, and http_sd answers with a list.
            Some('[') => Some(Format::Prometheus),
            Some('{') if text.contains("\"_meta\"") => Some(Format::Ansible),
            Some('{') => Some(Format::Json),
            _ => None,
        },
    }
}

/// The place of a whole input.
fn whole(name: &str) -> Place {
    Place { file: Path::new(name).into(), line: 0, entry: None }
}
